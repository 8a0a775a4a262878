package result

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsload/wsload/stats"
)

// Drain is what a deploy did to the connections that were open then. Durations
// count from the launch of the first hook.
type Drain struct {
	Population uint64            `json:"population"`   // as planned
	Held       uint64            `json:"held"`         // open at the launch of the first hook; the sum of the next four
	Closed     Arrivals          `json:"closed"`       // the server's Close arrived
	Cut        Arrivals          `json:"cut"`          // TCP ended without one: 1006 in a browser
	Other      uint64            `json:"other"`        // ended otherwise, as by a broken frame
	StillOpen  uint64            `json:"still_open"`   // at the end, and then closed from this end
	Before     uint64            `json:"ended_before"` // had opened, and ended before the first hook
	Lost       *DrainLost        `json:"lost"`         // null where messages are not echoed
	Codes      map[string]uint64 `json:"codes"`        // of the Closes that arrived
	Classes    map[string]uint64 `json:"classes"`      // of all that were held
	Again      DrainAgain        `json:"again"`
	Herd       *Herd             `json:"herd"` // null where nobody comes back
	Hooks      []DrainHook       `json:"hooks"`
	Took       *time.Duration    `json:"took_ns"` // to the end; null where no hook was launched
	Limited    bool              `json:"limited"` // the end came by drain.within
	Fault      string            `json:"fault"`   // why it is not what was planned; "" where it is
}

// Arrivals are when something arrived at so many connections. All is null or
// empty without any. The end of TCP carries no stamp of the kernel: its time is
// when this process noticed.
type Arrivals struct {
	Count  uint64         `json:"count"`
	First  *time.Duration `json:"first_ns"`
	P1     *time.Duration `json:"p1_ns"`
	P50    *time.Duration `json:"p50_ns"`
	P99    *time.Duration `json:"p99_ns"`
	Last   *time.Duration `json:"last_ns"`
	Spread *time.Duration `json:"spread_ns"` // p99 less p1
	Clock  string         `json:"clock"`     // kernel, or user where any of them lacks the kernel's stamp
	HDR    string         `json:"hdr"`       // the distribution in units of ArrivalUnit; "" without any
}

// ArrivalUnit is what the distribution of Arrivals counts in: with it the
// histograms of this tool, made for a close, reach over two hours.
const ArrivalUnit = 64

// DrainLost is what was sent and never came back on connections that were held.
type DrainLost struct {
	Connections uint64 `json:"connections"`
	Messages    uint64 `json:"messages"`
}

// DrainAgain counts connections that opened after the first hook. Those that
// ended again belong to users who were hit twice: a rolling deploy had moved
// them to a server that was replaced next.
type DrainAgain struct {
	Opened uint64 `json:"opened"`
	Ended  uint64 `json:"ended"` // again, by the server
	Cut    uint64 `json:"cut"`   // of those, without its Close
}

// Herd is how those came back who had lost their connection.
type Herd struct {
	Attempts    uint64            `json:"attempts"`        // to open, after the first hook
	Peak        uint64            `json:"peak_per_second"` // attempts in the fullest second
	PeakSecond  int               `json:"peak_second"`     // which that was, from 0
	PerSecond   []uint64          `json:"per_second"`      // attempts, up to the last second that has any
	Failed      map[string]uint64 `json:"failed"`          // attempts that did not open, by reason
	FirstFailed *time.Duration    `json:"first_failed_ns"` // null where none failed
	LastFailed  *time.Duration    `json:"last_failed_ns"`
	Back        *time.Duration    `json:"back_ns"` // when the population was whole for good, 0 where it always was; null where it never was again
}

// DrainHook is one hook. Moments are offsets in the run.
type DrainHook struct {
	What     string         `json:"what"`
	Planned  *time.Duration `json:"planned_ns"`  // null where it was never its turn
	Launched *time.Duration `json:"launched_ns"` // null where it was not launched, or by another shard
	Took     *time.Duration `json:"took_ns"`     // to its end
	Error    *string        `json:"error"`       // null where it succeeded
}

