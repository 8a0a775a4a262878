package stats

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// An Entry names one entry of the mix.
type Entry struct {
	Name string `json:"name"`
	Mode string `json:"mode"`
}

// Connections counts connections. Started = ended + those alive, always: over
// a run from its beginning, not over one interval of it.
type Connections struct {
	Started uint64
	Opened  uint64
	Ended   uint64
}

// Count is how often one class ended one entry of the mix.
type Count struct {
	N       uint64
	Forward uint64
	Flags   [NumFlags]uint64  // by Flag
	Detail  map[string]uint64 // by token; bounded: past maxDetails distinct tokens the rest is DetailOther
}

// Latency is one phase of one entry. Crossed counts pairs in the wrong order.
type Latency struct {
	Hist      *Histogram // nil or empty until the first sample
	Unstamped uint64     // samples of a kernel phase that had no kernel stamp
	Crossed   uint64
}

// Clock returns the clock the row rests on: ClockKernel when the phase has
// that clock and at least one sample was stamped.
func (l *Latency) Clock(p Phase) string {
	if p.Clock() == ClockKernel && l.Hist.Count() > l.Unstamped {
		return ClockKernel
	}
	return ClockUser
}

// A Summary is what happened over a span of time on one or more shards. It is
// the same value for an interval, a shard and the whole run: Merge is
// associative and commutative. Make one with NewSummary. A Summary is not safe
// for concurrent use.
type Summary struct {
	From, To    time.Duration // offset from the beginning of the run; both 0 when no span was set
	Entries     []Entry
	Connections Connections
	// Peak is the largest number of connections open at once, by the name of
	// the process' shard ("2/3"); PeakOpen adds them up.
	Peak          map[string]uint64
	Outcomes      [][NumClasses]Count  // by entry
	Latency       [][NumPhases]Latency // by entry
	InvalidState  [NumCauses]uint64
	ProbeAccepted uint64
	CodesSent     map[int]uint64 // by status code, of opened connections that ended; NoCode counts those without an own Close
	CodesReceived map[int]uint64
	ClosedFirst   [NumSides]uint64 // by Side, one per ended connection
	Messages      Messages
	Exemplars     []Exemplar // at most maxExemplars per entry, worst first
}

// NewSummary returns an empty Summary for the entries of a mix.
func NewSummary(entries []Entry) *Summary {
	return &Summary{
		Entries:       slices.Clone(entries),
		Peak:          make(map[string]uint64),
		Outcomes:      make([][NumClasses]Count, len(entries)),
		Latency:       make([][NumPhases]Latency, len(entries)),
		CodesSent:     make(map[int]uint64),
		CodesReceived: make(map[int]uint64),
	}
}

// Add counts the end of one connection. o.Entry must be an index into Entries.
// The timeline is asked for only when the outcome becomes an exemplar; nil
// stands for an empty one. Add does not allocate for an outcome whose kind the
// summary has seen before, unless it becomes an exemplar.
//
// An outcome marked Forward was closed before its plan, so it counts in
// everything but latency.
func (s *Summary) Add(o *Outcome, timeline func() []Moment) {
	s.Connections.Ended++
	s.Outcomes[o.Entry][o.Class].add(o)
	if !o.Forward {
		s.addLatency(o)
	}
	for cause, n := range o.InvalidState {
		s.InvalidState[cause] += uint64(n)
	}
	s.ProbeAccepted += uint64(o.ProbeAccepted)
	if o.Opened {
		s.CodesSent[o.CodeSent]++
		s.CodesReceived[o.CodeReceived]++
	}
	s.ClosedFirst[o.ClosedFirst]++
	s.Messages.Add(o.Messages)
	s.addExemplar(o, timeline)
}

func (s *Summary) addLatency(o *Outcome) {
	rows := &s.Latency[o.Entry]
	for p := range rows {
		row, sample := &rows[p], o.Phases[p]
		if o.Crossed[p] {
			row.Crossed++
		}
		if !sample.OK {
			continue
		}
		if row.Hist == nil {
			row.Hist = new(Histogram)
		}
		if row.Hist.Record(sample.D) && Phase(p).Clock() == ClockKernel && !sample.Kernel {
			row.Unstamped++
		}
	}
}

