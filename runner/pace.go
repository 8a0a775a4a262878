package runner

import (
	"context"
	"sync"
	"time"

	"github.com/wsload/wsload/scenario"
)

// pace releases starts until ctx is done, or, where each connection lives
// once, until the last was released. The ramp is arithmetic; after it, a slot
// that has become free is filled as soon as the rate allows.
func (e *engine) pace(ctx, dials context.Context) {
	w := waiter{e: e, alarm: newAlarm(e.fine())}
	defer w.alarm.stop()
	k := 0
	last := time.Duration(0)
	for s := range e.opt.Shard.Slots(e.plan.Load.Connections) {
		lc := e.plan.Lifecycle(uint64(s))
		if !w.until(ctx, lc.Start) {
			return
		}
		last = lc.Start
		e.shards[k%len(e.shards)].launch(dials, lc, lc.Start)
		k++
	}
	if e.plan.Load.Duration == 0 {
		return
	}
	rate := e.share(e.plan.Load.Rate)
	from, n := last, uint64(0)
	for {
		var f slot
		select {
		case <-ctx.Done():
			return
		case f = <-e.free:
		}
		n++
		at := from + rate.At(n)
		if f.from > at {
			from, n, at = f.from, 0, f.from
		}
		if !w.until(ctx, at) {
			return
		}
		e.shards[k%len(e.shards)].launch(dials, e.plan.Lifecycle(f.n), at)
		k++
	}
}

// A waiter waits for offsets of the run with one alarm.
type waiter struct {
	e     *engine
	alarm *alarm
}

// until waits for the offset at, for a start. It reports false when ctx was
// done first, or the plan's duration is over by then.
func (w waiter) until(ctx context.Context, at time.Duration) bool {
	for {
		now := w.e.tb.Now()
		if end := w.e.plan.Load.Duration; end > 0 && max(at, now) >= end {
			return false
		}
		wait := at - now
		if wait <= 0 {
			return ctx.Err() == nil
		}
		w.alarm.reset(wait)
		select {
		case <-ctx.Done():
			return false
		case <-w.alarm.C:
		}
	}
}

// paced is the queue of closes of the shape rate: connections whose hold is
// over leave it at a fixed pace, the one that opened first before the others.
type paced struct {
	schedule *schedule // fires the ticks
	rate     scenario.Rate

	mu    sync.Mutex
	queue dues // by the time of opening
	from  time.Duration
	k     uint64 // ticks since from
	armed bool
}

func newPaced(s *schedule, rate scenario.Rate) *paced {
	return &paced{schedule: s, rate: rate}
}

// eligible enters a connection whose hold is over.
func (p *paced) eligible(d due) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.push(due{at: d.c.opened, c: d.c})
	if p.armed {
		return
	}
	p.armed = true
	// After a pause the pace begins anew: what lapsed is not made up for.
	if next := p.from + p.rate.At(p.k); p.k == 0 || d.at > next {
		p.from, p.k = d.at, 0
	}
	p.arm()
}

func (p *paced) arm() {
	p.schedule.add(due{at: p.from + p.rate.At(p.k), task: taskPaced})
	p.k++
}

// tick closes the oldest connection that is still open. A connection that
// ended by itself costs no tick.
func (p *paced) tick(at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if len(p.queue.heap) == 0 {
			p.armed = false
			return
		}
		if p.queue.pop().c.beginClose(at, false) {
			p.arm()
			return
		}
	}
}
