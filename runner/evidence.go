package runner

import (
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

// evidence is all that classification may look at: what was planned, what the
// wire saw up to the settling event, and what settled it.
type evidence struct {
	plan  *scenario.Close
	trace wire.Trace
	open  *wire.OpenError // no connection came about

	planned time.Duration // planned close
	begun   bool          // the planned close was begun
	trigger wire.Instant  // trigger handed to write, or the moment it would have been
	sent    bool          // the trigger is wholly written

	interrupted bool // the run stopped first
	timedOut    bool // limits.close ran out
	graceOver   bool // limits.fin ran out
	unsent      bool // at limits.close own bytes had not reached the peer's kernel
}

// step is when the own step was taken: the own Close of an active close, the
// trigger of a passive one, the cut of an abort. A Close that answers the
// peer's is no step.
func (e *evidence) step() wire.Instant {
	switch e.plan.Mode {
	case scenario.Active:
		if e.begun {
			return e.trace.OwnClose
		}
	case scenario.Passive:
		return e.trigger
	case scenario.Abort:
		return e.trace.Cut
	}
	return wire.Instant{}
}

// peerFirst reports whether the peer's Close came before the own step, unasked.
func (e *evidence) peerFirst() bool {
	if !e.trace.PeerClose.Set() || e.waits() {
		return false
	}
	step := e.step()
	return !step.Set() || e.trace.PeerClose.At < step.At
}

// waits reports whether the server is left to close by itself, whenever.
func (e *evidence) waits() bool {
	return e.plan.Mode == scenario.Passive && e.plan.Trigger.Wait
}
