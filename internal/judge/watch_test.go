package judge

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// watch watches a run with rules and a grace.
func watch(t *testing.T, grace string, rules ...string) *Watch {
	t.Helper()
	list, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWatch(&result.Header{Run: "r", Mix: mix(), Plan: json.RawMessage(`{"limits":{"close":"5s","fin":"1s"},"traffic":{"expect":"echo"},
		"gate":{"abort_on_fail":true,"grace":"` + grace + `","rules":` + string(list) + `}}`)})
	if err != nil || w == nil {
		t.Fatal(w, err)
	}
	return w
}

// second is the n-th second of a run, from 1.
func second(n int) *stats.Summary {
	s := stats.NewSummary(mix())
	s.From, s.To = time.Duration(n-1)*time.Second, time.Duration(n)*time.Second
	return s
}

// until plays seconds, and gives the one in which a rule failed; 0 for none.
func until(t *testing.T, w *Watch, seconds int, fill func(s *stats.Summary, n int)) (int, rule.Result) {
	t.Helper()
	for n := 1; n <= seconds; n++ {
		s := second(n)
		fill(s, n)
		failed, err := w.Tick(s)
		if err != nil {
			t.Fatal(err)
		}
		if failed != nil {
			return n, *failed
		}
	}
	return 0, rule.Result{}
}

func TestARunThatIsNotToBeEndedIsNotWatched(t *testing.T) {
	w, err := NewWatch(&result.Header{Mix: mix(), Plan: json.RawMessage(`{"gate":{"rules":["premature == 0"]}}`)})
	if w != nil || err != nil {
		t.Error(w, err)
	}
	if _, err = NewWatch(&result.Header{Run: "r", Mix: mix(), Plan: json.RawMessage(`{"gate":{"abort_on_fail":true,"rules":["premature"]}}`)}); err == nil ||
		!strings.HasPrefix(err.Error(), "watch run r: parse rule") {
		t.Error(err)
	}
}

func TestACountThatIsExceededEndsARunAtOnce(t *testing.T) {
	w := watch(t, "1h", "close_handshake.p50 < 1us", "close_timeout.count < 3", "connections.opened >= 1000000")
	at, failed := until(t, w, 10, func(s *stats.Summary, n int) {
		ends(s, 100, time.Millisecond)
		if n >= 4 {
			ends(s, 1, 0)
		}
	})
	if at != 6 || failed.Rule != "close_timeout.count < 3" || failed.Verdict != gate.Fail || failed.Reason != "after 6s of the run: counted, in 603 attempts" {
		t.Errorf("in second %d: %+v", at, failed)
	}
}

func TestOtherRulesAreLookedAtAfterTheGraceAndEachTimeAfterTwiceAsLong(t *testing.T) {
	for _, c := range []struct {
		grace string
		from  int // the second from which on closes are slow
		want  int
	}{
		{"10s", 1, 10},
		{"10s", 6, 20},
		{"10s", 11, 40},
		{"10s", 41, 160}, // most of it, shown
		{"0s", 1, 16},    // the looks before it had too few rounds for their part of the error
		{"1m", 1, 60},
	} {
		w := watch(t, c.grace, "close_handshake.p50 < 5ms", "premature == 0")
		at, failed := until(t, w, 200, func(s *stats.Summary, n int) {
			d := time.Millisecond
			if n >= c.from {
				d = 50 * time.Millisecond
			}
			ends(s, 30, d)
		})
		if at != c.want || failed.Verdict != gate.Fail || !strings.Contains(failed.Reason, " of the run: ") {
			t.Errorf("grace %s, slow from second %d: second %d, want %d: %+v", c.grace, c.from, at, c.want, failed)
		}
		if len(w.spans) >= 2*maxRounds {
			t.Errorf("%d spans are kept", len(w.spans))
		}
	}
}

func TestPointIsTakenAtItsWordAfterTheGrace(t *testing.T) {
	w := watch(t, "3s", "point(close_handshake.p99) < 5ms")
	at, failed := until(t, w, 10, func(s *stats.Summary, _ int) { ends(s, 1, 50*time.Millisecond) })
	if at != 3 || !strings.Contains(failed.Reason, "as measured") {
		t.Errorf("in second %d: %+v", at, failed)
	}
}

