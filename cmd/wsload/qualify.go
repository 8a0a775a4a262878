package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/arbiter"
	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/baseline"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/store"
)

// qualifyFlags are the flags of qualify beside those of its plan.
type qualifyFlags struct {
	gateFlags
	gates int
	limit time.Duration
}

// usualLimit is how long a qualification lasts where nothing says how many
// gates it has.
const usualLimit = 10 * time.Minute

func (a *app) qualifyCommand() *cobra.Command {
	f := qualifyFlags{gateFlags: gateFlags{planFlags: planFlags{runs: true, gates: true}}}
	cmd := &cobra.Command{
		Use:   "qualify --a COMMAND|URL",
		Short: "gate a server against itself: what is a verdict on this host worth?",
		Long: "qualify gates a server against itself, again and again, with the flags of gate. It says how much the changes\n" +
			"vary where there is none, the smallest change that the gate finds within --budget, how many gates raised a\n" +
			"false alarm with an upper limit for their share, how long a verdict takes, and which contract this host\n" +
			"affords: that of gate by default, or --contract relaxed.\n\n" +
			"Without --gates it plays as many as 10 minutes hold. The pairs of all gates are drawn anew for thousands of\n" +
			"trials, with b made slower by arithmetic, which says more than the few gates do.\n\n" +
			"Exit codes:\n" +
			"  0    done, whatever was found\n" +
			"  1    it could not be done\n" +
			"  2    wrong command line or configuration\n" +
			"  5    not comparable: the server died or was never ready, or this host could not keep up\n" +
			"  130  ended by SIGINT, 143 by SIGTERM, with what was found up to there",
		Example: "  wsload qualify --a './server --port {port}' --target ws:///chat\n" +
			"  wsload qualify --a 'PORT={port} node server.js' --gates 40 --out qualification.json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.qualify(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.A, "a", nil, "the server: a `COMMAND` with {port} in it, or a URL; a URL may be repeated, for several instances")
	flags.StringVar(&f.APath, "a-path", "", "`PATH` with its query to ask it for, in place of that of the target")
	flags.IntVar(&f.gates, "gates", 0, "play `N` gates (default: as many as --limit holds)")
	flags.DurationVar(&f.limit, "limit", 0, "cut what goes on after this time (default 10m; none with --gates)")
	f.register(cmd)
	f.registerBounds(cmd)
	flags.StringVar(&f.out, "out", "", "write what was found to `FILE`, as JSON")
	flags.BoolVar(&f.force, "force", false, "write over files that exist")
	flags.BoolVar(&f.asJSON, "json", false, "print it as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress: only what was found, errors and warnings")
	return cmd
}

func (a *app) qualify(cmd *cobra.Command, f *qualifyFlags) error {
	switch {
	case f.gates < 0 || f.limit < 0:
		return usage(cmd, errors.New("--gates and --limit must not be negative"))
	case f.out == "-":
		return usage(cmd, errors.New("--out - has no place beside what is printed"), "--json prints what --out writes")
	case f.gates == 0 && f.limit == 0:
		f.limit = usualLimit
	}
	c, err := a.resolve(cmd, &f.planFlags)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		a.warn("%s", w)
	}
	f.B, f.BPath = f.A, f.APath
	if _, err := f.Match(a.arbiterPlan(c)); err != nil {
		return usage(cmd, err)
	}
	var fs files
	defer fs.discard()
	if f.out != "" {
		if fs.out, err = fs.open(cmd, "--out", f.out, f.force, store.Whole); err != nil {
			return err
		}
	}
	progress := a.newProgress(f.quiet)
	ctx, cut, restore := a.onSignals(context.Background(), progress.say)
	defer restore()
	a.enlargeHeap()
	if !f.quiet {
		progress.say(f.extent() + "; " + f.intent(&c.Plan))
	}
	q, err := arbiter.Qualify(ctx, arbiter.Qualifying{
		Setup: f.Setup, Plan: a.arbiterPlan(c), Gates: f.gates, Limit: f.limit,
		Begin: func(m *arbiter.Match, n int) {
			m.Contest.Cut, m.Say = cut, progress.say
			m.Stand = func(passed time.Duration, v trial.Verdict, pairs int) {
				progress.line(fmt.Sprintf("gate %d  %s  %s", n+1, passed.Round(time.Second), report.Standing(v, pairs)))
			}
		},
		Done: func(g arbiter.Gate, n int) {
			if !f.quiet {
				progress.say(fmt.Sprintf("gate %d: %s after %s in %v", n+1, g.Verdict, gate.Number(g.Pairs, "pair"), g.Took.Round(time.Second)))
			}
		},
	})
	progress.end()
	if q != nil && err == nil {
		fs.kept = true
		err = a.tellQualification(q, &fs, f.asJSON)
	}
	switch s, signalled := errors.AsType[*stopped](context.Cause(ctx)); {
	case err != nil:
		return failed(err)
	case signalled:
		return &failure{code: s.code(), err: s}
	case q == nil:
		return failed(fmt.Errorf("not one pair ended within %v", f.limit), "--limit gives it more time")
	case q.Counts.NotComparable > 0 && q.Recorded == 0:
		return &failure{code: gate.ExitNotComparable, err: errors.New("qualify: not comparable: " + q.Gates[0].Reason)}
	}
	return nil
}

