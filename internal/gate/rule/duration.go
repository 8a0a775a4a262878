package rule

import (
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
	"github.com/wsload/wsload/stats"
)

// lagShare is the part of a duration from which on the tool's own lag makes it
// doubtful: a tenth.
const lagShare = 10

// Rounds are joined until each has roundTail attempts beyond the quantile, and
// at most maxRounds are left. From minRounds on they make an interval: fewer
// cannot reach its level with room for one that differs.
const (
	roundTail = 10
	minRounds = 6
	maxRounds = 50
)

// findPoint is the value that the attempts that succeeded had.
func (r Rule) findPoint(run Run) finding {
	s := r.metric.Sample(run.Total)
	n := s.Hist.Count()
	if n == 0 {
		return finding{none: "it was never measured"}
	}
	value, _ := r.valueOf(metric.Sample{Hist: s.Hist})
	basis := "of " + attempts(n) + " that succeeded, as measured"
	if missing := s.Late + s.Left; missing > 0 {
		basis += fmt.Sprintf("; %d did not and are left out", missing)
	}
	return exactly(value, basis)
}

// valueOf is the rule's statistic of a sample. It is not ok where it rests on
// attempts that ran out of time; then it is what is known of the others.
func (r Rule) valueOf(s metric.Sample) (value float64, ok bool) {
	h := s.Hist
	switch r.metric.Stat() {
	case metric.Min:
		return float64(h.Min()), h.Count() > 0
	case metric.Max:
		return float64(h.Max()), s.Late == 0
	case metric.Mean:
		return float64(h.Mean()), s.Late == 0
	}
	d, ok := s.At(r.metric.Quant().Rank(s.N()))
	return float64(d), ok
}

// findDuration puts an interval around a statistic of all attempts.
func (r Rule) findDuration(run Run) finding {
	s := r.metric.Sample(run.Total)
	if s.N() == 0 {
		return finding{none: "it was never measured"}
	}
	f := finding{basis: attempts(s.N())}
	if s.Late > 0 {
		f.basis += fmt.Sprintf(", of which %d ran out of time and count as the longest", s.Late)
	}
	if s.Left > 0 {
		f.basis += fmt.Sprintf("; %d more ended before it could be measured and are left out", s.Left)
		f.hidden = r.hides(s)
	}
	value, ok := r.valueOf(s)
	f.value, f.low, f.high = value, value, value
	if !ok {
		f.value, f.high = math.Inf(1), math.Inf(1)
		f.low = r.atLeast(s, run)
	}
	switch r.metric.Stat() {
	case metric.Min, metric.Max:
	case metric.Mean:
		f.basis += ", as measured"
		r.widen(&f, run)
	default:
		r.quantileLimits(&f, s, run)
		r.widen(&f, run)
	}
	if f.doubt = r.doubt(f, s, run); f.early && run.look > 0 {
		f.doubt = tooEarly
	}
	return f
}

// hides says why the attempts that were left out may hide that the bound is
// broken, "" where they are too few to. They may all have been the longest, or
// where the rule wants a duration to be above its bound the shortest. A mean
// has no share that it could do without, and is told as measured.
func (r Rule) hides(s metric.Sample) string {
	spared, longest := 0.0, r.op == Less || r.op == LessEqual
	switch r.metric.Stat() {
	case metric.Quantile:
		if spared = r.metric.Quant().Float(); longest {
			spared = 1 - spared
		}
	case metric.Max:
		if !longest {
			return ""
		}
	case metric.Min:
		if longest {
			return ""
		}
	default:
		return ""
	}
	all := s.N() + s.Left
	if float64(s.Left) <= spared*float64(all) {
		return ""
	}
	return fmt.Sprintf("%d of %s ended before it could be measured, which may hide that the bound is broken (judge premature.rate and unexpected.rate too)",
		s.Left, attempts(all))
}