func TestAWatchKeepsOnlyWhatItsRulesAskFor(t *testing.T) {
	w := watch(t, "1h", "close_timeout.count < 3")
	until(t, w, 5, func(s *stats.Summary, _ int) { ends(s, 10, time.Millisecond) })
	if len(w.spans) > 0 || w.total.Latency[0][stats.CloseHandshake].Hist != nil || w.total.Connections.Ended != 50 {
		t.Errorf("a count keeps %d spans and histograms", len(w.spans))
	}
	w = watch(t, "1h", "close_handshake.p99 < 3s")
	s := second(1)
	ends(s, 10, time.Millisecond)
	s.Latency[0][stats.Connect].Hist = new(stats.Histogram)
	s.Latency[0][stats.Connect].Hist.Record(time.Millisecond)
	if _, err := w.Tick(s); err != nil {
		t.Fatal(err)
	}
	if w.total.Latency[0][stats.Connect].Hist != nil || w.total.Latency[0][stats.CloseHandshake].Hist.Count() != 10 {
		t.Error("other histograms are kept, or not that of the rule")
	}
	if s.Latency[0][stats.Connect].Hist == nil {
		t.Error("the summary was changed")
	}
}

// TestTheLooksEndARunThatKeepsItsBoundAsRarelyAsTheyMay plays runs whose rate is
// exactly the bound, which is the worst that keeps it, and some that are above.
func TestTheLooksEndARunThatKeepsItsBoundAsRarelyAsTheyMay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ended := func(rate float64) (n int) {
		for range 200 {
			w := watch(t, "10s", "close_timeout.rate < 2%")
			if at, _ := until(t, w, 80, func(s *stats.Summary, _ int) {
				bad := 0
				for range 50 {
					if rng.Float64() < rate {
						bad++
					}
				}
				s.Connections.Started, s.Connections.Opened, s.Connections.Ended = 50, 50, 50
				s.Outcomes[0][stats.Clean].N, s.Outcomes[0][stats.CloseTimeout].N = uint64(50-bad), uint64(bad)
				s.CodesSent[stats.NoCode] = 50
			}); at > 0 {
				n++
			}
		}
		return n
	}
	if n := ended(0.02); n > 200*lookError {
		t.Errorf("%d of 200 runs at the bound were ended", n)
	}
	if n := ended(0.05); n < 180 {
		t.Errorf("%d of 200 runs far above it were ended", n)
	}
}

func TestTheRuleThatEndedARunFailsIt(t *testing.T) {
	const text = "close_handshake.p50 < 5ms"
	failed := `{"rule":"` + text + `","verdict":"fail","value":6e6,"low":5.5e6,"high":7e6,"reason":"after 10s of the run: 30 attempts"}`
	doc := run(t, `{"gate":{"rules":["unexpected.rate == 0","`+text+`"]}}`, 4*time.Millisecond, 6*time.Millisecond)
	doc.Failed = json.RawMessage(strings.ReplaceAll(failed, "<", `\u003c`))
	got := judged(t, doc)
	if doc.Verdict != "fail" || got[1].Verdict != gate.Fail ||
		got[1].Reason != "after 10s of the run: 30 attempts; that ended the run, over all of which it is inconclusive" {
		t.Errorf("%s: %+v", doc.Verdict, got)
	}
	// Where the whole run fails too, that says more.
	doc = run(t, `{"gate":{"rules":["`+text+`"]}}`, 6*time.Millisecond)
	doc.Failed = json.RawMessage(failed)
	if got = judged(t, doc); got[0].Verdict != gate.Fail || strings.Contains(got[0].Reason, "ended") {
		t.Errorf("%+v", got)
	}
	doc.Failed = json.RawMessage(`{"verdict":"good"}`)
	if err := Document(doc, nil); err == nil || !strings.HasPrefix(err.Error(), "judge run r: read what ended it: ") {
		t.Error(err)
	}
	// What says otherwise than that it failed has no say.
	doc = run(t, `{"gate":{"rules":["`+text+`"]}}`, 6*time.Millisecond)
	doc.Failed = json.RawMessage(strings.Replace(failed, `"fail"`, `"pass"`, 1))
	if got = judged(t, doc); got[0].Verdict != gate.Fail {
		t.Errorf("%+v", got)
	}
}
