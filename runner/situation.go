package runner

import (
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

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
	late  func(*evidence)
}

func timedOut(e *evidence)  { e.timedOut = true }
func graceOver(e *evidence) { e.graceOver = true }

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
	trigger := s.c.trigger
	s.c.mu.Unlock()
	patience := s.deadline(tr, trigger)
	switch {
	case tr.PeerClose.Set() && !tr.OwnClose.Set() && !tr.OwnCloseLost && tr.Ending != wire.RST && tr.Ending != wire.Failed:
		return move{act: actAnswer, limit: tr.PeerCloseSeen + s.close}
	case tr.Ending != wire.None:
		return move{act: actSettle}
	case begun && s.c.plan.Mode == scenario.Abort && !interrupted:
		return move{act: actCut}
	case s.lateClose(tr, trigger):
		return move{act: actSettle}
	case tr.PeerClose.Set():
		if s.c.plan.Eager && begun && !tr.OwnCloseLost {
			return move{act: actSettle}
		}
		return move{act: actWait, limit: max(tr.OwnClose.At, tr.PeerCloseSeen) + s.fin, late: graceOver}
	}
	return move{act: actWait, limit: patience, late: timedOut}
}

// deadline is when limits.close runs out: counted from the own step, else from
// the own Close (the library failed the connection), else from the moment the
// library was through.
func (s *situation) deadline(tr *wire.Trace, trigger wire.Instant) time.Duration {
	switch {
	case trigger.Set():
		return trigger.At + s.close
	case tr.OwnClose.Set():
		return tr.OwnClose.At + s.close
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
