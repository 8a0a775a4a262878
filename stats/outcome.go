package stats

import "time"

// NoCode stands in Outcome.CodeSent and CodeReceived for "no Close frame". A
// Close frame without a status code is 1005 (RFC 6455 section 7.1.5).
const NoCode = 0

// A Sample is one duration of a phase. The zero Sample is "not measured",
// which is different from a duration of 0.
type Sample struct {
	D      time.Duration
	OK     bool
	Kernel bool // the arrival that begins (reply, read_lag) or ends the interval is a kernel receive stamp, not the clock of this process
}

// Messages counts data messages of one connection or many.
type Messages struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Skipped    uint64 `json:"skipped"`     // due, but the connection's previous send was unfinished
	Lost       uint64 `json:"lost"`        // sent, and by their sequence numbers never echoed (traffic.expect: echo)
	AfterClose uint64 `json:"after_close"` // received after the own Close and before the peer's: legal
}

// Add adds the counts of o.
func (m *Messages) Add(o Messages) {
	m.Sent += o.Sent
	m.Received += o.Received
	m.Skipped += o.Skipped
	m.Lost += o.Lost
	m.AfterClose += o.AfterClose
}

// An Outcome is the end of one connection: what happened, and how long each
// part took.
type Outcome struct {
	N             uint64
	Entry         int // index into the mix
	Class         Class
	Detail        string // one token of a bounded vocabulary: "refused", "rule:masked", "code:1012"; "" for none
	Forward       bool   // closed before its plan because the run ended; kept out of latency
	Opened        bool
	Flags         Flags
	CodeSent      int // NoCode, or the status code of the own Close
	CodeReceived  int // NoCode, or the status code of the peer's Close
	ClosedFirst   Side
	InvalidState  [NumCauses]uint32
	ProbeAccepted uint32 // probes that succeeded after the close
	Messages      Messages
	Unanswered    uint64 // own messages behind the last that came back; a server owes no answer to what crosses its Close (traffic.expect: echo)
	Phases        [NumPhases]Sample
	Crossed       [NumPhases]bool // the pair was there in the wrong order: a count, never a sample
	Times         Times
	Ended         time.Duration // offset in the run
}

// Times are when things happened to a connection.
type Times struct {
	Began     time.Duration // the dial, or the planned start where it never came to that
	Opened    Offset        // the 101 arrived
	PeerClose Offset        // the peer's Close arrived
	PeerEnd   Offset        // the peer's FIN or RST arrived, or the socket's error
}

// An Offset is a moment as its distance from the beginning of the run. The zero
// Offset is "never", which is different from the beginning itself.
type Offset struct {
	At     time.Duration
	OK     bool
	Kernel bool // a kernel receive stamp, not the clock of this process
}

// A Moment is one line of a timeline: an event of a connection and when it
// happened, from the beginning of the run.
type Moment struct {
	At    time.Duration `json:"at_ns"`
	Event string        `json:"event"`
	Clock string        `json:"clock,omitempty"` // kernel or user
}
