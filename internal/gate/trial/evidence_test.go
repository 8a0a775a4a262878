package trial

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

func term(t *testing.T, of Term) gated {
	t.Helper()
	c := Contract{Terms: []Term{of}}
	terms, _, err := c.terms([]string{"active", "slow"})
	if err != nil {
		t.Fatal(err)
	}
	return terms[0]
}

func p50(t *testing.T) gated {
	t.Helper()
	return term(t, Term{Metric: "close_handshake.p50", Tolerance: 50_000, MustDetect: 100_000})
}

func TestAnAttemptThatRanOutOfTimeCountsForWhatItShowsOnly(t *testing.T) {
	known, late := value{d: 1000}, value{d: 4000, late: true}
	never := math.Inf(-1)
	for _, c := range []struct {
		name         string
		a, b         value
		above, below float64
		low, high    bool // whether the change is bounded
	}{
		{"both known", known, value{d: 2100}, 2, -(2100.0 / 1100), true, true},
		{"b late", known, late, 4000.0 / 1050, never, true, false},
		{"a late", late, known, never, 4400.0 / 1000, false, true},
		{"both late", late, late, never, never, false, false},
		{"both at the tolerance", known, value{d: 1050}, 0, 1100.0 / 1050, true, true},
	} {
		q := newQuantiles(p50(t), 0)
		for i := range 10 {
			q.units = append(q.units, unit{c.a, c.b, i + 1})
		}
		d := q.distances(10)
		if d.above[0] != c.above || math.Abs(d.below[0]-c.below) > 1e-12 && d.below[0] != c.below {
			t.Errorf("%s: %v above what is tolerated and %v below what must be detected, want %v and %v", c.name, d.above[0], d.below[0], c.above, c.below)
		}
		var f Finding
		q.describe(10, looks(1, false)[0], &f)
		if (f.Low != nil) != c.low || (f.High != nil) != c.high {
			t.Errorf("%s: the change is from %v to %v", c.name, f.Low, f.High)
		}
	}
}

func TestAUnitCountsFromItsLastPairAndNeedsBothTails(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	q := newQuantiles(p50(t), 0)
	for range 5 {
		a, b := usual(), usual()
		a.closes, a.premature = 15, 85 // 7.5 beyond the median
		q.add(measured{a.summary(rng), b.summary(rng)})
	}
	for k, want := range []int{0, 0, 1, 1, 2, 2} {
		if got := len(q.upTo(k)); got != want {
			t.Errorf("%d pairs make %d units, want %d", k, got, want)
		}
	}
}

func TestPairsWithTooFewAttemptsAreJoined(t *testing.T) {
	few := usual()
	few.closes = 400 // 4 beyond p99: three pairs make a unit
	got := judge(t, file(14, alike(few)))
	if got.Verdict != gate.Inconclusive || got.Findings[0].Units != 14 || got.Findings[1].Units != 4 {
		t.Errorf("%s with %d and %d units, want inconclusive with 14 and 4", got.Verdict, got.Findings[0].Units, got.Findings[1].Units)
	}
	few.closes = 40
	for pairs, want := range map[int]string{MaxPairs: "2 units", 14: "0 units"} { // early, too, where the last look is out of reach
		if got := judge(t, file(pairs, alike(few))); !strings.Contains(got.Reason, "close_handshake.p99: not measurable: "+want) {
			t.Errorf("p99 of 40 closes in each of %d pairs: %s", pairs, got.Reason)
		}
	}
}

