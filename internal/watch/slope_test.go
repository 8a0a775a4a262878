package watch

import (
	"math"
	"math/rand/v2"
	"testing"
)

func line(n int, y func(x float64) float64) []block {
	blocks := make([]block, n)
	for i := range blocks {
		blocks[i] = block{float64(i), y(float64(i))}
	}
	return blocks
}

func TestTheSlopeIsTheMedianOfAllPairs(t *testing.T) {
	blocks := []block{{0, 4}, {1, 6}, {2, 5}, {3, 9}, {4, 12}}
	// Worked by hand, the pairs are 2 .5 5/3 2 -1 1.5 7/3 4 3.5 3.
	s := theilSen(blocks, 0, halfPercent)
	if !s.OK || s.Value != 2 || s.Low > -1 || s.High < 4 {
		t.Errorf("slope %+v, want 2, and all slopes in the interval, since the points are few", s)
	}
	// Without the pairs across a cut: 2 .5 -1 on one side, 3 on the other.
	if s := theilSen(blocks, 0, halfPercent, 3); s.Value != 1.25 {
		t.Errorf("slope beside the cut %v, want 1.25", s.Value)
	}
	if s := theilSen(blocks[:4], 0, halfPercent); s.OK {
		t.Errorf("four points have the slope %+v, want none", s)
	}
	if s := theilSen([]block{{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}}, 0, halfPercent); s.OK {
		t.Errorf("points at one place have the slope %+v, want none", s)
	}
}

// For n values without ties it is n(n-1)(2n+5)/18.
func TestTheVarianceIsKendalls(t *testing.T) {
	if v := kendallVariance(line(10, func(x float64) float64 { return x })); v != 125 {
		t.Errorf("variance %v, want 125", v)
	}
	// With all alike there is none; with a tie of three it is less by 3·2·11/18.
	if v := kendallVariance(line(10, func(float64) float64 { return 7 })); v != 0 {
		t.Errorf("variance of ties alone %v", v)
	}
	if v := kendallVariance(line(10, func(x float64) float64 { return max(x, 2) })); math.Abs(v-(125-66.0/18)) > 1e-9 {
		t.Errorf("variance %v with a tie of three", v)
	}
}

// The interval of 99 % is held against what it promises, for noise that is
// independent and for noise that lasts.
func TestTheIntervalHoldsTheTruthAsOftenAsItSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, row := range []struct {
		phi  float64
		most int // misses in 1,000
	}{{0, 20}, {0.5, 25}, {0.8, 40}} {
		missed, width := 0, 0.0
		for range 1000 {
			state := rng.NormFloat64()
			blocks := line(60, func(x float64) float64 {
				state = row.phi*state + math.Sqrt(1-row.phi*row.phi)*rng.NormFloat64()
				return 0.05*x + state
			})
			s := theilSen(blocks, likeness(blocks), halfPercent)
			if s.Low > 0.05 || s.High < 0.05 {
				missed++
			}
			width += (s.High - s.Low) / 1000
		}
		t.Logf("noise that keeps %.1f of its past: missed %d of 1,000, %.3f wide", row.phi, missed, width)
		if missed > row.most {
			t.Errorf("noise that keeps %v of its past: the interval missed %d of 1,000 times, want %d at most", row.phi, missed, row.most)
		}
	}
}

func TestNeighboursLikenessIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, phi := range []float64{0, 0.5, 0.8} {
		sum := 0.0
		for range 400 {
			state := rng.NormFloat64()
			sum += likeness(line(60, func(float64) float64 {
				state = phi*state + math.Sqrt(1-phi*phi)*rng.NormFloat64()
				return state
			})) / 400
		}
		if math.Abs(sum-phi) > 0.1 {
			t.Errorf("noise that keeps %v of its past is found to keep %.2f", phi, sum)
		}
	}
	if r := likeness(line(60, func(x float64) float64 { return 3 * x })); r != 0 {
		t.Errorf("a line without noise has the likeness %v", r)
	}
}

func TestAnIntervalIsWiderWhereNeighboursAreAlikeAndWhereValuesAreFew(t *testing.T) {
	if w := widening(1_000_000, 0, halfPercent); math.Abs(w-1) > 1e-4 {
		t.Errorf("many independent values: wider by %v, want 1", w)
	}
	// Student's quantile for 10 degrees of freedom is 3.169, the normal one 2.576.
	if w := widening(12, 0, halfPercent); math.Abs(w-3.169/2.5758) > 0.01 {
		t.Errorf("12 independent values: wider by %v, want 1.23", w)
	}
	if w := widening(1_000_000, 0.6, halfPercent); math.Abs(w-2) > 1e-3 {
		t.Errorf("many values of which four are worth one: wider by %v, want 2", w)
	}
}
