package stats

import (
	"fmt"

	"github.com/wsload/wsload/scenario"
)

// Class says how one connection ended. Every connection has exactly one; the
// first that matches in the order below wins. CS and CR stand for the own and
// the peer's complete Close frame, T for limits.close, G for limits.fin.
type Class uint8

const (
	OpenFailed      Class = iota // no valid opening handshake in time
	ToolError                    // a limit of this tool or host before the open
	Interrupted                  // the run stopped before the connection settled
	Violation                    // a received frame broke a rule of RFC 6455, or a message was foreign
	Cut                          // the planned cut ran
	PeerFirst                    // CR before the own step, unasked
	FailedByPeer                 // CR with an error code that was not asked for
	ReplyFailed                  // CR, the answer was tried and could not be written
	Clean                        // CS, CR, FIN within G, no RST
	CleanRST                     // CS, CR, then RST
	CleanNoFIN                   // CS, CR, no FIN within G
	UnansweredEOF                // CS, no CR, FIN
	UnansweredRST                // CS, no CR, RST
	UnansweredError              // CS, no CR, another error
	CloseTimeout                 // own step done or stuck, nothing by T
	PrematureEOF                 // no Close either way, FIN
	PrematureRST                 // no Close either way, RST
	PrematureError               // no Close either way, another error
	NoClose                      // trigger sent, no Close and no FIN by T
	NumClasses      = int(iota)
)

// String returns the name of the class in results and rules.
func (c Class) String() string {
	names := [NumClasses]string{
		OpenFailed:      "open_failed",
		ToolError:       "tool_error",
		Interrupted:     "interrupted",
		Violation:       "violation",
		Cut:             "cut",
		PeerFirst:       "peer_first",
		FailedByPeer:    "failed_by_peer",
		ReplyFailed:     "reply_failed",
		Clean:           "clean",
		CleanRST:        "clean_rst",
		CleanNoFIN:      "clean_no_fin",
		UnansweredEOF:   "unanswered_eof",
		UnansweredRST:   "unanswered_rst",
		UnansweredError: "unanswered_error",
		CloseTimeout:    "close_timeout",
		PrematureEOF:    "premature_eof",
		PrematureRST:    "premature_rst",
		PrematureError:  "premature_error",
		NoClose:         "no_close",
	}
	return nameOf("class", names[:], uint8(c))
}

// MarshalText writes the name of the class. It fails for a value that is not a
// class.
func (c Class) MarshalText() ([]byte, error) {
	return marshalName("class", c, NumClasses)
}

// UnmarshalText reads the name of a class.
func (c *Class) UnmarshalText(text []byte) error {
	return unmarshalName("class", c, NumClasses, text)
}

// Premature reports whether a connection of this class ended before the close
// handshake was complete although it was not planned to: .NET calls this
// WebSocketError.ConnectionClosedPrematurely. A timeout is not premature: the
// peer kept the connection.
func (c Class) Premature() bool {
	switch c {
	case ReplyFailed, UnansweredEOF, UnansweredRST, UnansweredError,
		PrematureEOF, PrematureRST, PrematureError:
		return true
	}
	return false
}

// Expected reports whether the class is one that a mode is for; every other
// class is unexpected. It is nil for Interrupted, which says nothing about
// either end.
func Expected(mode string, c Class) *bool {
	if c == Interrupted {
		return nil
	}
	expected := goal(mode, c)
	return &expected
}

// goal is what a mode is for.
func goal(mode string, c Class) bool {
	m := scenario.Mode(mode)
	return c == Clean && m.EndsClean() || c == Cut && m.EndsCut()
}

// Cause says why the client library refused an operation because the close
// handshake had begun or ended (.NET: WebSocketError.InvalidState).
type Cause uint8

const (
	Probe       Cause = iota // asked on purpose after a close, on a sample of connections
	Race                     // a sender met a close in flight
	Echo                     // after a premature end, a cut or a timeout
	Unexplained              // none of these; must be 0
	NumCauses   = int(iota)
)

// String returns the name of the cause in results and rules.
func (c Cause) String() string {
	names := [NumCauses]string{
		Probe:       "probe",
		Race:        "race",
		Echo:        "echo",
		Unexplained: "unexplained",
	}
	return nameOf("cause", names[:], uint8(c))
}

// MarshalText writes the name of the cause. It fails for a value that is not a
// cause.
func (c Cause) MarshalText() ([]byte, error) {
	return marshalName("cause", c, NumCauses)
}

// UnmarshalText reads the name of a cause.
func (c *Cause) UnmarshalText(text []byte) error {
	return unmarshalName("cause", c, NumCauses, text)
}

// Side is an end of the TCP connection.
type Side uint8

const (
	Neither  Side = iota // no FIN and no RST was seen before the connection settled
	Server               // the peer sent the first FIN or RST
	Client               // this tool did
	NumSides = int(iota)
)

// String returns the name of the side.
func (s Side) String() string {
	names := [NumSides]string{
		Neither: "neither",
		Server:  "server",
		Client:  "client",
	}
	return nameOf("side", names[:], uint8(s))
}

// MarshalText writes the name of the side. It fails for a value that is not a
// side.
func (s Side) MarshalText() ([]byte, error) {
	return marshalName("side", s, NumSides)
}

// UnmarshalText reads the name of a side.
func (s *Side) UnmarshalText(text []byte) error {
	return unmarshalName("side", s, NumSides, text)
}

// The enumerations of this package share their text form: a lower-case name
// per value, and the same words for a value or a name that does not exist.

type enumeration interface {
	~uint8
	fmt.Stringer
}

func nameOf(kind string, names []string, v uint8) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", kind, v)
}

func marshalName[E enumeration](kind string, v E, num int) ([]byte, error) {
	if int(v) >= num {
		return nil, fmt.Errorf("write %s: %d is none", kind, v)
	}
	return []byte(v.String()), nil
}

func unmarshalName[E enumeration](kind string, v *E, num int, text []byte) error {
	for i := range num {
		if E(i).String() == string(text) {
			*v = E(i)
			return nil
		}
	}
	return fmt.Errorf("read %s: unknown name %q", kind, text)
}
