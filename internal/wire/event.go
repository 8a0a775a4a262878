package wire

import (
	"net"
	"slices"
	"syscall"
	"time"
)

// Direction is the way an event went.
type Direction uint8

const (
	In  Direction = iota // from the peer
	Out                  // from this end
)

// Kind is what an event is.
type Kind uint8

const (
	None        Kind = iota
	Message          // a data message, complete
	Ping             // a ping, complete
	Pong             // a pong, complete
	Close            // a Close frame: In complete, Out handed to write
	CloseDone        // the own Close is wholly written
	CloseFailed      // the own Close could not be wholly written
	Broken           // a frame that breaks a rule; the frame's own event may follow
	CloseNotify      // the peer ended the TLS session
	FIN              // the peer's end of stream
	RST              // the peer's reset, also one that followed a FIN
	Failed           // the connection broke with another error
	Cut              // this end cut the connection as planned
	HalfClosed       // this end sends its FIN and reads on
)

// String is the kind's name in traces, "" for None.
func (k Kind) String() string {
	return [...]string{
		"", "message", "ping", "pong", "close", "close_done", "close_failed",
		"broken", "close_notify", "fin", "rst", "failed", "cut", "half_close",
	}[k]
}

// Rule is a rule of RFC 6455 that a received frame broke.
type Rule uint8

const (
	NoRule                Rule = iota
	RuleBadCode                // a status code that must not be sent (7.4)
	RuleShortPayload           // a Close payload of one byte (5.5.1)
	RuleBadUTF8                // a Close reason that is not UTF-8 (5.5.1)
	RuleOversizeControl        // a control frame of more than 125 bytes (5.5)
	RuleFragmentedControl      // a control frame without FIN (5.4)
	RuleMasked                 // a masked frame from a server, or an unmasked one from a client (5.1)
	RuleRSV                    // a reserved bit without an extension (5.2)
	RuleOpcode                 // a reserved opcode, or one out of sequence (5.2, 5.4)
	RuleBadLength              // a 64-bit length with its most significant bit set (5.2)
	RuleDataAfterClose         // a data frame after the Close (5.5.1)
	RuleSecondClose            // a second Close (5.5.1)
	RuleForeignMessage         // a message of this run that belongs to another connection
)

// String is the rule's name in results, "" for NoRule.
func (r Rule) String() string {
	return [...]string{
		"", "bad-code", "short-payload", "bad-utf8", "oversize-control",
		"fragmented-control", "masked", "rsv", "opcode", "bad-length",
		"data-after-close", "second-close", "foreign-message",
	}[r]
}

// An Event is one thing that happened on the wire.
type Event struct {
	At     Instant       // when it happened
	Seen   time.Duration // when this process noticed
	Dir    Direction
	Kind   Kind
	Rule   Rule          // Broken
	Code   int           // Close
	Reason []byte        // Close; valid only during Step
	Head   []byte        // Message: the beginning of its payload; valid only during Step
	Errno  syscall.Errno // FIN, RST, Failed: the socket's error, 0 for none
	Open   bool          // FIN, RST, Failed: inside a frame or message of the peer

	AfterFIN bool // RST: a FIN is known to have come before it
}

// A Log is all that happened on one connection, in the order in which this
// process noticed it. It is bounded; the first events are kept.
type Log struct {
	Local, Remote net.Addr // of the TCP connection
	Events        []Event  // without Head; Reason stays valid
	Dropped       int      // events beyond the bound

	limit int
}

// newLog returns a Log of at most limit events of the connection.
func newLog(conn net.Conn, limit int) *Log {
	return &Log{Local: conn.LocalAddr(), Remote: conn.RemoteAddr(), Events: make([]Event, 0, min(limit, 8)), limit: limit}
}

func (l *Log) add(ev Event) {
	if len(l.Events) >= l.limit {
		l.Dropped++
		return
	}
	ev.Head, ev.Reason = nil, slices.Clone(ev.Reason)
	l.Events = append(l.Events, ev)
}
