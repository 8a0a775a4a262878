package scenario_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

func mustReconnect(t testing.TB, text string) scenario.Reconnect {
	t.Helper()
	r, err := scenario.ParseReconnect(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

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

func TestAReconnectReadsBackFromItsText(t *testing.T) {
	for _, c := range []struct {
		text, want string
		kind       scenario.ReconnectKind
		most       time.Duration
	}{
		{"replace", "replace", scenario.ReconnectReplace, 0},
		{" none ", "none", scenario.ReconnectNone, 0},
		{"backoff( 1s, 60s )", "backoff(1s,1m)", scenario.ReconnectBackoff, time.Minute},
		{"backoff(1ms,8760h)", "backoff(1ms,8760h)", scenario.ReconnectBackoff, year},
	} {
		r := mustReconnect(t, c.text)
		if r.String() != c.want || r.Kind() != c.kind || r.Most() != c.most {
			t.Errorf("ParseReconnect(%q) = %q, kind %d, most %v; want %q, %d, %v", c.text, r, r.Kind(), r.Most(), c.want, c.kind, c.most)
		}
		if mustReconnect(t, c.want) != r {
			t.Errorf("ParseReconnect(%q) is not the Reconnect of %q", c.want, c.text)
		}
	}
	if (scenario.Reconnect{}) != mustReconnect(t, "replace") {
		t.Error("the zero Reconnect is not replace")
	}
}

func TestARefusedReconnectNamesTextPlaceAndRemedy(t *testing.T) {
	const forms = "(use replace, none or backoff(1s,30s))"
	const form = "(write backoff(first,most), as in backoff(1s,30s))"
	for text, want := range map[string]string{
		"":                `unknown reconnect "" at position 1 ` + forms,
		"bakoff(1s,2s)":   `unknown reconnect "bakoff" at position 1 (did you mean backoff? use replace, none or backoff(1s,30s))`,
		"backoff":         `backoff: the number of values is 0 and must be 2 ` + forms,
		"backoff(1s)":     `backoff: the number of values is 1 and must be 2 ` + forms,
		"none(1s)":        `none: the number of values is 1 and must be 0 ` + forms,
		"backoff(2s,1s)":  `the first wait is above the most ` + form,
		"backoff(0s,1s)":  `the first wait must be at least 1ms ` + form,
		"backoff(1s,2)":   `a duration needs a unit: "2" at position 12 (write 2s)`,
		"backoff(1s,-1s)": `negative duration "-1s" at position 12 (write 0s or more)`,
		"backoff(1s,x)":   `not a duration: "x" at position 12 ` + form,
		"backoff(1s,2s":   `no ")" for the "(" at position 8 ` + forms,
	} {
		want = `parse reconnect "` + text + `": ` + want
		if r, err := scenario.ParseReconnect(text); err == nil || err.Error() != want {
			t.Errorf("ParseReconnect(%q) = %v,\n got %v\nwant %s", text, r, err, want)
		}
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
	plan.Load.Reconnect = scenario.Reconnect{}
	if wait := plan.Backoff(1001, 2); wait != 0 {
		t.Errorf("without backoff it is %v", wait)
	}
}
