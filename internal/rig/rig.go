package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/drain"
	"github.com/wsload/wsload/internal/relay"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// Options are a run, as the rig must know it.
type Options struct {
	Plan    *scenario.Plan // variables replaced, but the target as it was written
	Told    *scenario.Plan // the same without secrets, to name things by
	Shard   scenario.Shard
	Secrets []string // texts that must not be told, beside those of the plan
	Own     *Own     // nil with a given target
	Say     func(text string)
	Quiet   bool // no progress is told

	// Of a run over several processes: those that carry it out for this one,
	// which are watched with it; in each of them, how it meets the others before
	// the first hook, whether it leaves the hooks to one of them, and what it does
	// when the first hook is launched.
	Processes []int
	Meet      func(ctx context.Context, open int) (all int, at time.Duration, ok bool)
	Follows   bool
	Launched  func()
}

// Own is the tool's own server.
type Own struct {
	Process *os.Process
	Listen  string // host:port
	Statz   string // URL of its page of facts
	Several bool   // the process is the parent of several, which listen there
}

// Findings are what the rig found. What the plan does not ask for is nil.
type Findings struct {
	Drain    *result.Drain
	Watch    *result.Watch
	Path     *result.Path
	Warnings []string
	Err      error // why not all was done as planned
}

// A Rig stands around one run.
type Rig struct {
	opt       Options
	path      *path
	watch     *vigil
	conductor *drain.Conductor
	conducted func(failed bool)
	warnings  []string
}

// Check says what of a plan, its variables replaced, cannot be set up: sources
// of the watch that are none, steps that a Toxiproxy cannot take.
func Check(plan *scenario.Plan) (problems problem.List) {
	for i, text := range plan.Watch.Sources {
		key := fmt.Sprintf("watch.sources[%d]", i)
		if strings.TrimSpace(text) == auto {
			if plan.Target.SignalTo(&scenario.Hook{}) == "" {
				problems = append(problems, problem.Problem{
					Key: key, Msg: "auto is a target on this host, and this one is elsewhere", Hint: "name a page with metrics, as http://host:9000/metrics",
				})
			}
			continue
		}
		if _, err := watch.ParseSource(text); err != nil {
			wrong, _ := errors.AsType[*problem.TextError](err)
			problems = append(problems, problem.Problem{Key: key, Value: problem.Quote(wrong.Text), Msg: wrong.Msg, Hint: wrong.Hint})
		}
	}
	if plan.Faults.Toxiproxy != "" {
		if wrong, ok := errors.AsType[problem.List](relay.CheckToxiproxy(plan.Faults.Steps)); ok {
			problems = append(problems, wrong...)
		}
	}
	return problems
}

// Begin sets the rig up around a run, and changes its plan and options. It
// takes as long as the watch needs to see the target at rest. End must be
// called where there is no error, once the run has ended.
func Begin(ctx context.Context, opt Options, plan *scenario.Plan, run *runner.Options) (*Rig, error) {
	r := &Rig{opt: opt}
	var err error
	if r.watch, err = newVigil(&opt); err != nil {
		return nil, err
	}
	if r.watch != nil {
		r.watch.before(ctx)
	}
	if r.path, err = newPath(ctx, &opt, plan); err != nil { // its steps count from here on
		if r.watch != nil {
			r.watch.leave()
		}
		return nil, err
	}
	r.conduct(ctx, run)
	return r, nil
}

// Tick takes note of how far the run is. Held is what target and tool held
// last, nil without a watch.
func (r *Rig) Tick(t *runner.Tick) (held *result.Held) {
	if r.watch == nil {
		return nil
	}
	return r.watch.tick(t)
}

// End takes the rig down. failed says that the run was not carried out. Where
// ctx has ended, nothing is waited for.
func (r *Rig) End(ctx context.Context, failed bool) Findings {
	f := Findings{Warnings: r.warnings}
	if r.conductor != nil {
		r.conducted(failed)
		var err error
		f.Drain, err = r.conductor.Report()
		f.note(err)
	}
	if r.watch != nil {
		r.watch.end(ctx, failed, &f)
	}
	if r.path != nil { // what it keeps from the target is part of what the watch has to see
		r.path.end(&f)
	}
	return f
}

// note keeps the first error.
func (f *Findings) note(err error) {
	if f.Err == nil {
		f.Err = err
	}
}

// conduct begins the drain of a plan that has hooks.
func (r *Rig) conduct(ctx context.Context, run *runner.Options) {
	plan, told := *r.opt.Plan, r.opt.Told
	if len(plan.Drain.Hooks) == 0 {
		return
	}
	c := &drain.Conductor{
		Observer: drain.NewObserver(&plan, r.opt.Shard), Plan: &plan, Shard: r.opt.Shard,
		Say:  func(string) {},
		Hide: scenario.Hider(append(plan.Secrets(), r.opt.Secrets...)).Replace,
		Meet: r.opt.Meet, Follows: r.opt.Follows, Launched: r.opt.Launched,
	}
	if !r.opt.Quiet {
		c.Say = r.opt.Say
	}
	if r.opt.Own != nil {
		c.Own = r.opt.Own.Process
	}
	for _, h := range told.Drain.Hooks {
		if h.Signal != "" {
			h.To = told.Target.SignalTo(&h)
		}
		c.What = append(c.What, h.String())
	}
	if c.Leaves() && !r.opt.Follows {
		r.warnings = append(r.warnings, fmt.Sprintf("shard %s leaves the hooks to the first one and counts from the moment it had planned: start the shards together", r.opt.Shard))
	}
	r.conductor, r.conducted = c, c.Start(ctx)
	run.Clock, run.Opened, run.Settled, run.End = c.Clock, c.Opened, c.Settled, c.End()
}

// pause waits for d, and reports whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
