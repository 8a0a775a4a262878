package value

import (
	"fmt"
	"time"

	"github.com/wsload/wsload/scenario/problem"
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
		return Shape{}, &problem.TextError{What: "shape", Text: text, Msg: msg, Hint: hint}
	}
	c, fault := problem.ParseCall(text)
	if fault != "" {
		return fail(fault, shapeForms)
	}
	params := 1
	switch c.Name {
	case "each", "at_end":
		params = 0
	case "wave", "rate":
	default:
		hint := shapeForms
		if near := problem.Nearest(c.Name, []string{"each", "wave", "at_end", "rate"}); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return fail(fmt.Sprintf("unknown shape %s at position %d", problem.Quote(c.Name), c.At), hint)
	}
	if len(c.Args) != params {
		return fail(fmt.Sprintf("%s: the number of values is %d and must be %d", c.Name, len(c.Args), params), shapeForms)
	}
	switch c.Name {
	case "at_end":
		return Shape{kind: ShapeAtEnd}, nil
	case "wave":
		every, msg, hint := parsePeriod(c.Args[0])
		if msg != "" {
			return fail(msg, hint)
		}
		return Shape{kind: ShapeWave, every: every}, nil
	case "rate":
		rate, err := ParseRate(c.Args[0].Text)
		if err != nil {
			bad := err.(*problem.TextError)
			return fail(fmt.Sprintf("%s: %s at position %d", bad.Msg, problem.Quote(bad.Text), c.Args[0].At), shapeForms)
		}
		if rate == 0 {
			return fail("a rate of 0 is unlimited and spreads nothing", "write each, or a rate above 0")
		}
		return Shape{kind: ShapeRate, rate: rate}, nil
	}
	return Shape{}, nil
}

// parsePeriod reads the period of a wave.
func parsePeriod(arg problem.Argument) (every time.Duration, msg, hint string) {
	every, msg, hint = problem.ParseSpan(arg)
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

// Every gives the period of ShapeWave, and 0 for all other kinds.
func (s Shape) Every() time.Duration { return s.every }

// Rate gives the pace of ShapeRate, and 0 for all other kinds.
func (s Shape) Rate() Rate { return s.rate }

// String gives the text that ParseShape reads as the same Shape.
func (s Shape) String() string {
	switch s.kind {
	case ShapeWave:
		return "wave(" + problem.DurationText(s.every) + ")"
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
