package watch

import (
	"math"
	"slices"
)

// A Slope is how much a quantity grows per unit of what it is held against,
// with an interval that holds the truth in 99 of 100 cases. Where OK is false
// it is unknown.
type Slope struct {
	Value, Low, High float64
	OK               bool
}

// Quantiles of the normal distribution: what lies above them.
const (
	halfPercent = 2.5758
	tenPercent  = 1.2816
)

// minBlocks is the least number of points that a verdict is made of, minPart
// that of a part of them.
const (
	minBlocks = 12
	minPart   = 5
)

// A block is one point of a slope.
type block struct{ x, y float64 }

// theilSen estimates the slope of the blocks, which are in order of time. Only
// pairs in the same group make one: groups are runs of blocks that end before
// the index in cuts. The interval is that of Kendall's test, for whose variance
// ties count, made wider where neighbours correlate, by r. Each of its ends is
// wrong as often as a normal value is above z.
func theilSen(blocks []block, r, z float64, cuts ...int) Slope {
	var slopes []float64
	variance := 0.0
	from := 0
	for _, to := range append(slices.Clone(cuts), len(blocks)) {
		slopes = pairSlopes(slopes, blocks[from:to])
		variance += kendallVariance(blocks[from:to])
		from = to
	}
	if len(blocks) < minPart || len(slopes) == 0 {
		return Slope{}
	}
	slices.Sort(slopes)
	n, spread := float64(len(slopes)), z*math.Sqrt(variance)
	low := slopes[int(max(math.Floor((n-spread)/2), 0))]
	high := slopes[int(min(math.Ceil((n+spread)/2), n-1))]
	value, wider := medianOf(slopes), widening(len(blocks), r, z)
	// However long noise lasts, it tilts a line hardly by more than twice its
	// size from end to end.
	most := 2 * scatter(blocks, value) / (blocks[len(blocks)-1].x - blocks[0].x)
	return Slope{
		Value: value,
		Low:   min(low, max(value-(value-low)*wider, value-most)),
		High:  max(high, min(value+(high-value)*wider, value+most)),
		OK:    true,
	}
}

// widening is by how much an interval of independent values must be wider for
// values whose neighbours correlate by r, as those of a process do that forgets a
// part of its past at each step. They are worth as much as fewer independent
// ones, so few that Student's distribution matters.
func widening(values int, r, z float64) float64 {
	worth := (1 - r) / (1 + r)
	freedom := max(float64(values)*worth-2, 3)
	// Its quantile by the expansion of Fisher and Cornish (1960).
	student := z + (z*z*z+z)/(4*freedom) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*freedom*freedom)
	return student / z / math.Sqrt(worth)
}

// kendallVariance is the variance of Kendall's S for values without a trend
// (Kendall 1975), with the correction for ties.
func kendallVariance(group []block) float64 {
	term := func(n float64) float64 { return n * (n - 1) * (2*n + 5) }
	ys := make([]float64, len(group))
	for i, b := range group {
		ys[i] = b.y
	}
	slices.Sort(ys)
	v := term(float64(len(ys)))
	for from := 0; from < len(ys); {
		to := from + 1
		for to < len(ys) && ys[to] == ys[from] {
			to++
		}
		v -= term(float64(to - from))
		from = to
	}
	return max(v, 0) / 18
}

// residuals are what is left of the blocks without the slope, about their
// median.
func residuals(blocks []block, slope float64) []float64 {
	rest := make([]float64, len(blocks))
	for i, b := range blocks {
		rest[i] = b.y - slope*b.x
	}
	middle := median(rest)
	for i := range rest {
		rest[i] -= middle
	}
	return rest
}

// likeness estimates how neighbours correlate, from 0 to 0.95, by what is left
// of them about a line through each half: a bend of the line is no noise. What
// is left of a line looks less alike than it is, by about (2+4r)/n for n values,
// and that is put right.
func likeness(blocks []block) float64 {
	middle := len(blocks) / 2
	if middle < minPart {
		return 0
	}
	var with, all float64
	for _, half := range [][]block{blocks[:middle], blocks[middle:]} {
		rest := residuals(half, middleSlope(half))
		for i, v := range rest {
			all += v * v
			if i > 0 {
				with += v * rest[i-1]
			}
		}
	}
	if all == 0 {
		return 0
	}
	r := with / all
	r += (2 + 4*r) / float64(middle)
	return min(max(r, 0), 0.95)
}

// middleSlope is the median of the slopes between all pairs, 0 for none.
func middleSlope(blocks []block) float64 {
	slopes := pairSlopes(nil, blocks)
	if len(slopes) == 0 {
		return 0
	}
	return median(slopes)
}

// pairSlopes appends the slopes between all pairs that differ in x.
func pairSlopes(slopes []float64, blocks []block) []float64 {
	for i, a := range blocks {
		for _, b := range blocks[i+1:] {
			if b.x != a.x {
				slopes = append(slopes, (b.y-a.y)/(b.x-a.x))
			}
		}
	}
	return slopes
}

// median does not change values.
func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return medianOf(sorted)
}

// medianOf is the median of sorted values, of which there is one at least.
func medianOf(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return sorted[n/2-1]/2 + sorted[n/2]/2
}
