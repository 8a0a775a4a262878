package watch

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// A Report is what a Series says of its target so far.
type Report struct {
	Samples  int    // in all
	Failed   int    // of these, with a source that did not answer
	Err      string // the first time, why; "" for never
	Unread   string // what of a page could not be read the first time, and its place; "" for nothing
	Restarts int    // what is judged is what came after the last
	Load     time.Duration
	Closes   uint64 // under load, as far as it was sampled
	Trends   []Trend
	Returns  []Return
	// TimeWait are the sockets in TIME_WAIT after the load: on the side that
	// closed first.
	TimeWait struct{ Server, Client proc.Fact }
}

// Report judges what was added so far. It takes some milliseconds.
func (s *Series) Report() Report {
	r := Report{Samples: s.samples, Failed: s.failed, Err: s.err, Unread: s.unread, Restarts: s.restarts}
	if n := len(s.load.samples); n > 0 {
		first, last := s.load.samples[0], s.load.samples[n-1]
		r.Load, r.Closes = last.At-first.At, last.Closes-min(first.Closes, last.Closes)
	}
	for _, q := range Quantities() {
		t := trendOf(s.load.samples, q)
		if t.Verdict == Leak && q.bytes && r.Load < s.Warm {
			t.Verdict, t.Reason = Unknown, fmt.Sprintf("grew by %s, and memory may for the first %v of a load: load for longer", q.some(t.Growth), s.Warm)
		}
		r.Trends = append(r.Trends, t)
		r.Returns = append(r.Returns, s.returnOf(q))
	}
	if n := len(s.after.samples); n > 0 {
		last := s.after.samples[n-1]
		r.TimeWait.Server, r.TimeWait.Client = last.Server.in(proc.TimeWait), last.Client.in(proc.TimeWait)
	}
	return r
}

// Verdict is Leak where anything leaks, else Unknown where neither descriptors
// nor memory could be judged, else None.
func (r Report) Verdict() Verdict {
	verdict := Unknown
	seen := func(v Verdict, q Quantity) {
		if v == Leak || v == None && verdict == Unknown && (q.bytes || q.Name == "fds") {
			verdict = v
		}
	}
	for _, t := range r.Trends {
		seen(t.Verdict, t.Quantity)
	}
	for _, back := range r.Returns {
		seen(back.Verdict, back.Quantity)
	}
	return verdict
}

// A Value is a metric as a rule sees it. Where Known is false the others mean
// nothing. The true value is between Low and High.
type Value struct {
	Value, Low, High float64
	Known            bool
	Reason           string // of the verdict on it, and why it is not known
}

// Names of metrics are made of a quantity's name and these.
const (
	leakPrefix    = "leak."
	hourSuffix    = ".per_hour"
	thousandPart  = ".per_1000"
	settledSuffix = ".after_settle"
)

// Values gives the metrics by name, bytes for memory: leak.fds.per_1000 is how
// many descriptors grew with each 1,000 connections that ended,
// leak.rss.per_hour how many bytes with each hour of load, and
// close_wait.after_settle how many sockets were there after the load that were
// not before. Each quantity has all three, known or not.
//
// A growth that is called no leak may be none at all: its interval reaches down
// to 0. One of which that is not known has no bounds.
func (r Report) Values() map[string]Value {
	all := map[string]Value{}
	for _, t := range r.Trends {
		for suffix, slope := range map[string]Slope{hourSuffix: t.PerHour, thousandPart: t.Per1000} {
			v := Value{Value: slope.Value, Low: slope.Low, High: slope.High, Known: slope.OK, Reason: t.Reason}
			switch t.Verdict {
			case None:
				v.Low, v.High = min(v.Low, 0), max(v.High, 0)
			case Unknown:
				v.Low, v.High = math.Inf(-1), math.Inf(1)
			}
			all[leakPrefix+t.Quantity.Name+suffix] = v
		}
	}
	for _, back := range r.Returns {
		v := Value{Known: !math.IsNaN(back.Missing), Reason: back.Reason}
		if v.Known {
			v.Value, v.Low, v.High = back.Missing, max(back.Missing-back.Noise, 0), back.Missing+back.Noise
		}
		all[back.Quantity.Name+settledSuffix] = v
	}
	return all
}

