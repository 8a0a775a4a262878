package scenario_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// joined is what a user sees of the two steps.
func joined(errs ...error) error { return problem.Join(errs...) }

func checkLines(t *testing.T, err error, want ...string) {
	t.Helper()
	got := lines(err)
	slices.Sort(got)
	slices.Sort(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBackoffWithoutATimeToComeBackInIsRefused(t *testing.T) {
	checkRefusals(t, []refusal{{
		func(p *scenario.Plan) { p.Load.Duration, p.Load.Reconnect = 0, mustReconnect(t, "backoff(1s,30s)") },
		`load.reconnect: nothing comes back when load.duration is 0s, got "backoff(1s,30s)" (set load.duration, or remove this)`,
	}})
}

func TestAWaitIsEvenlySpreadBelowItsBoundWhichDoublesUpToTheMost(t *testing.T) {
	plan := scenario.Default()
	plan.Seed = 7
	plan.Load.Reconnect = mustReconnect(t, "backoff(1s,10s)")
	for failures, bound := range map[int]time.Duration{
		0: time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 4: 10 * time.Second, 255: 10 * time.Second,
	} {
		const draws, bins = 16_000, 16
		counts := make([]int, bins)
		for n := range uint64(draws) {
			wait := plan.Backoff(n, failures)
			if wait < 0 || wait >= bound {
				t.Fatalf("after %d failures connection %d waits %v, want less than %v", failures, n, wait, bound)
			}
			counts[int(wait*bins/bound)]++
		}
		// With 15 degrees of freedom 1 in 10,000 exceeds 45.
		if x := chiSquare(counts, draws); x > 45 {
			t.Errorf("after %d failures: chi-square %.0f, counts %v", failures, x, counts)
		}
	}
}

func TestAWaitDependsOnSeedAndNumberAlone(t *testing.T) {
	plan := scenario.Default()
	plan.Seed = 7
	plan.Load.Reconnect = mustReconnect(t, "backoff(1s,30s)")
	first := plan.Backoff(1001, 2)
	plan.Backoff(5, 0)
	if again := plan.Backoff(1001, 2); again != first {
		t.Errorf("asked again it is %v, was %v", again, first)
	}
	// A wait that was drawn as the hold is would follow from it.
	if l := plan.Lifecycle(1001); (first/2 - (l.Hold - time.Second)).Abs() <= 1 { // of 4s and of 2s
		t.Error("the wait is the hold's draw")
	}
	plan.Seed = 8
	if other := plan.Backoff(1001, 2); other == first {
		t.Errorf("another seed draws the same wait %v", other)
	}
	plan.Load.Reconnect = value.Reconnect{}
	if wait := plan.Backoff(1001, 2); wait != 0 {
		t.Errorf("without backoff it is %v", wait)
	}
}
