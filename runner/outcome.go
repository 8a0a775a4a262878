package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/trace"
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
	if c.hs.Record > 0 {
		c.shard.e.tracer.settled(c, &o, e)
	}
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
	switch {
	case tr.Ending == wire.Failed:
		o.ClosedFirst = stats.Neither
	case tr.Ending != wire.None && (!tr.Cut.Set() || tr.End.At < tr.Cut.At):
		o.ClosedFirst = stats.Server
	}
	o.Messages = stats.Messages{
		Sent: tr.Sent, Received: tr.Received, AfterClose: tr.AfterClose,
		Skipped: c.skipped.Load(), Lost: c.lost(e),
	}
	c.attribute(o, tr)
	if c.lc.N*goldenRatio>>60 == 0 {
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

// goldenRatio is 2^64 over the golden ratio: the top bits of its multiples are
// spread evenly, also over the slots of one shard. The probes take one
// connection in 16.
const goldenRatio = 0x9E3779B97F4A7C15

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
		return append(all, stats.Moment{At: c.shard.e.tb.Now(), Event: "failed: " + c.shard.e.hide(e.open).Error(), Clock: "user"})
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
		add(fmt.Sprintf("close read, reason %q", c.shard.e.hidden.Replace(tr.PeerReason)), wire.UserInstant(tr.PeerCloseSeen))
	}
	add("tls close_notify", tr.Notify)
	add("peer "+endDetail(tr), tr.End)
	add("cut", tr.Cut)
	add("socket closed", tr.Shut)
	slices.SortStableFunc(all, func(a, b stats.Moment) int { return cmp.Compare(a.At, b.At) })
	return all
}

// maxTraced bounds the events of a connection that a trace keeps.
const maxTraced = 256

// A tracer makes the lines of a run's trace. The nil tracer makes none.
type tracer struct {
	*trace.Writer
	only TraceFilter
	run  string
}

// newTracer begins the trace of a run, nil where none is asked for.
func newTracer(e *engine, stamps string) *tracer {
	opt := &e.opt.Trace
	if opt.To == nil {
		return nil
	}
	t := &tracer{only: opt.Only, run: cmp.Or(opt.Run, fmt.Sprintf("%08x", e.opt.RunID))}
	t.Writer = trace.NewWriter(opt.To, trace.Header{
		Schema: trace.Schema, Run: t.run, Shard: e.opt.Shard.String(),
		Wall: e.tb.Wall(), Stamps: stamps, Only: opt.Only.String(),
	})
	return t
}

// events is how many events of connection n are to be kept.
func (t *tracer) events(n uint64) int {
	if t == nil || !t.only.wants(n) {
		return 0
	}
	return maxTraced
}

// end completes the trace and warns of what is not in it.
func (t *tracer) end(warn func(string)) {
	if t == nil {
		return
	}
	dropped, err := t.End()
	if dropped > 0 {
		warn(fmt.Sprintf("%d connections are not in the trace: it was written slower than they settled; trace a part of them, or to a faster disk", dropped))
	}
	if err != nil {
		warn("the trace is not whole: " + err.Error())
	}
}

// settled writes the line of a connection that has settled.
func (t *tracer) settled(c *connection, o *stats.Outcome, e *evidence) {
	expected := stats.Expected(string(c.plan.Mode), o.Class)
	if t.only.unexpected && (expected == nil || *expected) {
		return
	}
	l := &trace.Line{
		Run: t.run, N: o.N, Entry: c.plan.Name, Mode: string(c.plan.Mode), Generation: c.lc.Generation,
		Planned: trace.Planned{Start: c.due, Hold: c.lc.Hold},
		Class:   o.Class.String(), Detail: o.Detail, Rule: e.trace.Rule.String(),
		Expected: expected, Forward: o.Forward, Events: c.traced(e),
	}
	if e.begun {
		l.Planned.Close = &e.planned
	}
	if e.open != nil {
		l.Failure = c.shard.e.hidden.Replace(withoutURL(e.open).Error())
	}
	for _, said := range []struct {
		by  string
		err error
	}{{"read: ", c.readErr}, {"close: ", c.closeErr}} {
		if said.err == nil {
			continue
		}
		if l.Library != "" {
			l.Library += "; "
		}
		l.Library += said.by + c.shard.e.hidden.Replace(said.err.Error())
	}
	if log := c.hs.Log; log != nil {
		l.Local, l.Remote, l.Dropped = log.Local.String(), log.Remote.String(), log.Dropped
	}
	t.Add(l)
}

// withoutURL is the part of an error that does not show the target's URL,
// which may hold a secret.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// traced lists the events of a connection as they were noticed.
func (c *connection) traced(e *evidence) []trace.Event {
	var all []trace.Event
	own := func(kind, dir string, at wire.Instant, seen time.Duration) {
		if at.Set() {
			all = append(all, trace.Event{At: at.At, Clock: at.Source.String(), Seen: seen, Dir: dir, Kind: kind})
		}
	}
	if e.open == nil || c.hs.Begun != 0 {
		own("dial", "out", wire.UserInstant(c.hs.Begun), 0)
	}
	own("connected", "in", c.hs.Connected, 0)
	own("secured", "in", c.hs.Secured, 0)
	own("asked", "out", c.hs.Asked, 0)
	own("answered", "in", c.hs.Answered, 0)
	if c.hs.Log != nil {
		for i := range c.hs.Log.Events {
			all = append(all, c.tracedEvent(&c.hs.Log.Events[i]))
		}
	}
	own("shut", "out", e.trace.Shut, e.trace.Shut.At)
	return all
}

// tracedEvent is a wire's event as a trace shows it.
func (c *connection) tracedEvent(ev *wire.Event) trace.Event {
	t := trace.Event{
		At: ev.At.At, Clock: ev.At.Source.String(), Seen: ev.Seen, Dir: "in", Kind: ev.Kind.String(),
		Reason: c.shard.e.hidden.Replace(string(ev.Reason)), Rule: ev.Rule.String(), Truncated: ev.Open,
	}
	if ev.Dir == wire.Out {
		t.Dir = "out"
	}
	if ev.Kind == wire.Close {
		t.Code = ev.Code
	}
	if ev.Errno != 0 {
		t.Errno = errnoName(ev.Errno)
	}
	return t
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
