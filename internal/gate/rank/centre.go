package rank

import (
	"math"
	"slices"
)

// A Mean is what lies midway between two values. It must be symmetric.
type Mean func(a, b float64) float64

// Arithmetic is the Mean of differences.
func Arithmetic(a, b float64) float64 { return (a + b) / 2 }

// Geometric is the Mean of ratios and durations, which must be positive: the
// mean of their logarithms, without taking one.
func Geometric(a, b float64) float64 { return math.Sqrt(a * b) }

// An Interval is an estimate of where values lie and how far off it may be.
type Interval struct {
	Centre    float64
	Low, High float64 // infinite where the values are too few for the level
}

// Centre returns the centre of Hodges and Lehmann, which is the median of the
// means of all pairs of values (each with itself too), and its exact interval:
// Low is above the true centre with a probability of at most level, and so is
// High below it. The level is below 1/2. Without ties Low is above a bound
// exactly where Greater of the values' distances to that bound is at most
// level.
//
// Centre panics for no values, for more than MaxValues and where a mean is NaN.
func Centre(values []float64, level float64, mean Mean) Interval {
	n := len(values)
	if n == 0 || n > MaxValues {
		panic("rank: no values, or too many for an exact interval")
	}
	var means []float64
	for i, a := range values {
		for _, b := range values[i:] {
			m := mean(a, b)
			if math.IsNaN(m) {
				panic("rank: a mean is NaN")
			}
			means = append(means, m)
		}
	}
	slices.Sort(means)
	in := Interval{Centre: means[len(means)/2], Low: math.Inf(-1), High: math.Inf(1)}
	if len(means)%2 == 0 {
		in.Centre = mean(means[len(means)/2-1], means[len(means)/2])
	}
	if k := spare(n, level); k > 0 {
		in.Low, in.High = means[k-1], means[len(means)-k]
	}
	return in
}

// spare returns how many of the smallest means lie outside the interval,
// counting the bound itself: the largest k for which a sum of ranks below k
// has at most the probability level. It is 0 where not even a sum of 0 is that
// rare.
func spare(n int, level float64) int {
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	ways := waysTo(ranks)
	var below uint64
	for k, w := range ways {
		below += w
		if math.Ldexp(float64(below), -n) > level {
			return k
		}
	}
	return len(ways) // level is 1 or more
}