// The stored forms. What is unknown is null.
type (
	storedSlope struct {
		Value float64 `json:"value"`
		Low   float64 `json:"low"`
		High  float64 `json:"high"`
	}
	storedTrend struct {
		What    string        `json:"what"`
		Verdict Verdict       `json:"verdict"`
		Reason  string        `json:"reason"`
		PerHour Slope         `json:"per_hour"`
		Per1000 Slope         `json:"per_1000"`
		From    time.Duration `json:"from_ns"`
		To      time.Duration `json:"to_ns"`
		Growth  float64       `json:"growth"`
	}
	storedReturn struct {
		What    string   `json:"what"`
		Verdict Verdict  `json:"verdict"`
		Reason  string   `json:"reason"`
		Before  *float64 `json:"before"`
		After   *float64 `json:"after"`
		Missing *float64 `json:"missing"`
		Noise   float64  `json:"noise"`
		Floor   float64  `json:"floor"`
	}
	storedSides struct {
		Server proc.Fact `json:"server"`
		Client proc.Fact `json:"client"`
	}
	storedReport struct {
		Verdict  Verdict       `json:"verdict"`
		Samples  int           `json:"samples"`
		Failed   int           `json:"failed"`
		Err      string        `json:"error"`
		Unread   string        `json:"unread,omitempty"`
		Restarts int           `json:"restarts"`
		Load     time.Duration `json:"load_ns"`
		Closes   uint64        `json:"closes"`
		Trends   []Trend       `json:"trends"`
		Returns  []Return      `json:"returns"`
		TimeWait storedSides   `json:"time_wait"`
	}
)

// MarshalJSON writes the slope, or null where it is unknown.
func (s Slope) MarshalJSON() ([]byte, error) {
	if !s.OK {
		return []byte("null"), nil
	}
	return json.Marshal(storedSlope{s.Value, s.Low, s.High})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Slope) UnmarshalJSON(text []byte) error {
	var stored *storedSlope
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	if *s = (Slope{}); stored != nil {
		*s = Slope{stored.Value, stored.Low, stored.High, true}
	}
	return nil
}

// MarshalJSON writes the trend with the name of its quantity.
func (t Trend) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedTrend{t.Quantity.Name, t.Verdict, t.Reason, t.PerHour, t.Per1000, t.From, t.To, t.Growth})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Trend) UnmarshalJSON(text []byte) error {
	var s storedTrend
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	q, err := quantityOf(s.What)
	*t = Trend{q, s.Verdict, s.Reason, s.PerHour, s.Per1000, s.From, s.To, s.Growth}
	return err
}

// MarshalJSON writes the return with the name of its quantity.
func (r Return) MarshalJSON() ([]byte, error) {
	known := func(v float64) *float64 {
		if math.IsNaN(v) {
			return nil
		}
		return &v
	}
	return json.Marshal(storedReturn{r.Quantity.Name, r.Verdict, r.Reason, known(r.Before), known(r.After), known(r.Missing), r.Noise, r.Floor})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Return) UnmarshalJSON(text []byte) error {
	var s storedReturn
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	known := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	q, err := quantityOf(s.What)
	*r = Return{q, s.Verdict, s.Reason, known(s.Before), known(s.After), known(s.Missing), s.Noise, s.Floor}
	return err
}

func quantityOf(name string) (Quantity, error) {
	all := Quantities()
	i := slices.IndexFunc(all, func(q Quantity) bool { return q.Name == name })
	if i < 0 {
		return Quantity{}, fmt.Errorf("read watch: unknown quantity %q", name)
	}
	return all[i], nil
}

// MarshalJSON writes all findings.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedReport{
		r.Verdict(), r.Samples, r.Failed, r.Err, r.Unread, r.Restarts, r.Load, r.Closes, r.Trends, r.Returns, storedSides(r.TimeWait),
	})
}

// UnmarshalJSON reads what MarshalJSON writes. It fails where a trend has no
// return beside it.
func (r *Report) UnmarshalJSON(text []byte) error {
	var s storedReport
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read watch: %w", err)
	}
	if len(s.Trends) != len(s.Returns) {
		return fmt.Errorf("read watch: %d trends and %d returns", len(s.Trends), len(s.Returns))
	}
	*r = Report{Samples: s.Samples, Failed: s.Failed, Err: s.Err, Unread: s.Unread, Restarts: s.Restarts, Load: s.Load, Closes: s.Closes, Trends: s.Trends, Returns: s.Returns}
	r.TimeWait = struct{ Server, Client proc.Fact }(s.TimeWait)
	return nil
}