// NewArrivals describes a distribution in units of ArrivalUnit, whose ends are
// known exactly, by the kernel's stamps or not.
func NewArrivals(h *stats.Histogram, first, last time.Duration, kernel bool) Arrivals {
	a := Arrivals{Count: h.Count()}
	if a.Count == 0 {
		return a
	}
	at := func(q float64) *time.Duration {
		d := min(max(h.Quantile(q)*ArrivalUnit, first), last)
		return &d
	}
	a.First, a.P1, a.P50, a.P99, a.Last = &first, at(0.01), at(0.5), at(0.99), &last
	if a.Clock = "user"; kernel {
		a.Clock = "kernel"
	}
	spread := *a.P99 - *a.P1
	a.Spread, a.HDR = &spread, new(stats.Encoder).Encode(h)
	return a
}

// addTo adds the arrivals to a distribution. Its sum is not kept, so it has one
// that can be.
func (a *Arrivals) addTo(h *stats.Histogram) error {
	if a.Count == 0 {
		return nil
	}
	if a.First == nil || a.Last == nil {
		return fmt.Errorf("%d arrivals without a first and a last", a.Count)
	}
	least := *a.First / ArrivalUnit
	return h.MergeEncoded(a.HDR, stats.Exact{Count: a.Count, Min: least, Max: *a.Last / ArrivalUnit, Sum: a.Count * uint64(least)})
}

func joinArrivals(a, b Arrivals) (Arrivals, error) {
	switch {
	case a.Count == 0:
		return b, nil
	case b.Count == 0:
		return a, nil
	}
	h := new(stats.Histogram)
	for _, part := range []*Arrivals{&a, &b} {
		if err := part.addTo(h); err != nil {
			return Arrivals{}, err
		}
	}
	return NewArrivals(h, min(*a.First, *b.First), max(*a.Last, *b.Last), a.Clock == "kernel" && b.Clock == "kernel"), nil
}

// JoinDrains adds up the drains of shards. The hooks are those of the first
// shard, which fires them. It is nil for none.
func JoinDrains(drains []*Drain) (*Drain, error) {
	if len(drains) == 0 {
		return nil, nil
	}
	joined := *drains[0]
	for _, d := range drains[1:] {
		if err := joined.add(d); err != nil {
			return nil, fmt.Errorf("merge drains: %w", err)
		}
	}
	return &joined, nil
}

func (d *Drain) add(o *Drain) (err error) {
	if d.Closed, err = joinArrivals(d.Closed, o.Closed); err != nil {
		return err
	}
	if d.Cut, err = joinArrivals(d.Cut, o.Cut); err != nil {
		return err
	}
	d.Population += o.Population
	d.Held += o.Held
	d.Other += o.Other
	d.StillOpen += o.StillOpen
	d.Before += o.Before
	d.Codes, d.Classes = addCounts(d.Codes, o.Codes), addCounts(d.Classes, o.Classes)
	d.Again.Opened += o.Again.Opened
	d.Again.Ended += o.Again.Ended
	d.Again.Cut += o.Again.Cut
	if d.Lost == nil || o.Lost == nil {
		d.Lost = nil
	} else {
		d.Lost = &DrainLost{Connections: d.Lost.Connections + o.Lost.Connections, Messages: d.Lost.Messages + o.Lost.Messages}
	}
	d.Herd = joinHerds(d.Herd, o.Herd)
	d.Took = later(d.Took, o.Took)
	d.Limited = d.Limited || o.Limited
	if o.Fault != "" && !strings.Contains(d.Fault, o.Fault) {
		d.Fault = strings.TrimPrefix(d.Fault+"; "+o.Fault, "; ")
	}
	return nil
}

func joinHerds(a, b *Herd) *Herd {
	if a == nil || b == nil {
		return nil
	}
	sum := &Herd{
		Attempts: a.Attempts + b.Attempts, PerSecond: slices.Clone(a.PerSecond), Failed: addCounts(a.Failed, b.Failed),
		FirstFailed: earlier(a.FirstFailed, b.FirstFailed), LastFailed: later(a.LastFailed, b.LastFailed),
	}
	if missing := len(b.PerSecond) - len(sum.PerSecond); missing > 0 {
		sum.PerSecond = append(sum.PerSecond, make([]uint64, missing)...)
	}
	for i, n := range b.PerSecond {
		sum.PerSecond[i] += n
	}
	sum.FindPeak()
	if a.Back != nil && b.Back != nil {
		sum.Back = later(a.Back, b.Back)
	}
	return sum
}

