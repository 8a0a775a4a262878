package rule

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

// going is a run that goes on, in n rounds that all had the same lives.
func going(n int, lives ...life) Run {
	run := Run{Total: summary(), Close: 35 * time.Second, FIN: time.Second}
	for range n {
		run.Rounds = append(run.Rounds, summary(lives...))
		run.Total.Merge(run.Rounds[len(run.Rounds)-1])
	}
	return run
}

func TestOnlyACountThatCannotBecomeGoodAgainHasFailedForGood(t *testing.T) {
	run := going(1, life{class: stats.Clean, n: 90}, life{class: stats.PrematureEOF, n: 10})
	for text, want := range map[string]bool{
		"premature == 0":                      true,
		"premature == 9":                      true,
		"premature == 10":                     false,
		"premature == 11":                     false, // it may come to that
		"premature < 10":                      true,
		"premature < 11":                      false,
		"premature <= 9":                      true,
		"premature <= 10":                     false,
		"premature > 10":                      false, // it may be more yet
		"premature >= 11":                     false,
		"premature != 10":                     false,
		"premature.rate == 0":                 true,
		"premature.rate <= 0":                 true,
		"premature.rate > 0":                  false,
		"violation.rate > 0":                  false,
		"violation.rate != 0":                 false,
		"violation.count == 0":                false,
		"violation.count != 0":                false,
		"point(premature.rate) == 0":          true,
		"connections.opened <= 99":            true,
		"connections.opened >= 101":           false,
		"messages.lost == 0":                  false, // not checked
		"probe_accepted == 0":                 false, // never tried
		"active.close_handshake.count < 1000": false,
	} {
		r, err := Parse(text, entries())
		if err != nil {
			t.Fatal(err)
		}
		if !r.Counted() {
			t.Errorf("%s is no count", text)
		}
		if got, broken := r.Broken(run); broken != want {
			t.Errorf("%s: broken %t, %+v", text, broken, got)
		}
	}
	for _, text := range []string{"premature.rate < 1%", "close_handshake.p99 < 1s", "close_handshake.max < 1s", "point(premature.rate) < 1%"} {
		if r, err := Parse(text, entries()); err != nil || r.Counted() {
			t.Errorf("%s is a count, %v", text, err)
		}
	}
}

func TestALookFailsByTheIntervalAtItsLevel(t *testing.T) {
	const ms = time.Millisecond
	slow := life{class: stats.Clean, n: 200, close: 10 * ms, lag: ms / 10}
	bad := []life{{class: stats.Clean, n: 90, close: 10 * ms}, {class: stats.PrematureEOF, n: 10}}
	for _, c := range []struct {
		rule   string
		run    Run
		level  float64
		want   bool
		reason string
	}{
		{"close_handshake.p50 < 5ms", going(10, slow), 0.025, true, "over 10 rounds"},
		{"close_handshake.p50 < 5ms", going(5, slow), 0.025, false, "too few rounds"},
		{"point(close_handshake.p50) < 5ms", going(1, slow), 0.025, true, "as measured"},
		{"close_handshake.max < 5ms", going(1, slow), 0.025, true, ""},
		{"close_handshake.mean < 5ms", going(1, slow), 0.025, false, "too few rounds"},
		// Six rounds that all are above the bound are so by chance once in 64.
		{"close_handshake.p50 < 5ms", going(6, slow), 0.025, true, ""},
		{"close_handshake.p50 < 5ms", going(6, slow), 0.0083, false, "the interval holds the bound"},
		{"close_handshake.p50 < 20ms", going(10, slow), 0.025, false, ""},
		{"premature.rate < 5%", going(10, bad...), 0.025, true, "100 of 1000"},
		{"premature.rate < 5%", going(5, bad...), 0.025, false, "too few rounds"},
		{"premature.rate < 8.4%", going(10, bad...), 0.05, true, ""},
		{"premature.rate < 8.4%", going(10, bad...), 0.001, false, "the interval holds the bound"},
		{"point(premature.rate) < 5%", going(1, bad...), 0.025, true, ""},
		{"slow.notice.p50 < 5ms", going(10, slow), 0.025, false, "never measured"},
	} {
		r, err := Parse(c.rule, entries())
		if err != nil {
			t.Fatal(err)
		}
		got, failed := r.Look(c.run, c.level)
		if failed != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s at %v after %d rounds: %t, %s: %s", c.rule, c.level, len(c.run.Rounds), failed, got.Verdict, got.Reason)
		}
	}
}
