package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// withTimes is a run whose closes took the given times in one phase.
func withTimes(ph stats.Phase, all []time.Duration) *stats.Summary {
	return ofMode("active", ph, all)
}

// ofMode is a run of one mode whose closes took the given times in one phase.
func ofMode(mode string, ph stats.Phase, all []time.Duration) *stats.Summary {
	s := stats.NewSummary([]stats.Entry{{Name: mode, Mode: mode}})
	for _, d := range all {
		o := stats.Outcome{Class: stats.Clean, Opened: true}
		o.Phases[ph] = stats.Sample{D: d, OK: true, Kernel: true}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	return s
}

// fastAnd is a body of n closes of about a millisecond, and others.
func fastAnd(rng *rand.Rand, n int, others ...time.Duration) []time.Duration {
	for range n {
		others = append(others, time.Duration(float64(time.Millisecond)*(0.5+rng.ExpFloat64())))
	}
	return others
}

// around is n times from a limit to 3 % after it.
func around(rng *rand.Rand, limit time.Duration, n int) (all []time.Duration) {
	for range n {
		all = append(all, limit+time.Duration(rng.Float64()*0.03*float64(limit)))
	}
	return all
}

// named gives the report's lines that name a peak.
func named(t *testing.T, s *stats.Summary) (lines []string) {
	t.Helper()
	head := header()
	head.Mix = s.Entries
	for line := range strings.Lines(text(t, document(t, head, s, result.End{Complete: true, Cause: "done"}))) {
		if n := utf8.RuneCountInString(line) - 1; n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.Contains(line, " samples at ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestAClusterAtEachKnownLimitIsNamed(t *testing.T) {
	for i, limit := range []struct {
		at    time.Duration
		label string
		who   string
	}{
		{time.Second, "1.00s", ".NET client"}, {2 * time.Second, "2.00s", "Chromium"}, {3 * time.Second, "3.00s", "hypercorn"},
		{5 * time.Second, "5.00s", "coder/websocket"}, {10 * time.Second, "10.0s", "python websockets"},
		{16 * time.Second, "16.0s", "uWebSockets"}, {20 * time.Second, "20.0s", "Tomcat"}, {30 * time.Second, "30 to 40s", "Node's ws"},
		{38 * time.Second, "30 to 40s", "Node's ws"}, {60 * time.Second, "60.0s", "nginx"},
	} {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		for _, ph := range []stats.Phase{stats.CloseHandshake, stats.Notice, stats.FIN, stats.GiveUp} {
			want := fmt.Sprintf("%s of active: 12 samples at %s: typical of ", ph, limit.label)
			got := named(t, withTimes(ph, fastAnd(rng, 3000, around(rng, limit.at, 12)...)))
			if len(got) != 1 || !strings.HasPrefix(got[0], want) || !strings.Contains(got[0], limit.who) {
				t.Errorf("%s %s: %q, want one line that begins with %q and names %s", ph, limit.at, got, want, limit.who)
			}
		}
	}
}

func TestThePeakIsFoundInTheSumOfShards(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	one := withTimes(stats.FIN, fastAnd(rng, 500, around(rng, 10*time.Second, 5)...))
	two := withTimes(stats.FIN, fastAnd(rng, 500, around(rng, 10*time.Second, 5)...))
	if got := named(t, one); got != nil {
		t.Errorf("five samples are too few, and they are named: %q", got)
	}
	one.Merge(two)
	if got := named(t, one); len(got) != 1 || !strings.HasPrefix(got[0], "fin of active: 10 samples at 10.0s: typical of the close_timeout of python websockets, aiohttp,") {
		t.Errorf("ten samples in both: %q", got)
	}
}

func TestTwoPeaksOfOneRowAreBothNamedAlsoWhereTheyAreNeighbours(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	got := named(t, withTimes(stats.FIN, fastAnd(rng, 1000, append(around(rng, 16*time.Second, 40), around(rng, 20*time.Second, 40)...)...)))
	if len(got) != 2 || !strings.Contains(got[0], "40 samples at 16.0s") || !strings.Contains(got[1], "40 samples at 20.0s") {
		t.Errorf("named: %q", got)
	}
}

func TestPhasesThatEndWithNoTimerOfThePeerNameNoPeak(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for ph := range stats.Phase(stats.NumPhases) {
		if ph == stats.CloseHandshake || ph == stats.Notice || ph == stats.FIN || ph == stats.GiveUp {
			continue
		}
		for _, mode := range []string{"active", "abort", "mute"} {
			if got := named(t, ofMode(mode, ph, fastAnd(rng, 1000, around(rng, 10*time.Second, 100)...))); got != nil {
				t.Errorf("%s of %s: %q", ph, mode, got)
			}
		}
	}
}

// Where only the peer's timer ends the wait, every connection shows it.
func TestATimerIsNamedAlsoWhereEverybodyWaitsForIt(t *testing.T) {
	for i, c := range []struct {
		mode string
		ph   stats.Phase
		all  func(*rand.Rand) []time.Duration
		want string
	}{
		{"mute", stats.GiveUp, func(rng *rand.Rand) []time.Duration { return around(rng, 10*time.Second, 500) },
			"give_up of mute: 500 samples at 10.0s: typical of the close_timeout of python websockets"},
		{"mute", stats.GiveUp, func(rng *rand.Rand) []time.Duration { return fastAnd(rng, 500, around(rng, 5*time.Second, 12)...) },
			"give_up of mute: 12 samples at 5.00s: typical of the wait for a Close of coder/websocket"},
		{"half_close", stats.Teardown, func(rng *rand.Rand) []time.Duration { return around(rng, 30*time.Second, 500) },
			"teardown of half_close: 500 samples at 30 to 40s: typical of the closeTimeout of Node's ws"},
		{"half_close", stats.Teardown, func(rng *rand.Rand) []time.Duration { return fastAnd(rng, 500) }, ""},
		{"mute", stats.GiveUp, func(rng *rand.Rand) []time.Duration { return around(rng, 7*time.Second, 500) }, ""},
		{"mute", stats.GiveUp, func(rng *rand.Rand) (all []time.Duration) {
			for range 500 {
				all = append(all, 8*time.Second+time.Duration(rng.Int64N(int64(4*time.Second))))
			}
			return all
		}, ""},
		{"mute", stats.Notice, func(rng *rand.Rand) []time.Duration { return around(rng, 10*time.Second, 500) }, ""},
	} {
		got := named(t, ofMode(c.mode, c.ph, c.all(rand.New(rand.NewPCG(9, uint64(i))))))
		if c.want == "" && got != nil || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
			t.Errorf("%s of %s: %q, want %q", c.ph, c.mode, got, c.want)
		}
	}
}

func TestFewSamplesOrASmallShareAreNoPeak(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, c := range []struct{ body, cluster, want int }{
		{1000, peakLeast - 1, 0}, {1000, peakLeast, 1}, {peakShare*20 + 1, 19, 0}, {peakShare*20 - 20, 20, 1}, {0, 500, 0},
	} {
		if got := named(t, withTimes(stats.FIN, fastAnd(rng, c.body, around(rng, 5*time.Second, c.cluster)...))); len(got) != c.want {
			t.Errorf("%d samples beside a body of %d: %q, want %d lines", c.cluster, c.body, got, c.want)
		}
	}
}

// A server whose times only happen to reach past a limit has no timer there.
func TestAServerThatIsSlowForEverybodyIsNotNamed(t *testing.T) {
	uniform := func(from, to float64) func(*rand.Rand) float64 {
		return func(rng *rand.Rand) float64 { return from + (to-from)*rng.Float64() }
	}
	lognormal := func(median, sigma float64) func(*rand.Rand) float64 {
		return func(rng *rand.Rand) float64 { return median * math.Exp(sigma*rng.NormFloat64()) }
	}
	exponential := func(mean float64) func(*rand.Rand) float64 {
		return func(rng *rand.Rand) float64 { return mean * rng.ExpFloat64() }
	}
	for name, seconds := range map[string]func(*rand.Rand) float64{
		"always 5 s":              uniform(5, 5.1),
		"always 10 s":             uniform(10, 10.2),
		"around 10 s":             uniform(8, 12),
		"30 to 40 s":              uniform(30, 40),
		"0 to 12 s":               uniform(0, 12),
		"0 to 70 s":               uniform(0, 70),
		"0 to 35 s, then T":       uniform(0, 35),
		"exponential, mean 0.5 s": exponential(0.5),
		"exponential, mean 2 s":   exponential(2),
		"exponential, mean 5 s":   exponential(5),
		"exponential, mean 15 s":  exponential(15),
		"log-normal at 10 s":      lognormal(10, 0.1),
		"wide log-normal, 50 ms":  lognormal(0.05, 2),
		"wide log-normal, 1 s":    lognormal(1, 1.5),
		"wide log-normal, 3 s":    lognormal(3, 1),
		"half fast, half 0..45 s": func(rng *rand.Rand) float64 {
			if rng.IntN(2) == 0 {
				return 0.001
			}
			return 45 * rng.Float64()
		},
	} {
		for seed := range uint64(8) {
			rng := rand.New(rand.NewPCG(6, seed))
			all := make([]time.Duration, []int{60, 400, 3000, 20_000}[seed%4])
			for i := range all {
				all[i] = time.Duration(seconds(rng) * float64(time.Second))
			}
			h := new(stats.Histogram)
			for _, d := range all {
				h.Record(d)
			}
			if got := peaks(h, false); got != nil {
				t.Errorf("%s, %d closes, seed %d: %+v", name, len(all), seed, got)
			}
			// A timer stands at one time. What spreads is none, body or not.
			stands := strings.HasPrefix(name, "always") || name == "30 to 40 s"
			if got := peaks(h, true); (len(got) == 1) != stands {
				t.Errorf("timed, %s, %d closes, seed %d: %+v", name, len(all), seed, got)
			}
		}
	}
}
