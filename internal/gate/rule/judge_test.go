package rule

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

// life is how some connections ended.
type life struct {
	class stats.Class
	n     int
	close time.Duration // close_handshake of the first; the others are a little longer
	fin   time.Duration // fin, on the clock of this process
	lag   time.Duration // read_lag
	asked time.Duration // close_scheduled
	begin time.Duration // close_lag
}

// add counts connections of the entry active.
func add(s *stats.Summary, lives ...life) *stats.Summary {
	for _, l := range lives {
		for i := range l.n {
			o := stats.Outcome{Class: l.class, Opened: l.class != stats.OpenFailed}
			grow := func(d time.Duration) time.Duration { return d + d*time.Duration(i)/time.Duration(10*l.n) }
			for p, d := range map[stats.Phase]time.Duration{
				stats.CloseHandshake: l.close, stats.FIN: l.fin, stats.ReadLag: l.lag, stats.CloseScheduled: l.asked, stats.CloseLag: l.begin,
			} {
				if d > 0 {
					o.Phases[p] = stats.Sample{D: grow(d), OK: true, Kernel: p != stats.FIN && p != stats.CloseLag}
				}
			}
			s.Connections.Started++
			if o.Opened {
				s.Connections.Opened++
			}
			s.Add(&o, nil)
		}
	}
	return s
}

func summary(lives ...life) *stats.Summary {
	return add(stats.NewSummary([]stats.Entry{{Name: "active", Mode: "active"}, {Name: "slow", Mode: "passive"}}), lives...)
}

func judge(t *testing.T, text string, run Run) Result {
	t.Helper()
	r, err := Parse(text, entries())
	if err != nil {
		t.Fatal(err)
	}
	return r.Judge(run)
}

