package rule

import (
	"math"
	"sort"
	"strconv"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/wsload/wsload/internal/gate/metric"
)

// level is the probability with which each end of an interval may be wrong, in
// a run that is over.
const level = 0.05

// quantileRanks returns which of n attempts in ascending order enclose a
// quantile of what they were drawn from. The lower is above it with a
// probability of at most the level and the upper below it as rarely. low is 0 and
// high n+1 where n attempts are too few for that end.
func quantileRanks(q metric.Quant, n uint64, level float64) (low, high uint64) {
	below := distuv.Binomial{N: float64(n), P: q.Float()} // attempts below the quantile
	most := sort.Search(int(n), func(k int) bool { return below.CDF(float64(k)) > level })
	least := sort.Search(int(n), func(k int) bool { return 1-below.CDF(float64(k)) <= level })
	// The attempt of rank k is above the quantile where fewer than k are below
	// it, and below it where at least k are.
	return uint64(most), uint64(least) + 1
}

// attemptsFor is the smallest number of attempts whose longest is an upper
// limit for the quantile.
func attemptsFor(q metric.Quant) uint64 {
	return uint64(math.Ceil(math.Log(level) / math.Log(q.Float())))
}

// ShareLimits returns the limits of Clopper and Pearson for the share that x
// of n attempts come from. Neither need be whole. The limits are rounded,
// so that a last bit that another processor computes differently does not
// matter.
func ShareLimits(x, n float64) (low, high float64) { return shareLimits(x, n, level) }

func shareLimits(x, n, level float64) (low, high float64) {
	high = 1
	switch {
	case x > 0 && x < n:
		low = mathext.InvRegIncBeta(x, n-x+1, level)
		high = mathext.InvRegIncBeta(x+1, n-x, 1-level)
	case x > 0: // all of them
		low = math.Pow(level, 1/n)
	default:
		high = -math.Expm1(math.Log(level) / n)
	}
	return steady(low), steady(high)
}

// steady rounds to nine digits.
func steady(x float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 9, 64), 64)
	if err != nil {
		panic("rule: read back a number: " + err.Error())
	}
	return rounded
}

// attemptsToDecide is how many attempts would decide a rule on a rate if the
// rate stayed as it is, 0 where no number of them would. dispersion is by how
// much the errors vary more than single ones.
func (r Rule) attemptsToDecide(rate, dispersion float64) uint64 {
	const most = 1 << 40
	decided := func(n float64) bool {
		all, some := r.holdsOver(ShareLimits(rate*n/dispersion, n/dispersion))
		return all || !some
	}
	n := uint64(1)
	for n < most && !decided(float64(n)) {
		n *= 2
	}
	if n >= most {
		return 0
	}
	return n/2 + uint64(sort.Search(int(n-n/2), func(k int) bool { return decided(float64(n/2) + float64(k)) }))
}

// dispersion is how much more the counts of rounds vary than those of events
// that come singly: 1 if they do, more where they come in bursts. It is 1 for
// too few rounds to tell.
func dispersion(tallies []metric.Tally) float64 {
	sum, rounds := metric.Tally{}, measured(tallies)
	for _, t := range tallies {
		sum.N, sum.Of = sum.N+t.N, sum.Of+t.Of
	}
	x, n := float64(sum.N), float64(sum.Of)
	if sum.N == 0 || sum.N == sum.Of || rounds < minRounds {
		return 1
	}
	p, chi := x/n, 0.0
	for _, t := range tallies {
		if t.Of > 0 {
			off := float64(t.N) - float64(float64(t.Of)*p) // not fused
			chi += off * off / (float64(t.Of) * p * (1 - p))
		}
	}
	return max(1, steady(chi/float64(rounds-1)))
}

// measured counts the rounds in which there was an attempt.
func measured(tallies []metric.Tally) (n int) {
	for _, t := range tallies {
		if t.Of > 0 {
			n++
		}
	}
	return n
}
