package rank

import (
	"cmp"
	"math"
	"slices"
)

// MaxValues is how many values a test or an estimate takes: with more, the
// number of ways to give them signs does not fit in 64 bits.
const MaxValues = 62

// Greater tests whether values lie above 0: it returns the probability of a
// sum of the ranks of positive values as large as this one or larger, if the
// size of each value stays and its sign is a fair coin. It is exact.
//
// Equal sizes share the mean of their ranks. Zeros take part in the ranking,
// as the smallest, and then in neither sum (Pratt's way), so that adding pairs
// without a difference does not make what is left look larger. Infinities are
// allowed and are the largest. Without a value other than 0 the result is 1.
//
// Greater panics for more than MaxValues values, and for a NaN, which has no
// rank.
func Greater(values []float64) float64 {
	ranks, sum := signedRanks(values)
	ways := waysTo(ranks)
	var extreme uint64
	for _, n := range ways[sum:] {
		extreme += n
	}
	return math.Ldexp(float64(extreme), -len(ranks))
}

// signedRanks returns the ranks of the values other than 0, doubled so that
// mean ranks are whole, and the sum of those that belong to positive values.
func signedRanks(values []float64) (ranks []int, positive int) {
	if len(values) > MaxValues {
		panic("rank: too many values for an exact test")
	}
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b float64) int {
		return cmp.Compare(math.Abs(a), math.Abs(b))
	})
	for from := 0; from < len(sorted); {
		size, to := math.Abs(sorted[from]), from
		if math.IsNaN(size) {
			panic("rank: NaN has no rank")
		}
		for to < len(sorted) && math.Abs(sorted[to]) == size {
			to++
		}
		for _, v := range sorted[from:to] {
			if v == 0 {
				continue
			}
			ranks = append(ranks, from+1+to) // twice the mean of from+1 … to
			if v > 0 {
				positive += from + 1 + to
			}
		}
		from = to
	}
	return ranks, positive
}

// waysTo returns for each sum in how many ways signs give it: the number of
// subsets of the ranks that add up to it.
func waysTo(ranks []int) []uint64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([]uint64, total+1)
	ways[0] = 1
	highest := 0
	for _, r := range ranks {
		highest += r
		for sum := highest; sum >= r; sum-- {
			ways[sum] += ways[sum-r]
		}
	}
	return ways
}

// LeastValues is the smallest number of values with which Greater can reach
// the level: its smallest result for n values is 1/2ⁿ. It is MaxValues+1 for a
// level that is out of reach.
func LeastValues(level float64) int {
	n := 1
	for n <= MaxValues && math.Ldexp(1, -n) > level {
		n++
	}
	return n
}
