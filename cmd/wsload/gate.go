package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/arbiter"
	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/internal/store"
	"github.com/wsload/wsload/scenario"
)

// mostLogged bounds what is kept of one side's servers, in bytes.
const mostLogged = 16 << 20

// gateFlags are the flags of gate beside those of its plan.
type gateFlags struct {
	planFlags
	outFlags
	arbiter.Setup
	baseline      string // directory
	record, logs  string
	asJSON, quiet bool
}

// gateKeyFlags are those that stand for a key. There is none for the duration:
// in a slice each connection lives once.
func gateKeyFlags() [][3]string {
	return [][3]string{
		{"target", "target.url", "what servers are asked for: `URL`, or ws:///chat for a path alone (default ws:///)"},
		{"connections", "load.connections", "closes of one slice: `N` connections, each opened once (default 140)"},
		{"rate", "load.rate", "pace of new connections, as in `100/s`; 0 is unlimited (default 1000/s)"},
		{"hold", "hold", "lifetime of a connection: `10s`, uniform(1s,3s), exp(30s) or lognormal(20s,2m) (default uniform(20ms,60ms))"},
		{"mix", "closes.mix", "how connections end, by weight, as in `active=60,abort=40` (default active)"},
		{"seed", "seed", "`N` that decides the order of the sides, and hold and mode of each connection (default: drawn)"},
	}
}

// gateBase is what gate has in place of a plan's defaults: slices that are over
// within a fifth of a second, and limits that a server that hangs does not stretch far.
func gateBase() []settings.Setting {
	mix, err := scenario.ParseMix("active")
	must(err)
	var all []settings.Setting
	for key, value := range map[string]any{
		"load.connections": "140", "load.rate": "1000/s", "hold": "uniform(20ms,60ms)", "closes.mix": mix, "limits.close": "5s",
	} {
		all = append(all, settings.Setting{Key: key, Value: value, Place: "default of gate"})
	}
	return all
}

// gateFixed is what gate sets, whatever a file says.
func gateFixed() []settings.Setting {
	return []settings.Setting{
		{Key: "load.duration", Value: "0s", Place: "gate"},
		{Key: "load.stages", Value: []any{}, Place: "gate"},
		{Key: "load.reconnect", Value: "replace", Place: "gate"},
	}
}

