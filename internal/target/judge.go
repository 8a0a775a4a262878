package target

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"syscall"

	"github.com/wsload/wsload/internal/verdict"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// An entry says who ended a connection, and so what the client is judged by.
// The numbers are indices into Entries.
type entry int

const (
	byClient entry = iota // the client began the end: by a Close, a FIN, an RST or a broken rule
	byServer              // the server sent the first Close
	aborted               // the server ended TCP before both Closes had passed
	muted                 // the server left the client's Close without an answer
	badClose              // the server's Close broke a rule
)

// Entries is the mix of a server's own results: the modes are those of the
// server's end, so that a class says how the client met them. By which entry a
// connection counts is known at its end.
func Entries() []stats.Entry {
	return []stats.Entry{
		byClient: {Name: "by_client", Mode: string(scenario.Passive)},
		byServer: {Name: "by_server", Mode: string(scenario.Active)},
		aborted:  {Name: string(scenario.Abort), Mode: string(scenario.Abort)},
		muted:    {Name: string(scenario.Mute), Mode: string(scenario.Mute)},
		badClose: {Name: string(scenario.BadClose), Mode: string(scenario.BadClose)},
	}
}

// settle judges a connection that has ended and puts the result in the books.
func (c *session) settle() {
	tr := c.tap.Trace()
	if c.sv.Record != nil || c.named {
		o := stats.Outcome{N: c.n}
		e := c.evidence()
		o.Entry = int(e.entry)
		verdict.Judge(&o, &e.Evidence)
		o.ClosedFirst = literal(o.ClosedFirst)
		o.Ended = c.sv.tb.Now()
		if c.sv.Record != nil {
			c.sv.Record.Add(&o, func() []stats.Moment { return c.timeline(e) })
		}
		if c.named {
			c.sv.ends.add(End{ID: c.id, Mode: c.account.mode, Fault: c.manners.fault, Class: o.Class, Detail: o.Detail, Sent: o.CodeSent, Received: o.CodeReceived})
		}
	}
	// The counts come last: who finds nothing open any more finds all the rest.
	c.sv.book.ended(c.account, &tr, c.link.ending())
}

// literal makes the side that a verdict names as its own end, the client, the
// server, which this end is.
func literal(side stats.Side) stats.Side {
	switch side {
	case stats.Client:
		return stats.Server
	case stats.Server:
		return stats.Client
	}
	return side
}

// evidence is what is known of a session at its end.
type evidence struct {
	verdict.Evidence
	entry entry
}

func (c *session) evidence() *evidence {
	e := new(evidence)
	e.N, e.Trace = c.n, c.trace()
	_, e.Secure = c.conn.(*tls.Conn)
	tr := &e.Trace
	open := tr.Ending == wire.None
	e.Interrupted = c.cutShort && open
	e.TimedOut = c.late.Load() && c.spoke.Set() && !tr.PeerClose.Set()
	e.GraceOver = c.late.Load() && c.exchanged(tr) && open
	e.Unsent = c.unsent.Load()
	e.entry = c.entry(e)
	e.plan(c)
	return e
}

// trace is the Tap's, with what only the link has met: an end that was found
// by a write or by the last look at the socket.
func (c *session) trace() wire.Trace {
	tr := c.tap.Trace()
	by := c.link.ending()
	switch {
	case by == clientRST:
		if tr.Ending != wire.RST {
			tr.Ending, tr.Errno = wire.RST, syscall.ECONNRESET
		}
		tr.AfterFIN = false
	case tr.Ending != wire.None:
	case by == clientFIN:
		tr.Ending = wire.FIN
	case by == failed:
		tr.Ending = wire.Failed
	case tr.Notify.Set():
		tr.Ending, tr.End = wire.FIN, tr.Notify // all that the client had to say
	}
	if tr.Ending != wire.None && !tr.End.Set() {
		tr.End, tr.Cut = wire.UserInstant(c.parted), wire.Instant{} // the client was first
	}
	tr.HalfClose = c.halved
	return tr
}

