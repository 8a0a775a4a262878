package value

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/scenario/problem"
)

// A Dist is a distribution of durations. As text it is one of
//
//	10s                     always the same
//	uniform(1s,3s)          evenly between the two
//	exp(30s)                exponential with that mean: an end is as likely at any age
//	lognormal(20s,2m)       the median, and the value that 1 in 100 exceeds
//
// A Dist comes from text only, so it is always valid: no duration is negative
// or longer than 8760h. Dists compare with ==. The zero Dist is always 0s.
type Dist struct {
	kind distKind
	a, b time.Duration // the parameters in the order of the text
}

// Constant gives the distribution of one duration, which must not be negative.
func Constant(d time.Duration) Dist { return Dist{kind: distConstant, a: d} }

// Uniform gives the distribution that is spread evenly between two durations,
// low to high, of which neither may be negative.
func Uniform(low, high time.Duration) Dist { return Dist{kind: distUniform, a: low, b: high} }

type distKind uint8

const (
	distConstant distKind = iota
	distUniform
	distExp
	distLogNormal
)

const distForms = "use 10s, uniform(1s,3s), exp(30s) or lognormal(20s,2m)"

// ParseDist reads the text of a Dist. Spaces around the parts are allowed. The
// error names the text, what is wrong with it and where, and the forms that
// there are.
func ParseDist(text string) (Dist, error) {
	fail := func(msg, hint string) (Dist, error) {
		return Dist{}, &problem.TextError{What: "distribution", Text: text, Msg: msg, Hint: hint}
	}
	c, fault := problem.ParseCall(text)
	if fault != "" {
		return fail(fault, distForms)
	}
	if c.Args == nil {
		c.Args = []problem.Argument{{Text: c.Name, At: c.At}}
		c.Name = ""
	}
	kind, params, hint := distForm(c.Name)
	if params == 0 {
		return fail(fmt.Sprintf("unknown form %s at position %d", problem.Quote(c.Name), c.At), hint)
	}
	if len(c.Args) != params {
		return fail(fmt.Sprintf("%s: the number of values is %d and must be %d", c.Name, len(c.Args), params), hint)
	}
	d := Dist{kind: kind}
	for i, into := range []*time.Duration{&d.a, &d.b}[:params] {
		span, msg, better := problem.ParseSpan(c.Args[i])
		if msg != "" {
			return fail(msg, cmp.Or(better, hint))
		}
		*into = span
	}
	if msg := d.fault(); msg != "" {
		return fail(msg, hint)
	}
	return d, nil
}

// distForm gives the kind behind a name and the number of its parameters, 0
// for an unknown name, with the hint for mistakes in it.
func distForm(name string) (kind distKind, params int, hint string) {
	switch name {
	case "":
		return distConstant, 1, distForms
	case "uniform":
		return distUniform, 2, "write uniform(least,most), as in uniform(1s,3s)"
	case "exp":
		return distExp, 1, "write exp(mean), as in exp(30s)"
	case "lognormal":
		return distLogNormal, 2, "write lognormal(median,p99), as in lognormal(20s,2m)"
	}
	if near := problem.Nearest(name, []string{"uniform", "exp", "lognormal"}); near != "" {
		return 0, 0, "did you mean " + near + "? " + distForms
	}
	return 0, 0, distForms
}

// fault says which parameters do not go together, "" for none.
func (d Dist) fault() string {
	switch {
	case d.kind == distUniform && d.a > d.b:
		return "the least is above the most"
	case d.kind == distExp && d.a == 0:
		return "the mean must be above 0s"
	case d.kind == distLogNormal && d.a == 0:
		return "the median must be above 0s"
	case d.kind == distLogNormal && d.a > d.b:
		return "the median is above the p99"
	}
	return ""
}

// String gives the text that ParseDist reads as the same Dist.
func (d Dist) String() string {
	a, b := problem.DurationText(d.a), problem.DurationText(d.b)
	switch d.kind {
	case distUniform:
		return "uniform(" + a + "," + b + ")"
	case distExp:
		return "exp(" + a + ")"
	case distLogNormal:
		return "lognormal(" + a + "," + b + ")"
	}
	return a
}

// MarshalText is String. It never fails.
func (d Dist) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDist.
func (d *Dist) UnmarshalText(text []byte) error {
	parsed, err := ParseDist(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// Draw gives the duration below which a share u of all draws lies, with u in
// [0,1). It is the inverse of the cumulative distribution: pure, never
// negative and at most 8760h. What comes out of an exponential or a logarithm
// is rounded to the microsecond, because processors differ in the last bit of
// those and a plan must be the same on all.
func (d Dist) Draw(u float64) time.Duration {
	switch d.kind {
	case distUniform:
		return min(d.a+bounded(u*float64(d.b-d.a)), d.b)
	case distExp:
		return bounded(-math.Log1p(-u) * float64(d.a)).Round(time.Microsecond)
	case distLogNormal:
		const z99 = 2.3263478740408408 // the standard normal distribution's 99th percentile
		sigma := math.Log(float64(d.b)/float64(d.a)) / z99
		if sigma == 0 {
			return d.a // at u = 0 the next line gives -∞, and 0 × ∞ is no number
		}
		z := math.Sqrt2 * math.Erfinv(2*u-1)
		return bounded(math.Exp(sigma*z) * float64(d.a)).Round(time.Microsecond)
	}
	return d.a
}

// bounded turns nanoseconds into a duration between 0 and problem.MaxSpan.
func bounded(ns float64) time.Duration {
	if !(ns > 0) {
		return 0
	}
	return time.Duration(min(ns, float64(problem.MaxSpan)))
}