// extent says how many gates there will be.
func (f *qualifyFlags) extent() string {
	switch {
	case f.gates == 0:
		return fmt.Sprintf("as many gates as %v hold", f.limit)
	case f.limit == 0:
		return gate.Number(f.gates, "gate")
	}
	return fmt.Sprintf("%s, or as many as %v hold", gate.Number(f.gates, "gate"), f.limit)
}

// tellQualification stores and prints what was found.
func (a *app) tellQualification(q *arbiter.Qualification, fs *files, asJSON bool) error {
	var text bytes.Buffer
	if err := writeJSON(&text, q); err != nil {
		return err
	}
	if err := fs.end(text.Bytes()); err != nil {
		return err
	}
	if asJSON {
		_, err := a.stdout.Write(text.Bytes())
		return err
	}
	return q.WriteText(a.stdout)
}

func (a *app) baselineCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "baseline",
		Short: "keep the results of jobs, for gate --baseline",
		Args:  a.knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(&cobra.Command{
		Use:   "add DIR FILE",
		Short: "store a result as one of the jobs in DIR",
		Long: "add copies what run --out stored into DIR, under the time and the name of its run. Store the jobs of your main\n" +
			"branch. gate --baseline then judges a result against them, with the job as the unit.",
		Example: "  wsload baseline add jobs run.jsonl",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return usage(cmd, fmt.Errorf("%s needs a directory and a file, got %s", cmd.CommandPath(), gate.Number(len(args), "word")), "wsload run --out FILE writes one")
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.addJob(args[0], args[1]); err != nil {
				return failed(err)
			}
			return nil
		},
	})
	return group
}

// addJob copies a result into a directory of jobs.
func (a *app) addJob(dir, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	doc, err := result.Read(bytes.NewReader(text))
	switch {
	case err != nil:
		return err
	case !doc.Complete || len(doc.Shards) != 1:
		return fmt.Errorf("%s: the result is not one complete stream, which a job must be", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("store job: %w", err)
	}
	to := filepath.Join(dir, doc.Started.UTC().Format("20060102T150405.000Z")+"-"+fmt.Sprintf("%.8x", sha256.Sum256([]byte(doc.Run)))+".jsonl")
	f, err := store.Whole(to, false)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("store job: %s is there already: this run was added before", to)
	}
	if err != nil {
		return fmt.Errorf("store job: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store job: %w", err)
	}
	_, err = fmt.Fprintln(a.stdout, to)
	return err
}

// readRun reads the stream of one run.
func (a *app) readRun(name string) (*result.Document, error) {
	doc, verdict, err := a.readStored([]string{name})
	if verdict != nil {
		return nil, errors.New("it is the verdict of a gate, and not the result of a run")
	}
	return doc, err
}

