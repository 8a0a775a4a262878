package rule

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
)

// Op compares a metric with a bound.
type Op string

const (
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Equal        Op = "=="
	NotEqual     Op = "!="
)

// A Rule is a metric and what it must be. It comes from Parse only.
type Rule struct {
	text   string
	metric metric.Metric
	point  bool // by the measured value alone
	op     Op
	bound  float64 // nanoseconds, a share or a count
}

// String is the text the rule was read from.
func (r Rule) String() string { return r.text }

// fault is a mistake in a rule.
type fault struct {
	at        int // position in the rule, in bytes from 1
	msg, hint string
}

// Parse reads the text of a rule. entries are the names of the mix that its
// metric may begin with. The error names the rule, what is wrong with it and
// where, and what to write instead.
func Parse(text string, entries []string) (Rule, error) {
	r, wrong := parse(text, entries)
	if wrong != nil {
		const most = 120
		shown := strconv.Quote(text[:min(len(text), most)])
		if len(text) > most {
			shown += "…"
		}
		return Rule{}, fmt.Errorf("parse rule %s: %s at position %d (%s)", shown, wrong.msg, wrong.at, wrong.hint)
	}
	r.text = strings.TrimSpace(text)
	return r, nil
}

func parse(text string, entries []string) (Rule, *fault) {
	const signs = "<>=!"
	from := strings.IndexAny(text, signs)
	if from < 0 {
		from = len(text)
	}
	to := from + len(text[from:]) - len(strings.TrimLeft(text[from:], signs))
	var r Rule
	if wrong := r.parseMetric(text[:from], entries); wrong != nil {
		return r, wrong
	}
	if wrong := r.parseOp(text[from:to], from+1); wrong != nil {
		return r, wrong
	}
	return r, r.parseBound(text[to:], to+1)
}

// parseMetric reads what stands left of the operator.
func (r *Rule) parseMetric(text string, entries []string) *fault {
	name, at := trim(text, 1)
	if inside, ok := strings.CutPrefix(name, "point("); ok {
		end := strings.IndexByte(inside, ')')
		if end < 0 {
			return &fault{at + len("point"), `no ")" for the "("`, "write point(" + orElse(inside, "active.fin.p99") + ")"}
		}
		if after, more := trim(inside[end+1:], at+len("point()")+end); after != "" {
			return &fault{more, "text after the metric", `write the operator after the ")"`}
		}
		r.point = true
		name, at = trim(inside[:end], at+len("point("))
	}
	if space := strings.IndexAny(name, " \t"); space >= 0 {
		return &fault{at + space, "text after the metric", "write one of " + ops() + " after it"}
	}
	m, err := metric.Parse(name, entries)
	if wrong, ok := errors.AsType[*metric.Error](err); ok {
		return &fault{at + wrong.At - 1, wrong.Msg, wrong.Hint}
	}
	r.metric = m
	return nil
}

// trim takes the blanks off a text at a position.
func trim(text string, at int) (string, int) {
	left := strings.TrimLeft(text, " \t")
	return strings.TrimRight(left, " \t"), at + len(text) - len(left)
}

func ops() string { return "<, <=, >, >=, == or !=" }

func (r *Rule) parseOp(text string, at int) *fault {
	r.op = Op(text)
	switch text {
	case "<", "<=", ">", ">=":
		return nil
	case "==", "!=":
		switch r.metric.Kind() {
		case metric.Duration:
			return &fault{at, "a duration is hardly ever the same", "use <= or >="}
		case metric.Number, metric.Bytes:
			if strings.HasPrefix(r.metric.String(), "leak.") || strings.HasPrefix(r.metric.String(), "self.leak.") {
				return &fault{at, "a slope is hardly ever the same", "use <= or >="}
			}
		}
		return nil
	case "":
		return &fault{at, "no bound", "write one, as in " + r.example()}
	}
	meant := map[string]Op{"=": Equal, "===": Equal, "=<": LessEqual, "=>": GreaterEqual, "<>": NotEqual, "!": NotEqual, "=!": NotEqual}
	hint := "use " + ops()
	if op := meant[text]; op != "" {
		hint = "did you mean " + string(op) + "?"
	}
	return &fault{at, "unknown operator " + quote(text), hint}
}

// example is a bound that fits the metric.
func (r *Rule) example() string {
	switch r.metric.Kind() {
	case metric.Duration:
		return r.metric.String() + " < 50ms"
	case metric.Rate:
		return r.metric.String() + " < 0.1%"
	case metric.Number:
		return r.metric.String() + " < 0.5"
	case metric.Bytes:
		return r.metric.String() + " < 1MiB"
	}
	return r.metric.String() + " == 0"
}

