package scenario_test

import (
	"math"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

func TestALifecycleDependsOnSeedAndNumberAlone(t *testing.T) {
	plan := scenario.Default()
	plan.Seed = 7
	first := plan.Lifecycle(123)
	for n := range uint64(1000) {
		plan.Lifecycle(n)
	}
	if again := plan.Lifecycle(123); again != first {
		t.Errorf("asked again it is %+v, was %+v", again, first)
	}
	other := plan
	other.Seed = 8
	if l := other.Lifecycle(123); l.Hold == first.Hold {
		t.Errorf("another seed draws the same hold %v", l.Hold)
	}
}

// TestASeedMeansTheSameForever fails when the draws change: results stored
// with a seed could then not be run again. The numbers come from another
// implementation of PCG-DXSM.
func TestASeedMeansTheSameForever(t *testing.T) {
	plan := scenario.Default()
	plan.Seed = 1
	for n, want := range []struct {
		hold  time.Duration
		entry int
	}{
		{2196521897, 0},
		{2994472935, 0},
		{2538746538, 1},
		{2135290561, 1},
		{1245028579, 0},
		{2062685678, 1},
	} {
		if l := plan.Lifecycle(uint64(n)); l.Hold != want.hold || l.Entry != want.entry {
			t.Errorf("%d: got %d, %d; want %d, %d", n, l.Hold, l.Entry, want.hold, want.entry)
		}
	}
}

func TestStartsFollowTheRateInGenerationZeroOnly(t *testing.T) {
	plan := scenario.Default()
	plan.Load = scenario.Load{Connections: 10, Rate: 4}
	for _, c := range []struct {
		n    uint64
		want scenario.Lifecycle
	}{
		{0, scenario.Lifecycle{N: 0, Slot: 0, Generation: 0, Start: 0}},
		{9, scenario.Lifecycle{N: 9, Slot: 9, Generation: 0, Start: 2250 * time.Millisecond}},
		{10, scenario.Lifecycle{N: 10, Slot: 0, Generation: 1, Start: -1}},
		{math.MaxUint64, scenario.Lifecycle{N: math.MaxUint64, Slot: 5, Generation: math.MaxUint64 / 10, Start: -1}},
	} {
		got := plan.Lifecycle(c.n)
		c.want.Hold, c.want.Entry = got.Hold, got.Entry
		if got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	plan.Load.Rate = 0
	if l := plan.Lifecycle(9); l.Start != 0 {
		t.Errorf("at an unlimited rate connection 9 starts at %v", l.Start)
	}
}

func TestALifecycleAllocatesNothing(t *testing.T) {
	plan := scenario.Default()
	n := uint64(0)
	if allocs := testing.AllocsPerRun(1000, func() { n++; plan.Lifecycle(n) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// chiSquare gives the statistic of counts against an even spread.
func chiSquare(counts []int, total int) float64 {
	even, sum := float64(total)/float64(len(counts)), 0.0
	for _, n := range counts {
		sum += (float64(n) - even) * (float64(n) - even) / even
	}
	return sum
}

// TestNeighbouringConnectionsLookIndependent bins the draws of n, and of n
// together with n+1 and n+connections, into a grid of 16 × 16. With 255 degrees
// of freedom 1 in 10,000 fair grids exceeds 345. Seeds are near to each other
// too, as people choose 1, 2 and 3.
func TestNeighbouringConnectionsLookIndependent(t *testing.T) {
	const draws, bins, limit = 100_000, 16, 345
	plan := scenario.Default()
	plan.Load.Connections = 1000
	bin := func(n uint64) int { // the hold is uniform(1s,3s)
		return int((plan.Lifecycle(n).Hold - time.Second) * bins / (2 * time.Second))
	}
	for seed := range uint64(4) {
		plan.Seed = seed
		next, generation, seeds := make([]int, bins*bins), make([]int, bins*bins), make([]int, bins*bins)
		for n := range uint64(draws) {
			own := bin(n)
			next[own*bins+bin(n+1)]++
			generation[own*bins+bin(n+1000)]++
			plan.Seed++
			seeds[own*bins+bin(n)]++
			plan.Seed--
		}
		for what, counts := range map[string][]int{"n and n+1": next, "two generations": generation, "two seeds": seeds} {
			if x := chiSquare(counts, draws); x > limit {
				t.Errorf("seed %d, %s: chi-square %.0f is above %d", seed, what, x, limit)
			}
		}
	}
}

// TestTheEntryIsIndependentOfTheHold uses three entries of equal weight, and
// 16 bins of the hold: 47 degrees of freedom, 1 in 10,000 exceeds 88.
func TestTheEntryIsIndependentOfTheHold(t *testing.T) {
	const draws, bins, limit = 96_000, 16, 88
	plan := scenario.Default()
	plan.Seed = 3
	for i := range plan.Closes.Mix {
		plan.Closes.Mix[i].Weight = 5
	}
	counts := make([]int, 3*bins)
	for n := range uint64(draws) {
		l := plan.Lifecycle(n)
		counts[l.Entry*bins+int((l.Hold-time.Second)*bins/(2*time.Second))]++
	}
	if x := chiSquare(counts, draws); x > limit {
		t.Errorf("chi-square %.0f is above %d", x, limit)
	}
}

func TestEntriesComeByTheirWeights(t *testing.T) {
	plan := scenario.Default()
	plan.Seed = 5
	mix := plan.Closes.Mix
	mix[0].Weight, mix[1].Weight, mix[2].Weight = 0, 90, 10
	const draws = 100_000
	counts := make([]int, len(mix))
	for n := range uint64(draws) {
		counts[plan.Lifecycle(n).Entry]++
	}
	// The standard deviation of 10 in 100 over so many draws is 95.
	if counts[0] != 0 || math.Abs(float64(counts[2])-draws/10) > 4*95 {
		t.Errorf("weights 0, 90, 10 gave %v", counts)
	}
}

func TestThePlannedCloseFollowsTheShape(t *testing.T) {
	for _, c := range []struct {
		shape        string
		opened, hold time.Duration
		want         time.Duration
	}{
		{"each", 2 * time.Second, 3 * time.Second, 5 * time.Second},
		{"rate(500/s)", 2 * time.Second, 3 * time.Second, 5 * time.Second},
		{"wave(10s)", 2 * time.Second, 3 * time.Second, 10 * time.Second},
		{"wave(10s)", 7 * time.Second, 3 * time.Second, 10 * time.Second},
		{"wave(10s)", 7 * time.Second, 3*time.Second + 1, 20 * time.Second},
		{"wave(10s)", 0, 0, 0},
		{"wave(8760h)", year, year - 1, 2 * year},
		{"at_end", 2 * time.Second, 3 * time.Second, 8 * time.Second},
		{"at_end", 2 * time.Second, time.Hour, 8 * time.Second},
		{"at_end", 9 * time.Second, time.Hour, 9 * time.Second},
	} {
		plan := scenario.Default() // its duration is 8s
		plan.Closes.Shape = mustShape(t, c.shape)
		if got := plan.CloseAt(c.opened, scenario.Lifecycle{Hold: c.hold}); got != c.want {
			t.Errorf("%s, opened at %v, hold %v: close at %v, want %v", c.shape, c.opened, c.hold, got, c.want)
		}
	}
}
