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
	"github.com/wsload/wsload/internal/verdict"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// count makes the connection's one Outcome and records it.
func (c *connection) count(e *verdict.Evidence) {
	o := stats.Outcome{Entry: c.lc.Entry}
	e.N = c.lc.N
	verdict.Judge(&o, e)
	verdict.MeasureOpen(&o, c.due, &c.hs)
	if o.Opened {
		o.Forward = c.forward
		o.Messages.Skipped = c.skipped.Load()
		verdict.Attribute(&o, e, c.refused.Load())
		if c.probed() && c.lib != nil {
			c.probe(&o)
		}
	}
	o.Times = c.times(&e.Trace, o.Opened)
	o.Ended = c.shard.e.tb.Now()
	c.after = newAftermath(&o, e)
	if o.Opened {
		c.after.held = o.Ended - c.opened
	}
	c.shard.rec.Add(&o, func() []stats.Moment { return c.timeline(e) })
	if c.hs.Record > 0 {
		c.shard.e.tracer.settled(c, &o, e)
	}
	c.shard.e.settled(c, &o, e)
	if settled := c.shard.e.opt.Settled; settled != nil {
		settled(&o)
	}
}

// An aftermath is what the end of a connection means for its slot.
type aftermath struct {
	early bool          // it ended before its planned close, and not as that was to end it; or it never opened
	left  bool          // the peer was the first to end it, asked or unasked
	held  time.Duration // from the 101 to the end; 0 where it never opened
}

func newAftermath(o *stats.Outcome, e *verdict.Evidence) aftermath {
	expected := stats.Expected(string(e.Plan.Mode), o.Class)
	a := aftermath{early: (expected == nil || !*expected) && (!e.Begun || o.Class == stats.PeerFirst)}
	tr := &e.Trace
	peer := tr.PeerClose
	if !peer.Set() {
		peer = tr.End
	}
	a.left = peer.Set()
	if mode := e.Plan.Mode; e.Begun && (mode.Act() != scenario.ActTrigger || mode.Closes()) { // a Close that answers ends nothing
		for _, own := range []wire.Instant{tr.OwnClose, tr.HalfClose, tr.Cut} {
			a.left = a.left && !(own.Set() && own.At <= peer.At)
		}
	}
	return a
}

// times are the moments of the connection that an outcome has.
func (c *connection) times(tr *wire.Trace, opened bool) stats.Times {
	t := stats.Times{Began: cmp.Or(c.hs.Begun, c.due)}
	if opened {
		t.Opened, t.PeerClose = offset(c.hs.Answered), offset(tr.PeerClose)
		if tr.Ending != wire.None {
			t.PeerEnd = offset(tr.End)
		}
	}
	return t
}

func offset(i wire.Instant) stats.Offset {
	return stats.Offset{At: i.At, OK: i.Set(), Kernel: i.Source == wire.Kernel}
}

// count adds an opened connection to its mode's tally.
func (e *engine) count(mode string, ev *verdict.Evidence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tally[mode]
	if t == nil {
		t = &Tally{Ended: make(map[string]uint64)}
		e.tally[mode] = t
	}
	tr := &ev.Trace
	t.Opened++
	if tr.OwnCloseDone {
		t.CloseSent++
	}
	if tr.PeerClose.Set() {
		t.CloseReceived++
	}
	t.Ended[firstEnd(ev)]++
}

// firstEnd says who ended TCP first, and how.
func firstEnd(ev *verdict.Evidence) string {
	tr := &ev.Trace
	own := tr.HalfClose
	if !own.Set() {
		own = tr.Cut
	}
	switch {
	case own.Set() && (tr.Ending == wire.None || tr.End.At > own.At):
		switch {
		case tr.Silent:
			return EndedSilently
		case tr.Reset && !tr.HalfClose.Set():
			return "client_rst"
		}
		return "client_fin"
	case tr.Ending == wire.FIN, tr.AfterFIN, ev.LateFIN:
		return "server_fin"
	case tr.Ending == wire.RST:
		return "server_rst"
	case tr.Ending == wire.Failed:
		return "error"
	}
	return "client_fin"
}

