package runner

import (
	"iter"
	"math"
	"sync"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// A ramp is a shard's part of the first filling of the population: slots and
// their starts by arithmetic.
type ramp struct {
	next func() (slot int, ok bool)
	stop func()
}

// newRamp takes every count-th of the slots, from the index-th on.
func newRamp(slots iter.Seq[int], index, count int) ramp {
	next, stop := iter.Pull(func(yield func(int) bool) {
		k := 0
		for slot := range slots {
			if k++; (k-1)%count == index && !yield(slot) {
				return
			}
		}
	})
	return ramp{next: next, stop: stop}
}

// ramped launches the ramp's start that is due, and schedules the next one.
func (s *shard) ramped(d due) {
	if len(s.e.plan.Load.Stages) > 0 {
		s.staged(d)
	} else {
		s.launch(d)
	}
	s.climb()
}

// staged launches a start that a stage makes. It comes when the stage says and
// takes its place in the pace, so that replacements wait for it: together they
// keep to the rate.
func (s *shard) staged(d due) {
	s.e.refill.next(d.at)
	s.launch(d)
}

// climb schedules the ramp's next start.
func (s *shard) climb() {
	slot, ok := s.ramp.next()
	if !ok {
		return
	}
	lc := s.e.plan.Lifecycle(uint64(slot))
	if end := s.e.plan.Load.Duration; end == 0 || lc.Start < end {
		s.schedule.add(due{at: lc.Start, task: taskRamp, n: lc.N})
	}
}

// refill paces the connections that take the slots of those that ended: as
// soon as the slot is free and the rate allows, after the ramp.
type refill struct {
	rate value.Rate

	mu   sync.Mutex
	from time.Duration
	k    uint64 // starts since from
}

// next gives the start for a slot that became free at the given moment.
func (r *refill) next(free time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.k++
	at := r.from + r.rate.At(r.k)
	if free > at {
		r.from, r.k, at = free, 0, free
	}
	return at
}

// follow gives the start of the connection that follows c in its slot, which is
// free now; it is at scenario.Never where the slot stays empty.
func (e *engine) follow(c *connection, now time.Duration) due {
	load, slot := &e.plan.Load, c.lc.Slot
	d := due{task: taskOpen, n: c.lc.N + uint64(load.Connections)}
	free := now
	switch policy := load.Reconnect; {
	case policy.Kind() == value.ReconnectNone && (c.after.early || len(e.plan.Drain.Hooks) > 0):
		free = scenario.Never
	case policy.Kind() == value.ReconnectBackoff && (c.after.early || c.after.left):
		if c.after.early && c.after.held <= policy.Most() {
			d.failures = c.failures
		}
		free += e.plan.Backoff(d.n, int(d.failures))
		if c.after.early && d.failures < math.MaxUint8 {
			d.failures++
		}
	default:
		if load.OnAt(slot, now) == now { // else it takes no place in the pace
			free = e.refill.next(now)
		}
	}
	if off := load.OffAt(slot, now); free >= off {
		// Nobody comes back to a slot that is off. When it is switched on, that is
		// a start of the stage's.
		return due{at: load.OnAt(slot, off), task: taskOn, n: d.n}
	}
	d.at = free
	return d
}

// paced is the queue of closes of the shape rate: connections whose hold is
// over leave it at a fixed pace, the one that opened first before the others.
type paced struct {
	schedule *schedule // fires the ticks
	rate     value.Rate

	mu    sync.Mutex
	queue dues // by the time of opening
	from  time.Duration
	k     uint64 // ticks since from
	armed bool
}

func newPaced(s *schedule, rate value.Rate) *paced {
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
