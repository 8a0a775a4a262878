package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/drain"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/judge"
	"github.com/wsload/wsload/internal/parts"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/rig"
	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

// runFlags are the flags of run beside those of its plan.
type runFlags struct {
	planFlags
	outFlags
	asJSON bool
	quiet  bool

	trace     string
	traceOnly string
}

func (a *app) runCommand() *cobra.Command {
	f := runFlags{planFlags: planFlags{runs: true}}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "run a scenario",
		Long: "run opens the connections of a plan, closes them on its schedule and reports how each ended.\n" +
			"Without a target it starts wsload serve as a child process on loopback and compares its own\n" +
			"count with that server's ledger.\n\n" +
			"Every key can be set in a file (-c), by environment (limits.close is WSLOAD_LIMITS_CLOSE) and by\n" +
			"--set limits.close=2s. Flags win over environment, environment over file. wsload plan lists the keys.\n\n" +
			"With --abort-on-fail a run ends in order as soon as a rule has failed for good: a count that is exceeded at\n" +
			"once, any other rule where it fails by its interval at a look after gate.grace, twice that time, and so on.\n\n" +
			"With --procs N as many processes of this host share the connections, each with its own descriptors and memory, for\n" +
			"more connections than one process may hold; the own server then has as many. What they report is merged\n" +
			"while they run. One that dies is told of at once; its finished intervals count, and the verdict is never a pass.\n\n" +
			"The first SIGINT or SIGTERM ends the run in order, a second one cuts what is open; the result is\n" +
			"complete in both cases. GOGC is 400 unless the environment sets it: memory for CPU.\n\n" +
			"Exit codes:\n" +
			"  0    done, and every rule passed\n" +
			"  1    the run could not be done: no connection opened, the own server or the result failed,\n" +
			"       or, without rules, one of several processes died\n" +
			"  2    wrong command line or configuration, or a plan this host cannot carry out\n" +
			"  3    a rule failed\n" +
			"  4    a rule is inconclusive: its interval holds the bound\n" +
			"  5    a rule has no data, or the result is not whole\n" +
			"  130  ended by SIGINT, 143 by SIGTERM; the result is complete up to there",
		Example: "  wsload run\n" +
			"  wsload run --connections 200 --rate 100/s --duration 5s --mix active=60,passive=30,abort=10\n" +
			"  wsload run -c configs/mixed.yaml --out run.jsonl\n" +
			"  wsload run --rule 'close_handshake.p99 < 50ms' --rule 'premature.rate < 0.1%'\n" +
			"  wsload run --json | jq .total.connections",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd, &f) },
	}
	f.registerRun(cmd)
	return cmd
}

// registerRun adds the flags of a run to a command.
func (f *runFlags) registerRun(cmd *cobra.Command) {
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "write the result stream to `FILE`; - is standard output, and then nothing else goes there")
	flags.BoolVar(&f.force, "force", false, "write over a file that exists")
	flags.BoolVar(&f.asJSON, "json", false, "print the result as one JSON document in place of the report")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress and no report: only errors, warnings and what --out and --json ask for")
	flags.StringVar(&f.trace, "trace", "", "write a line of JSON about each connection to `FILE`: its plan, its events with their clocks, its class")
	flags.StringVar(&f.traceOnly, "trace-only", "all", "which connections to trace: all, `unexpected` ones, or 1/N of them")
}

// drainKeyFlags are those that a drain has beside those of a run.
func drainKeyFlags() [][3]string {
	return [][3]string{
		{"after", "drain.after", "time from the full population to the first hook, as in `5s`"},
		{"within", "drain.within", "time from the first hook to the end at the latest, as in `90s`"},
	}
}

// drainBase is the hook of a drain that names none.
func drainBase() []settings.Setting {
	return []settings.Setting{{Key: "drain.hooks", Value: []scenario.Hook{{Signal: "TERM"}}, Place: "default of drain"}}
}

func (a *app) drainCommand() *cobra.Command {
	f := runFlags{planFlags: planFlags{runs: true, drain: true}}
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "measure what a deploy does to those who are connected",
		Long: "drain opens the connections of a plan, holds them with traffic, fires its hooks and tells what became of\n" +
			"each: when the server's Close came, who was cut without one (1006 in a browser), what was lost, what was\n" +
			"still open at the end, and, where who lost a connection comes back, how the herd did. A hook is a signal,\n" +
			"a command or a request; several are fired one after the other. Without a target it is a SIGTERM to wsload\n" +
			"serve as a child process.\n\n" +
			"wsload run does the same with a configuration that has a section drain. All other flags, the files and the\n" +
			"exit codes are those of run; 1 is also a population that never was complete, or a hook that failed.",
		Example: "  wsload drain\n" +
			"  wsload drain --target ws://127.0.0.1:9000/ --connections 5000 --within 90s\n" +
			"  wsload drain --target wss://chat.example.org/ --hook 'exec kubectl rollout restart deploy/chat'\n" +
			"  wsload drain -c configs/drain.yaml --out drain.jsonl",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd, &f) },
	}
	f.registerRun(cmd)
	return cmd
}