func TestARateFailsOnlyWithAnExcessInTheSumAndPassesOnlyWithoutOne(t *testing.T) {
	one := term(t, Term{Metric: "unexpected.rate", Tolerance: 100_000, MustDetect: 500_000, Excess: 100, MustExcess: 1000})
	for _, c := range []struct {
		name string
		a, b func(i int) metric.Tally
		want gate.Verdict
		says string
	}{
		{"1 in 20,000 in every pair", tallies(0, 20000), tallies(1, 20000), gate.Pass, ""},
		{"3 in 20,000 in every pair", tallies(0, 20000), tallies(3, 20000), gate.Fail, ""},
		{"no attempts on one side", tallies(0, 2000), tallies(0, 0), gate.Inconclusive, "never measured on b"},
		{"no attempts in most pairs of b", tallies(0, 2000), func(i int) metric.Tally { return metric.Tally{Of: uint64(i / 7 * 2000)} }, gate.Inconclusive, "neither"},
		{"a burst", tallies(0, 2000), func(i int) metric.Tally { return metric.Tally{N: uint64(i / 9 * 100), Of: 2000} }, gate.Inconclusive, "burst"},
	} {
		r := &rates{gated: one}
		for i := range 10 {
			r.a, r.b = append(r.a, c.a(i)), append(r.b, c.b(i))
		}
		k := &contender{term: one, evidence: r}
		got, _ := run([]*contender{k}, 10)
		if got != c.want {
			t.Errorf("%s: %s, want %s (p %v and %v)", c.name, got, c.want, *k.pFail, *k.pPass)
		}
		if f := k.finding(10, looks(1, false)[0], looks(1, false)); !strings.Contains(f.Reason, c.says) {
			t.Errorf("%s: %s", c.name, f.Reason)
		}
	}
	// What is below the excess and cannot pass either says so.
	one.MustExcess = 101
	r := &rates{gated: one}
	for i := range 10 {
		r.a, r.b = append(r.a, tallies(0, 20000)(i)), append(r.b, metric.Tally{N: uint64(1 + i%5), Of: 20000})
		if i%5 > 0 {
			r.b[i].N = 1 + uint64(i%2)*2
		}
	}
	k := &contender{term: one, evidence: r}
	if got, _ := run([]*contender{k}, 10); got == gate.Fail {
		t.Errorf("an excess of %v fails", share(total(r.b)))
	}
}

func tallies(n, of uint64) func(int) metric.Tally {
	return func(int) metric.Tally { return metric.Tally{N: n, Of: of} }
}

func TestATenthOfAQuantileIsTooMuchLagToShowThatNothingChanged(t *testing.T) {
	fin := term(t, Term{Metric: "fin.p50", Tolerance: 50_000, MustDetect: 100_000})
	rng := rand.New(rand.NewPCG(1, 1))
	for lag, doubtful := range map[time.Duration]bool{ms / 20: false, ms / 5: true} {
		quiet, busy := usual(), usual()
		quiet.fin, busy.fin = ms, ms
		quiet.lag, busy.lag = ms/20, lag
		for _, p := range []measured{{quiet.summary(rng), busy.summary(rng)}, {busy.summary(rng), quiet.summary(rng)}} {
			user, kernel := newQuantiles(fin, 0), newQuantiles(p50(t), 0)
			user.add(p)
			kernel.add(p)
			if got := user.doubt(); (got != "") != doubtful {
				t.Errorf("a lag of %s in a duration of 1ms: %q", lag, got)
			}
			if got := kernel.doubt(); got != "" {
				t.Errorf("a row of kernel stamps is in doubt: %q", got)
			}
		}
	}
}

func TestClosesThatBeganLateHideAChangeOfWhatCountsFromThePlan(t *testing.T) {
	late := func(lag time.Duration) *stats.Summary {
		s := stats.NewSummary(mix())
		for range 100 {
			o := stats.Outcome{Class: stats.Clean, Opened: true}
			o.Phases[stats.CloseScheduled] = stats.Sample{D: 10 * ms, OK: true, Kernel: true}
			o.Phases[stats.CloseLag] = stats.Sample{D: lag, OK: true}
			o.Phases[stats.ReadLag] = stats.Sample{D: lag, OK: true, Kernel: true}
			s.Add(&o, nil)
		}
		return s
	}
	for _, c := range []struct {
		metric   string
		lag      time.Duration
		doubtful bool
	}{
		{"close_scheduled.p50", ms / 2, false},
		{"close_scheduled.p50", 2 * ms, true},
		{"close_lag.p50", 2 * ms, false}, // it is the tool's lag itself
	} {
		q := newQuantiles(term(t, Term{Metric: c.metric, Tolerance: 50_000, MustDetect: 100_000}), 0)
		q.add(measured{late(0), late(c.lag)})
		if got := q.doubt(); (got != "") != c.doubtful {
			t.Errorf("%s with a lag of %s: %q", c.metric, c.lag, got)
		}
	}
}

