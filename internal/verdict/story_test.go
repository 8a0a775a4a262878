package verdict

import (
	"cmp"
	"syscall"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

// A story is the evidence of one connection as it comes about. Each event
// happens a millisecond after the one before.
type story struct {
	Evidence
	now time.Duration
}

// told begins the story of a connection that is open and waits for its close.
func told(mode scenario.Mode) *story {
	plan := scenario.DefaultClose(mode)
	return &story{Evidence: Evidence{N: 7, Plan: &plan}}
}

// with changes the plan.
func (s *story) with(change func(*scenario.Close)) *story {
	change(s.Plan)
	return s
}

// by is told with another trigger.
func by(mode scenario.Mode, t scenario.Trigger) *story {
	return told(mode).with(func(c *scenario.Close) { c.Trigger = t })
}

// bad is told of a bad Close.
func bad(p scenario.Payload) *story {
	return told(scenario.BadClose).with(func(c *scenario.Close) { c.Payload = p })
}

func (s *story) tick() wire.Instant {
	s.now += time.Millisecond
	return wire.UserInstant(s.now)
}

// begun is the moment of the planned close.
func (s *story) begun() *story {
	s.Planned = s.now
	s.Begun, s.Began = true, s.tick()
	return s
}

// triggered is the planned close of a mode with a trigger.
func (s *story) triggered() *story {
	s.begun()
	s.Trigger, s.Sent = s.Began, true
	return s
}

// own hands the Close to write; sent is when that is done.
func (s *story) own(code int) *story {
	s.Trace.OwnClose, s.Trace.OwnCode = s.tick(), code
	return s
}

func (s *story) sent() *story {
	s.Trace.OwnCloseDone = true
	return s
}

// closes is the planned close by an own Close, wholly sent.
func (s *story) closes() *story {
	s.begun()
	return s.own(cmp.Or(s.Plan.Code, 1000)).sent()
}

// peer is the arrival of the peer's Close, read a millisecond later.
func (s *story) peer(code int) *story {
	s.tick()
	s.Trace.PeerClose, s.Trace.PeerCode = wire.Instant{At: s.now, Source: wire.Kernel}, code
	s.tick()
	s.Trace.PeerCloseSeen = s.now
	return s
}

// unread is the arrival of the peer's Close while this end does not read.
func (s *story) unread(code int) *story {
	s.peer(code)
	s.Trace.PeerCloseSeen = time.Hour
	return s
}

// replies is the own Close that answers the peer's.
func (s *story) replies() *story { return s.own(s.Trace.PeerCode).sent() }

func (s *story) halfCloses() *story {
	s.begun()
	s.Trace.HalfClose = s.Began
	return s
}

func (s *story) cuts() *story {
	s.begun()
	s.Trace.Cut = s.tick()
	s.Trace.Shut = s.Trace.Cut
	return s
}

func (s *story) ends(how wire.Kind, errno syscall.Errno) *story {
	s.Trace.End, s.Trace.Ending, s.Trace.Errno = s.tick(), how, errno
	return s.shuts()
}

func (s *story) fin() *story { return s.ends(wire.FIN, 0) }
func (s *story) rst() *story { return s.ends(wire.RST, syscall.ECONNRESET) }

func (s *story) shuts() *story {
	s.Trace.Shut = s.tick()
	return s
}

// timesOut is the end of limits.close.
func (s *story) timesOut() *story {
	s.TimedOut = true
	return s.shuts()
}

// graceOver is the end of limits.fin.
func (s *story) graceOver() *story {
	s.GraceOver = true
	return s.shuts()
}

// and notes what is no event of its own.
func (s *story) and(note func(*Evidence)) *story {
	note(&s.Evidence)
	return s
}

// neverOpened is the story of an opening that failed.
func neverOpened(reason string, tool bool) *story {
	return told(scenario.Active).and(func(e *Evidence) { e.Open = &wire.OpenError{Reason: reason, Tool: tool} })
}