// Merge adds what other holds, which stays as it is. Both must be summaries of
// the same mix: anything else is a mistake in the program, and Merge panics.
func (s *Summary) Merge(other *Summary) {
	if !slices.Equal(s.Entries, other.Entries) {
		panic(fmt.Sprintf("stats: merge summaries of different mixes: %v and %v", s.Entries, other.Entries))
	}
	s.mergeSpan(other)
	s.Connections.Started += other.Connections.Started
	s.Connections.Opened += other.Connections.Opened
	s.Connections.Ended += other.Connections.Ended
	for shard, n := range other.Peak {
		s.Peak[shard] = max(s.Peak[shard], n)
	}
	for e := range s.Entries {
		for c := range NumClasses {
			s.Outcomes[e][c].merge(&other.Outcomes[e][c])
		}
		for p := range NumPhases {
			s.Latency[e][p].merge(&other.Latency[e][p])
		}
	}
	for cause, n := range other.InvalidState {
		s.InvalidState[cause] += n
	}
	s.ProbeAccepted += other.ProbeAccepted
	for code, n := range other.CodesSent {
		s.CodesSent[code] += n
	}
	for code, n := range other.CodesReceived {
		s.CodesReceived[code] += n
	}
	for side, n := range other.ClosedFirst {
		s.ClosedFirst[side] += n
	}
	s.Messages.Add(other.Messages)
	for _, x := range other.Exemplars {
		s.insertExemplar(x)
	}
}

// mergeSpan widens the span to cover both. A span of 0 to 0 is none.
func (s *Summary) mergeSpan(other *Summary) {
	switch {
	case other.From == 0 && other.To == 0:
	case s.From == 0 && s.To == 0:
		s.From, s.To = other.From, other.To
	default:
		s.From, s.To = min(s.From, other.From), max(s.To, other.To)
	}
}

func (l *Latency) merge(other *Latency) {
	l.Unstamped += other.Unstamped
	l.Crossed += other.Crossed
	if other.Hist.Exact() == (Exact{}) {
		return
	}
	if l.Hist == nil {
		l.Hist = new(Histogram)
	}
	l.Hist.Merge(other.Hist)
}

// Reset empties the summary and keeps its entries and the memory of its
// histograms and maps.
func (s *Summary) Reset() {
	for e := range s.Entries {
		for c := range NumClasses {
			detail := s.Outcomes[e][c].Detail
			clear(detail)
			s.Outcomes[e][c] = Count{Detail: detail}
		}
		for p := range NumPhases {
			hist := s.Latency[e][p].Hist
			if hist != nil {
				hist.Reset()
			}
			s.Latency[e][p] = Latency{Hist: hist}
		}
	}
	clear(s.Peak)
	clear(s.CodesSent)
	clear(s.CodesReceived)
	clear(s.Exemplars)
	*s = Summary{
		Entries: s.Entries, Peak: s.Peak, Outcomes: s.Outcomes, Latency: s.Latency,
		CodesSent: s.CodesSent, CodesReceived: s.CodesReceived, Exemplars: s.Exemplars[:0],
	}
}

// DetailOther is the token that stands for all past the bound.
const DetailOther = "other"

// maxDetails bounds the tokens of one Count. Of more than that, the first in
// the order of their text are kept and the rest is DetailOther: a choice that
// does not depend on the order of arrival, since a token once dropped stays
// behind maxDetails smaller ones in whatever it is merged into.
const maxDetails = 32

func (c *Count) add(o *Outcome) {
	c.N++
	if o.Forward {
		c.Forward++
	}
	for f := range NumFlags {
		if o.Flags.Has(Flag(f)) {
			c.Flags[f]++
		}
	}
	if o.Detail != "" {
		c.addDetail(o.Detail, 1)
	}
}

func (c *Count) merge(other *Count) {
	c.N += other.N
	c.Forward += other.Forward
	for f, n := range other.Flags {
		c.Flags[f] += n
	}
	for token, n := range other.Detail {
		c.addDetail(token, n)
	}
}

func (c *Count) addDetail(token string, n uint64) {
	if c.Detail == nil {
		c.Detail = make(map[string]uint64)
	}
	if _, known := c.Detail[token]; known || token == DetailOther {
		c.Detail[token] += n
		return
	}
	tokens := len(c.Detail)
	if _, ok := c.Detail[DetailOther]; ok {
		tokens--
	}
	if tokens < maxDetails {
		c.Detail[token] = n
		return
	}
	last := ""
	for t := range maps.Keys(c.Detail) {
		if t != DetailOther {
			last = max(last, t)
		}
	}
	if token > last {
		c.Detail[DetailOther] += n
		return
	}
	c.Detail[DetailOther] += c.Detail[last]
	delete(c.Detail, last)
	c.Detail[token] = n
}
