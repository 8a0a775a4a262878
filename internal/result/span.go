package result

import (
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/wsload/wsload/stats"
)

// A Span is the JSON form of a stats.Summary: an interval or a whole run.
// Durations are nanoseconds from the beginning of the run.
type Span struct {
	From           time.Duration    `json:"from_ns"`
	To             time.Duration    `json:"to_ns"`
	Connections    Connections      `json:"connections"`
	Outcomes       []Outcome        `json:"outcomes"` // only what happened, by entry of the mix and class
	Errors         Errors           `json:"errors"`
	Codes          Codes            `json:"codes"`
	TCPClosedFirst ClosedFirst      `json:"tcp_closed_first"`
	Messages       stats.Messages   `json:"messages"`
	Latency        []Latency        `json:"latency"` // only phases that were measured, by entry of the mix
	Exemplars      []stats.Exemplar `json:"exemplars"`
	Held           *Held            `json:"held,omitempty"`
}

// Connections counts connections. Started, Opened and Ended are events of the
// span; Open and Closing are the state at its end.
type Connections struct {
	Planned *uint64           `json:"planned"` // of a whole run without replacements, else null
	Started uint64            `json:"started"`
	Opened  uint64            `json:"opened"`
	Ended   uint64            `json:"ended"`
	Peak    uint64            `json:"peak"` // open at once; over several shards the sum of their peaks
	Open    uint64            `json:"open"`
	Closing uint64            `json:"closing"` // of the open ones, those whose close has begun
	Peaks   map[string]uint64 `json:"peaks"`   // by shard
}

// Outcome is how often one class ended one entry of the mix.
type Outcome struct {
	Name     string                `json:"name"`
	Mode     string                `json:"mode"`
	Class    stats.Class           `json:"class"`
	Count    uint64                `json:"count"`
	Forward  uint64                `json:"forward"`         // of these, closed before their plan because the run ended
	Expected *bool                 `json:"expected"`        // null where the class says nothing: interrupted
	Flags    map[stats.Flag]uint64 `json:"flags,omitempty"` // of these, those with a flag; one connection may have several
	Detail   map[string]uint64     `json:"detail,omitempty"`
}

// Errors counts what .NET calls ConnectionClosedPrematurely and InvalidState.
type Errors struct {
	Premature     uint64       `json:"premature"`
	InvalidState  InvalidState `json:"invalid_state"`
	ProbeAccepted uint64       `json:"probe_accepted"`
}

// InvalidState counts refused operations by cause; see stats.Cause.
type InvalidState struct {
	Probe       uint64 `json:"probe"`
	Race        uint64 `json:"race"`
	Echo        uint64 `json:"echo"`
	Unexplained uint64 `json:"unexplained"`
}

// Codes counts the Close codes of opened connections that ended. The key
// "none" stands for no Close frame, 1005 for one without a code.
type Codes struct {
	Sent     map[string]uint64 `json:"sent"`
	Received map[string]uint64 `json:"received"`
}

// ClosedFirst counts who sent the first FIN or RST. The rest of the ended
// connections settled before either.
type ClosedFirst struct {
	Server uint64 `json:"server"`
	Client uint64 `json:"client"`
}

// Latency is one phase of one entry of the mix. Quantiles and mean can be
// computed from the other fields; they are there for readers without an
// HdrHistogram library.
type Latency struct {
	Name      string        `json:"name"`
	Mode      string        `json:"mode"`
	Phase     stats.Phase   `json:"phase"`
	Clock     string        `json:"clock"` // stats.ClockKernel or stats.ClockUser
	Count     uint64        `json:"count"`
	Unstamped uint64        `json:"unstamped"` // samples of a kernel row by the clock of the process
	Crossed   uint64        `json:"crossed"`   // pairs in the wrong order, not samples
	Min       time.Duration `json:"min_ns"`
	P50       time.Duration `json:"p50_ns"`
	P90       time.Duration `json:"p90_ns"`
	P99       time.Duration `json:"p99_ns"`
	P999      time.Duration `json:"p999_ns"`
	Max       time.Duration `json:"max_ns"`
	Mean      time.Duration `json:"mean_ns"`
	Sum       uint64        `json:"sum_ns"`
	Clamped   uint64        `json:"clamped,omitempty"` // samples above the range of the buckets
	Refused   uint64        `json:"refused,omitempty"` // negative durations, not samples
	HDR       string        `json:"hdr"`               // HdrHistogram V2 compressed, base64; "" without samples
}

// noCode is the key of stats.NoCode.
const noCode = "none"

