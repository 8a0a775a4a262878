package runner

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/verdict"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

// buffers are for reading without the library: the library's own are back in
// its pool by then.
var buffers = sync.Pool{New: func() any { return new([4096]byte) }}

// finish takes the connection from where the library left it until it settles.
func (c *connection) finish(e *verdict.Evidence) {
	buf := buffers.Get().(*[4096]byte)
	defer buffers.Put(buf)
	s := c.take()
	for !c.proceed(&s, e, buf[:]) {
	}
	c.settle(e, &s, buf[:])
}

// proceed makes the next move and reports whether the connection has settled.
func (c *connection) proceed(s *situation, e *verdict.Evidence, buf []byte) (settled bool) {
	tr := c.tap.Trace()
	do := s.next(&tr)
	switch do.act {
	case actSettle:
		return true
	case actCut:
		c.cut()
		return true
	case actAnswer:
		code, reason := tr.PeerCode, ""
		if tr.Rule != wire.NoRule && tr.Rule != wire.RuleForeignMessage {
			code = codeProtocolError
		} else if !c.hs.Withhold {
			reason = tr.PeerReason // as the library answers
		}
		return c.write(e, code, reason, do.limit)
	case actClose:
		return c.write(e, c.plan.Code, c.plan.Reason, do.limit)
	case actPause:
		e.Interrupted = c.pause(do.limit)
		s.rested, s.gone = true, c.tap.TakeStock()
		return e.Interrupted
	case actPeek:
		buf = buf[:1] // what is behind it stays unread
		s.met = true
	}
	err := c.tap.Next(buf, do.limit)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		if do.late == nil {
			return false
		}
		do.late(e)
	case errors.Is(err, wire.ErrInterrupted):
		e.Interrupted = true
	}
	return true
}

// codeProtocolError fails the connection (RFC 6455 section 7.1.7).
const codeProtocolError = 1002

// write writes an own Close. A failure shows in the trace, except that of a cut
// run, which settles the connection.
func (c *connection) write(e *verdict.Evidence, code int, reason string, limit time.Duration) (settled bool) {
	c.tap.LetGo()
	e.Interrupted = errors.Is(c.tap.WriteClose(code, reason, limit), wire.ErrInterrupted)
	return e.Interrupted
}

// pause reads nothing until the offset is reached. True: the run has ended.
func (c *connection) pause(until time.Duration) (interrupted bool) {
	timer := time.NewTimer(until - c.shard.e.tb.Now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-c.stop:
		return true
	}
}

// settle ends what is left of the connection and completes the evidence.
func (c *connection) settle(e *verdict.Evidence, s *situation, buf []byte) {
	if e.TimedOut {
		e.Unsent = c.tap.Unsent()
	}
	c.tap.LetGo()
	if c.closer != nil {
		<-c.closer
	}
	if c.lib != nil {
		c.lib.CloseNow() // the wire has the verdict; the library's is not asked
	}
	tr := c.tap.Trace()
	if tr.Ending == wire.FIN {
		c.tap.Confirm(c.shard.e.tb.Now() + s.fin)
		tr = c.tap.Trace()
	}
	if e.GraceOver {
		e.LateFIN = c.linger(s, buf)
	}
	c.tap.Shut()
	e.Trace = c.tap.Trace()
	if e.GraceOver {
		shut := e.Trace.Shut
		e.Trace = tr // what came later does not change the class
		e.Trace.Shut = shut
	}
	e.Echo, e.Secure = c.shard.e.echo, c.hs.Secured.Set()
	e.Interrupted = e.Interrupted || c.abandoned
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Planned, e.Begun = s.planned(), c.stage == closing
	e.Began, e.Trigger, e.Sent, e.Owed = c.step, c.trigger, c.sent, c.owed
	if s.lateClose(&e.Trace, c.trigger) {
		// It came after limits.close had run out: too late to count.
		e.Trace.PeerClose, e.TimedOut = wire.Instant{}, true
	}
}

// linger waits for a FIN that comes after limits.fin, as long again.
func (c *connection) linger(s *situation, buf []byte) (late bool) {
	tr := c.tap.Trace()
	limit := tr.SecondClose().At + 2*s.fin
	for tr.Ending == wire.None {
		if err := c.tap.Next(buf, limit); err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		tr = c.tap.Trace()
	}
	return tr.Ending == wire.FIN
}

// take makes the owner's side of the bargain with the closer: once the library
// is through, a planned close that has not begun never will.
func (c *connection) take() situation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == held {
		c.stage = ending
	}
	limits := &c.shard.e.plan.Limits
	return situation{c: c, close: limits.Close, fin: limits.Fin, left: c.shard.e.tb.Now()}
}

// act is what the owner of a connection does next.
type act uint8

const (
	actSettle act = iota // nothing more to wait for
	actCut               // the planned cut
	actAnswer            // write the Close that answers the peer's
	actClose             // write the own Close
	actPause             // read nothing until the limit
	actPeek              // read until a byte arrives, or the limit
	actWait              // read until the limit
)

