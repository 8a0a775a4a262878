package drain

import (
	"strconv"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// An Observer counts what happens to the connections of a run around its hooks.
// Its methods may be called from many goroutines.
type Observer struct {
	population int
	returns    bool // who loses a connection comes back
	echo       bool // messages are held against what comes back
	changed    chan struct{}

	mu        sync.Mutex
	open      int  // connections open now
	gone      int  // settled, opened or not, before the launch
	launched  bool // the first hook was
	over      bool // nothing is waited for any more
	from      time.Duration
	to        time.Duration
	remaining int           // of those held, how many have not settled
	whole     time.Duration // when the population became whole last
	count     counts
}

// counts are what an Observer reports. All durations are from the launch.
type counts struct {
	before, closed, cut, other, stillOpen uint64
	lost                                  result.DrainLost
	codes, classes                        map[string]uint64
	closing, cutting                      arrivals
	again                                 result.DrainAgain
	herd                                  result.Herd
}

// arrivals collects durations for result.Arrivals.
type arrivals struct {
	hist        stats.Histogram
	first, last time.Duration
	user        bool // one at least has no stamp of the kernel
}

// add takes a moment that is not before from.
func (a *arrivals) add(at stats.Offset, from time.Duration) {
	d := at.At - from
	a.user = a.user || !at.Kernel
	if a.hist.Count() == 0 || d < a.first {
		a.first = d
	}
	a.last = max(a.last, d)
	a.hist.Record(d / result.ArrivalUnit)
}

func (a *arrivals) result() result.Arrivals {
	return result.NewArrivals(&a.hist, a.first, a.last, !a.user)
}

// NewObserver returns an Observer for a shard of a plan with hooks.
func NewObserver(plan *scenario.Plan, shard scenario.Shard) *Observer {
	o := &Observer{
		population: shard.Size(plan.Load.Connections),
		returns:    plan.Returns(),
		echo:       plan.Traffic.Expect == scenario.ExpectEcho && plan.Traffic.Every > 0,
		changed:    make(chan struct{}, 1),
	}
	o.count = newCounts()
	return o
}

func newCounts() counts {
	return counts{
		codes: make(map[string]uint64), classes: make(map[string]uint64),
		herd: result.Herd{Failed: make(map[string]uint64), PerSecond: []uint64{}},
	}
}

// notify wakes who waits for a change. It is called with the mutex held.
func (o *Observer) notify() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// Opened takes a connection that opened at an offset of the run. It is called
// before the same connection's Settled.
func (o *Observer) Opened(at time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	if o.over {
		return
	}
	if o.launched && at < o.from { // noticed behind the launch
		o.remaining++
	}
	if o.open >= o.population {
		o.whole = at
		o.notify()
	}
}

// Settled takes the outcome of a connection, opened or not. It does not keep it.
func (o *Observer) Settled(out *stats.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if out.Opened {
		o.open--
	}
	if !o.launched {
		o.gone++
		if out.Opened && !released(out) {
			o.count.before++
		}
		o.notify()
		return
	}
	switch {
	case !out.Opened:
		o.failed(out)
	case out.Times.Opened.At >= o.from:
		o.returned(out)
	default:
		o.remaining--
		o.held(out)
		if o.remaining <= 0 {
			o.notify()
		}
	}
}

// held counts a connection that had opened before the launch. Its end was the
// server's Close, or else the end of TCP.
func (o *Observer) held(out *stats.Outcome) {
	c, at := &o.count, out.Times
	closed, ended := at.PeerClose, at.PeerEnd
	switch {
	case released(out):
		c.stillOpen++
	case closed.OK && closed.At < o.from, !closed.OK && ended.OK && ended.At < o.from:
		c.before++
		return
	case closed.OK:
		c.closed++
		c.closing.add(closed, o.from)
		c.codes[codeText(out.CodeReceived)]++
	case ended.OK && out.Class != stats.Violation:
		c.cut++
		c.cutting.add(ended, o.from)
	default:
		c.other++
	}
	c.classes[out.Class.String()]++
	if n := out.Messages.Lost + out.Unanswered; n > 0 && !released(out) {
		c.lost.Connections++
		c.lost.Messages += n
	}
}

// released reports whether this end closed the connection, when the run ended.
func released(out *stats.Outcome) bool { return out.Forward || out.Class == stats.Interrupted }

// codeText is a status code as results write it.
func codeText(code int) string {
	if code == 1005 {
		return "none"
	}
	return strconv.Itoa(code)
}

// returned counts a connection that opened after the launch.
func (o *Observer) returned(out *stats.Outcome) {
	c := &o.count
	o.attempt(out.Times.Began)
	c.again.Opened++
	if released(out) {
		return
	}
	c.again.Ended++
	if !out.Times.PeerClose.OK {
		c.again.Cut++
	}
}

// failed counts an attempt that did not open.
func (o *Observer) failed(out *stats.Outcome) {
	if out.Times.Began < o.from {
		return // of the ramp
	}
	o.attempt(out.Times.Began)
	if out.Class == stats.Interrupted {
		return
	}
	h, at := &o.count.herd, out.Ended-o.from
	h.Failed[out.Detail]++
	if h.FirstFailed == nil || at < *h.FirstFailed {
		h.FirstFailed = &at
	}
	if h.LastFailed == nil || at > *h.LastFailed {
		h.LastFailed = &at
	}
}

// mostSeconds bounds the attempts per second: a drain ends before.
const mostSeconds = 3 * 60 * 60

// attempt counts an attempt to open that began at an offset of the run.
func (o *Observer) attempt(began time.Duration) {
	h := &o.count.herd
	h.Attempts++
	second := min(max(int((began-o.from)/time.Second), 0), mostSeconds)
	for len(h.PerSecond) <= second {
		h.PerSecond = append(h.PerSecond, 0)
	}
	h.PerSecond[second]++
}

// launch takes the moment of the first hook.
func (o *Observer) launch(at time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.launched, o.from, o.remaining = true, at, o.open
}

// revoke takes a launch back: nothing came of it.
func (o *Observer) revoke() {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.count.before
	o.launched, o.count = false, newCounts()
	o.count.before = before
}

// unlaunch takes back a launch that lies ahead at an offset of the run: it never
// came.
func (o *Observer) unlaunch(now time.Duration) {
	o.mu.Lock()
	ahead := o.launched && o.from > now
	o.mu.Unlock()
	if ahead {
		o.revoke()
	}
}

// finish freezes what is waited for, at an offset of the run.
func (o *Observer) finish(at time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.to = true, at
	if o.launched && o.open >= o.population {
		back := max(0, o.whole-o.from) // before the launch: it always was
		o.count.herd.Back = &back
	}
}

// state says how far the population is: how many are open, and whether that is
// all there will be.
func (o *Observer) state() (open int, full, final bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open, o.open >= o.population, !o.returns && o.open+o.gone >= o.population
}

// hasLaunched reports whether the first hook was launched.
func (o *Observer) hasLaunched() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.launched
}

// settled reports whether all that was held has ended, and who comes back has.
func (o *Observer) settled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.launched && o.remaining <= 0 && (!o.returns || o.open >= o.population)
}

// report is what was counted. Call it when the run has ended.
func (o *Observer) report() *result.Drain {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &o.count
	d := &result.Drain{
		Population: uint64(o.population), Held: c.closed + c.cut + c.other + c.stillOpen,
		Closed: c.closing.result(),
		Cut:    c.cutting.result(),
		Other:  c.other, StillOpen: c.stillOpen, Before: c.before,
		Codes: c.codes, Classes: c.classes, Again: c.again,
	}
	if o.echo {
		d.Lost = &result.DrainLost{Connections: c.lost.Connections, Messages: c.lost.Messages}
	}
	if o.returns {
		herd := c.herd
		herd.FindPeak()
		d.Herd = &herd
	}
	if o.launched {
		took := max(0, o.to-o.from)
		d.Took = &took
	}
	return d
}
