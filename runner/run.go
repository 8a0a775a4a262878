package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// NothingOpenedError ends a run in which no connection ever opened.
type NothingOpenedError struct {
	Tries int
	Last  error // why the last one failed
}

// Error says how many were tried and why the last one failed.
func (e *NothingOpenedError) Error() string {
	return fmt.Sprintf("no connection opened in %d tries; the last one failed: %v", e.Tries, e.Last)
}

// Unwrap returns the last failure.
func (e *NothingOpenedError) Unwrap() error { return e.Last }

// errDuration ends the opening of connections when the plan's time is over.
var errDuration = errors.New("the plan's duration is over")

// interruptedDrain bounds the drain of a run that its context ended.
const interruptedDrain = 5 * time.Second

// Run carries a plan out. The plan must be valid, its target's URL and
// expectation resolved.
//
// The end of ctx ends the run early and in order. The result is complete up to
// then, and the error is nil; context.Cause(ctx) is for the caller to judge.
// An error comes with a result where connections were tried: NothingOpenedError
// when none ever opened. Run returns when every goroutine it started has ended.
func Run(ctx context.Context, plan scenario.Plan, opt Options) (*Result, error) {
	hold, stampErr := wire.HoldStamps()
	if hold != nil {
		defer hold.Close()
	}
	e, err := newEngine(&plan, opt)
	if err != nil {
		return nil, err
	}
	res := &Result{Stamps: "kernel", RunID: e.opt.RunID}
	if stampErr != nil || opt.Dial != nil {
		res.Stamps = "user"
	}
	m := newMeter(e)
	runErr := e.run(ctx, m.run)
	res.Total = m.total
	res.Tally = make(map[string]Tally)
	for mode, t := range e.tally {
		res.Tally[mode] = *t
	}
	res.Warnings = e.warnings
	if runErr == nil {
		runErr = e.verify(m.total)
	}
	return res, runErr
}

// run is the run between its preparation and its accounts.
func (e *engine) run(ctx context.Context, meter func(stop <-chan struct{})) error {
	open, stopOpening := context.WithCancelCause(ctx)
	defer stopOpening(nil)
	e.hopeless = stopOpening
	dials, stopDials := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDials()

	stopShards := make(chan struct{})
	var helpers sync.WaitGroup
	for _, s := range e.shards {
		helpers.Go(func() { s.schedule.run(stopShards, s.fire) })
	}
	stopMeter := make(chan struct{})
	var metering sync.WaitGroup
	metering.Go(func() { meter(stopMeter) })

	if d := e.plan.Load.Duration; d > 0 {
		end := time.AfterFunc(d-e.tb.Now(), func() { stopOpening(errDuration) })
		defer end.Stop()
	}
	e.pace(open, dials)
	cause := e.await(open)
	if cause != nil {
		e.drain(cause, stopDials)
	}
	e.crew.wait()
	e.crew.end()
	close(stopShards)
	helpers.Wait()
	e.traffic.end()
	close(stopMeter)
	metering.Wait()
	if ne, ok := errors.AsType[*NothingOpenedError](cause); ok {
		return ne
	}
	return nil
}

// await waits for the end of the opening and returns its cause; where each
// connection lives once, for the last to settle, and then the cause is nil.
func (e *engine) await(open context.Context) error {
	if e.plan.Load.Duration > 0 {
		<-open.Done()
		return context.Cause(open)
	}
	for range e.slots {
		select {
		case <-e.free:
		case <-open.Done():
			return context.Cause(open)
		}
	}
	return nil
}

// drain closes what is open, and cuts what is still open at the limit.
func (e *engine) drain(cause error, stopDials func()) {
	now := e.tb.Now()
	e.over.Store(true)
	limit := e.plan.Limits.Drain
	if !errors.Is(cause, errDuration) {
		limit = min(limit, interruptedDrain)
	}
	if !errors.Is(cause, errDuration) || e.plan.Closes.Shape.Kind() != scenario.ShapeAtEnd {
		e.forward(now)
	}
	settled := make(chan struct{})
	go func() {
		e.crew.wait()
		close(settled)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-settled:
		return
	case <-timer.C:
		e.warn(fmt.Sprintf("the drain's limit of %v ran out; what was still open was cut and counted as interrupted", limit))
	case <-e.opt.Cut:
	}
	stopDials()
	for _, s := range e.shards {
		s.each((*connection).interrupt)
	}
	<-settled
}

// forward brings the planned closes of all that is open forward, oldest first:
// at the rate of the load, or all at once where the plan closes all at once.
func (e *engine) forward(now time.Duration) {
	var all []*connection
	for _, s := range e.shards {
		s.each(func(c *connection) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.stage == held {
				all = append(all, c)
			}
		})
	}
	slices.SortFunc(all, func(a, b *connection) int { return int(a.opened - b.opened) })
	rate := e.share(e.plan.Load.Rate)
	if e.plan.Closes.Shape.Kind() == scenario.ShapeAtEnd {
		rate = 0
	}
	for k, c := range all {
		c.shard.schedule.add(due{at: now + rate.At(uint64(k)), task: taskForward, c: c})
	}
}

// verify checks what must hold of every run.
func (e *engine) verify(total *stats.Summary) error {
	if err := total.Conserved(); err != nil {
		return err
	}
	if total.Connections.Started > 0 && total.Connections.Opened == 0 && total.Ended(stats.Interrupted) < total.Connections.Started {
		return &NothingOpenedError{Tries: int(e.failed.Load()), Last: e.failure}
	}
	return nil
}
