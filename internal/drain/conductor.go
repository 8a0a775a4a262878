package drain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/trigger"
	"github.com/wsload/wsload/scenario"
)

// A Conductor fires the hooks of a drain and ends the run.
type Conductor struct {
	*Observer
	// Plan has hooks, and its variables are replaced.
	Plan *scenario.Plan
	// What names the hooks, one for each, without secrets.
	What []string
	// Shard is this process' part of the plan.
	Shard scenario.Shard
	// Own is the process of the tool's own server; nil without one.
	Own *os.Process
	// Follows says that another process of this run fires the hooks.
	Follows bool
	// Meet is called when the population of this process is full, with how many
	// are open. It waits until those of all processes of the run are, and returns
	// how many are open in all and when that was, by the run's clock, which they
	// share. It is false where that will never be. nil: there are no others.
	Meet func(ctx context.Context, open int) (all int, at time.Duration, ok bool)
	// Launched is called when the first hook is launched, by this process or, as
	// far as it is known here, by another. nil: nobody asks.
	Launched func()
	// Say tells the user how far the drain is.
	Say func(text string)
	// Hide takes secrets out of a text from outside.
	Hide func(text string) string

	clock   chan func() time.Duration
	end     chan struct{}
	done    chan struct{}
	hooks   []result.DrainHook
	limited bool
	fault   error
}

// Start begins the conducting, which waits for the run's clock. The end of ctx
// ends it. The function it returns must be called when the run has ended: it
// waits for the hooks, or gives up what is still to be done where the run has
// failed.
func (c *Conductor) Start(ctx context.Context) (end func(failed bool)) {
	c.clock, c.end, c.done = make(chan func() time.Duration, 1), make(chan struct{}), make(chan struct{})
	for _, what := range c.What {
		c.hooks = append(c.hooks, result.DrainHook{What: what})
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(c.done)
		defer close(c.end)
		select {
		case now := <-c.clock:
			c.conduct(ctx, now)
			c.finish(now())
		case <-ctx.Done():
		}
	}()
	return func(failed bool) {
		if failed {
			cancel()
		}
		<-c.done
		cancel()
	}
}

// Clock takes the clock of the run, before anything opens.
func (c *Conductor) Clock(now func() time.Duration) { c.clock <- now }

// End is closed when the run is to end.
func (c *Conductor) End() <-chan struct{} { return c.end }

// Report is what the deploy did, and the error why it was not carried out as
// planned. Call it after the function that Start returned, when the run has
// ended.
func (c *Conductor) Report() (*result.Drain, error) {
	d := c.report()
	d.Hooks, d.Limited = c.hooks, c.limited
	if c.fault != nil {
		d.Fault = c.fault.Error()
		return d, fmt.Errorf("drain: %w", c.fault)
	}
	return d, nil
}

// conduct fills, fires and waits for the end.
func (c *Conductor) conduct(ctx context.Context, now func() time.Duration) {
	if !c.fill(ctx, now) {
		return
	}
	open, _, _ := c.state()
	full, first := now(), c.Plan.Drain.Hooks[0]
	if c.Meet != nil {
		var ok bool
		if open, full, ok = c.Meet(ctx, open); !ok {
			return
		}
		if !c.fires(&first) {
			// Told ahead, so that what happens in the moment in which another
			// process fires is not earlier than the launch here.
			c.launch(full + c.Plan.Drain.After + first.Wait)
		}
	}
	c.Say(fmt.Sprintf("drain: %d connections are open; first hook in %v: %s", open, c.Plan.Drain.After+first.Wait, c.What[0]))
	if !pause(ctx, full+c.Plan.Drain.After-now()) {
		c.unlaunch(now())
		return
	}
	firing, stopFiring := context.WithCancelCause(ctx)
	launched, fired := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(fired)
		c.fire(firing, now, launched)
	}()
	c.await(ctx, launched, fired)
	stopFiring(errEnded)
	<-fired
}

// errEnded is what cuts a hook short.
var errEnded = errors.New("the drain has ended")

