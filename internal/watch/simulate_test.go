package watch

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// A world makes up what a target holds at second t of n.
type world func(rng *rand.Rand, n int) func(t int) float64

const mib = 1 << 20

// wander is noise that forgets a part of its past each second, with the
// standard deviation sd.
func wander(phi, sd float64) world {
	return func(rng *rand.Rand, _ int) func(int) float64 {
		state := rng.NormFloat64()
		return func(int) float64 {
			state = phi*state + math.Sqrt(1-phi*phi)*rng.NormFloat64()
			return sd * state
		}
	}
}

// stepAnywhere rises once, by up to size.
func stepAnywhere(size float64) world {
	return func(rng *rand.Rand, n int) func(int) float64 {
		at, by := rng.IntN(n), size*rng.Float64()
		return func(t int) float64 {
			if t < at {
				return 0
			}
			return by
		}
	}
}

// rampThenFlat rises for a third to three fifths of the time.
func rampThenFlat(size float64) world {
	return func(rng *rand.Rand, n int) func(int) float64 {
		knee := float64(n) * (1.0/3 + rng.Float64()*(3.0/5-1.0/3))
		return func(t int) float64 { return size * min(float64(t)/knee, 1) }
	}
}

// saturating approaches size ever more slowly.
func saturating(size float64) world {
	return func(rng *rand.Rand, n int) func(int) float64 {
		scale := float64(n) * (0.05 + 0.15*rng.Float64())
		return func(t int) float64 { return size * (1 - math.Exp(-float64(t)/scale)) }
	}
}

// sawtooth is the heap of a collector that begins anew each 3 to 40 s.
func sawtooth(size float64) world {
	return func(rng *rand.Rand, _ int) func(int) float64 {
		period, shift := 3+37*rng.Float64(), 40*rng.Float64()
		return func(t int) float64 { return size * math.Mod((float64(t)+shift)/period, 1) }
	}
}

// rising is a leak, per second.
func rising(by float64) world {
	return func(*rand.Rand, int) func(int) float64 {
		return func(t int) float64 { return by * float64(t) }
	}
}

// together adds worlds to a level.
func together(level float64, parts ...world) world {
	return func(rng *rand.Rand, n int) func(int) float64 {
		var all []func(int) float64
		for _, part := range parts {
			all = append(all, part(rng, n))
		}
		return func(t int) float64 {
			sum := level
			for _, part := range all {
				sum += part(t)
			}
			return sum
		}
	}
}

const closesPerSecond = 100

// simulate is a load of n seconds, sampled each second.
func simulate(rng *rand.Rand, n int, fds, rss world) *Series {
	s := new(Series)
	fd, memory := fds(rng, n), rss(rng, n)
	for t := range n {
		s.Add(Sample{
			At: time.Duration(t) * time.Second, Phase: Load, Closes: uint64(t * closesPerSecond),
			Facts: Facts{FDs: proc.Known(int64(fd(t))), RSS: proc.Known(int64(memory(t)))},
		})
	}
	return s
}

// trend picks a quantity's trend of a report.
func (r Report) trend(t *testing.T, name string) Trend {
	t.Helper()
	for _, trend := range r.Trends {
		if trend.Quantity.Name == name {
			return trend
		}
	}
	t.Fatalf("no trend of %s", name)
	return Trend{}
}

func TestCleanTargetsRaiseFewerThanOneAlarmInAHundredRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	type clean struct {
		name     string
		fds, rss world
	}
	steady := wander(0.5, 10)
	worlds := []clean{
		{"independent noise", together(1000, wander(0, 10)), together(100*mib, wander(0, 2*mib))},
		{"noise that lasts 2 s", together(1000, wander(0.5, 10)), together(100*mib, wander(0.5, 2*mib))},
		{"noise that lasts 10 s", together(1000, wander(0.9, 10)), together(100*mib, wander(0.9, 2*mib))},
		{"noise that lasts half a minute", together(1000, wander(0.97, 10)), together(100*mib, wander(0.97, 4*mib))},
		{"a step", together(1000, steady, stepAnywhere(200)), together(100*mib, wander(0.5, mib), stepAnywhere(60*mib))},
		{"a ramp, then flat", together(50, steady, rampThenFlat(950)), together(20*mib, wander(0.9, mib), rampThenFlat(80*mib))},
		{"a cache that fills ever more slowly", together(1000, steady), together(50*mib, wander(0.9, mib), saturating(50*mib))},
		{"a collector's sawtooth", together(1000, steady), together(50*mib, wander(0.5, mib/4), sawtooth(5*mib))},
	}
	const runs = 250 // of each: 2,000 in all
	alarms := 0
	for _, w := range worlds {
		here := 0
		for range runs {
			n := 90 + rng.IntN(180)
			report := simulate(rng, n, w.fds, w.rss).Report()
			if report.Verdict() == Leak {
				here++
			}
		}
		t.Logf("%-40s %d alarms in %d runs", w.name, here, runs)
		alarms += here
	}
	if all := runs * len(worlds); alarms*100 > all {
		t.Errorf("%d alarms in %d clean runs, want 1 in 100 at most", alarms, all)
	}
}

// The sizes are those that a user must be able to rely on, in 3 minutes at 100
// closes a second: one descriptor in 100 closes, and 1 KiB with each.
func TestLeaksOfTheSizesThatMatterAreFoundInThreeMinutesWithTheirFigures(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const seconds, runs = 180, 200
	for _, row := range []struct {
		name     string
		what     string
		fds, rss world
		per1000  float64
	}{
		{"a descriptor in 100 closes", "fds", together(1000, wander(0.5, 10), rising(closesPerSecond/100)),
			together(100*mib, wander(0.9, mib)), 10},
		{"a descriptor in 100 closes, noise that lasts", "fds", together(1000, wander(0.9, 5), rising(closesPerSecond/100)),
			together(100*mib, wander(0.9, mib)), 10},
		{"1 KiB with each close, in a sawtooth of 5 MiB", "rss", together(1000, wander(0.5, 10)),
			together(50*mib, wander(0.5, mib/4), sawtooth(5*mib), rising(closesPerSecond*1024)), 1024 * 1000},
		{"1 KiB with each close, behind a cache that fills", "rss", together(1000, wander(0.5, 10)),
			together(50*mib, wander(0.5, mib/4), saturating(10*mib), rising(closesPerSecond*1024)), 1024 * 1000},
	} {
		found, right, held := 0, 0, 0
		for range runs {
			trend := simulate(rng, seconds, row.fds, row.rss).Report().trend(t, row.what)
			if trend.Verdict == Leak {
				found++
			}
			if math.Abs(trend.Per1000.Value/row.per1000-1) <= 0.2 {
				right++
			}
			if trend.Per1000.Low <= row.per1000 && row.per1000 <= trend.Per1000.High {
				held++
			}
		}
		t.Logf("%-50s found %d, right by 20 %% %d, inside the interval %d of %d", row.name, found, right, held, runs)
		if found*100 < runs*98 || right*100 < runs*95 || held*100 < runs*90 {
			t.Errorf("%s: found %d, right %d, inside %d of %d", row.name, found, right, held, runs)
		}
	}
}
