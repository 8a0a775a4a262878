package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// count makes the connection's one Outcome and records it.
func (c *connection) count(e *evidence) {
	o := stats.Outcome{N: c.lc.N, Entry: c.lc.Entry, Opened: e.open == nil}
	o.Class, o.Detail = classify(e)
	measureOpen(&o, c.due, &c.hs)
	if o.Opened {
		c.account(&o, e)
	}
	o.Ended = c.shard.e.tb.Now()
	c.shard.rec.Add(&o, func() []stats.Moment { return c.timeline(e) })
	c.shard.e.settled(c, &o, e)
}

// account fills in what only an opened connection has.
func (c *connection) account(o *stats.Outcome, e *evidence) {
	tr := &e.trace
	o.Forward = c.forward
	if tr.OwnCloseDone {
		o.CodeSent = tr.OwnCode
	}
	if tr.PeerClose.Set() {
		o.CodeReceived = tr.PeerCode
	}
	o.ClosedFirst = stats.Client
	if tr.Ending != wire.None && (!tr.Cut.Set() || tr.End.At < tr.Cut.At) {
		o.ClosedFirst = stats.Server
	}
	o.Messages = stats.Messages{
		Sent: tr.Sent, Received: tr.Received, AfterClose: tr.AfterClose,
		Skipped: c.skipped.Load(), Lost: c.lost(e),
	}
	c.attribute(o, tr)
	if c.lc.N%probeEvery == 0 {
		c.probe(o)
	}
	measureClose(o, e)
}

// lost counts own messages that never came back. The tail counts only where
// the peer closed in order after the own step: what crossed its Close, or came
// behind the order to close, it owes no answer.
func (c *connection) lost(e *evidence) uint64 {
	tr := &e.trace
	if !c.shard.e.echo {
		return 0
	}
	owed := tr.SentSeq
	if c.plan.Mode == scenario.Passive {
		owed = c.owed
	}
	if tr.Both() && e.begun && !e.waits() && !e.peerFirst() && owed > tr.NextSeq {
		return tr.Lost + owed - tr.NextSeq
	}
	return tr.Lost
}

// attribute gives the library's refusals their cause.
func (c *connection) attribute(o *stats.Outcome, tr *wire.Trace) {
	n := c.refused.Load()
	switch {
	case n == 0:
	case tr.OwnClose.Set() || tr.PeerClose.Set():
		o.InvalidState[stats.Race] = n
	case tr.Ending != wire.None || tr.Cut.Set() || o.Class == stats.Interrupted || o.Class == stats.NoClose:
		o.InvalidState[stats.Echo] = n
	default:
		o.InvalidState[stats.Unexplained] = n
	}
}

// probeEvery is the sampling of the probes: one connection in so many.
const probeEvery = 16

// probe asks the library, after the close, for one write and one read. Both
// must be refused; one that succeeds is a fault of the client library.
func (c *connection) probe(o *stats.Outcome) {
	_, _, readErr := c.lib.Read(context.Background())
	writeErr := c.lib.Write(context.Background(), websocket.MessageText, []byte("probe"))
	for _, err := range []error{readErr, writeErr} {
		if err == nil {
			o.ProbeAccepted++
		} else {
			o.InvalidState[stats.Probe]++
		}
	}
}

// timeline lists what is known of the connection's life, in order.
func (c *connection) timeline(e *evidence) []stats.Moment {
	var all []stats.Moment
	add := func(event string, at wire.Instant) {
		if at.Set() {
			all = append(all, stats.Moment{At: at.At, Event: event, Clock: at.Source.String()})
		}
	}
	tr := &e.trace
	if c.hs.Begun != 0 {
		add("dial", wire.UserInstant(c.hs.Begun))
	}
	add("tcp connected", c.hs.Connected)
	add("tls secured", c.hs.Secured)
	add("upgrade sent", c.hs.Asked)
	add("response arrived", c.hs.Answered)
	if e.open != nil {
		return append(all, stats.Moment{At: c.shard.e.tb.Now(), Event: "failed: " + e.open.Error(), Clock: "user"})
	}
	if e.begun {
		add("close planned", wire.UserInstant(e.planned))
	}
	if c.plan.Mode == scenario.Passive && !e.waits() {
		add("trigger sent", e.trigger)
	}
	add(fmt.Sprintf("close %d sent", tr.OwnCode), tr.OwnClose)
	add(fmt.Sprintf("close %d arrived", tr.PeerCode), tr.PeerClose)
	if tr.PeerClose.Set() {
		add(fmt.Sprintf("close read, reason %q", tr.PeerReason), wire.UserInstant(tr.PeerCloseSeen))
	}
	add("tls close_notify", tr.Notify)
	add("peer "+endDetail(tr), tr.End)
	add("cut", tr.Cut)
	add("socket closed", tr.Shut)
	slices.SortStableFunc(all, func(a, b stats.Moment) int { return cmp.Compare(a.At, b.At) })
	return all
}

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
