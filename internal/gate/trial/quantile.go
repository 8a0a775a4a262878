package trial

import (
	"math"
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
	"github.com/wsload/wsload/stats"
)

// tail is how many attempts of each side a unit needs beyond its quantile. With
// fewer the quantile is little more than the longest attempt.
const tail = 10

// value is a quantile of one side in one unit.
type value struct {
	d    time.Duration // at least 1 ns, so that every ratio is a number
	late bool          // d is only what it is at least: the attempt ran out of time
}

// unit is the quantile of both sides in one pair or some neighbouring pairs.
type unit struct {
	a, b value
	end  int // number of pairs up to and with its last one
}

// quantiles is the evidence on a quantile.
type quantiles struct {
	term  Term
	units []unit
	// doubt says why the first k pairs may hide a small change, "" where they
	// do not.
	doubt func(k int) string
}

// newQuantiles joins neighbouring pairs until both sides have enough attempts
// beyond the quantile. What is left at the end is in no unit.
func newQuantiles(t gated, pairs []measured, close, fin time.Duration) *quantiles {
	q := &quantiles{term: t.Term, doubt: func(k int) string { return doubt(t.metric, pairs[:k]) }}
	a, b := metric.Sample{Hist: new(stats.Histogram)}, metric.Sample{Hist: new(stats.Histogram)}
	for i, p := range pairs {
		join(&a, t.metric.Sample(p.a))
		join(&b, t.metric.Sample(p.b))
		if p := t.metric.Quant(); p.Beyond(a.N()) < tail || p.Beyond(b.N()) < tail {
			continue
		}
		limit := t.metric.Limit(close, fin)
		q.units = append(q.units, unit{valueOf(t.metric, a, limit), valueOf(t.metric, b, limit), i + 1})
		a, b = metric.Sample{Hist: new(stats.Histogram)}, metric.Sample{Hist: new(stats.Histogram)}
	}
	return q
}

func join(to *metric.Sample, s metric.Sample) {
	to.Hist.Merge(s.Hist)
	to.Late += s.Late
}

func valueOf(m metric.Metric, s metric.Sample, limit time.Duration) value {
	d, ok := s.At(m.Quant().Rank(s.N()))
	if !ok {
		d = max(limit, s.Hist.Max())
	}
	return value{d: max(d, 1), late: !ok}
}

// upTo returns the units that the first k pairs make.
func (q *quantiles) upTo(k int) []unit {
	n := 0
	for n < len(q.units) && q.units[n].end <= k {
		n++
	}
	return q.units[:n]
}

// distances returns how far b is above what is tolerated, and below what must
// be detected, in each unit of the first k pairs.
func (q *quantiles) distances(k int) distances {
	d := distances{barred: q.doubt(k)}
	for _, u := range q.upTo(k) {
		above, below := math.Inf(-1), math.Inf(-1)
		a, b := float64(u.a.d), float64(u.b.d)
		if !u.a.late { // else a may be as long as b
			above = distance(b, q.limit(a, q.term.Tolerance))
		}
		if !u.b.late { // else b may be longer than anything
			below = distance(q.limit(a, q.term.MustDetect), b)
		}
		d.above, d.below = append(d.above, above), append(d.below, below)
	}
	return d
}

// limit is a's value with a change on top, and no less than the floor of one.
func (q *quantiles) limit(a float64, change Share) float64 {
	return max(a*float64(whole+change)/whole, a+float64(q.term.Floor))
}

// distance is positive where x is above limit and negative where it is below.
// Its size is the larger of the two in units of the smaller, which puts
// distances in the same order as the logarithm of the ratio does. Equal ones
// have none.
func distance(x, limit float64) float64 {
	switch {
	case x > limit:
		return x / limit
	case x < limit:
		return -(limit / x)
	}
	return 0
}

// describe gives the change in the first k pairs: the centre of the ratios and
// the interval that goes with the tests.
func (q *quantiles) describe(k int, at look, f *Finding) {
	units := q.upTo(k)
	f.Units = len(units)
	if len(units) == 0 {
		return
	}
	ratios := make([]float64, len(units))
	lateA, lateB := math.Inf(-1), math.Inf(1)
	for i, u := range units {
		ratios[i] = float64(u.b.d) / float64(u.a.d)
		if u.a.late {
			lateA = max(lateA, ratios[i])
		}
		if u.b.late {
			lateB = min(lateB, ratios[i])
		}
	}
	low, high := rank.Centre(ratios, at.fail, rank.Geometric), rank.Centre(ratios, at.pass, rank.Geometric)
	f.Change = &low.Centre
	if low.Low > lateA && !math.IsInf(low.Low, -1) {
		f.Low = &low.Low
	}
	if high.High < lateB && !math.IsInf(high.High, 1) {
		f.High = &high.High
	}
}