func (a *app) gateCommand() *cobra.Command {
	f := gateFlags{planFlags: planFlags{runs: true, gates: true}}
	cmd := &cobra.Command{
		Use:   "gate --a COMMAND|URL --b COMMAND|URL | --baseline DIR FILE",
		Short: "load two servers in turn and say whether b is worse than a",
		Long: "gate loads two servers in turn, in short slices whose order a coin decides, and compares them pair by pair.\n" +
			"A pair is a few seconds of both; servers given as commands are started anew for each, with {port} in the\n" +
			"command replaced by a free port of 127.0.0.1. FAIL says that b is shown to be worse than the tolerance,\n" +
			"PASS that it is shown to be better than what must be detected. Both are looked for after 10, 14, 20, 30 and\n" +
			"50 pairs, and the first that is found ends the gate.\n\n" +
			"load.duration, load.stages and load.reconnect do not count here: in a slice each connection lives once.\n\n" +
			"With --baseline it loads nothing: it judges a stored run against those of other jobs, which baseline add has\n" +
			"collected. Of these flags it takes --metric, --contract, --tolerance, --must-detect, --out and --json. With\n" +
			"fewer than 8 jobs of the same load on the same kind of host nothing fails.\n\n" +
			"Exit codes:\n" +
			"  0    pass\n" +
			"  1    the gate could not be done\n" +
			"  2    wrong command line or configuration\n" +
			"  3    fail: b is worse than a\n" +
			"  4    inconclusive: neither is shown within --pairs and --budget\n" +
			"  5    not comparable: a server died or was never ready, or this host could not keep up\n" +
			"  130  ended by SIGINT, 143 by SIGTERM",
		Example: "  wsload gate --a './old --port {port}' --b './new --port {port}' --target ws:///chat\n" +
			"  wsload gate --a 'PORT={port} node old.js' --b 'PORT={port} node new.js' --out verdict.json\n" +
			"  wsload gate --a ws://old:9000/chat --b ws://new:9000/chat\n" +
			"  wsload gate --baseline jobs run.jsonl",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.baseline != "" {
				return oneFile(cmd, args, "wsload run --out FILE writes one")
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.baseline != "" {
				return a.gateBaseline(cmd, &f, args[0])
			}
			return a.gate(cmd, &f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.A, "a", nil, "the base: a `COMMAND` with {port} in it, or a URL; a URL may be repeated, for several instances")
	flags.StringArrayVar(&f.B, "b", nil, "the candidate, likewise a `COMMAND` or a URL")
	flags.StringVar(&f.APath, "a-path", "", "`PATH` with its query to ask a for, in place of that of the target")
	flags.StringVar(&f.BPath, "b-path", "", "`PATH` with its query to ask b for")
	flags.StringVar(&f.baseline, "baseline", "", "judge the result FILE of a run against the jobs in `DIR`, in place of --a and --b")
	f.register(cmd)
	f.registerBounds(cmd)
	flags.StringVar(&f.out, "out", "", "write the verdict, with all it rests on, to `FILE`")
	flags.StringVar(&f.record, "record", "", "write every slice to `FILE` as it ends")
	flags.StringVar(&f.logs, "logs", "", "keep what the servers write in `DIR`, as a.log and b.log")
	flags.BoolVar(&f.force, "force", false, "write over files that exist")
	flags.BoolVar(&f.asJSON, "json", false, "print the verdict as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress and no verdict in words: only errors and warnings")
	return cmd
}

// registerBounds adds the flags of what is gated, and how far.
func (f *gateFlags) registerBounds(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.Metrics, "metric", nil, "gate this `METRIC` and no other but those named so (default: close_handshake.p50, close_handshake.p99, unexpected.rate)")
	flags.StringArrayVar(&f.Invariants, "invariant", nil, "a count that must stay 0 in b: `METRIC` such as violation.count, beside invalid_state.unexplained; may be repeated")
	flags.StringVar(&f.Contract, "contract", contest.Default, "`default`, or relaxed for a noisy host: what --tolerance and --must-detect do not say")
	flags.StringArrayVar(&f.Tolerance, "tolerance", nil, "`METRIC=SHARE`: how much worse b may be, as in close_handshake.p99=5%")
	flags.StringArrayVar(&f.MustDetect, "must-detect", nil, "`METRIC=SHARE`: what a pass must rule out, as in close_handshake.p99=20%")
	flags.BoolVar(&f.Strict, "strict", false, "keep the error also where the noise is of another size late in the gate than early")
	flags.IntVar(&f.Pairs, "pairs", trial.MaxPairs, "look at most at `N` pairs")
	flags.IntVar(&f.Slices, "slices", 8, "slices of each side in a pair, an even `N` up to 64")
	flags.DurationVar(&f.Budget, "budget", 5*time.Minute, "begin no pair that would not end within this time, but for the first")
	flags.DurationVar(&f.Ready, "ready", 10*time.Second, "time for a server to listen")
	flags.DurationVar(&f.Grace, "grace", 5*time.Second, "time for a server to end after SIGTERM, before SIGKILL")
	must(cmd.RegisterFlagCompletionFunc("contract", cobra.FixedCompletions([]string{contest.Default, contest.Relaxed}, cobra.ShellCompDirectiveNoFileComp)))
}

// A match is a gate with what it writes.
type match struct {
	*app
	*arbiter.Match
	flags    *gateFlags
	progress *progress
	files    files
}

func (a *app) gate(cmd *cobra.Command, f *gateFlags) error {
	c, err := a.resolve(cmd, &f.planFlags)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		a.warn("%s", w)
	}
	played, err := f.Match(a.arbiterPlan(c))
	if err != nil {
		return usage(cmd, err)
	}
	if slices.Equal(f.A, f.B) && f.APath == f.BPath {
		a.warn("--a and --b are the same: this gates a server against itself; wsload qualify says what such gates are worth")
	}
	m := &match{app: a, Match: played, flags: f, progress: a.newProgress(f.quiet)}
	defer m.files.discard()
	if err := m.openFiles(cmd); err != nil {
		return err
	}
	ctx, cut, restore := a.onSignals(context.Background(), m.progress.say)
	defer restore()
	a.enlargeHeap()
	if !f.quiet {
		m.progress.say(f.intent(&c.Plan))
	}
	if err := m.files.begin(); err != nil {
		return failed(fmt.Errorf("write over what is there: %w", err))
	}
	m.Contest.Cut, m.Say = cut, m.progress.say
	m.Stand = func(passed time.Duration, v trial.Verdict, pairs int) {
		m.progress.line(fmt.Sprintf("%s  %s", passed.Round(time.Second), report.Standing(v, pairs)))
	}
	judged, err := m.Play(ctx)
	m.progress.end()
	return m.tell(context.Cause(ctx), judged, err)
}

// arbiterPlan is what the slices of a gate carry out.
func (a *app) arbiterPlan(c *settings.Config) *arbiter.Plan {
	return &arbiter.Plan{Shown: c.Plan, Ready: c.Ready, Environ: a.environ, Secrets: c.Secrets, Version: readBuild().Version}
}