// gateBaseline judges a stored result against stored jobs.
func (a *app) gateBaseline(cmd *cobra.Command, f *gateFlags, name string) error {
	if len(f.A)+len(f.B) > 0 {
		return usage(cmd, errors.New("--baseline judges a stored result, and --a and --b load servers: give one or the other"))
	}
	if f.asJSON && f.out == "-" {
		return usage(cmd, errors.New("--json and --out - both want standard output"), "give --out a file")
	}
	run, err := a.readRun(name)
	if err != nil {
		return failed(err)
	}
	names, err := filepath.Glob(filepath.Join(f.baseline, "*.jsonl"))
	if _, missing := os.Stat(f.baseline); errors.Join(err, missing) != nil {
		return failed(fmt.Errorf("read baseline: %w", errors.Join(err, missing)), "wsload baseline add DIR FILE makes one")
	}
	var jobs []*result.Document
	for _, name := range names { // in the order of their time
		job, err := a.readRun(name)
		if err != nil {
			return failed(fmt.Errorf("read job %s: %w", name, err))
		}
		jobs = append(jobs, job)
	}
	var entries []string
	for _, e := range run.Mix {
		entries = append(entries, e.Name)
	}
	metrics := f.Metrics
	if len(metrics) == 0 {
		metrics = []string{"close_handshake.p50", "close_handshake.p99"}
	}
	terms, err := contest.Terms(entries, contest.Wanted{
		Preset: f.Contract, Metrics: metrics, Tolerances: f.Tolerance, MustDetect: f.MustDetect, Restarts: true,
	})
	if err != nil {
		return usage(cmd, err)
	}
	v, err := baseline.Judge(jobs, run, terms)
	if err != nil {
		return failed(err)
	}
	return a.tellBaseline(cmd, f, &v)
}

// tellBaseline stores and prints the verdict, and makes the exit code of it.
func (a *app) tellBaseline(cmd *cobra.Command, f *gateFlags, v *baseline.Verdict) (err error) {
	var text bytes.Buffer
	if err := writeJSON(&text, v); err != nil {
		return failed(err)
	}
	var fs files
	defer fs.discard()
	switch f.out {
	case "":
	case "-":
		fs.out = store.Borrow(a.stdout)
	default:
		if fs.out, err = fs.open(cmd, "--out", f.out, f.force, store.Whole); err != nil {
			return err
		}
	}
	fs.kept = true
	err = fs.end(text.Bytes())
	switch {
	case f.asJSON:
		_, printed := a.stdout.Write(text.Bytes())
		err = errors.Join(err, printed)
	case f.out != "-" && !f.quiet:
		err = errors.Join(err, v.WriteText(a.stdout))
	}
	if err != nil {
		return failed(err)
	}
	return judgement(trial.Verdict{Verdict: v.Verdict, Reason: v.Reason})
}

// oneFile refuses anything but one word.
func oneFile(cmd *cobra.Command, args []string, hint string) error {
	if len(args) == 1 {
		return nil
	}
	return usage(cmd, fmt.Errorf("%s needs one file, got %d", cmd.CommandPath(), len(args)), hint)
}

// files are what a gate writes beside its standard output.
type files struct {
	out  *store.File // of the verdict; nil for none
	all  []*store.File
	kept bool // there is something in them to keep
}

// open makes a file: a store.Stream or a store.Whole.
func (fs *files) open(cmd *cobra.Command, flag, name string, force bool, kind func(string, bool) (*store.File, error)) (*store.File, error) {
	f, err := create(cmd, flag, name, force, kind)
	if err == nil {
		fs.all = append(fs.all, f)
	}
	return f, err
}

// begin empties what is to be written over. From here on all is kept.
func (fs *files) begin() error {
	fs.kept = true
	for _, f := range fs.all {
		if err := f.Begin(); err != nil {
			return err
		}
	}
	return nil
}

// end writes the verdict and closes what is open.
func (fs *files) end(text []byte) error {
	var errs []error
	if fs.out != nil {
		_, err := fs.out.Write(text)
		errs = append(errs, err)
	}
	for _, f := range fs.all {
		errs = append(errs, f.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("store what was found: %w", err)
	}
	return nil
}

// discard closes what is open. What was made for a gate that never was is
// removed, and so is a verdict that was not written.
func (fs *files) discard() {
	for _, f := range fs.all {
		if fs.kept {
			f.Close() // a second time after end, which does no harm
		} else {
			f.Discard()
		}
	}
}