// fill waits until the population is full. False: it never will be, or the run
// has ended.
func (c *Conductor) fill(ctx context.Context, now func() time.Duration) bool {
	timer := time.NewTimer(c.Plan.FullBy() - now())
	defer timer.Stop()
	for late := false; ; {
		open, full, final := c.state()
		switch {
		case full:
			return true
		case final || late:
			c.fault = fmt.Errorf("the population never was complete: %d of %d open", open, c.population)
			return false
		}
		select {
		case <-c.changed:
		case <-timer.C:
			late = true
		case <-ctx.Done():
			return false
		}
	}
}

// await waits until the hooks are fired and all has happened, at the longest
// for drain.within from the launch.
func (c *Conductor) await(ctx context.Context, launched, fired <-chan struct{}) {
	var limit <-chan time.Time
	// Behind several hooks those who came back may be hit once more: only the
	// limit says when that is over.
	early := !c.returns || len(c.hooks) == 1
	for allFired := false; ; {
		select {
		case <-launched:
			timer := time.NewTimer(c.Plan.Drain.Within)
			defer timer.Stop()
			limit, launched = timer.C, nil
		case <-fired:
			if !c.hasLaunched() {
				return
			}
			allFired, fired = true, nil
		case <-c.changed:
		case <-limit:
			c.limited = true
			return
		case <-ctx.Done():
			return
		}
		if allFired && early && c.settled() {
			return
		}
	}
}

// fire fires the hooks in their order. launched is closed with the first.
func (c *Conductor) fire(ctx context.Context, now func() time.Duration, launched chan<- struct{}) {
	for i := range c.hooks {
		hook, told := &c.Plan.Drain.Hooks[i], &c.hooks[i]
		if !pause(ctx, hook.Wait) {
			c.unlaunch(now())
			return
		}
		planned := now()
		told.Planned = &planned
		first := func(at time.Duration) {
			if i == 0 {
				if !c.hasLaunched() {
					c.launch(at)
				}
				if c.Launched != nil {
					c.Launched()
				}
				close(launched)
			}
		}
		if !c.fires(hook) {
			first(planned)
			continue
		}
		err := c.act(ctx, hook, func() {
			at := now()
			told.Launched = &at
			first(at)
		})
		if err == nil {
			took := now() - *told.Launched
			told.Took = &took
			c.Say("drain: fired " + told.What)
			continue
		}
		text := c.Hide(err.Error())
		told.Error = &text
		if ctx.Err() != nil && context.Cause(ctx) != errEnded {
			return // the whole run was ended
		}
		c.fail(fmt.Errorf("hook %d (%s): %s", i+1, told.What, text))
		if errors.Is(err, trigger.ErrNotLaunched) {
			if told.Launched = nil; i == 0 {
				c.revoke()
				return
			}
		}
	}
}

// fail keeps the first fault. Only the goroutine that fires calls it, and its
// end is awaited before the fault is read.
func (c *Conductor) fail(err error) {
	if c.fault == nil {
		c.fault = err
	}
}

// fires reports whether it is for this shard to fire the hook: a server that is
// shared is told once.
func (c *Conductor) fires(h *scenario.Hook) bool {
	return !c.Follows && (c.Shard.Index <= 1 || h.Signal != "" && c.Plan.Target.SignalTo(h) == "own")
}

// Leaves reports whether this shard leaves a hook to the first one.
func (c *Conductor) Leaves() bool {
	return slices.ContainsFunc(c.Plan.Drain.Hooks, func(h scenario.Hook) bool { return !c.fires(&h) })
}

// act carries out a hook. launched is called exactly once.
func (c *Conductor) act(ctx context.Context, h *scenario.Hook, launched func()) error {
	switch method, url := h.Request(); {
	case method != "":
		return trigger.Request{Method: method, URL: url}.Fire(ctx, launched)
	case h.Exec != "":
		return trigger.Command{Line: h.Exec}.Fire(ctx, launched)
	}
	return c.signal(h, launched)
}

// pause waits for d. False: ctx has ended.
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
