package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

const (
	firstLook  = 10       // pairs, before which a trial has no verdict
	mostLogged = 16 << 20 // bytes of one side's servers
)

// gateFlags are the flags of gate beside those of its plan.
type gateFlags struct {
	planFlags
	outFlags
	a, b                  []string
	aPath, bPath          string
	metrics               []string
	tolerance, mustDetect []string
	strict                bool
	slices, pairs         int
	budget, ready, grace  time.Duration
	record, logs          string
	asJSON, quiet         bool
}

// gateKeyFlags are those that stand for a key. There is none for the duration:
// in a slice each connection lives once.
func gateKeyFlags() [][3]string {
	return [][3]string{
		{"target", "target.url", "what servers are asked for: `URL`, or ws:///chat for a path alone (default ws:///)"},
		{"connections", "load.connections", "closes of one slice: `N` connections, each opened once (default 256)"},
		{"rate", "load.rate", "pace of new connections, as in `100/s`; 0 is unlimited (default 1000/s)"},
		{"hold", "hold", "lifetime of a connection: `10s`, uniform(1s,3s), exp(30s) or lognormal(20s,2m) (default uniform(50ms,150ms))"},
		{"mix", "closes.mix", "how connections end, by weight, as in `active=60,abort=40` (default active)"},
		{"seed", "seed", "`N` that decides the order of the sides, and hold and mode of each connection (default: drawn)"},
	}
}

// gateBase is what gate has in place of a plan's defaults: slices that are over
// within half a second, and limits that a server that hangs does not stretch far.
func gateBase() []setting {
	mix, err := scenario.ParseMix("active")
	must(err)
	var all []setting
	for key, value := range map[string]any{
		"load.connections": "256", "load.rate": "1000/s", "hold": "uniform(50ms,150ms)", "closes.mix": mix, "limits.close": "5s",
	} {
		all = append(all, setting{key, value, "default of gate"})
	}
	return all
}

// gateFixed is what gate sets, whatever a file says.
func gateFixed() []setting { return []setting{{"load.duration", "0s", "gate"}} }

