package scenario

import (
	"fmt"
	"time"
)

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