// Interval is what a run reports for an interval.
type Interval struct {
	Summary *stats.Summary
	Open    uint64 // connections open at the end of it
	Closing uint64 // of these, with a close begun
	Held    *Held  // nil where nothing is watched
}

// Held is what processes held at the end of an interval: samples of package
// watch.
type Held struct {
	Target json.RawMessage `json:"target"`
	Self   json.RawMessage `json:"self"` // of this process
}

// NewSpan writes a summary in its JSON form. It keeps nothing of it.
func NewSpan(s *stats.Summary, enc *stats.Encoder) Span {
	return newSpan(Interval{Summary: s}, enc)
}

// newSpan writes an interval in its JSON form. It keeps nothing of it.
func newSpan(iv Interval, enc *stats.Encoder) Span {
	s := iv.Summary
	span := Span{
		From: s.From,
		To:   s.To,
		Connections: Connections{
			Started: s.Connections.Started,
			Opened:  s.Connections.Opened,
			Ended:   s.Connections.Ended,
			Peak:    s.PeakOpen(),
			Open:    iv.Open,
			Closing: iv.Closing,
			Peaks:   make(map[string]uint64, len(s.Peak)),
		},
		Outcomes: []Outcome{},
		Errors: Errors{
			Premature: s.Premature(),
			InvalidState: InvalidState{
				Probe:       s.InvalidState[stats.Probe],
				Race:        s.InvalidState[stats.Race],
				Echo:        s.InvalidState[stats.Echo],
				Unexplained: s.InvalidState[stats.Unexplained],
			},
			ProbeAccepted: s.ProbeAccepted,
		},
		Codes:          Codes{Sent: codeTexts(s.CodesSent), Received: codeTexts(s.CodesReceived)},
		TCPClosedFirst: ClosedFirst{Server: s.ClosedFirst[stats.Server], Client: s.ClosedFirst[stats.Client]},
		Messages:       s.Messages,
		Latency:        []Latency{},
		Exemplars:      append([]stats.Exemplar{}, s.Exemplars...),
		Held:           iv.Held,
	}
	maps.Copy(span.Connections.Peaks, s.Peak)
	for i := range span.Exemplars {
		if x := &span.Exemplars[i]; x.Timeline == nil {
			x.Timeline = []stats.Moment{}
		}
	}
	for e, entry := range s.Entries {
		for c := range stats.Class(stats.NumClasses) {
			if n := &s.Outcomes[e][c]; n.N > 0 {
				span.Outcomes = append(span.Outcomes, newOutcome(entry, c, n))
			}
		}
		for p := range stats.Phase(stats.NumPhases) {
			if l := &s.Latency[e][p]; l.Hist.Exact() != (stats.Exact{}) || l.Crossed > 0 {
				span.Latency = append(span.Latency, newLatency(entry, p, l, enc))
			}
		}
	}
	return span
}

func newOutcome(entry stats.Entry, c stats.Class, n *stats.Count) Outcome {
	o := Outcome{
		Name: entry.Name, Mode: entry.Mode, Class: c,
		Count: n.N, Forward: n.Forward, Expected: stats.Expected(entry.Mode, c),
		Detail: maps.Clone(n.Detail),
	}
	for f, flagged := range n.Flags {
		if flagged == 0 {
			continue
		}
		if o.Flags == nil {
			o.Flags = make(map[stats.Flag]uint64)
		}
		o.Flags[stats.Flag(f)] = flagged
	}
	return o
}

func newLatency(entry stats.Entry, p stats.Phase, l *stats.Latency, enc *stats.Encoder) Latency {
	exact := l.Hist.Exact()
	return Latency{
		Name: entry.Name, Mode: entry.Mode, Phase: p, Clock: l.Clock(p),
		Count: exact.Count, Unstamped: l.Unstamped, Crossed: l.Crossed,
		Min: exact.Min,
		P50: l.Hist.Quantile(0.5), P90: l.Hist.Quantile(0.9), P99: l.Hist.Quantile(0.99), P999: l.Hist.Quantile(0.999),
		Max: exact.Max, Mean: l.Hist.Mean(), Sum: exact.Sum,
		Clamped: exact.Clamped, Refused: exact.Refused,
		HDR: enc.Encode(l.Hist),
	}
}

func codeTexts(codes map[int]uint64) map[string]uint64 {
	texts := make(map[string]uint64, len(codes))
	for code, n := range codes {
		if code == stats.NoCode {
			texts[noCode] = n
		} else {
			texts[strconv.Itoa(code)] = n
		}
	}
	return texts
}