func TestARuleHasThreeAnswersAndNoDataIsNone(t *testing.T) {
	const ms = time.Millisecond
	usual := []life{{class: stats.Clean, n: 2000, close: 10 * ms, fin: 4 * ms, lag: ms / 10}}
	with := func(more ...life) []life { return append(more, usual...) }
	for _, c := range []struct {
		rule   string
		lives  []life
		want   gate.Verdict
		reason string // a part of it
	}{
		{"close_handshake.p99 < 50ms", usual, gate.Pass, "2000 attempts; sampling error only"},
		{"close_handshake.p50 < 10.5ms", usual, gate.Inconclusive, "the interval holds the bound"},
		{"close_handshake.p99 < 5ms", usual, gate.Fail, ""},
		{"close_handshake.p99 > 5ms", usual, gate.Pass, ""},
		{"close_handshake.p99.9 < 50ms", usual, gate.Inconclusive, "an upper limit needs 2995 attempts"},
		{"close_handshake.p99.9 < 5ms", usual, gate.Fail, ""},
		{"point(close_handshake.p99.9) < 50ms", usual, gate.Pass, "as measured"},
		{"close_handshake.max < 11ms", usual, gate.Pass, ""},
		{"close_handshake.min < 10ms", usual, gate.Fail, ""},
		{"close_handshake.mean < 11ms", usual, gate.Pass, "as measured"},
		{"close_handshake.count == 2000", usual, gate.Pass, "counted"},
		{"slow.notice.p99 < 50ms", usual, gate.NoData, "never measured"},
		{"point(slow.notice.p99) < 50ms", usual, gate.NoData, "never measured"},
		{"close_handshake.p99 < 50ms", with(life{class: stats.CloseTimeout, n: 100}), gate.Fail, "100 ran out of time"},
		{"point(close_handshake.p99) < 50ms", with(life{class: stats.CloseTimeout, n: 100}), gate.Pass, "succeeded"},
		{"close_handshake.p50 < 50ms", with(life{class: stats.CloseTimeout, n: 100}), gate.Pass, ""},
		{"close_handshake.p99 < 50ms", with(life{class: stats.UnansweredRST, n: 20}), gate.Pass, "2000 attempts; 20 more ended before it could be measured and are left out"},
		{"close_handshake.p99 < 50ms", with(life{class: stats.UnansweredRST, n: 21}), gate.Inconclusive, "21 of 2021 attempts ended before it could be measured"},
		{"close_handshake.p50 < 50ms", with(life{class: stats.UnansweredRST, n: 21}), gate.Pass, "left out"},
		{"close_handshake.p99 < 5ms", with(life{class: stats.UnansweredRST, n: 21}), gate.Fail, "left out"},
		{"close_handshake.p99 > 5ms", with(life{class: stats.UnansweredRST, n: 21}), gate.Pass, "left out"},
		{"close_handshake.p50 > 5ms", with(life{class: stats.UnansweredRST, n: 2001}), gate.Inconclusive, "2001 of 4001 attempts ended"},
		{"close_handshake.max < 11ms", with(life{class: stats.PrematureEOF, n: 1}), gate.Inconclusive, "1 of 2001 attempts ended"},
		{"close_handshake.max > 1ms", with(life{class: stats.PrematureEOF, n: 1}), gate.Pass, "left out"},
		{"close_handshake.min > 1ms", with(life{class: stats.PrematureEOF, n: 1}), gate.Inconclusive, "1 of 2001 attempts ended"},
		{"close_handshake.min < 11ms", with(life{class: stats.PrematureEOF, n: 1}), gate.Pass, "left out"},
		{"close_handshake.mean < 11ms", with(life{class: stats.PrematureEOF, n: 1}), gate.Pass, "1 more ended before"},
		{"point(close_handshake.p99) < 50ms", with(life{class: stats.PrematureEOF, n: 1000}), gate.Pass, "1000 did not and are left out"},
		{"active.fin.p99 < 5ms", with(life{class: stats.CleanRST, n: 100, close: 10 * ms}), gate.Inconclusive, "100 of 2100 attempts ended"},
		{"close_handshake.max < 50ms", with(life{class: stats.CloseTimeout, n: 1}), gate.Fail, ""},
		{"close_handshake.mean < 50ms", with(life{class: stats.CloseTimeout, n: 100}), gate.Fail, ""},
		{"close_handshake.p50 < 50ms", []life{{class: stats.CloseTimeout, n: 100}}, gate.Fail, ""},
		{"active.fin.p99 < 5ms", usual, gate.Pass, ""},
		{"active.fin.p99 < 5ms", []life{{class: stats.Clean, n: 2000, close: 10 * ms, fin: 4 * ms, lag: ms}}, gate.Inconclusive, "read_lag p99"},
		{"active.fin.p99 < 1ms", []life{{class: stats.Clean, n: 2000, close: 10 * ms, fin: 4 * ms, lag: ms}}, gate.Inconclusive, "read_lag p99"},
		{"close_handshake.p99 < 50ms", []life{{class: stats.Clean, n: 2000, close: 10 * ms, lag: 9 * ms}}, gate.Pass, ""},
		{"close_scheduled.p99 < 50ms", []life{{class: stats.Clean, n: 2000, asked: 10 * ms, begin: 2 * ms}}, gate.Inconclusive, "close_lag p99"},
		{"close_lag.p99 < 50ms", []life{{class: stats.Clean, n: 2000, begin: 2 * ms, lag: 9 * ms}}, gate.Pass, ""},
		{"premature.rate < 0.1%", usual, gate.Inconclusive, "2995 attempts at this rate would decide, 995 more"},
		{"premature.rate < 1%", usual, gate.Pass, "0 of 2000"},
		{"premature.rate < 0.5%", with(life{class: stats.PrematureEOF, n: 60}), gate.Fail, "60 of 2060"},
		{"premature.rate < 3%", with(life{class: stats.PrematureEOF, n: 60}), gate.Inconclusive, "would decide"},
		{"premature.rate == 0", usual, gate.Pass, "counted: 0 of 2000"},
		{"premature.rate == 0", with(life{class: stats.PrematureEOF, n: 1}), gate.Fail, "counted: 1 of 2001"},
		{"point(premature.rate) < 0.1%", usual, gate.Pass, "as measured"},
		{"premature.rate == 0", []life{{class: stats.OpenFailed, n: 100}}, gate.NoData, "no attempt"},
		{"open_failed.rate > 90%", []life{{class: stats.OpenFailed, n: 100}}, gate.Pass, "100 of 100"},
		{"violation.count == 0", usual, gate.Pass, "counted, in 2000 attempts"},
		{"violation.count != 0", usual, gate.Fail, ""},
		{"violation.count == 0", nil, gate.NoData, "no attempt"},
		{"invalid_state.unexplained == 0", usual, gate.Pass, ""},
		{"probe_accepted == 0", usual, gate.NoData, "no attempt"},
		{"messages.lost == 0", usual, gate.NoData, "expect: echo"},
		{"flag.lost_messages.count == 0", usual, gate.NoData, "expect: echo"},
	} {
		got := judge(t, c.rule, Run{Total: summary(c.lives...), Close: 35 * time.Second, FIN: time.Second})
		if got.Verdict != c.want || !strings.Contains(got.Reason, c.reason) {
			text, _ := json.Marshal(got)
			t.Errorf("%s: %s, want %s for %q", c.rule, text, c.want, c.reason)
		}
		if (got.Verdict == gate.NoData) != (got.Value == nil && got.Low == nil) {
			t.Errorf("%s: %s with value %v and low %v", c.rule, got.Verdict, got.Value, got.Low)
		}
	}
}

