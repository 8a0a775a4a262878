package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/arbiter"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/report"
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
	for _, w := range c.warnings {
		a.warn("%s", w)
	}
	f.B, f.BPath = f.A, f.APath
	if _, err := f.Match(a.arbiterPlan(c)); err != nil {
		return usage(cmd, err)
	}
	var fs files
	defer fs.discard()
	if f.out != "" {
		if fs.out, err = fs.open(cmd, "--out", f.out, f.force); err != nil {
			return err
		}
	}
	progress := a.newProgress(f.quiet)
	ctx, cut, restore := a.onSignals(context.Background(), progress.say)
	defer restore()
	a.enlargeHeap()
	if !f.quiet {
		progress.say(f.extent() + "; " + f.intent(&c.plan))
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
				progress.say(fmt.Sprintf("gate %d: %s after %d pairs in %v", n+1, g.Verdict, g.Pairs, g.Took.Round(time.Second)))
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
		return fmt.Sprintf("%d gates", f.gates)
	}
	return fmt.Sprintf("%d gates, or as many as %v hold", f.gates, f.limit)
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
