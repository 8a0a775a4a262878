package arbiter_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/arbiter"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
)

func TestAMatchEndsWithTheFirstVerdict(t *testing.T) {
	url := serve(t, "")
	s := setup(url+"/echo", url+"/slow-reply?delay=50ms")
	s.Pairs = trial.MaxPairs
	m, err := s.Match(small(t))
	if err != nil {
		t.Fatal(err)
	}
	stood := 0
	m.Stand = func(_ time.Duration, _ trial.Verdict, pairs int) {
		if stood++; pairs != stood {
			t.Errorf("it stands after %d pairs, and is told of %d", stood, pairs)
		}
	}
	m.Say = func(text string) { t.Error(text) }
	judged, err := m.Play(t.Context())
	if !judged || err != nil || m.Verdict.Verdict != gate.Fail || len(m.File.Pairs) != 10 || stood != 10 {
		t.Errorf("judged %t, %v: %+v after %d pairs", judged, err, m.Verdict, len(m.File.Pairs))
	}
}

func TestABudgetThatDoesNotHoldASecondPairEndsAMatch(t *testing.T) {
	url := serve(t, "/echo")
	s := setup(url, url)
	s.Budget = 1
	m, err := s.Match(small(t))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	m.Stand, m.Say = func(time.Duration, trial.Verdict, int) {}, func(text string) { said = append(said, text) }
	judged, err := m.Play(t.Context())
	if !judged || err != nil || m.Verdict.Verdict != gate.Inconclusive || len(m.File.Pairs) != 1 {
		t.Errorf("judged %t, %v: %+v after %d pairs", judged, err, m.Verdict, len(m.File.Pairs))
	}
	if diff := cmp.Diff([]string{"the budget of 1ns does not hold another pair"}, said); diff != "" {
		t.Error(diff)
	}
}

// qualifying gates an address against itself.
func qualifying(t *testing.T, url string) arbiter.Qualifying {
	return arbiter.Qualifying{
		Setup: setup(url, url), Plan: small(t), Gates: 2,
		Begin: func(m *arbiter.Match, _ int) {
			m.Stand, m.Say = func(time.Duration, trial.Verdict, int) {}, func(string) {}
		},
		Done: func(arbiter.Gate, int) {},
	}
}

func TestAQualificationCountsItsGatesAndTriesContractsOnTheirPairs(t *testing.T) {
	q, err := arbiter.Qualify(t.Context(), qualifying(t, serve(t, "/slow-reply?delay=20ms")))
	if err != nil {
		t.Fatal(err)
	}
	c := q.Counts
	if len(q.Gates) != 2 || c.Pass+c.Fail+c.Inconclusive != 2 || c.NotComparable != 0 || q.Recorded != 20 || q.Held != 10 || q.Cut != 0 {
		t.Errorf("%+v", q)
	}
	if q.Gates[0].Seed == q.Gates[1].Seed {
		t.Error("both gates have the same coin")
	}
	// With no false alarm of two the limit is 1-√0.05.
	if c.Fail == 0 && (c.MostFalse < 0.7763 || c.MostFalse > 0.7765) {
		t.Errorf("no false alarm of 2 gates has the limit %v", c.MostFalse)
	}
	if len(q.Metrics) != 1 || q.Metrics[0].Units != 20 || q.Metrics[0].SD <= 0 {
		t.Errorf("%+v", q.Metrics)
	}
	// Nothing is restarted, so both contracts have the same room.
	if len(q.Offers) != 1 || len(q.Offers[0].Exercises) != 3 || q.Offers[0].Exercises[0].Change != "equal" {
		t.Errorf("%+v", q.Offers)
	}
	for _, x := range q.Offers[0].Exercises {
		if x.Pass+x.Fail+x.Inconclusive != x.Trials || x.Trials < 1000 {
			t.Errorf("%+v", x)
		}
	}
}

func TestAGateThatASignalCutsIsInNoCount(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	o := qualifying(t, serve(t, "/echo"))
	o.Begin = func(m *arbiter.Match, n int) {
		m.Say = func(string) {}
		m.Stand = func(_ time.Duration, _ trial.Verdict, pairs int) {
			if n == 1 && pairs == 3 {
				cancel(errors.New("a signal"))
			}
		}
	}
	q, err := arbiter.Qualify(ctx, o)
	if err != nil || len(q.Gates) != 1 || q.Cut != 3 || q.Recorded != 13 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestAServerThatNobodyReachesIsNotPlayedForLong(t *testing.T) {
	o := qualifying(t, "ws://127.0.0.1:1/")
	o.Gates = 50
	q, err := arbiter.Qualify(t.Context(), o)
	if err != nil || len(q.Gates) != 3 || q.Counts.NotComparable != 3 || q.Recorded != 0 || q.Advice != "" {
		t.Fatalf("%+v, %v", q, err)
	}
	if !strings.Contains(q.Gates[0].Reason, "no connection opened") {
		t.Error(q.Gates[0].Reason)
	}
}

func TestTheTextOfAQualificationHasItsFiguresAndNothingThatSteersATerminal(t *testing.T) {
	found := 0.0721
	q := arbiter.Qualification{
		Server: "./server …\x1b[2J", Contract: "default", Took: 10 * time.Minute, Recorded: 60, PerPair: 4.2, Held: 50, Budget: 5 * time.Minute,
		Gates: []arbiter.Gate{
			{Verdict: gate.Pass, Pairs: 10},
			{Verdict: gate.NotComparable, Pairs: 2, Reason: "pair 2: b: \x1b]0;##[group]"},
		},
		Counts:  arbiter.Counts{Pass: 1, NotComparable: 1, MostFalse: 0.95, Median: 42 * time.Second, P95: 42 * time.Second},
		Metrics: []arbiter.Noise{{Metric: "close_handshake.p50", SD: 0.04321, Detectable: &found}, {Metric: "close_handshake.p99"}, {Metric: "unexpected.rate"}},
		Offers: []arbiter.Offer{{Contract: "default", Affordable: true, Exercises: []arbiter.Exercise{
			{Change: "equal", Trials: 2000, Pass: 1900, Fail: 2, Inconclusive: 98, MedianS: 42, P95S: 80},
		}}},
		Advice: "default",
	}
	var out bytes.Buffer
	if err := q.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := `2 gates of the server against itself in 10m0s, 60 pairs of 4.2s; contract default
server        ./server …` + "\ufffd" + `[2J
false alarms  0 of 1 gate (at most 95.0% of them, with a certainty of 95%)
verdicts      pass 1, fail 0, inconclusive 0, not comparable 1
time          to a verdict: median 42s, p95 42s
gate 2        not comparable after 2 pairs: pair 2: b: ` + "\ufffd" + `]0;#\#[group]

With 50 pairs, which 5m0s holds, nine of ten gates find:
metric               sd of change  smallest change
close_handshake.p50  0.0432        +7.2%
close_handshake.p99  0             none up to +400%
unexpected.rate      0             -

Trials made of these pairs, with b worse by:
contract  change  fail  pass   inconclusive  median  p95
default   equal   0.1%  95.0%  4.9%          42s     80s

This host affords the contract default: equal servers pass in at least 90% of its trials and fail in at most 1%.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