// A job is one run from its plan to its report.
type job struct {
	*app
	*settings.Config
	flags    *runFlags
	out      *output
	trace    *traceFile         // nil without one
	only     runner.TraceFilter // what of the run is traced
	progress *progress
	server   *server      // nil with a given target
	watch    *judge.Watch // nil where no rule ends the run
	abort    context.CancelCauseFunc
	matcher  *books.Matcher
	follower *books.Follower
	group    *parts.Group  // nil where this process carries the run out itself
	several  *parts.Result // what its run came to
	rig      *rig.Rig
	found    rig.Findings
	target   string
	warnings []string
	judged   gate.Verdict // what the rules say of it
	trouble  []error      // what has gone wrong, the run's own error first
}

func (a *app) run(cmd *cobra.Command, f *runFlags) error {
	if f.asJSON && f.out == "-" {
		return usage(cmd, errors.New("--json and --out - both want standard output"), "give --out a file")
	}
	only, err := runner.ParseTraceFilter(f.traceOnly)
	if err != nil {
		return usage(cmd, fmt.Errorf("--trace-only: %w", err))
	}
	if f.trace == "" && cmd.Flags().Changed("trace-only") {
		return usage(cmd, errors.New("--trace-only without --trace"), "name the file with --trace FILE")
	}
	c, err := a.resolve(cmd, &f.planFlags)
	if err != nil {
		return err
	}
	if len(c.Ready.Drain.Hooks) > 0 {
		if err := drain.Check(&c.Ready); err != nil {
			return usage(cmd, fmt.Errorf("drain.hooks[0]: %w", err), "start the server first, or say where the signal goes: --hook 'TERM pid:123'")
		}
	}
	for _, w := range c.Warnings {
		a.warn("%s", w)
	}
	j := &job{app: a, Config: c, flags: f, only: only, warnings: c.Warnings, progress: a.newProgress(f.quiet)}
	if j.out, err = a.openOutput(cmd, f.outFlags, f.asJSON || len(c.Plan.Gate.Rules) > 0, j.progress.say); err != nil {
		return err
	}
	defer j.out.discard()
	if j.trace, err = openTrace(cmd, f, j.progress.say); err != nil {
		return err
	}
	defer func() { j.trace.discard(j.out.kept) }()
	running, abort := context.WithCancelCause(context.Background())
	defer abort(nil)
	j.abort = abort
	ctx, cut, restore := a.onSignals(running, j.progress.say)
	defer restore()
	if a.env("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if j.target = c.Ready.Target.URL; c.Own {
		if j.server, err = a.startServer(ctx, serverProcs(c), len(c.Plan.Drain.Hooks) > 0, j.progress.say); err != nil {
			return startError(err, "a server can also be started by hand: wsload serve, and then wsload run --target ws://127.0.0.1:9000/echo")
		}
		defer j.server.Kill()
		path, _ := c.Ready.Target.Own()
		j.target = "ws://" + j.server.Listen + path
	}
	return j.do(cmd, ctx, cut)
}

// do carries the plan out and tells what happened.
func (j *job) do(cmd *cobra.Command, ctx context.Context, cut <-chan struct{}) error {
	hold, stampErr := wire.HoldStamps() // the header says whether there are any
	if hold != nil {
		defer hold.Close()
	}
	noFile := proc.Self().SoftLimit
	env := result.NewEnv(readBuild().Version, uint64(noFile.N), stampErr == nil)
	head, err := result.NewHeader(runName(j.Config), j.Shard, time.Now(), &j.Plan, env)
	if err != nil {
		return failed(err)
	}
	if j.watch, err = judge.NewWatch(&head); err != nil {
		return failed(err)
	}

	plan := j.Ready
	plan.Target.URL = j.target
	j.progress.begin(j)
	opt := runner.Options{
		Shard: j.Shard, Secrets: j.Secrets, Tick: j.tick, Cut: cut, Trace: j.trace.options(j.only, head.Run),
	}
	if j.Procs > 1 {
		if err := j.muster(ctx, &head, &opt); err != nil {
			return startError(err)
		}
		defer j.group.Kill()
	}
	j.enterTwice(&opt, head.Mix)
	if j.rig, err = rig.Begin(ctx, j.around(), &plan, &opt); err != nil {
		return failed(err)
	}
	head.Started = time.Now().UTC().Truncate(time.Millisecond) // what was there before the run is written over now that there is one
	j.out.begin(head)
	j.trace.begin()
	res, err := j.carryOut(ctx, plan, opt)
	cause := context.Cause(ctx) // a signal from here on cuts short what the rig still has to see
	found := j.rig.End(ctx, err != nil)
	j.progress.end()
	if res == nil {
		return usage(cmd, err)
	}
	j.out.kept = true
	j.note(err)
	j.note(j.trace.end())
	j.note(found.Err)
	j.warnings = append(j.warnings, res.Warnings...)
	for _, w := range found.Warnings {
		j.doubt(w)
	}
	if j.several != nil {
		found.Drain, found.Path = j.several.Drain, j.several.Path
	}
	if j.found = found; found.Drain != nil {
		j.out.drain(found.Drain)
	}
	ledger := j.settleServer(ctx, res)

	end := result.End{
		Complete: j.whole(res),
		Cause:    j.causeText(cause), Ledger: ledger, Watch: found.Watch, Path: found.Path, Warnings: j.warnings,
	}
	if f, ok := errors.AsType[*ruleFailed](cause); ok {
		end.Failed, err = json.Marshal(f.Result)
		j.note(err)
	}
	doc := result.NewDocument(head, result.Interval{Summary: res.Total}, end)
	j.note(j.judge(doc))
	end.Verdict, end.Exit = string(j.judged), j.code(cause)
	if j.out.trouble() != nil {
		end.Exit = exitFailed
	}
	j.note(j.out.end(end))
	j.note(j.tell(head, res, end, doc))
	return j.verdict(cause, doc)
}