func TestAMetricPassesAtTheFirstLookThatShowsIt(t *testing.T) {
	logs := make([]float64, 14)
	for i := range logs {
		logs[i] = 0.1 * float64(i%3-1)
	}
	early := &contender{term: p50(t), evidence: quantileOf(p50(t).Term, make([]float64, 14), 0)}
	late := &contender{term: p50(t), evidence: quantileOf(p50(t).Term, logs, 0)}
	verdict, pairs := run([]*contender{early, late}, 14)
	if verdict != gate.Pass || pairs != 14 || early.passed != 10 || late.passed != 14 {
		t.Errorf("%s after %d pairs, the metrics after %d and %d", verdict, pairs, early.passed, late.passed)
	}
}

func TestABurstAfterTheLookThatPassedARateTakesItsPassBack(t *testing.T) {
	one := term(t, Term{Metric: "unexpected.rate", Tolerance: 100_000, MustDetect: 500_000, Excess: 100, MustExcess: 1000})
	r := &rates{gated: one}
	logs := make([]float64, 20)
	for i := range logs {
		r.a = append(r.a, metric.Tally{Of: 2000})
		r.b = append(r.b, metric.Tally{N: map[int]uint64{12: 400}[i], Of: 2000})
		logs[i] = 0.1 * float64(i%3-1) // passes after 14 pairs
	}
	early, late := &contender{term: one, evidence: r}, &contender{term: p50(t), evidence: quantileOf(p50(t).Term, logs, 0)}
	verdict, pairs := run([]*contender{early, late}, 14)
	if verdict != gate.Inconclusive || late.passed != 14 || early.passed != 0 {
		t.Errorf("%s after %d pairs, the rate passed after %d and the other after %d", verdict, pairs, early.passed, late.passed)
	}
	if f := early.finding(14, looks(2, false)[1], looks(2, false)); f.Verdict != gate.Inconclusive || !strings.Contains(f.Reason, "burst") {
		t.Errorf("the rate is %s: %s", f.Verdict, f.Reason)
	}
}

func TestClosesThatEndOtherwiseMayHideAChangeOfThoseThatAreLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b int // closes without a duration
		want gate.Verdict
	}{
		{"few of b", 0, 9, gate.Pass},
		{"many of both", 300, 300, gate.Pass},
		{"many of a", 300, 0, gate.Pass},
		{"many of b", 0, 300, gate.Inconclusive},
	} {
		f := file(10, func(int) (arm, arm) {
			a, b := usual(), usual()
			a.closes, a.premature = a.closes-c.a, c.a
			b.closes, b.premature = b.closes-c.b, c.b
			return a, b
		})
		f.Contract.Terms = []Term{p50(t).Term}
		v := judge(t, f)
		if v.Verdict != c.want || (v.Verdict == gate.Inconclusive) != strings.Contains(v.Reason, "more of b ended before it could be") {
			t.Errorf("%s: %s: %s", c.name, v.Verdict, v.Reason)
		}
	}
}

func TestAPairInTheWrongOrderIsNoCloseThatEndedOtherwise(t *testing.T) {
	crossing := func(n int) *stats.Summary {
		s := stats.NewSummary(mix())
		for i := range 100 {
			o := stats.Outcome{Class: stats.Clean, Opened: true}
			if o.Crossed[stats.CloseHandshake] = i < n; i >= n {
				o.Phases[stats.CloseHandshake] = stats.Sample{D: ms, OK: true, Kernel: true}
			}
			s.Add(&o, nil)
		}
		return s
	}
	q := newQuantiles(p50(t), 0)
	q.add(measured{crossing(30), crossing(50)})
	if got := q.doubt(); got != "" {
		t.Errorf("pairs in the wrong order are in doubt: %s", got)
	}
}
