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
	c.settle(e, &s)
}

// proceed makes the next move and reports whether the connection has settled.
func (c *connection) proceed(s *situation, e *verdict.Evidence, buf []byte) (settled bool) {
	tr := c.tap.Trace()
	do := s.next(&tr)
	switch do.act {
	case actSettle:
		return true
	case actCut:
		c.tap.Cut(c.plan.How != scenario.FIN)
		return true
	case actAnswer:
		c.tap.LetGo()
		code := tr.PeerCode
		if tr.Rule != wire.NoRule {
			code = 1002 // RFC 6455 section 7.1.7
		}
		// A failure shows in the trace, except that of a cut run.
		e.Interrupted = errors.Is(c.tap.WriteClose(code, "", do.limit), wire.ErrInterrupted)
		return e.Interrupted
	}
	err := c.tap.Next(buf, do.limit)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		do.late(e)
	case errors.Is(err, wire.ErrInterrupted):
		e.Interrupted = true
	}
	return true
}

// settle ends what is left of the connection and completes the evidence.
func (c *connection) settle(e *verdict.Evidence, s *situation) {
	if e.TimedOut {
		e.Unsent = c.tap.Unsent()
	}
	c.tap.LetGo()
	if c.closer != nil {
		<-c.closer
	}
	c.lib.CloseNow() // the wire has the verdict; the library's is not asked
	tr := c.tap.Trace()
	if tr.Ending == wire.FIN {
		c.tap.Confirm(c.shard.e.tb.Now() + c.shard.e.plan.Limits.Fin)
	}
	c.tap.Shut()
	e.Trace = c.tap.Trace()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Planned, e.Begun = c.planned, c.stage == closing
	e.Began, e.Trigger, e.Sent, e.Owed = c.step, c.trigger, c.sent, c.owed
	e.Echo, e.Secure = c.shard.e.echo, c.hs.Secured.Set()
	if s.lateClose(&e.Trace, c.trigger) {
		// It came after limits.close had run out: too late to count.
		e.Trace.PeerClose, e.TimedOut = wire.Instant{}, true
	}
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
	actWait              // read until the limit
)

// A move is an act with its limit, and what it means when the limit runs out.
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
}

// next decides from the trace so far. The limits count from events, not from
// the decision, so asking again never prolongs a wait.
func (s *situation) next(tr *wire.Trace) move {
	s.c.mu.Lock()
	begun, interrupted := s.c.stage == closing, s.c.interrupted
	step, trigger := s.c.step, s.c.trigger
	s.c.mu.Unlock()
	switch {
	case s.lateClose(tr, trigger):
		return move{act: actSettle}
	case tr.PeerClose.Set() && !tr.OwnClose.Set() && !tr.OwnCloseLost && tr.Ending != wire.RST && tr.Ending != wire.Failed:
		return move{act: actAnswer, limit: tr.PeerCloseSeen + s.close}
	case tr.Ending != wire.None:
		return move{act: actSettle}
	case begun && s.c.plan.Mode == scenario.Abort && !interrupted:
		return move{act: actCut}
	case tr.PeerClose.Set():
		if s.c.plan.Eager && begun && !tr.OwnCloseLost {
			return move{act: actSettle}
		}
		return move{act: actWait, limit: max(tr.OwnClose.At, tr.PeerCloseSeen) + s.fin, late: graceOver}
	}
	return move{act: actWait, limit: s.deadline(tr, step, trigger), late: timedOut}
}

// deadline is when limits.close runs out: counted from the own step; from the
// own Close where the library failed the connection by itself; else from the
// moment the library was through.
func (s *situation) deadline(tr *wire.Trace, step, trigger wire.Instant) time.Duration {
	for _, from := range []wire.Instant{trigger, tr.OwnClose, step} {
		if from.Set() {
			return from.At + s.close
		}
	}
	return s.left + s.close
}

// lateClose reports whether the peer's Close arrived after limits.close had
// run out on it.
func (s *situation) lateClose(tr *wire.Trace, trigger wire.Instant) bool {
	from := tr.OwnClose
	if trigger.Set() {
		from = trigger
	}
	return tr.PeerClose.Set() && from.Set() && tr.PeerClose.At > from.At+s.close
}
