package rank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// enumerate is the definition of the test: every way to give the sizes signs,
// with ranks counted one against the other.
func enumerate(values []float64) float64 {
	doubled := make([]int, len(values)) // twice the mean rank
	for i, v := range values {
		doubled[i] = 1
		for _, w := range values {
			switch a, b := math.Abs(v), math.Abs(w); {
			case b < a:
				doubled[i] += 2
			case b == a:
				doubled[i]++
			}
		}
	}
	var observed int
	for i, v := range values {
		if v > 0 {
			observed += doubled[i]
		}
	}
	as, all := 0, 1<<len(values)
	for signs := range all {
		var sum int
		for i, v := range values {
			if signs&(1<<i) != 0 && v != 0 {
				sum += doubled[i]
			}
		}
		if sum >= observed {
			as++
		}
	}
	return float64(as) / float64(all)
}

func TestTheTestEqualsEnumeration(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 13 {
		for range 60 {
			values := make([]float64, n)
			for i := range values {
				values[i] = rng.NormFloat64() + 0.3
				if rng.IntN(2) == 0 {
					values[i] = float64(rng.IntN(7) - 3) // ties and zeros
				}
			}
			if n > 2 && rng.IntN(4) == 0 {
				values[0], values[1] = math.Inf(1), math.Inf(-1)
			}
			if got, want := Greater(values), enumerate(values); got != want {
				t.Fatalf("Greater(%v) = %v, by enumeration %v", values, got, want)
			}
		}
	}
}

// tail is P(W ≤ w) for n values without ties, from Greater: the w smallest
// ranks chosen so that the positive ones sum to w.
func tail(n, w int) float64 {
	values := make([]float64, n)
	for r := n; r >= 1; r-- {
		values[r-1] = float64(r) // W+ of the mirrored values is n(n+1)/2 - w
		if r <= w {
			values[r-1] = -float64(r)
			w -= r
		}
	}
	return Greater(values)
}

// The critical values of the signed-rank test, one-sided: the largest sum of
// ranks whose tail does not exceed the level. They stand in every table of it
// (Wilcoxon and Wilcox 1964; McCornack 1965).
func TestCriticalValuesAreThoseOfTheTables(t *testing.T) {
	levels := []float64{0.05, 0.025, 0.01, 0.005}
	table := map[int][]int{ // -1: no sum is that rare
		5: {0, -1, -1, -1}, 6: {2, 0, -1, -1}, 7: {3, 2, 0, -1}, 8: {5, 3, 1, 0}, 9: {8, 5, 3, 1},
		10: {10, 8, 5, 3}, 11: {13, 10, 7, 5}, 12: {17, 13, 9, 7}, 13: {21, 17, 12, 9}, 14: {25, 21, 15, 12},
		15: {30, 25, 19, 15}, 16: {35, 29, 23, 19}, 17: {41, 34, 27, 23}, 18: {47, 40, 32, 27}, 19: {53, 46, 37, 32},
		20: {60, 52, 43, 37}, 25: {100, 89, 76, 68}, 30: {151, 137, 120, 109}, 40: {286, 264, 238, 220}, 50: {466, 434, 397, 373},
	}
	for n, row := range table {
		for i, critical := range row {
			if got := spare(n, levels[i]) - 1; got != critical {
				t.Errorf("%d values at level %v: critical value %d, the tables have %d", n, levels[i], got, critical)
			}
			if critical >= 0 && !(tail(n, critical) <= levels[i] && tail(n, critical+1) > levels[i]) {
				t.Errorf("%d values: P(W ≤ %d) = %v and P(W ≤ %d) = %v do not enclose %v",
					n, critical, tail(n, critical), critical+1, tail(n, critical+1), levels[i])
			}
		}
	}
}

// The textbook example of Hollander and Wolfe (the depression scores of nine
// patients): W+ = 5 of the differences, p = 0.0195 one-sided, centre -0.46, and
// an interval of 96 % from -0.786 to -0.010.
func TestTheTextbookExampleComesOut(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	drop := make([]float64, len(before))
	change := make([]float64, len(before))
	for i := range before {
		drop[i] = before[i] - after[i]
		change[i] = -drop[i]
	}
	if p := Greater(drop); fmt.Sprintf("%.4f", p) != "0.0195" {
		t.Errorf("p = %v, want 0.0195", p)
	}
	in := Centre(change, 0.02, Arithmetic)
	if got := fmt.Sprintf("%.3f %.3f %.3f", in.Centre, in.Low, in.High); got != "-0.460 -0.786 -0.010" {
		t.Errorf("centre and interval are %s, want -0.460 -0.786 -0.010", got)
	}
}

func TestTheIntervalIsWhatTheTestDoesNotReject(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 400 {
		values := make([]float64, 1+rng.IntN(30))
		for i := range values {
			values[i] = math.Exp(rng.NormFloat64())
		}
		level := []float64{0.05, 0.01, 0.0041}[rng.IntN(3)]
		in := Centre(values, level, Geometric)
		bound := math.Exp(rng.NormFloat64())
		above, below := make([]float64, len(values)), make([]float64, len(values))
		for i, v := range values {
			above[i] = math.Log(v / bound)
			below[i] = -above[i]
		}
		if (in.Low > bound) != (Greater(above) <= level) || (in.High < bound) != (Greater(below) <= level) {
			t.Fatalf("%v: interval %v to %v at level %v, bound %v, p %v and %v",
				values, in.Low, in.High, level, bound, Greater(above), Greater(below))
		}
		if !(in.Low <= in.Centre && in.Centre <= in.High) {
			t.Fatalf("centre %v is outside %v to %v", in.Centre, in.Low, in.High)
		}
	}
}

func TestTheCentreDoesNotDependOnTheOrderOrTheScale(t *testing.T) {
	values := []float64{4, 1, 16, 2, 8}
	in := Centre(values, 0.05, Geometric)
	if in.Centre != 4 || in.Low != 1 || in.High != 16 {
		t.Errorf("centre %v from %v to %v, want 4 from 1 to 16", in.Centre, in.Low, in.High)
	}
	slices.Reverse(values)
	if again := Centre(values, 0.05, Geometric); again != in {
		t.Errorf("in reverse the interval is %v and not %v", again, in)
	}
	if few := Centre(values[:4], 0.05, Geometric); !math.IsInf(few.Low, -1) || !math.IsInf(few.High, 1) {
		t.Errorf("four values bound the centre at 5 %%: %v", few)
	}
}

func TestTooFewValuesCannotReachALevel(t *testing.T) {
	for level, want := range map[float64]int{0.05: 5, 0.05 / 3: 6, 0.0041: 8, 0.0013: 10, 1: 1, 0: MaxValues + 1} {
		if got := LeastValues(level); got != want {
			t.Errorf("level %v needs %d values, want %d", level, got, want)
		}
	}
	agreeing := slices.Repeat([]float64{1}, MaxValues)
	if p := Greater(agreeing); p != math.Ldexp(1, -MaxValues) {
		t.Errorf("%d agreeing values have p = %v", MaxValues, p)
	}
	if p := Greater([]float64{0, 0, 0}); p != 1 {
		t.Errorf("values of 0 have p = %v", p)
	}
	for name, values := range map[string][]float64{"too many": make([]float64, MaxValues+1), "NaN": {1, math.NaN()}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			Greater(values)
		}()
	}
}