// enlargeHeap makes the collector run less often while times are taken, unless
// the user says how often.
func (a *app) enlargeHeap() {
	if a.env("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// intent says what is about to happen.
func (f *gateFlags) intent(plan *scenario.Plan) string {
	rate := plan.Load.Rate.String()
	if plan.Load.Rate == 0 {
		rate = "once"
	}
	return fmt.Sprintf("up to %d pairs within %v, each of %d slices a side with %s at %s; seed %d",
		f.Pairs, f.Budget, f.Slices, gate.Number(plan.Load.Connections, "close"), rate, plan.Seed)
}

// tell stores and prints the verdict, and makes the exit code of it. A failure
// of the tool beats a signal, and a signal the verdict.
func (m *match) tell(cause error, judged bool, trouble error) error {
	if judged {
		text, err := m.File.Encode()
		if err == nil {
			err = m.files.end(text)
		}
		trouble = errors.Join(trouble, err, m.print())
	}
	if trouble != nil {
		return failed(trouble)
	}
	if s, ok := errors.AsType[*stopped](cause); ok {
		return &failure{code: s.code(), err: cause}
	}
	return judgement(m.Verdict)
}

// judgement is a verdict as an error, nil for a pass.
func judgement(v trial.Verdict) error {
	code := v.Verdict.Exit()
	if code == exitDone {
		return nil
	}
	f := &failure{code: code, err: fmt.Errorf("gate: %s: %s", strings.ReplaceAll(string(v.Verdict), "_", " "), v.Reason)}
	if strings.Contains(v.Reason, "no connection opened") {
		f.hints = []string{"is the path right? --target ws:///chat is for both sides, --a-path and --b-path are for one"}
	}
	return f
}

// print writes the verdict to standard output.
func (m *match) print() error {
	switch {
	case m.flags.out == "-":
		return nil // the file is there already
	case m.flags.asJSON:
		return writeJSON(m.stdout, m.Verdict)
	case m.flags.quiet:
		return nil
	}
	if err := report.Trial(m.stdout, &m.File, m.Verdict, m.colour); err != nil {
		return err
	}
	if !m.Restarts() {
		_, err := fmt.Fprintln(m.stdout, "the servers were not restarted: what sets one process apart from another of the same build counts as a change")
		return err
	}
	return nil
}

// openFiles opens the files before anything is started. What is there already
// is left as it is until all are open.
func (m *match) openFiles(cmd *cobra.Command) (err error) {
	f, opt := m.flags, &m.Contest
	if f.asJSON && f.out == "-" {
		return usage(cmd, errors.New("--json and --out - both want standard output"), "give --out a file")
	}
	if f.record == "-" || f.record != "" && f.record == f.out {
		return usage(cmd, fmt.Errorf("--record %s: a record wants a file of its own", f.record), "name another file")
	}
	switch f.out {
	case "":
	case "-":
		m.files.out = store.Borrow(m.stdout)
	default:
		if m.files.out, err = m.files.open(cmd, "--out", f.out, f.force, store.Whole); err != nil {
			return err
		}
	}
	if f.record != "" {
		if opt.Record, err = m.files.open(cmd, "--record", f.record, f.force, store.Stream); err != nil {
			return err
		}
	}
	if f.logs == "" {
		return nil
	}
	if err := os.MkdirAll(f.logs, 0o755); err != nil {
		return failed(fmt.Errorf("--logs: %w", err))
	}
	for _, side := range []struct {
		name string
		side *contest.Side
	}{{"a.log", &opt.A}, {"b.log", &opt.B}} {
		log, err := m.files.open(cmd, "--logs", filepath.Join(f.logs, side.name), f.force, store.Stream)
		if err != nil {
			return err
		}
		side.side.Command.Log = launch.NewLog(log, mostLogged)
	}
	return nil
}

func (a *app) verdictCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verdict FILE",
		Short: "compute a stored verdict again",
		Long: "verdict reads what gate --out stored and judges its pairs again, to the same bits on any machine.\n" +
			"It exits as the gate did: 0 pass, 3 fail, 4 inconclusive, 5 not comparable. Where the verdict in the\n" +
			"file is another one it prints the one that the pairs give, says how the two differ and exits with 1.\n" +
			"The file - is standard input.",
		Example: "  wsload verdict verdict.json\n  wsload verdict --json verdict.json",
		Args: func(cmd *cobra.Command, args []string) error {
			return oneFile(cmd, args, "wsload gate --out FILE writes one")
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.verdict(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	return cmd
}

func (a *app) verdict(name string, asJSON bool) error {
	read := func() ([]byte, error) { return os.ReadFile(name) }
	if name == "-" {
		read = func() ([]byte, error) { return io.ReadAll(a.stdin) }
	}
	text, err := read()
	if err != nil {
		return failed(fmt.Errorf("read verdict file: %w", err))
	}
	f, err := trial.Decode(text)
	if err != nil {
		return failed(err)
	}
	v, err := f.Judge()
	if err != nil {
		return failed(err)
	}
	if asJSON {
		err = writeJSON(a.stdout, v)
	} else {
		err = report.Trial(a.stdout, f, v, a.colour)
	}
	if err = errors.Join(err, f.Check(v)); err != nil {
		return failed(err)
	}
	return judgement(v)
}