// entry decides by what happened, not by what the path would have done.
func (c *session) entry(e *evidence) entry {
	tr := &e.Trace
	first := c.spoke
	if !first.Set() {
		first = tr.OwnClose // the library's, at a broken rule
	}
	switch {
	case tr.Cut.Set(), tr.Ending == wire.None && !c.exchanged(tr) && !e.TimedOut && !e.Interrupted && tr.Rule == wire.NoRule:
		return aborted
	case c.manners.speech != nil && c.spoke.Set() && c.misspeaks() != wire.NoRule:
		return badClose
	case tr.PeerClose.Set() && !first.Set() && (c.manners.silent || c.manners.delay > 0):
		return muted
	case c.begun && first.Set() && (!tr.PeerClose.Set() || first.At <= tr.PeerClose.At):
		return byServer
	}
	return byClient
}

// misspeaks is the rule that the server's Close broke for a client that reads
// it.
func (c *session) misspeaks() wire.Rule {
	said := c.manners.speech(wire.AppendClosePayload(nil, wire.CodeNormal, ""), false)
	// A Tap that has all its bytes from the beginning never reads its socket.
	client := wire.NewTap(nil, c.sv.tb, wire.TapOptions{Read: said})
	_ = client.Next(nil, 0)
	return client.Trace().Rule
}

// plan says what the server was about, as the verdict wants it.
func (e *evidence) plan(c *session) {
	tr := &e.Trace
	plan := &scenario.Close{Eager: c.sv.Record == nil} // nobody has waited for the FIN then
	e.Evidence.Plan = plan
	e.Begun, e.Planned = c.begun, c.planned
	plan.Mode = scenario.Mode(Entries()[e.entry].Mode)
	switch e.entry {
	case byServer:
		plan.Code = tr.OwnCode
	case byClient:
		plan.Trigger.Wait = true
	case aborted:
		plan.When = scenario.Idle
		if !tr.Cut.Set() {
			tr.Cut = tr.Shut
		}
	case muted:
		plan.Trigger.Wait = true
		e.Trigger = wire.UserInstant(c.opened)
	case badClose:
		// The bytes stand for the own Close also where they make none.
		plan.Trigger.Wait, e.Begun = true, true
		plan.Payload = scenario.PayloadShort
		if rule := c.misspeaks(); rule == wire.RuleDataAfterClose || rule == wire.RuleSecondClose {
			plan.Payload = scenario.PayloadDataAfter
		}
		if !tr.OwnClose.Set() {
			tr.OwnClose, tr.OwnCode = c.spoke, wire.CodeNoStatus
			tr.OwnCloseDone = !c.stuck
		}
	}
}

// timeline lists what is known of the connection's life, in order.
func (c *session) timeline(e *evidence) []stats.Moment {
	all := []stats.Moment{{At: c.opened, Event: "opened", Clock: stats.ClockUser}}
	add := func(event string, at wire.Instant) {
		if at.Set() {
			all = append(all, stats.Moment{At: at.At, Event: event, Clock: at.Source.String()})
		}
	}
	tr := &e.Trace
	if c.begun {
		add("close planned", wire.UserInstant(c.planned))
	}
	add(fmt.Sprintf("close %d sent", tr.OwnCode), tr.OwnClose)
	add(fmt.Sprintf("close %d arrived, reason %q", tr.PeerCode, tr.PeerReason), tr.PeerClose)
	add("tls close_notify", tr.Notify)
	add("own fin", tr.HalfClose)
	add("client "+verdict.EndDetail(tr), tr.End)
	add("cut", tr.Cut)
	add("socket closed", tr.Shut)
	slices.SortStableFunc(all, func(a, b stats.Moment) int { return cmp.Compare(a.At, b.At) })
	return all
}