// FindPeak sets the peak by the attempts per second.
func (h *Herd) FindPeak() {
	h.Peak, h.PeakSecond = 0, 0
	for second, n := range h.PerSecond {
		if n > h.Peak {
			h.Peak, h.PeakSecond = n, second
		}
	}
}

func addCounts(a, b map[string]uint64) map[string]uint64 {
	sum := maps.Clone(a)
	if sum == nil {
		sum = make(map[string]uint64)
	}
	for key, n := range b {
		sum[key] += n
	}
	return sum
}

// later is the larger of two durations of which each may not be known.
func later(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

func earlier(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// Watch is what was seen of the target's process, and of this one, beside the
// connections.
type Watch struct {
	Target json.RawMessage `json:"target"` // a Report of package watch
	Self   json.RawMessage `json:"self"`   // of this process
	// Figures are what rules may ask for, by the name of the metric.
	Figures map[string]Figure `json:"figures"`
}

// A Figure is a number about a run as a whole, with its interval.
type Figure struct {
	Value *float64 `json:"value"` // null where there is none
	Low   *float64 `json:"low"`   // null where not bounded
	High  *float64 `json:"high"`
	Basis string   `json:"basis"` // what it rests on; without a value, why there is none
}

// Path is what the faults of the path did. Its counts are null where a Toxiproxy
// carried them, which does not count.
type Path struct {
	Accepted *uint64    `json:"accepted"` // connections that took the path
	Refused  *uint64    `json:"refused"`  // of these, reset because the target could not be reached
	Steps    []PathStep `json:"steps"`
}

// PathStep is one step of the plan's faults.
type PathStep struct {
	What string  `json:"what"`
	Hit  *uint64 `json:"hit"` // connections
}

// joinWatches makes one of the watches of two shards: of each figure the larger
// one, and the report of the first in which something leaks. What each saw is
// among the warnings.
func joinWatches(a, b *Watch) *Watch {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	joined := &Watch{Target: a.Target, Self: a.Self, Figures: maps.Clone(a.Figures)}
	if !a.leaks() && b.leaks() {
		joined.Target, joined.Self = b.Target, b.Self
	}
	for name, f := range b.Figures {
		if is, ok := joined.Figures[name]; !ok || is.Value == nil || f.Value != nil && *f.Value > *is.Value {
			joined.Figures[name] = f
		}
	}
	return joined
}

// leaks reads the verdict on the target.
func (w *Watch) leaks() bool {
	var report struct {
		Verdict string `json:"verdict"`
	}
	return json.Unmarshal(w.Target, &report) == nil && report.Verdict == "leak"
}

// JoinPaths adds up what the faults of two shards did. Steps of another plan
// are left out; that the plans differ is warned of.
func JoinPaths(a, b *Path) *Path {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	sum := &Path{Accepted: both(a.Accepted, b.Accepted), Refused: both(a.Refused, b.Refused), Steps: slices.Clone(a.Steps)}
	for i, step := range b.Steps {
		if i < len(sum.Steps) && sum.Steps[i].What == step.What {
			sum.Steps[i].Hit = both(sum.Steps[i].Hit, step.Hit)
		}
	}
	return sum
}

// both is the sum of two counts, unknown where one of them is.
func both(a, b *uint64) *uint64 {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}

// whole refuses arrivals without their times.
func (a *Arrivals) whole() error {
	if a.Count > 0 && (a.First == nil || a.P1 == nil || a.P50 == nil || a.P99 == nil || a.Last == nil || a.Spread == nil) {
		return fmt.Errorf("%d arrivals without their times", a.Count)
	}
	return nil
}

// whole refuses what cannot be a drain.
func (d *Drain) whole() error {
	if err := errors.Join(d.Closed.whole(), d.Cut.whole()); err != nil {
		return err
	}
	if h := d.Herd; h != nil && (h.FirstFailed == nil) != (h.LastFailed == nil) {
		return errors.New("a herd of which the first or the last that failed is missing")
	}
	return nil
}
