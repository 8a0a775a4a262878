package metric

import (
	"time"

	"github.com/wsload/wsload/stats"
)

// Kind is what a Metric's value is.
type Kind uint8

const (
	Duration Kind = iota // nanoseconds
	Rate                 // a share, from 0 to 1
	Count                // a whole number
	Number               // of a Figure: any number
	Bytes                // of a Figure
)

// Stat is the statistic of a Metric.
type Stat uint8

const (
	Quantile Stat = iota // of a phase, as are the next three
	Min
	Max
	Mean
	Total // how many; of a phase its samples
	Share // of Tally.Of
	Sole  // the value of a Figure
)

// A Metric is something to measure on a Summary. It comes from Parse only.
// Metrics compare with ==.
type Metric struct {
	text  string
	entry string // entry of the mix; "" for all
	part  part
	index uint8 // which phase, class, flag, cause or field of the part
	stat  Stat
	q     Quant // of a Quantile
	kind  Kind  // of a Figure
}

// part is what a subject is one of.
type part uint8

const (
	phase part = iota
	class
	flag
	cause
	message
	connection
	premature
	unexpected
	probeAccepted
	figure
)

// A Quant is a probability in parts per million.
type Quant uint32

// one is the Quant of certainty.
const one = 1_000_000

// Rank returns which of n attempts in ascending order has the quantile: q·n to
// the nearest whole number and at least the first. It is reckoned in integers.
func (q Quant) Rank(n uint64) uint64 {
	whole, rest := n/one*uint64(q), n%one*uint64(q)
	return min(max(whole+(2*rest+one)/(2*one), 1), n)
}

// Float is the quantile as a number from 0 to 1.
func (q Quant) Float() float64 { return float64(q) / one }

// Beyond returns how many of n attempts are expected above the quantile.
func (q Quant) Beyond(n uint64) float64 { return float64(n) * float64(one-q) / one }

// String is the text the metric was read from.
func (m Metric) String() string { return m.text }

// Kind tells what the metric's value is.
func (m Metric) Kind() Kind {
	switch {
	case m.part == figure:
		return m.kind
	case m.stat == Share:
		return Rate
	case m.stat == Total:
		return Count
	}
	return Duration
}

// Stat tells the metric's statistic.
func (m Metric) Stat() Stat { return m.stat }

// Quant is the probability of a Quantile, and 0 for any other statistic.
func (m Metric) Quant() Quant { return m.q }

// NeedsEcho reports whether the metric is measured only where messages are
// sequence-checked (traffic.expect: echo). Elsewhere it is always 0, which says
// nothing.
func (m Metric) NeedsEcho() bool {
	return m.part == message && messageFields()[m.index] == "lost" ||
		m.part == flag && stats.Flag(m.index) == stats.LostMessages
}

// OwnLag reports whether the metric measures this tool and not the server.
func (m Metric) OwnLag() bool {
	return m.part == phase && stats.Phase(m.index).OwnLag()
}

// FromPlan reports whether the metric's durations begin at a planned moment
// and so hold the tool's own lateness.
func (m Metric) FromPlan() bool {
	return m.part == phase && stats.Phase(m.index) == stats.CloseScheduled
}

// A Sample is the durations of one phase.
type Sample struct {
	Hist *stats.Histogram // may be nil; shared with the summary, not to be changed
	Late uint64           // attempts that ran out of time: longer than every duration in Hist
	// Left counts attempts that ended otherwise before they could be measured: by
	// a reset or a kick. They have no duration and are not counted in N, and may
	// be those that would have been the longest.
	Left uint64
	// Crossed counts attempts whose two ends came in the other order. They have
	// no duration and are not counted in N.
	Crossed uint64
	// Clock is stats.ClockKernel where arrivals are stamped by the kernel, and
	// stats.ClockUser where a duration may hold the queue of this process.
	Clock string
}

// N is the number of attempts.
func (s Sample) N() uint64 { return s.Hist.Count() + s.Late }

// At returns the attempt of a rank, from 1 to N, in ascending order. It is not
// ok where that attempt ran out of time.
func (s Sample) At(rank uint64) (d time.Duration, ok bool) {
	n := s.Hist.Count()
	if rank > n {
		return 0, false
	}
	return s.Hist.Quantile(float64(rank) / float64(n)), true
}

// Sample measures a metric of a phase, over any statistic. The metric must be
// one: its Kind is Duration, or its Stat is Total and the subject a phase.
func (m Metric) Sample(s *stats.Summary) Sample {
	if m.part != phase {
		panic("metric: " + m.text + " has no durations")
	}
	p := stats.Phase(m.index)
	var row stats.Latency
	var late, left uint64
	for e, entry := range s.Entries {
		if m.covers(entry) {
			of := timedOut(p, entry.Mode, &s.Outcomes[e])
			late += of
			left += leftOut(p, entry.Mode, &s.Outcomes[e], &s.Latency[e][p], of)
			if m.entry != "" {
				row = s.Latency[e][p]
			}
		}
	}
	if m.entry == "" {
		row = s.Row(p)
	}
	return Sample{Hist: row.Hist, Late: late, Left: left, Crossed: row.Crossed, Clock: row.Clock(p)}
}

func (m Metric) covers(e stats.Entry) bool { return m.entry == "" || m.entry == e.Name }

// timedOut counts the connections of an entry on which the phase began and did
// not end in time. Those closed forward are no samples of any phase.
func timedOut(p stats.Phase, mode string, classes *[stats.NumClasses]stats.Count) (n uint64) {
	for _, c := range []stats.Class{stats.CloseTimeout, stats.NoClose, stats.CleanNoFIN} {
		if censors(p, mode, c) {
			n += classes[c].N - classes[c].Forward
		}
	}
	return n
}

// censors tells whether a connection that ended in one of the three classes of
// a timeout ran out of time in the phase.
func censors(p stats.Phase, mode string, c stats.Class) bool {
	if p == stats.Teardown {
		return true
	}
	switch c {
	case stats.CleanNoFIN:
		return p == stats.FIN
	case stats.NoClose:
		return p == stats.Notice || p == stats.CloseScheduled
	}
	switch mode { // of a CloseTimeout
	case "active", "output", "stall", "bad_close":
		return p == stats.CloseHandshake || p == stats.CloseScheduled
	case "simultaneous":
		return p == stats.CloseHandshake || p == stats.CloseScheduled || p == stats.Notice
	case "mute":
		return p == stats.GiveUp
	}
	return false
}

// Limit is what an attempt that ran out of time lasted at least, given a run's
// limits.close and limits.fin. A teardown may have run out of either.
func (m Metric) Limit(close, fin time.Duration) time.Duration {
	switch {
	case m.part == phase && stats.Phase(m.index) == stats.FIN:
		return fin
	case m.part == phase && stats.Phase(m.index) == stats.Teardown:
		return min(close, fin)
	}
	return close
}
