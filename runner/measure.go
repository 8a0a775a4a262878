package runner

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

// measureOpen fills the phases of the opening handshake.
func measureOpen(o *stats.Outcome, due time.Duration, h *wire.Handshake) {
	r := ruler{o}
	begun := wire.UserInstant(h.Begun)
	r.lag(stats.OpenLag, due, begun)
	r.between(stats.Connect, begun, h.Connected)
	r.between(stats.TLS, h.Connected, h.Secured)
	r.between(stats.Upgrade, h.Asked, h.Answered)
}

// measureClose fills the phases of the teardown.
func measureClose(o *stats.Outcome, e *evidence) {
	r, tr := ruler{o}, &e.trace
	step, asked := e.step(), !e.waits()
	if e.begun && asked {
		r.lag(stats.CloseLag, e.planned, step)
	}
	answered := tr.PeerClose.Set() && tr.OwnClose.Set() && tr.OwnClose.At >= tr.PeerClose.At
	switch e.plan.Mode {
	case scenario.Active:
		r.between(stats.CloseHandshake, step, tr.PeerClose)
	case scenario.Passive:
		if asked {
			r.between(stats.Notice, step, tr.PeerClose)
		}
	}
	if step.Set() && asked && e.plan.Mode != scenario.Abort && tr.PeerClose.Set() && tr.PeerClose.At >= step.At {
		r.between(stats.CloseScheduled, wire.UserInstant(e.planned), tr.PeerClose)
	}
	if answered && !(e.plan.Mode == scenario.Active && step.Set() && o.Class != stats.PeerFirst) {
		r.between(stats.Reply, tr.PeerClose, tr.OwnClose)
	}
	if tr.Ending == wire.FIN {
		r.between(stats.FIN, tr.SecondClose(), tr.End)
	}
	if tr.PeerClose.Source == wire.Kernel {
		r.between(stats.ReadLag, tr.PeerClose, wire.UserInstant(tr.PeerCloseSeen))
	}
	if !e.timedOut && !e.graceOver && !e.interrupted {
		r.between(stats.Teardown, first(step, tr.OwnClose, tr.PeerClose), lastEnd(tr))
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
