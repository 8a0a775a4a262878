package trial

import (
	"math"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
)

// rates is the evidence on a rate: what both sides counted in each pair.
type rates struct {
	gated
	a, b []metric.Tally
}

func (r *rates) add(pair measured) {
	r.a, r.b = append(r.a, r.metric.Tally(pair[0])), append(r.b, r.metric.Tally(pair[1]))
}

// distances returns by how much b's rate is above what is tolerated, and below
// what must be detected, in each of the first k pairs. The sum over the pairs
// may bar what most of them show.
//
// The conversions around the products keep a compiler from fusing them with the
// sums, which would round differently on some processors.
func (r *rates) distances(k int) distances {
	var d distances
	tolerated, detected := r.Tolerance.Float(), r.MustDetect.Float()
	for i := range k {
		above, below := math.Inf(-1), math.Inf(-1)
		if r.a[i].Of > 0 && r.b[i].Of > 0 { // else the pair shows nothing
			a, b := share(r.a[i]), share(r.b[i])
			above = b - float64((1+tolerated)*a)
			below = float64((1+detected)*a) + r.MustExcess.Float() - b
		}
		d.above, d.below = append(d.above, above), append(d.below, below)
	}
	a, b := share(total(r.a[:k])), share(total(r.b[:k]))
	if b-a < r.Excess.Float() {
		d.idle = "the excess over all pairs is below " + r.Excess.String() + " of the attempts"
	}
	if b > float64((1+detected)*a)+r.MustExcess.Float() {
		d.barred = "most pairs show no excess, but the sum over all pairs does: errors came in a burst"
	}
	return d
}

func share(t metric.Tally) float64 {
	if t.Of == 0 {
		return 0
	}
	return float64(t.N) / float64(t.Of)
}

func total(tallies []metric.Tally) (sum metric.Tally) {
	for _, t := range tallies {
		sum.N += t.N
		sum.Of += t.Of
	}
	return sum
}

// describe gives the difference of the rates in the first k pairs: its centre
// and the interval, as shares of the attempts.
func (r *rates) describe(k int, at look, f *Finding) {
	var differences []float64
	for i := range k {
		if r.a[i].Of > 0 && r.b[i].Of > 0 {
			differences = append(differences, share(r.b[i])-share(r.a[i]))
		}
	}
	f.Units = len(differences)
	if f.Units == 0 {
		return
	}
	low, high := rank.Centre(differences, at.fail, rank.Arithmetic), rank.Centre(differences, at.pass, rank.Arithmetic)
	f.Change = &low.Centre
	f.Low, f.High = finite(low.Low), finite(high.High)
}

// overall is the rate of both sides over all pairs.
func (r *rates) overall() (a, b *float64) {
	inA, inB := share(total(r.a)), share(total(r.b))
	return &inA, &inB
}

func (r *rates) attempts() (a, b uint64) { return total(r.a).Of, total(r.b).Of }