// atLeast is what a statistic is at least that rests on attempts which ran out
// of time.
func (r Rule) atLeast(s metric.Sample, run Run) float64 {
	late := r.late(s, run)
	if r.metric.Stat() != metric.Mean {
		return late
	}
	share := float64(s.Late) / float64(s.N())
	return float64(float64(s.Hist.Mean())*(1-share)) + float64(late*share) // not fused
}

// late is what an attempt that ran out of time lasted at least.
func (r Rule) late(s metric.Sample, run Run) float64 {
	return float64(max(r.metric.Limit(run.Close, run.FIN), s.Hist.Max()))
}

// quantileLimits sets the interval by order statistics.
func (r Rule) quantileLimits(f *finding, s metric.Sample, run Run) {
	q := r.metric.Quant()
	low, high := quantileRanks(q, s.N(), run.level())
	f.low = 0
	if low > 0 {
		if d, ok := s.At(low); ok {
			f.low = float64(d)
		} else {
			f.low = r.late(s, run)
		}
	}
	f.high = math.Inf(1)
	if d, ok := s.At(high); ok {
		f.high = float64(d)
	}
	if high > s.N() {
		f.missing = "an upper limit needs " + attempts(attemptsFor(q))
	}
}

// widen makes the interval hold what the rounds of the run allow too.
func (r Rule) widen(f *finding, run Run) {
	values, unbounded := r.rounds(run)
	if len(values) < minRounds {
		f.basis += "; sampling error only"
		f.early = true
		return
	}
	in := rank.Centre(values, run.level(), rank.Geometric)
	f.low, f.high = min(f.low, in.Low), max(f.high, in.High)
	if in.High >= unbounded {
		f.high = math.Inf(1)
	}
	f.basis += fmt.Sprintf("; over %d rounds", len(values))
}

// rounds returns the statistic of each round, and the value from which on one
// may be longer than known, since it rests on attempts that ran out of time.
func (r Rule) rounds(run Run) (values []float64, unbounded float64) {
	samples := make([]metric.Sample, len(run.Rounds))
	var attempts uint64
	for i, round := range run.Rounds {
		samples[i] = r.metric.Sample(round)
		attempts += samples[i].N()
	}
	unbounded = math.Inf(1)
	joined := metric.Sample{Hist: new(stats.Histogram)}
	for _, s := range samples {
		joined.Hist.Merge(s.Hist)
		joined.Late += s.Late
		n := joined.N()
		if n == 0 || n < (attempts+maxRounds-1)/maxRounds || r.metric.Quant().Beyond(n) < roundTail {
			continue
		}
		value, ok := r.valueOf(joined)
		if !ok {
			value = r.atLeast(joined, run)
			unbounded = min(unbounded, value)
		}
		values = append(values, value)
		joined = metric.Sample{Hist: new(stats.Histogram)}
	}
	return values, unbounded
}

// doubt says why a duration cannot be judged although it was measured, "" where
// it can: the tool's own lag may be more than a tenth of it.
func (r Rule) doubt(f finding, s metric.Sample, run Run) string {
	if r.metric.OwnLag() || math.IsInf(f.value, 1) {
		return ""
	}
	tooLong := func(p stats.Phase) (lag time.Duration, doubtful bool) {
		row := run.Total.Row(p)
		lag = row.Hist.Quantile(0.99)
		return lag, float64(lag)*lagShare > f.value
	}
	if s.Clock == stats.ClockUser {
		if lag, doubtful := tooLong(stats.ReadLag); doubtful {
			return fmt.Sprintf("it ends on the clock of this process, which read what had arrived up to %s later (read_lag p99): "+
				"more than a tenth of it (lower the rate, or give wsload more processors)", lag)
		}
	}
	if r.metric.FromPlan() {
		if lag, doubtful := tooLong(stats.CloseLag); doubtful {
			return fmt.Sprintf("closes began up to %s after their plan (close_lag p99): more than a tenth of it "+
				"(judge close_handshake, or lower the rate)", lag)
		}
	}
	return ""
}
