package value

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
)

// A Rate is a number of events per second, from 1 a day to 1e9 a second. 0
// means unlimited. As text it has a unit, 500/s, 30/m or 3600/h; a number
// alone is per second.
type Rate float64

const (
	maxRate  Rate = 1e9 // one event in each nanosecond, the finest step of a duration
	minRate  Rate = 1.0 / 86400
	rateHint      = "write 500/s, 30/m, 3600/h or 0 for unlimited"
)

// ParseRate reads the text of a Rate. The error names the text and the forms
// that there are.
func ParseRate(text string) (Rate, error) {
	fail := func(msg, hint string) (Rate, error) {
		return 0, &problem.TextError{What: "rate", Text: text, Msg: msg, Hint: hint}
	}
	number, unit, hasUnit := strings.Cut(strings.TrimSpace(text), "/")
	number, unit = strings.TrimSpace(number), strings.TrimSpace(unit)
	seconds := 1.0
	switch {
	case unit == "m":
		seconds = 60
	case unit == "h":
		seconds = 3600
	case hasUnit && unit != "s":
		return fail(fmt.Sprintf("unknown unit %s", problem.Quote(unit)), rateHint)
	}
	// ParseFloat also reads hexadecimal, infinities and NaN.
	n, err := strconv.ParseFloat(number, 64)
	if strings.Trim(number, "+-.0123456789eE") != "" || err != nil && !math.IsInf(n, 0) {
		return fail("not a rate", rateHint)
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
	zero := !strings.ContainsAny(mantissa, "123456789")
	rate := Rate(n / seconds)
	if rate == 0 && !zero {
		rate = math.SmallestNonzeroFloat64 // so that underflow is too low, and not unlimited
	}
	if msg, hint := rate.Fault(); msg != "" {
		return fail(msg, hint)
	}
	return max(rate, 0), nil // no negative zero
}

// Fault says why r cannot be a rate, "" for a valid one.
func (r Rate) Fault() (msg, hint string) {
	switch {
	case math.IsNaN(float64(r)):
		return "not a number", rateHint
	case r < 0:
		return "a rate cannot be negative", rateHint
	case r > maxRate:
		return "a rate this high cannot be paced", "write at most 1e9/s, or 0 for unlimited"
	case r != 0 && r < minRate:
		return "a rate this low never starts anything", "write at least 1 a day, or 0 for unlimited"
	}
	return "", ""
}

// String gives a text that ParseRate reads as the same Rate, in the largest
// unit that needs few digits.
func (r Rate) String() string {
	if r == 0 {
		return "0"
	}
	units := []struct {
		name    string
		seconds float64
	}{{"/s", 1}, {"/m", 60}, {"/h", 3600}}
	for _, u := range units {
		n := math.Round(float64(r)*u.seconds*1000) / 1000
		if Rate(n/u.seconds) == r {
			return strconv.FormatFloat(n, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(float64(r), 'g', -1, 64) + "/s"
}

// MarshalText is String. It never fails.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Interval is the time from one event to the next, to the nanosecond below; 0
// when r is unlimited. A schedule made by adding it up drifts: use At.
func (r Rate) Interval() time.Duration { return r.At(1) }

// At is the offset of event k from event 0: k/r, to the nanosecond below. A
// rate that is a whole number of events per second, minute or hour is reckoned
// in integers and is exact for every k. The result is at most 100 years, and
// 0 when r is unlimited.
func (r Rate) At(k uint64) time.Duration {
	const most = 100 * problem.MaxSpan
	if !(r > 0) {
		return 0
	}
	perHour := math.Round(float64(r) * 3600)
	if perHour/3600 != float64(r) || perHour > 1<<53 {
		return time.Duration(min(float64(k)/float64(r)*1e9, float64(most)))
	}
	hi, lo := bits.Mul64(k, uint64(time.Hour))
	if hi >= uint64(perHour) {
		return most
	}
	at, _ := bits.Div64(hi, lo, uint64(perHour))
	return time.Duration(min(at, uint64(most)))
}
