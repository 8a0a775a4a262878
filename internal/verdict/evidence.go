package verdict

import (
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

// Evidence is all that a verdict may look at.
type Evidence struct {
	N      uint64          // number of the connection
	Plan   *scenario.Close // how it was to be ended
	Trace  wire.Trace
	Open   *wire.OpenError // no connection came about
	Secure bool            // TLS
	Echo   bool            // own messages were to come back

	Planned time.Duration // planned close; for a stall, the end of the pause
	Begun   bool          // the planned close was begun
	Began   wire.Instant  // and when, by whoever took it in hand
	Trigger wire.Instant  // trigger handed to write or launched, or the moment it would have been
	Sent    bool          // the trigger is wholly written, or was launched
	Owed    uint64        // own messages written before the trigger

	Interrupted bool // the run stopped first
	TimedOut    bool // limits.close ran out
	GraceOver   bool // limits.fin ran out
	LateFIN     bool // and then the FIN came
	Unsent      bool // at limits.close own bytes had not reached the peer's kernel
}

// Step is when the own step was taken: the own Close, the trigger, the own
// FIN or the cut, whichever the mode is about. A Close that answers the peer's
// is no step.
func (e *Evidence) Step() wire.Instant {
	switch e.Plan.Mode.Act() {
	case scenario.ActTrigger:
		return e.Trigger
	case scenario.ActCut:
		return e.Trace.Cut
	case scenario.ActFIN:
		return e.Trace.HalfClose
	}
	if e.Begun {
		return e.Trace.OwnClose
	}
	return wire.Instant{}
}

// waits reports whether the peer is left to close by itself, whenever.
func (e *Evidence) waits() bool { return e.Plan.Trigger.Wait }

// peerFirst reports whether the peer's Close came before the own step, unasked.
func (e *Evidence) peerFirst() bool {
	if !e.Trace.PeerClose.Set() || e.waits() {
		return false
	}
	step := e.Step()
	return !step.Set() || e.Trace.PeerClose.At < step.At
}

// cut reports whether the planned cut ran. Behind an own Close it is made even
// where the peer's answer and end of TCP were faster.
func (e *Evidence) cut() bool {
	tr := &e.Trace
	first := tr.Ending == wire.None || tr.End.At > tr.Cut.At
	return tr.Cut.Set() && (first || e.Plan.When == scenario.AfterClose && e.ownFirst())
}

// payload is the connection's own bad Close.
func (e *Evidence) payload() scenario.Payload { return e.Plan.Payload.Of(e.N) }

// failed reports whether the own step breaks RFC 6455 so that the peer must
// fail the connection, with or without a Close, and process nothing more
// (section 7.1.7).
func (e *Evidence) failed() bool {
	return e.Plan.Trigger.Violate != "" || e.Plan.Mode == scenario.BadClose && e.payload().Malformed()
}

// asksForCut reports whether the own step made an end of TCP by the peer what
// was asked for.
func (e *Evidence) asksForCut() bool {
	tr, step := &e.Trace, e.Step()
	if tr.Ending != wire.FIN && tr.Ending != wire.RST || e.peerFirst() {
		return false
	}
	if e.leftUnanswered() {
		return true // to leave its Close unanswered was the step, however that came about
	}
	if !step.Set() || tr.End.At < step.At {
		return false
	}
	reset := tr.Ending == wire.RST
	switch {
	case e.Plan.Mode.Act() == scenario.ActFIN:
		return true
	case e.failed():
		// Who fails a connection may be deaf to what follows: our answer may
		// meet an RST. That is no reason for a code that nothing asked for.
		return !tr.PeerClose.Set() || reset && !e.failedByPeer()
	case e.Plan.Mode == scenario.BadClose && e.payload().Trails():
		return reset && tr.PeerClose.Set() && !e.failedByPeer()
	}
	return e.Plan.Trigger.OrdersCut() && !tr.PeerClose.Set()
}

// failedByPeer reports whether the peer's Close says that it failed the
// connection, for no reason that it was given.
func (e *Evidence) failedByPeer() bool {
	return e.Trace.PeerClose.Set() && failure(e.Trace.PeerCode) && !e.asked(e.Trace.PeerCode)
}

// leftUnanswered reports whether the peer was brought to close, and its Close
// was left without an answer on purpose.
func (e *Evidence) leftUnanswered() bool {
	mode := e.Plan.Mode
	return mode.Act() == scenario.ActTrigger && !mode.Answers() && e.Trace.PeerClose.Set()
}

// asked reports whether the peer's code is one it was asked for: the echo of
// the own code, or what the trigger asks for. What follows an own Close breaks a
// rule too (RFC 6455 section 5.5.1), for which the peer may fail the connection.
func (e *Evidence) asked(code int) bool {
	if e.failed() || e.Plan.Mode == scenario.BadClose && e.payload().Trails() {
		return code == 1002 || code == 1007
	}
	if trigger := &e.Plan.Trigger; *trigger != (scenario.Trigger{}) && trigger.Asks(code) {
		return true
	}
	return e.Plan.Code != 0 && code == e.Plan.Code
}

// lost counts own messages that never came back. The tail counts only where
// the peer closed in order after the own step: what crossed its Close, or came
// behind the order to close, it owes no answer.
func (e *Evidence) lost() uint64 {
	tr := &e.Trace
	if !e.Echo {
		return 0
	}
	owed := tr.SentSeq
	if e.Trigger.Set() {
		owed = e.Owed
	}
	if tr.Both() && e.Begun && !e.waits() && !e.failed() && !e.peerFirst() && owed > tr.NextSeq {
		return tr.Lost + owed - tr.NextSeq
	}
	return tr.Lost
}