// A move is an act with its limit, and what it means when the limit runs out;
// nil: to look again.
type move struct {
	act   act
	limit time.Duration
	late  func(*verdict.Evidence)
}

func timedOut(e *verdict.Evidence)  { e.TimedOut = true }
func graceOver(e *verdict.Evidence) { e.GraceOver = true }

// A situation is what the owner goes by once the library is through.
type situation struct {
	c          *connection
	close, fin time.Duration // limits
	left       time.Duration // when the library was through
	met        bool          // an abort has waited for bytes of the peer
	rested     bool          // a stall's pause is over
	gone       bool          // and the peer had ended the connection by then
}

// next decides from the trace so far. The limits count from events, not from
// the decision, so asking again never prolongs a wait.
func (s *situation) next(tr *wire.Trace) move {
	c := s.c
	c.mu.Lock()
	begun, interrupted := c.stage == closing, c.interrupted
	step, trigger := c.step, c.trigger
	c.mu.Unlock()
	alive := tr.Ending == wire.None || tr.Ending == wire.FIN // what is written may arrive
	switch {
	case s.lateClose(tr, trigger):
		return move{act: actSettle}
	case tr.PeerClose.Set() && !tr.OwnClose.Set() && !tr.OwnCloseLost && alive:
		return s.answer(tr, trigger)
	case begun && !interrupted && c.plan.When == scenario.AfterClose && tr.OwnClose.Set() && !answered(tr):
		return move{act: actCut} // also where the answer was faster
	case tr.Ending != wire.None:
		return move{act: actSettle}
	case begun && !interrupted && !answered(tr) && c.plan.Mode.Act() == scenario.ActCut:
		if c.plan.When == scenario.Receiving && !s.met {
			return move{act: actPeek, limit: step.At + s.close}
		}
		return move{act: actCut}
	case begun && c.plan.Mode == scenario.Stall && !tr.OwnClose.Set() && !tr.OwnCloseLost && !s.gone:
		if !s.rested {
			return move{act: actPause, limit: step.At + c.plan.For}
		}
		return move{act: actClose, limit: c.shard.e.tb.Now() + s.close}
	case tr.PeerClose.Set():
		if c.plan.Eager && begun && !tr.OwnCloseLost {
			return move{act: actSettle}
		}
		return move{act: actWait, limit: max(tr.OwnClose.At, tr.PeerCloseSeen) + s.fin, late: graceOver}
	}
	return move{act: actWait, limit: s.deadline(tr, step, trigger), late: timedOut}
}

// answered reports whether the own Close answers the peer's.
func answered(tr *wire.Trace) bool {
	return tr.PeerClose.Set() && tr.OwnClose.Set() && tr.OwnClose.At >= tr.PeerCloseSeen
}

// answer is what the owner does about a Close of the peer that is not answered
// yet. One that came of itself, before the own step, is answered in any mode.
func (s *situation) answer(tr *wire.Trace, trigger wire.Instant) move {
	plan := s.c.plan
	pulled := plan.Trigger.Wait || trigger.Set() && trigger.At <= tr.PeerClose.At
	unanswerable := tr.HalfClose.Set() || !plan.Mode.Answers() && pulled
	late := tr.PeerClose.At + plan.ReplyDelay
	switch {
	case unanswerable && tr.Ending != wire.None:
		return move{act: actSettle}
	case unanswerable:
		return move{act: actWait, limit: max(tr.HalfClose.At, tr.PeerClose.At) + s.close, late: timedOut}
	case plan.ReplyDelay > 0 && tr.Ending == wire.None && s.c.shard.e.tb.Now() < late:
		return move{act: actWait, limit: late}
	}
	return move{act: actAnswer, limit: tr.PeerCloseSeen + s.close}
}

// deadline is when limits.close runs out: counted from the own FIN or trigger;
// from the own Close, also where the library failed the connection by itself;
// from the own step, a stall's at the end of its pause; else from the moment the
// library was through.
func (s *situation) deadline(tr *wire.Trace, step, trigger wire.Instant) time.Duration {
	if s.c.plan.Mode == scenario.Simultaneous && tr.OwnClose.Set() {
		trigger = tr.OwnClose
	}
	for _, from := range []wire.Instant{tr.HalfClose, trigger, tr.OwnClose} {
		if from.Set() {
			return from.At + s.close
		}
	}
	if step.Set() {
		return step.At + s.c.plan.For + s.close
	}
	return s.left + s.close
}

// planned is when the close was planned. A stall closes when its pause is over.
func (s *situation) planned() time.Duration { return s.c.planned + s.c.plan.For }

// lateClose reports whether the peer's Close arrived after limits.close had
// run out on it.
func (s *situation) lateClose(tr *wire.Trace, trigger wire.Instant) bool {
	from := tr.OwnClose
	if trigger.Set() && !(s.c.plan.Mode == scenario.Simultaneous && from.Set()) {
		from = trigger
	}
	return tr.PeerClose.Set() && from.Set() && tr.PeerClose.At > from.At+s.close
}