// around is the run as its rig must know it.
func (j *job) around() rig.Options {
	told := j.Plan.Redacted()
	opt := rig.Options{Plan: &j.Ready, Told: &told, Shard: j.Shard, Secrets: j.Secrets, Say: j.progress.say, Quiet: j.flags.quiet}
	if j.server != nil {
		opt.Own = &rig.Own{Process: j.server.Process(), Listen: j.server.Listen, Statz: j.server.Statz, Several: serverProcs(j.Config) > 1}
	}
	if j.group != nil {
		opt.Processes = j.group.Processes()
		// Each of them has the path to its own connections, and sees its part of
		// the drain.
		watched := j.Ready
		watched.Drain.Hooks, watched.Faults.Steps = nil, nil
		opt.Plan = &watched
	}
	return opt
}

// judge applies the rules of the plan to the run, which is over but for the
// last line of its stream. The statistics ask for the intervals too, so without
// a whole copy there is no verdict; the copy's failure is the run's then.
func (j *job) judge(doc *result.Document) error {
	if j.judged = gate.None; len(j.Plan.Gate.Rules) == 0 || j.out.torn != nil {
		return nil
	}
	so, err := j.out.soFar()
	if err != nil {
		return fmt.Errorf("read the run back to judge it: %w", err)
	}
	so.Complete, so.Failed, so.Watch = doc.Complete, doc.Failed, doc.Watch
	if err := judge.Document(so, nil); err != nil {
		return err
	}
	doc.Rules, doc.Verdict = so.Rules, so.Verdict
	j.judged = gate.Verdict(so.Verdict)
	return nil
}

// soFar is the run without its last line, from the copy.
func (o *output) soFar() (*result.Document, error) {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.Flush()
	}
	if o.failed != nil {
		return nil, o.failed
	}
	if _, err := o.copy.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	doc, err := result.Read(o.copy)
	if err != nil {
		return nil, err
	}
	_, err = o.copy.Seek(0, io.SeekEnd) // where the last line goes
	return doc, err
}

// runName names a run in its stream. Shards are separate processes that must
// come to the same name, so theirs is made of the plan.
func runName(c *settings.Config) string {
	if c.Shard.Count > 1 {
		text, err := c.Plan.MarshalJSON()
		must(err) // a plan always has a text
		return fmt.Sprintf("%x", sha256.Sum256(text))[:16]
	}
	return fmt.Sprintf("%016x", rand.Uint64())
}

// tick takes an interval to where it is shown, stored and judged.
func (j *job) tick(t runner.Tick) {
	j.out.interval(result.Interval{Summary: t.Summary, Open: uint64(t.Open), Closing: uint64(t.Closing), Held: j.rig.Tick(&t)})
	j.progress.tick(t)
	if j.watch == nil || t.Drain || t.Last {
		return
	}
	broken, err := j.watch.Tick(t.Summary)
	switch {
	case err != nil:
		j.watch = nil
		j.note(err)
	case broken != nil:
		j.watch = nil
		failed := &ruleFailed{*broken}
		j.progress.say(failed.Error() + ": ending in order")
		j.abort(failed)
	}
}

// note keeps an error for the end of the run.
func (j *job) note(err error) {
	if err != nil {
		j.trouble = append(j.trouble, err)
	}
}

// tell prints what was asked for on standard output.
func (j *job) tell(head result.Header, res *runner.Result, end result.End, judged *result.Document) error {
	if j.flags.out == "-" || j.flags.quiet && !j.flags.asJSON {
		for _, w := range res.Warnings { // which a report would have shown
			j.warn("%s", w)
		}
		return nil
	}
	doc, err := j.out.document(head, res.Total, end)
	if err != nil {
		return err
	}
	doc.Rules, doc.Verdict, doc.Drain = judged.Rules, judged.Verdict, j.found.Drain
	format := "text"
	if j.flags.asJSON {
		format = "json"
	}
	return j.render(doc, format)
}