func (a *app) gateCommand() *cobra.Command {
	f := gateFlags{planFlags: planFlags{runs: true, gates: true}}
	cmd := &cobra.Command{
		Use:   "gate --a COMMAND|URL --b COMMAND|URL",
		Short: "load two servers in turn and say whether b is worse than a",
		Long: "gate loads two servers in turn, in short slices whose order a coin decides, and compares them pair by pair.\n" +
			"A pair is a few seconds of both; servers given as commands are started anew for each, with {port} in the\n" +
			"command replaced by a free port of 127.0.0.1. FAIL says that b is shown to be worse than the tolerance,\n" +
			"PASS that it is shown to be better than what must be detected. Both are looked for after 10, 14, 20, 30 and\n" +
			"50 pairs, and the first that is found ends the gate.\n\n" +
			"load.duration does not count here: in a slice each connection lives once.\n\n" +
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
			"  wsload gate --a ws://old:9000/chat --b ws://new:9000/chat",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.gate(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.a, "a", nil, "the base: a `COMMAND` with {port} in it, or a URL; a URL may be repeated, for several instances")
	flags.StringArrayVar(&f.b, "b", nil, "the candidate, likewise a `COMMAND` or a URL")
	flags.StringVar(&f.aPath, "a-path", "", "`PATH` with its query to ask a for, in place of that of the target")
	flags.StringVar(&f.bPath, "b-path", "", "`PATH` with its query to ask b for")
	f.register(cmd)
	flags.StringArrayVar(&f.metrics, "metric", nil, "gate this `METRIC` and no other but those named so (default: close_handshake.p50, close_handshake.p99, unexpected.rate)")
	flags.StringArrayVar(&f.tolerance, "tolerance", nil, "`METRIC=SHARE`: how much worse b may be, as in close_handshake.p99=5%")
	flags.StringArrayVar(&f.mustDetect, "must-detect", nil, "`METRIC=SHARE`: what a pass must rule out, as in close_handshake.p99=20%")
	flags.BoolVar(&f.strict, "strict", false, "keep the error also where the noise is of another size late in the gate than early")
	flags.IntVar(&f.pairs, "pairs", trial.MaxPairs, "look at most at `N` pairs")
	flags.IntVar(&f.slices, "slices", 4, "slices of each side in a pair, an even `N`")
	flags.DurationVar(&f.budget, "budget", 5*time.Minute, "begin no pair that would not end within this time, but for the first")
	flags.DurationVar(&f.ready, "ready", 10*time.Second, "time for a server to listen")
	flags.DurationVar(&f.grace, "grace", 5*time.Second, "time for a server to end after SIGTERM, before SIGKILL")
	flags.StringVar(&f.out, "out", "", "write the verdict, with all it rests on, to `FILE`")
	flags.StringVar(&f.record, "record", "", "write every slice to `FILE` as it ends")
	flags.StringVar(&f.logs, "logs", "", "keep what the servers write in `DIR`, as a.log and b.log")
	flags.BoolVar(&f.force, "force", false, "write over files that exist")
	flags.BoolVar(&f.asJSON, "json", false, "print the verdict as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress and no verdict in words: only errors and warnings")
	return cmd
}

// A match is one gate from its plan to its verdict.
type match struct {
	*app
	*config
	flags    *gateFlags
	progress *progress
	files    files
	restarts bool // servers are commands
	begun    time.Time
	file     trial.File
	verdict  trial.Verdict
	err      error // why the pairs could not be judged
}

func (a *app) gate(cmd *cobra.Command, f *gateFlags) error {
	c, err := a.resolve(cmd, &f.planFlags)
	if err != nil {
		return err
	}
	for _, w := range c.warnings {
		a.warn("%s", w)
	}
	m := &match{app: a, config: c, flags: f, progress: a.newProgress(f.quiet)}
	opt, err := m.options(cmd)
	if err != nil {
		return err
	}
	defer m.files.discard()
	if err := m.openFiles(cmd, &opt); err != nil {
		return err
	}
	ctx, cut, restore := a.onSignals(context.Background(), m.progress.say)
	defer restore()
	if a.env("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	opt.Cut = cut
	if !f.quiet {
		m.progress.say(m.intent())
	}
	m.begun, m.files.kept = time.Now(), true
	ran := contest.Run(ctx, opt)
	m.progress.end()
	if len(m.file.Pairs) == 0 {
		m.verdict, m.err = m.file.Judge()
	}
	return m.tell(context.Cause(ctx), errors.Join(ran, m.err))
}

// intent says what is about to happen.
func (m *match) intent() string {
	load := &m.plan.Load
	rate := load.Rate.String()
	if load.Rate == 0 {
		rate = "once"
	}
	return fmt.Sprintf("up to %d pairs within %v, each of %d slices a side with %d closes at %s; seed %d",
		m.flags.pairs, m.flags.budget, m.flags.slices, load.Connections, rate, m.plan.Seed)
}

// pair takes a pair into the trial, and says whether another is needed.
func (m *match) pair(p trial.Pair) bool {
	m.file.Pairs = append(m.file.Pairs, p)
	n := len(m.file.Pairs)
	if m.verdict, m.err = m.file.Judge(); m.err != nil {
		return false
	}
	passed := time.Since(m.begun)
	m.progress.line(fmt.Sprintf("%s  %s", passed.Round(time.Second), report.Standing(m.verdict, n)))
	switch m.verdict.Verdict {
	case gate.Pass, gate.Fail:
		return false
	case gate.NotComparable: // by a pair, or by a metric that has had its chance
		if m.verdict.Pairs < n || n >= firstLook {
			return false
		}
	}
	if passed+passed/time.Duration(n) > m.flags.budget {
		m.progress.say(fmt.Sprintf("the budget of %v does not hold another pair", m.flags.budget))
		return false
	}
	return true
}

// tell stores and prints the verdict, and makes the exit code of it. A failure
// of the tool beats a signal, and a signal the verdict.
func (m *match) tell(cause, trouble error) error {
	if m.err == nil {
		text, err := m.file.Encode()
		if err == nil {
			err = m.files.end(text)
		}
		trouble = errors.Join(trouble, err)
		trouble = errors.Join(trouble, m.print())
	}
	if trouble != nil {
		return failed(trouble)
	}
	if s, ok := errors.AsType[*stopped](cause); ok {
		return &failure{code: s.code(), err: cause}
	}
	code := m.verdict.Verdict.Exit()
	if code == exitDone {
		return nil
	}
	f := &failure{code: code, err: fmt.Errorf("gate: %s: %s", strings.ReplaceAll(string(m.verdict.Verdict), "_", " "), m.verdict.Reason)}
	if strings.Contains(m.verdict.Reason, "no connection opened") {
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
		return writeJSON(m.stdout, m.verdict)
	case m.flags.quiet:
		return nil
	}
	if err := report.Trial(m.stdout, &m.file, m.verdict, m.colour); err != nil {
		return err
	}
	if !m.restarts {
		_, err := fmt.Fprintln(m.stdout, "the servers were not restarted: what sets one process apart from another of the same build counts as a change")
		return err
	}
	return nil
}

// openFiles makes the files before anything is started.
func (m *match) openFiles(cmd *cobra.Command, opt *contest.Options) (err error) {
	f := m.flags
	if f.asJSON && f.out == "-" {
		return usage(cmd, errors.New("--json and --out - both want standard output"), "give --out a file")
	}
	if f.record == "-" || f.record != "" && f.record == f.out {
		return usage(cmd, fmt.Errorf("--record %s: a record wants a file of its own", f.record), "name another file")
	}
	switch f.out {
	case "":
	case "-":
		m.files.out = keepOpen{m.stdout}
	default:
		if m.files.out, err = m.files.open(cmd, "--out", f.out, f.force); err != nil {
			return err
		}
	}
	if f.record != "" {
		if opt.Record, err = m.files.open(cmd, "--record", f.record, f.force); err != nil {
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
		log, err := m.files.open(cmd, "--logs", filepath.Join(f.logs, side.name), f.force)
		if err != nil {
			return err
		}
		side.side.Command.Log = launch.NewLog(log, mostLogged)
	}
	return nil
}

// options makes the contest and the trial of what the flags say. The error
// names what is wrong.
func (m *match) options(cmd *cobra.Command) (opt contest.Options, err error) {
	f := m.flags
	switch {
	case f.slices < 2 || f.slices%2 != 0:
		return opt, usage(cmd, fmt.Errorf("--slices must be even and 2 or more, got %d", f.slices), "an order is ABBA or BAAB: two slices of each side")
	case f.pairs < firstLook || f.pairs > trial.MaxPairs:
		return opt, usage(cmd, fmt.Errorf("--pairs must be from %d to %d, got %d", firstLook, trial.MaxPairs, f.pairs), "with fewer there is no verdict, and with more no other")
	case f.budget <= 0 || f.ready <= 0 || f.grace <= 0:
		return opt, usage(cmd, errors.New("--budget, --ready and --grace must be above 0s"))
	}
	opt = contest.Options{
		Plan: m.ready, Blocks: f.slices / 2, Pairs: f.pairs, Secrets: m.secrets,
		Pair: m.pair, Warn: func(text string) { m.progress.say("warning: " + text) },
	}
	m.file = trial.File{Schema: trial.Schema, Wsload: readBuild().Version, Seed: m.plan.Seed}
	for _, side := range []struct {
		flag, path string
		given      []string
		side       *contest.Side
		label      *string
	}{{"--a", f.aPath, f.a, &opt.A, &m.file.A.Label}, {"--b", f.bPath, f.b, &opt.B, &m.file.B.Label}} {
		if *side.side, err = contest.ParseSide(side.given, side.path, &m.ready); err != nil {
			return opt, usage(cmd, fmt.Errorf("%s: %w", side.flag, err))
		}
		command := &side.side.Command
		command.Env, command.Ready, command.Grace = m.environ, f.ready, f.grace
		*side.label = side.side.Label(&m.ready)
	}
	if opt.A.Restarts() != opt.B.Restarts() {
		return opt, usage(cmd, errors.New("--a and --b must both be commands or both be URLs: a server that is started anew differs from one that has run for long"))
	}
	m.restarts = opt.A.Restarts()
	return opt, m.terms(cmd, &opt)
}

// terms fills in what the trial is about.
func (m *match) terms(cmd *cobra.Command, opt *contest.Options) error {
	var names []string
	for _, c := range m.plan.Closes.Mix {
		m.file.Mix = append(m.file.Mix, stats.Entry{Name: c.Name, Mode: string(c.Mode)})
		names = append(names, c.Name)
	}
	load := m.plan.Redacted()
	load.Target = scenario.Target{}
	text, err := load.MarshalJSON()
	must(err) // a plan always has a text
	m.file.A.Load = fmt.Sprintf("%x/%d", sha256.Sum256(text), m.flags.slices)
	m.file.B.Load = m.file.A.Load
	c := &m.file.Contract
	*c = trial.Contract{
		Invariants: trial.DefaultContract().Invariants, Strict: m.flags.strict,
		Close: m.plan.Limits.Close, FIN: m.plan.Limits.Fin,
	}
	if c.Terms, err = contest.Terms(names, m.flags.metrics, m.flags.tolerance, m.flags.mustDetect, opt.A.Restarts()); err != nil {
		return usage(cmd, err)
	}
	if _, err := m.file.Judge(); err != nil { // without pairs it only reads the contract
		return usage(cmd, err)
	}
	hold, stampErr := wire.HoldStamps() // the record says whether there are any
	if hold != nil {
		hold.Close()
	}
	noFile := proc.Self().SoftLimit
	opt.Env = result.NewEnv(readBuild().Version, uint64(noFile.N), stampErr == nil)
	return nil
}
