package relay

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/scenario"
)

// A path is the schedule of the faults, and the books of what they did.
type path struct {
	begin  time.Time
	seed   uint64
	steps  []scenario.Fault
	tolls  []toll
	lifted atomic.Bool // no fault is in force any more
}

// A toll is what one step did.
type toll struct {
	connections atomic.Uint64
	bytes       atomic.Uint64
}

func newPath(o *Options) *path {
	begin := o.Begin
	if begin.IsZero() {
		begin = time.Now()
	}
	return &path{begin: begin, seed: o.Seed, steps: o.Steps, tolls: make([]toll, len(o.Steps))}
}

// hits gives the steps that meet connection n, one bit for each.
func (p *path) hits(n uint64) (all uint64) {
	for i := range p.steps {
		if p.steps[i].Hits(p.seed, i, n) {
			all |= 1 << i
		}
	}
	return all
}

// A weather is what the steps in force make of one direction of a connection.
type weather struct {
	steps   uint64 // those in force, one bit for each
	latency time.Duration
	jitter  time.Duration
	rate    int       // bytes per second, 0 for no limit
	stalls  uint64    // of the steps those that stall
	until   time.Time // when it may change; the zero time for never
}

// at gives the weather for a connection with those hits.
func (p *path) at(now time.Time, leg scenario.Leg, hits uint64) (w weather) {
	if p.lifted.Load() {
		return w
	}
	for rest := hits; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		f := &p.steps[i]
		if f.Kind() == scenario.FaultCut || !f.Leg.Has(leg) {
			continue
		}
		from, to := p.begin.Add(f.At), p.begin.Add(f.At+f.For)
		switch {
		case now.Before(from):
			w.until = earlier(w.until, from)
			continue
		case f.For == 0:
		case now.Before(to):
			w.until = earlier(w.until, to)
		default:
			continue
		}
		w.add(i, f)
	}
	return w
}

// add brings a step into force.
func (w *weather) add(i int, f *scenario.Fault) {
	w.steps |= 1 << i
	w.latency += f.Latency
	w.jitter += f.Jitter
	if f.Stall {
		w.stalls |= 1 << i
	}
	if rate := int(f.Bandwidth); rate != 0 && (w.rate == 0 || rate < w.rate) {
		w.rate = rate
	}
}

// count books n bytes with each of the steps.
func (p *path) count(steps uint64, n int) {
	for ; steps != 0; steps &= steps - 1 {
		p.tolls[bits.TrailingZeros64(steps)].bytes.Add(uint64(n))
	}
}

// countConnection books a connection with each of the steps.
func (p *path) countConnection(steps uint64) {
	for ; steps != 0; steps &= steps - 1 {
		p.tolls[bits.TrailingZeros64(steps)].connections.Add(1)
	}
}

// earlier is the earlier of two moments, of which a zero one never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