// parseBound reads what stands right of the operator.
func (r *Rule) parseBound(text string, at int) *fault {
	text, at = trim(text, at)
	if text == "" {
		return &fault{at, "no bound after " + string(r.op), "write one, as in " + r.example()}
	}
	var wrong *fault
	switch r.metric.Kind() {
	case metric.Duration:
		r.bound, wrong = parseDuration(text, at)
	case metric.Rate:
		r.bound, wrong = parseRate(text, at)
	case metric.Number:
		r.bound, wrong = parseNumber(text, at, r.metric.String())
	case metric.Bytes:
		r.bound, wrong = parseBytes(text, at, r.metric.String())
	default:
		r.bound, wrong = parseCount(text, at, r.metric.String())
	}
	if wrong != nil {
		return wrong
	}
	switch {
	case r.metric.IsFigure() && r.metric.Kind() != metric.Rate: // a slope may be negative, and a deploy take no time
	case r.bound == 0 && r.op == Less:
		return &fault{at, "nothing is below 0", "write a larger bound, or == 0 for a count or a rate"}
	case r.bound == 0 && r.op == GreaterEqual:
		return &fault{at, "everything is 0 or more", "write > 0"}
	case r.metric.Kind() == metric.Rate && r.bound != 0 && (r.op == Equal || r.op == NotEqual):
		return &fault{at, "a rate is compared exactly with 0 only", "use <= or >="}
	}
	return nil
}

func parseDuration(text string, at int) (float64, *fault) {
	units := []string{"ns", "us", "µs", "ms", "s", "m"}
	number, unit := split(text)
	switch {
	case number == "":
		return 0, &fault{at, "not a duration: " + quote(text), "write a number and a unit, as in 50ms"}
	case unit == "" && isZero(number):
		return 0, nil
	case unit == "":
		return 0, &fault{at + len(number), "no unit after " + quote(number), "write " + orElse(number, "50") + "ms, with one of " + strings.Join(units, ", ")}
	}
	d, err := time.ParseDuration(number + unit)
	if err != nil {
		return 0, &fault{at + len(number), "not a unit of time: " + quote(unit), "write " + orElse(number, "50") + "ms, with one of " + strings.Join(units, ", ")}
	}
	return float64(d), nil
}

func parseRate(text string, at int) (float64, *fault) {
	const forms = "write a share such as 0.1% or 0.001"
	number, unit := split(text)
	share, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return 0, &fault{at, "not a share: " + quote(text), forms}
	case unit == "%":
		share /= 100
	case unit != "":
		return 0, &fault{at + len(number), "not a unit of a rate: " + quote(unit), forms}
	}
	if share > 1 {
		return 0, &fault{at, "more than 100%", forms}
	}
	return share, nil
}

func parseCount(text string, at int, name string) (float64, *fault) {
	number, unit := split(text)
	switch {
	case number != "" && unit != "":
		return 0, &fault{at + len(number), "a count has no unit " + quote(unit), "write a whole number; a share is that of " +
			strings.TrimSuffix(name, ".count") + ".rate, where there is one"}
	case number == "" || strings.Contains(number, "."):
		return 0, &fault{at, "not a count: " + quote(text), "write a whole number, as in " + name + " == 0"}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > 1<<53 {
		return 0, &fault{at, "more than can be counted: " + quote(text), "write a smaller number"}
	}
	return float64(n), nil
}

func parseNumber(text string, at int, name string) (float64, *fault) {
	number, unit := split(text)
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || unit != "" || math.IsInf(n, 0) {
		return 0, &fault{at, "not a number: " + quote(text), "write it without a unit, as in " + name + " < 0.5"}
	}
	return n, nil
}

func parseBytes(text string, at int, name string) (float64, *fault) {
	units := map[string]float64{"B": 1, "kB": 1e3, "KiB": 1 << 10, "MB": 1e6, "MiB": 1 << 20, "GB": 1e9, "GiB": 1 << 30}
	number, unit := split(text)
	n, err := strconv.ParseFloat(number, 64)
	scale, known := units[unit]
	switch {
	case err != nil:
		return 0, &fault{at, "not a number of bytes: " + quote(text), "write it with a unit, as in " + name + " < 1MiB"}
	case unit == "" && n == 0:
		return 0, nil
	case !known:
		return 0, &fault{at + len(number), "not a unit of bytes: " + quote(unit), "use B, kB, KiB, MB, MiB, GB or GiB"}
	}
	return n * scale, nil
}

// split cuts a bound behind its number. A sign is no part of one: nothing that
// is judged can be negative.
func split(text string) (number, unit string) {
	unit = strings.TrimLeft(text, "0123456789.")
	return text[:len(text)-len(unit)], strings.TrimSpace(unit)
}

func isZero(number string) bool {
	n, err := strconv.ParseFloat(number, 64)
	return err == nil && n == 0
}

// most is how many bytes of a rule an error repeats at a time.
const most = 40

func quote(text string) string {
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// orElse is what a remedy repeats of the rule: all of it, or an example where
// that is too long to be one.
func orElse(text, example string) string {
	if len(text) > most {
		return example
	}
	return text
}

// holds compares a number with the bound.
func (r Rule) holds(value float64) bool {
	switch r.op {
	case Less:
		return value < r.bound
	case LessEqual:
		return value <= r.bound
	case Greater:
		return value > r.bound
	case GreaterEqual:
		return value >= r.bound
	case Equal:
		return value == r.bound
	}
	return value != r.bound
}

// holdsOver reports whether the comparison holds for all numbers from low to
// high, and whether for some. Where low and high differ, the operator is one of
// those that divide the line in two.
func (r Rule) holdsOver(low, high float64) (all, some bool) {
	atLow, atHigh := r.holds(low), r.holds(high)
	return atLow && atHigh, atLow || atHigh
}