// goldenRatio is 2^64 over the golden ratio: the top bits of its multiples are
// spread evenly, also over the slots of one shard. The probes take one
// connection in 16.
const goldenRatio = 0x9E3779B97F4A7C15

// probed reports whether the connection is one of those.
func (c *connection) probed() bool { return c.lc.N*goldenRatio>>60 == 0 }

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
func (c *connection) timeline(e *verdict.Evidence) []stats.Moment {
	var all []stats.Moment
	add := func(event string, at wire.Instant) {
		if at.Set() {
			all = append(all, stats.Moment{At: at.At, Event: event, Clock: at.Source.String()})
		}
	}
	tr := &e.Trace
	if c.hs.Begun != 0 {
		add("dial", wire.UserInstant(c.hs.Begun))
	}
	add("tcp connected", c.hs.Connected)
	add("tls secured", c.hs.Secured)
	add("upgrade sent", c.hs.Asked)
	add("response arrived", c.hs.Answered)
	if e.Open != nil {
		return append(all, stats.Moment{At: c.shard.e.tb.Now(), Event: "failed: " + c.shard.e.hide(e.Open).Error(), Clock: "user"})
	}
	if e.Begun {
		add("close planned", wire.UserInstant(e.Planned))
	}
	if !c.plan.Trigger.Wait {
		add("trigger sent", e.Trigger)
	}
	sent := fmt.Sprintf("close %d sent", tr.OwnCode)
	if p := c.plan.Payload.Of(c.lc.N); p != "" {
		sent = fmt.Sprintf("bad close (%s) sent", p)
	}
	add(sent, tr.OwnClose)
	add(fmt.Sprintf("close %d arrived", tr.PeerCode), tr.PeerClose)
	if tr.PeerClose.Set() {
		add(fmt.Sprintf("close read, reason %q", c.shard.e.hidden.Replace(tr.PeerReason)), wire.UserInstant(tr.PeerCloseSeen))
	}
	add("fin sent", tr.HalfClose)
	add("tls close_notify", tr.Notify)
	add("peer "+verdict.EndDetail(tr), tr.End)
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
func (t *tracer) settled(c *connection, o *stats.Outcome, e *verdict.Evidence) {
	expected := stats.Expected(string(c.plan.Mode), o.Class)
	if t.only.unexpected && (expected == nil || *expected) {
		return
	}
	l := &trace.Line{
		Run: t.run, N: o.N, Entry: c.plan.Name, Mode: string(c.plan.Mode), Generation: c.lc.Generation,
		Planned: trace.Planned{Start: c.due, Hold: c.lc.Hold},
		Class:   o.Class.String(), Detail: o.Detail, Rule: e.Trace.Rule.String(), Flags: o.Flags.Names(),
		Expected: expected, Forward: o.Forward, Events: c.traced(e),
	}
	if e.Begun {
		l.Planned.Close = &e.Planned
	}
	l.Payload = string(c.plan.Payload.Of(o.N))
	if e.Open != nil {
		l.Failure = c.shard.e.hidden.Replace(withoutURL(e.Open).Error())
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
func (c *connection) traced(e *verdict.Evidence) []trace.Event {
	var all []trace.Event
	own := func(kind, dir string, at wire.Instant, seen time.Duration) {
		if at.Set() {
			all = append(all, trace.Event{At: at.At, Clock: at.Source.String(), Seen: seen, Dir: dir, Kind: kind})
		}
	}
	if e.Open == nil || c.hs.Begun != 0 {
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
	own("shut", "out", e.Trace.Shut, e.Trace.Shut.At)
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
		t.Errno = verdict.ErrnoName(ev.Errno)
	}
	return t
}
