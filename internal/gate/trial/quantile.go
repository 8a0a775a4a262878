package trial

import (
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/internal/gate"
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

// quantiles is the evidence on a quantile. It keeps no pair, only what all of
// them come to: a histogram is large.
type quantiles struct {
	gated
	limit  time.Duration // what an attempt that ran out of time lasted at least
	units  []unit
	pairs  int              // that were added
	open   [2]metric.Sample // of the unit that is not complete yet
	all    [2]side          // of all pairs
	lagged bool             // some durations end on the clock of this process
}

// side is what one server did. The first of two is a, the second b.
type side struct {
	sample metric.Sample
	// read and begun are the tool's own lags: reading what had arrived, and
	// beginning a close.
	read, begun *stats.Histogram
}

func newSide() side {
	return side{metric.Sample{Hist: new(stats.Histogram)}, new(stats.Histogram), new(stats.Histogram)}
}

func newQuantiles(t gated, limit time.Duration) *quantiles {
	return &quantiles{gated: t, limit: limit, open: [2]metric.Sample{newSide().sample, newSide().sample}, all: [2]side{newSide(), newSide()}}
}

// add takes a pair. Neighbouring pairs are joined until both sides have enough
// attempts beyond the quantile; what is left at the end is in no unit.
func (q *quantiles) add(pair measured) {
	q.pairs++
	full := true
	for i, s := range pair {
		sample := q.metric.Sample(s)
		join(&q.open[i], sample)
		join(&q.all[i].sample, sample)
		if q.lagged = q.lagged || sample.Hist.Count() > 0 && sample.Clock == stats.ClockUser; q.lagged {
			q.all[i].read.Merge(s.Row(stats.ReadLag).Hist)
		}
		if q.metric.FromPlan() {
			q.all[i].begun.Merge(s.Row(stats.CloseLag).Hist)
		}
		full = full && q.metric.Quant().Beyond(q.open[i].N()) >= tail
	}
	if full {
		q.units = append(q.units, unit{q.valueOf(q.open[0]), q.valueOf(q.open[1]), q.pairs})
		for i := range q.open {
			q.open[i].Hist.Reset()
			q.open[i].Late, q.open[i].Crossed = 0, 0
		}
	}
}

func join(to *metric.Sample, s metric.Sample) {
	to.Hist.Merge(s.Hist)
	to.Late += s.Late
	to.Crossed += s.Crossed
}

func (q *quantiles) valueOf(s metric.Sample) value {
	d, ok := s.At(q.metric.Quant().Rank(s.N()))
	if !ok {
		d = max(q.limit, s.Hist.Max())
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
	d := distances{barred: q.doubt()}
	for _, u := range q.upTo(k) {
		above, below := math.Inf(-1), math.Inf(-1)
		a, b := float64(u.a.d), float64(u.b.d)
		if !u.a.late { // else a may be as long as b
			above = distance(b, q.changed(a, q.Tolerance))
		}
		if !u.b.late { // else b may be longer than anything
			below = distance(q.changed(a, q.MustDetect), b)
		}
		d.above, d.below = append(d.above, above), append(d.below, below)
	}
	return d
}

// changed is a's value with a change on top, and no less than the floor of one.
func (q *quantiles) changed(a float64, change Share) float64 {
	return max(a*float64(whole+change)/whole, a+float64(q.Floor))
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

// overall is the quantile of both sides over all pairs, nil where it is among
// the attempts that ran out of time.
func (q *quantiles) overall() (a, b *float64) {
	var both [2]*float64
	for i, s := range q.all {
		if d, ok := s.sample.At(q.metric.Quant().Rank(s.sample.N())); ok && s.sample.N() > 0 {
			ns := float64(d)
			both[i] = &ns
		}
	}
	return both[0], both[1]
}

func (q *quantiles) attempts() (a, b uint64) { return q.all[0].sample.N(), q.all[1].sample.N() }

// doubt says why the pairs may hide a change, "" where they do not. One is that
// attempts of b ended otherwise, by a reset say, and so are not among those
// that were measured: they may have been the slow ones. The other is that the
// tool's own lag is more than a tenth of the quantile on one side. That there
// is a change can still be shown, for a coin decided whom the lag meets; that
// there is none cannot.
func (q *quantiles) doubt() string {
	if q.metric.OwnLag() {
		return ""
	}
	a, b := q.all[0].sample, q.all[1].sample
	if onA, onB := a.N()+a.Crossed, b.N()+b.Crossed; onB < onA && (onA-onB)*attemptsPer > onA {
		return fmt.Sprintf("it was measured on %s of a and on %d of b: more of b ended before it could be, which may hide a change", gate.Number(onA, "connection"), onB)
	}
	for _, s := range q.all {
		d, ok := s.sample.At(q.metric.Quant().Rank(s.sample.N()))
		if read := s.read.Quantile(0.99); ok && read > d/10 {
			return "it ends on the clock of this process, which read what had arrived up to " + read.Round(time.Microsecond).String() +
				" later (read_lag p99): more than a tenth of it, which may hide a change"
		}
		if begun := s.begun.Quantile(0.99); ok && begun > d/10 {
			return "it counts from the plan, and closes began up to " + begun.Round(time.Microsecond).String() +
				" later (close_lag p99): more than a tenth of it, which may hide a change"
		}
	}
	return ""
}
