package verdict

import (
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// A ruler fills the phases of an Outcome from pairs of instants.
type ruler struct{ o *stats.Outcome }

// between records the phase from one instant to another. A pair that lacks one
// is not measured; a pair in the wrong order is counted as crossed.
func (r ruler) between(p stats.Phase, from, to wire.Instant) {
	if !from.Set() || !to.Set() {
		return
	}
	d := to.At - from.At
	if d < 0 {
		r.o.Crossed[p] = true
		return
	}
	stamped := to
	if p == stats.Reply || p == stats.ReadLag {
		stamped = from // these begin with an arrival; the others end with one
	}
	r.o.Phases[p] = stats.Sample{D: d, OK: true, Kernel: stamped.Source == wire.Kernel}
}

// lag records how late the tool itself was. Early is on time: timers may fire
// within the clock's resolution.
func (r ruler) lag(p stats.Phase, planned time.Duration, real wire.Instant) {
	if real.Set() {
		r.o.Phases[p] = stats.Sample{D: max(0, real.At-planned), OK: true}
	}
}

// MeasureOpen fills the phases of the opening handshake. due is the planned
// start.
func MeasureOpen(o *stats.Outcome, due time.Duration, h *wire.Handshake) {
	r := ruler{o}
	begun := wire.UserInstant(h.Begun)
	r.lag(stats.OpenLag, due, begun)
	r.between(stats.Connect, begun, h.Connected)
	r.between(stats.TLS, h.Connected, h.Secured)
	r.between(stats.Upgrade, h.Asked, h.Answered)
}

// measureClose fills the phases of the teardown.
func measureClose(o *stats.Outcome, e *Evidence) {
	r, tr := ruler{o}, &e.Trace
	step, asked := e.Step(), !e.waits()
	if e.Begun && asked {
		began := step
		if e.Plan.When != scenario.Idle && e.Plan.When != "" && e.Began.Set() {
			began = e.Began // what the cut then waited for is no lag
		}
		r.lag(stats.CloseLag, e.Planned, began)
	}
	triggered := asked && e.Trigger.Set()
	if triggered {
		r.between(stats.Notice, e.Trigger, tr.PeerClose)
	}
	if e.ownFirst() {
		r.between(stats.CloseHandshake, tr.OwnClose, tr.PeerClose)
	}
	if (triggered || e.ownFirst()) && tr.PeerClose.Set() && tr.PeerClose.At >= step.At {
		r.between(stats.CloseScheduled, wire.UserInstant(e.Planned), tr.PeerClose)
	}
	answered := tr.PeerClose.Set() && tr.OwnClose.Set() && tr.OwnClose.At >= tr.PeerClose.At
	if answered && (!e.ownFirst() || o.Class == stats.PeerFirst) {
		r.between(stats.Reply, tr.PeerClose, tr.OwnClose)
	}
	if tr.Ending == wire.FIN {
		r.between(stats.FIN, tr.SecondClose(), tr.End)
	}
	if e.leftUnanswered() && o.Class == stats.Cut {
		r.between(stats.GiveUp, tr.PeerClose, tr.End)
	}
	asleep := e.Plan.Mode == scenario.Stall && e.Begun && tr.PeerClose.At < tr.OwnClose.At // read late on purpose
	if tr.PeerClose.Source == wire.Kernel && !asleep {
		r.between(stats.ReadLag, tr.PeerClose, wire.UserInstant(tr.PeerCloseSeen))
	}
	if !e.TimedOut && !e.GraceOver && !e.Interrupted {
		from := first(step, tr.OwnClose, tr.PeerClose)
		if e.waits() {
			from = first(tr.OwnClose, tr.PeerClose) // nothing was done at the planned close
		}
		r.between(stats.Teardown, from, lastEnd(tr))
	}
}

// first is the earliest of the instants that are set.
func first(all ...wire.Instant) (min wire.Instant) {
	for _, i := range all {
		if i.Set() && (!min.Set() || i.At < min.At) {
			min = i
		}
	}
	return min
}

// lastEnd is when the connection was over: the peer's end, or the own close.
func lastEnd(tr *wire.Trace) wire.Instant {
	if tr.Ending != wire.None {
		return tr.End
	}
	return tr.Shut
}
