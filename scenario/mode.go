package scenario

import (
	"fmt"
	"time"
)

// A Mode is what the client does to end a connection.
type Mode string

const (
	// Active sends a Close, keeps receiving until the peer's Close, and waits
	// for the peer's FIN (RFC 6455 section 7.1.2).
	Active Mode = "active"
	// Passive gets the server to close, answers its Close and waits for FIN.
	Passive Mode = "passive"
	// Abort ends the TCP connection without a Close frame.
	Abort Mode = "abort"
)

// UnmarshalText reads one of the modes that there are, and no other.
func (m *Mode) UnmarshalText(text []byte) error {
	mode, bad := oneOf("mode", string(text), modes()...)
	if bad != nil {
		return bad
	}
	*m = mode
	return nil
}

func modes() []Mode { return []Mode{Active, Passive, Abort} }

// owner gives the only mode that has a key of a mix entry, "" for a key that
// every entry has.
func owner(key string) Mode {
	switch key {
	case "code", "reason", "eager":
		return Active
	case "trigger":
		return Passive
	case "how":
		return Abort
	}
	return ""
}

// has says whether entries of the mode have the key.
func (m Mode) has(key string) bool {
	only := owner(key)
	return only == "" || only == m
}

// How is the way an abort ends TCP. "" stands in entries of other modes.
type How string

const (
	// RST resets the connection (SO_LINGER with 0 seconds).
	RST How = "rst"
	// FIN closes the socket with nothing left to read or send.
	FIN How = "fin"
)

// UnmarshalText reads rst, fin or nothing.
func (h *How) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*h = ""
		return nil
	}
	how, bad := oneOf("way to abort", string(text), RST, FIN)
	if bad != nil {
		return bad
	}
	*h = how
	return nil
}

// Expect is what a connection's messages are held against. "" leaves the
// choice to the run: echo for its own target, any otherwise.
type Expect string

const (
	// ExpectAny takes whatever the server sends.
	ExpectAny Expect = "any"
	// ExpectEcho wants every message back, in order.
	ExpectEcho Expect = "echo"
)

// UnmarshalText reads any, echo or nothing.
func (e *Expect) UnmarshalText(text []byte) error {
	expect, bad := expectOf(string(text))
	if bad != nil {
		return bad
	}
	*e = expect
	return nil
}

func expectOf(text string) (Expect, *textError) {
	if text == "" {
		return "", nil
	}
	return oneOf("expectation", text, ExpectAny, ExpectEcho)
}

// A Shape spreads the closes of a run over time. As text it is one of
//
//	each            each connection at the end of its own hold
//	wave(10s)       together, at the next multiple of 10s after the hold
//	at_end          all at once, when the duration is over
//	rate(500/s)     after the hold, oldest first, at most 500 a second
//
// A Shape comes from text only, so it is always valid. Shapes compare with
// ==. The zero Shape is each.
type Shape struct {
	kind  ShapeKind
	every time.Duration // wave
	rate  Rate          // rate
}

// ShapeKind is a Shape without its parameter.
type ShapeKind uint8

const (
	ShapeEach  ShapeKind = iota // each at the end of its own hold
	ShapeWave                   // at multiples of a period
	ShapeAtEnd                  // all when the duration is over
	ShapeRate                   // paced, oldest first
)

const shapeForms = "use each, wave(10s), at_end or rate(500/s)"

// ParseShape reads the text of a Shape. The error names the text, what is
// wrong with it and where, and the forms that there are.
func ParseShape(text string) (Shape, error) {
	fail := func(msg, hint string) (Shape, error) {
		return Shape{}, &textError{what: "shape", text: text, msg: msg, hint: hint}
	}
	c, fault := parseCall(text)
	if fault != "" {
		return fail(fault, shapeForms)
	}
	params := 1
	switch c.name {
	case "each", "at_end":
		params = 0
	case "wave", "rate":
	default:
		hint := shapeForms
		if near := nearest(c.name, []string{"each", "wave", "at_end", "rate"}); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return fail(fmt.Sprintf("unknown shape %s at position %d", quote(c.name), c.at), hint)
	}
	if len(c.args) != params {
		return fail(fmt.Sprintf("%s: the number of values is %d and must be %d", c.name, len(c.args), params), shapeForms)
	}
	switch c.name {
	case "at_end":
		return Shape{kind: ShapeAtEnd}, nil
	case "wave":
		every, msg, hint := parsePeriod(c.args[0])
		if msg != "" {
			return fail(msg, hint)
		}
		return Shape{kind: ShapeWave, every: every}, nil
	case "rate":
		rate, err := ParseRate(c.args[0].text)
		if err != nil {
			bad := err.(*textError)
			return fail(fmt.Sprintf("%s: %s at position %d", bad.msg, quote(bad.text), c.args[0].at), shapeForms)
		}
		if rate == 0 {
			return fail("a rate of 0 is unlimited and spreads nothing", "write each, or a rate above 0")
		}
		return Shape{kind: ShapeRate, rate: rate}, nil
	}
	return Shape{}, nil
}

// parsePeriod reads the period of a wave.
func parsePeriod(arg argument) (every time.Duration, msg, hint string) {
	every, msg, hint = parseSpan(arg)
	if msg == "" && every == 0 {
		msg = "the period must be above 0s"
	}
	if hint == "" {
		hint = "write wave(period), as in wave(10s)"
	}
	return every, msg, hint
}

// Kind gives the shape without its parameter.
func (s Shape) Kind() ShapeKind { return s.kind }

// Rate gives the pace of ShapeRate, and 0 for all other kinds.
func (s Shape) Rate() Rate { return s.rate }

// String gives the text that ParseShape reads as the same Shape.
func (s Shape) String() string {
	switch s.kind {
	case ShapeWave:
		return "wave(" + durationText(s.every) + ")"
	case ShapeAtEnd:
		return "at_end"
	case ShapeRate:
		return "rate(" + s.rate.String() + ")"
	}
	return "each"
}

// MarshalText is String. It never fails.
func (s Shape) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseShape.
func (s *Shape) UnmarshalText(text []byte) error {
	parsed, err := ParseShape(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}