func TestLossIsJudgedWhereMessagesWereChecked(t *testing.T) {
	s := summary(life{class: stats.Clean, n: 10})
	if got := judge(t, "messages.lost == 0", Run{Total: s, Echo: true}); got.Verdict != gate.NoData {
		t.Errorf("without a message nothing can be lost: %s", got.Verdict)
	}
	s.Messages.Sent = 100
	if got := judge(t, "messages.lost == 0", Run{Total: s, Echo: true}); got.Verdict != gate.Pass {
		t.Errorf("100 messages that all came back: %s", got.Verdict)
	}
	s.Messages.Lost = 1
	if got := judge(t, "messages.lost == 0", Run{Total: s, Echo: true}); got.Verdict != gate.Fail {
		t.Errorf("a lost message: %s", got.Verdict)
	}
}

func TestAResultHasTheFieldsOfTheDocument(t *testing.T) {
	run := Run{Total: summary(life{class: stats.Clean, n: 10}, life{class: stats.CloseTimeout, n: 10}), Close: 2 * time.Second}
	for rule, want := range map[string]string{
		"violation.count == 0": `{"rule":"violation.count == 0","verdict":"pass","value":0,"low":0,"high":0,"reason":"counted, in 20 attempts"}`,
		"close_handshake.p99 < 1s": `{"rule":"close_handshake.p99 \u003c 1s","verdict":"inconclusive","value":null,"low":2000000000,"high":null,` +
			`"reason":"10 attempts, of which 10 ran out of time and count as the longest; 10 more ended before it could be measured and are left out; sampling error only"}`,
		"slow.notice.p50 < 1s": `{"rule":"slow.notice.p50 \u003c 1s","verdict":"no_data","value":null,"low":null,"high":null,"reason":"it was never measured"}`,
	} {
		got, err := json.Marshal(judge(t, rule, run))
		if want = strings.Replace(want, "inconclusive", "fail", 1); err != nil || string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestVerdictsAreJoinedAndTheirOrderIsThatOfTheRules(t *testing.T) {
	run := Run{Total: summary(life{class: stats.Clean, n: 100, close: time.Millisecond})}
	var rules []Rule
	for _, text := range []string{"violation.count == 0", "premature.rate < 0.1%", "notice.p50 < 1s"} {
		r, err := Parse(text, entries())
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	for n, want := range []gate.Verdict{gate.None, gate.Pass, gate.Inconclusive, gate.NotComparable} {
		results, all := Judge(rules[:n], run)
		if all != want || len(results) != n {
			t.Errorf("%d rules: %s with %d results, want %s", n, all, len(results), want)
		}
		for i := range results {
			if results[i].Rule != rules[i].String() {
				t.Errorf("result %d is of %q", i, results[i].Rule)
			}
		}
	}
}

func TestErrorsInBurstsSayLessThanSingleOnes(t *testing.T) {
	round := func(premature int) *stats.Summary {
		return summary(life{class: stats.Clean, n: 1000 - premature}, life{class: stats.PrematureRST, n: premature})
	}
	total := func(rounds []*stats.Summary) *stats.Summary {
		s := stats.NewSummary(rounds[0].Entries)
		for _, r := range rounds {
			s.Merge(r)
		}
		return s
	}
	var even, burst []*stats.Summary
	for i := range 20 {
		even = append(even, round(3))
		burst = append(burst, round(60*(i/19)))
	}
	const rule = "premature.rate < 0.45%"
	single := judge(t, rule, Run{Total: total(even), Rounds: even})
	if single.Verdict != gate.Pass {
		t.Errorf("60 errors in 20,000, three in each round: %s to %v", single.Verdict, *single.High)
	}
	if blind := judge(t, rule, Run{Total: total(burst)}); blind.Verdict != gate.Pass || !strings.Contains(blind.Reason, "as if they failed singly") {
		t.Errorf("without rounds a burst cannot be seen: %s, %s", blind.Verdict, blind.Reason)
	}
	clustered := judge(t, rule, Run{Total: total(burst), Rounds: burst})
	if clustered.Verdict != gate.Inconclusive || *clustered.High < 2**single.High {
		t.Errorf("60 errors in one round of 20: %s to %v, as singles to %v", clustered.Verdict, *clustered.High, *single.High)
	}
}

func TestRoundsThatDifferWidenTheIntervalAndNeverHideTheTail(t *testing.T) {
	const ms = time.Millisecond
	var rounds []*stats.Summary
	total := summary()
	for i := range 12 {
		rounds = append(rounds, summary(life{class: stats.Clean, n: 1100, close: time.Duration(10+i%4) * ms}))
		total.Merge(rounds[i])
	}
	const rule = "close_handshake.p50 < 12.4ms"
	alone, known := judge(t, rule, Run{Total: total}), judge(t, rule, Run{Total: total, Rounds: rounds})
	if alone.Verdict != gate.Pass || known.Verdict != gate.Inconclusive {
		t.Errorf("alone %s from %v to %v; over rounds %s from %v to %v", alone.Verdict, *alone.Low, *alone.High, known.Verdict, *known.Low, *known.High)
	}
	if got := judge(t, "close_handshake.p50 > 11.6ms", Run{Total: total}); got.Verdict != gate.Pass {
		t.Errorf("alone %s from %v", got.Verdict, *got.Low)
	}
	if got := judge(t, "close_handshake.p50 > 11.6ms", Run{Total: total, Rounds: rounds}); got.Verdict != gate.Inconclusive {
		t.Errorf("over rounds %s from %v", got.Verdict, *got.Low)
	}
	// One round of twelve is bad: the rounds' centre hides it, the run's p99 not.
	rounds[5] = summary(life{class: stats.Clean, n: 1100, close: 900 * ms})
	total = summary()
	for _, r := range rounds {
		total.Merge(r)
	}
	if got := judge(t, "close_handshake.p99 < 50ms", Run{Total: total, Rounds: rounds}); got.Verdict == gate.Pass {
		t.Errorf("a p99 of %v passes for a bound of 50ms", *got.Value)
	}
}

func TestRoundsAreJoinedUntilTheySaySomething(t *testing.T) {
	rounds := func(n, closes int) (Run, []*stats.Summary) {
		run := Run{Total: summary(), Close: 35 * time.Second}
		for range n {
			run.Rounds = append(run.Rounds, summary(life{class: stats.Clean, n: closes, close: time.Millisecond}))
			run.Total.Merge(run.Rounds[len(run.Rounds)-1])
		}
		return run, run.Rounds
	}
	for _, c := range []struct {
		rule      string
		n, closes int
		want      string
	}{
		{"close_handshake.p50 < 50ms", 200, 20, "over 50 rounds"},
		{"close_handshake.p50 < 50ms", 30, 7, "over 10 rounds"},
		{"close_handshake.p99 < 50ms", 30, 100, "sampling error only"},
		{"close_handshake.p99 < 50ms", 60, 100, "over 6 rounds"},
		{"close_handshake.mean < 50ms", 60, 100, "over 30 rounds"},
	} {
		run, _ := rounds(c.n, c.closes)
		if got := judge(t, c.rule, run); !strings.HasSuffix(got.Reason, c.want) {
			t.Errorf("%s over %d rounds of %d: %s, want %s", c.rule, c.n, c.closes, got.Reason, c.want)
		}
	}
	// Rounds that are all alike do not make the run more certain than it is.
	alike, _ := rounds(12, 100)
	known := judge(t, "close_handshake.p50 < 50ms", alike)
	alike.Rounds = nil
	alone := judge(t, "close_handshake.p50 < 50ms", alike)
	if *known.Low != *alone.Low || *known.High != *alone.High {
		t.Errorf("rounds that are alike change the interval from %v to %v to one from %v to %v", *alone.Low, *alone.High, *known.Low, *known.High)
	}
	// Rounds in which the median ran out of time have no upper limit.
	run, list := rounds(12, 100)
	for _, s := range list[:9] {
		add(s, life{class: stats.CloseTimeout, n: 150})
	}
	run.Total = summary()
	for _, s := range list {
		run.Total.Merge(s)
	}
	if got := judge(t, "close_handshake.p50 < 50ms", run); got.High != nil || got.Value != nil || got.Verdict == gate.Pass {
		t.Errorf("%s up to %v", got.Verdict, got.High)
	}
}

func TestAMeanCountsWhatRanOutOfTimeWithTheLimit(t *testing.T) {
	run := Run{Total: summary(life{class: stats.Clean, n: 3, close: time.Second}, life{class: stats.CloseTimeout, n: 1}), Close: 9 * time.Second}
	got := judge(t, "close_handshake.mean < 2s", run)
	if got.Verdict != gate.Fail || got.High != nil || math.Abs(*got.Low-3.025e9) > 1e7 {
		t.Errorf("%s from %v to %v", got.Verdict, *got.Low, got.High)
	}
}

// The limits of Clopper and Pearson, by their definition: the shares from which
// as many errors or more, or as few or fewer, have exactly the level.
func TestTheLimitsOfARateAreThoseOfTheBinomialDistribution(t *testing.T) {
	for _, c := range []struct{ x, n float64 }{{0, 299}, {0, 2995}, {0, 29956}, {1, 10}, {5, 1000}, {60, 2060}, {999, 1000}, {1000, 1000}, {123456, 1e9}} {
		low, high := ShareLimits(c.x, c.n)
		if c.x > 0 {
			if p := 1 - (distuv.Binomial{N: c.n, P: low}).CDF(c.x-1); math.Abs(p-level) > 1e-5 {
				t.Errorf("%v of %v: at the lower limit %v as many have probability %v", c.x, c.n, low, p)
			}
		}
		if c.x < c.n {
			if p := (distuv.Binomial{N: c.n, P: high}).CDF(c.x); math.Abs(p-level) > 1e-5 {
				t.Errorf("%v of %v: at the upper limit %v as few have probability %v", c.x, c.n, high, p)
			}
		}
	}
	for _, c := range []struct {
		n     float64
		bound float64
	}{{299, 0.01}, {2995, 0.001}, {29956, 0.0001}} {
		if _, high := ShareLimits(0, c.n); high >= c.bound {
			t.Errorf("0 of %v allow %v", c.n, high)
		}
		if _, high := ShareLimits(0, c.n-1); high < c.bound {
			t.Errorf("0 of %v allow only %v", c.n-1, high)
		}
	}
}

func TestTheLimitsOfAQuantileCoverItAsOftenAsTheySay(t *testing.T) {
	for _, c := range []struct {
		text string
		n    uint64
		low  uint64
		high uint64
	}{
		{"p50", 4, 0, 5}, {"p50", 5, 1, 5}, {"p50", 10, 2, 9}, {"p50", 20, 6, 15}, {"p99", 298, 292, 299}, {"p99", 299, 293, 299},
		{"p99", 2000, 1972, 1988}, {"p99.9", 2994, 2988, 2995}, {"p99.9", 2995, 2989, 2995},
	} {
		m, err := metric.Parse("fin."+c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if low, high := quantileRanks(m.Quant(), c.n, level); low != c.low || high != c.high {
			t.Errorf("%s of %d attempts: ranks %d and %d, want %d and %d", c.text, c.n, low, high, c.low, c.high)
		}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	const runs, n = 3000, 400
	var early, late int
	r, err := Parse("close_handshake.p90 < 1s", entries())
	if err != nil {
		t.Fatal(err)
	}
	truth := math.Exp(1.2815515655446004) * 1e6 // of a log-normal duration around 1 ms
	for range runs {
		s := summary()
		h := new(stats.Histogram)
		for range n {
			h.Record(time.Duration(math.Exp(rng.NormFloat64()) * 1e6))
		}
		s.Latency[0][stats.CloseHandshake].Hist = h
		got := r.Judge(Run{Total: s})
		if *got.Low > truth {
			early++
		}
		if *got.High < truth {
			late++
		}
	}
	// Five percent of 3000 is 150, with a standard error of 12.
	if early > 190 || late > 190 || early+late < 100 {
		t.Errorf("of %d intervals %d lie above the truth and %d below it, want 150 each at most", runs, early, late)
	}
}
