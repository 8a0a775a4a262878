package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

var update = flag.Bool("update", false, "write testdata anew")

func mix() []stats.Entry {
	return []stats.Entry{{Name: "active", Mode: "active"}, {Name: "slow", Mode: "passive"}}
}

// arm is one side of a pair in the making.
type arm struct {
	closes     int           // connections that close cleanly
	handshake  time.Duration // about their close_handshake
	fin        time.Duration
	lag        time.Duration // read_lag
	openLag    time.Duration
	timeouts   int
	premature  int
	notOpened  int
	broken     int // invalid_state.unexplained
	violations int
}

func (a arm) summary(rng *rand.Rand) *stats.Summary {
	s := stats.NewSummary(mix())
	end := func(n int, c stats.Class) {
		for i := range n {
			o := stats.Outcome{Class: c, Opened: c != stats.OpenFailed, Ended: time.Duration(i)}
			for p, d := range map[stats.Phase]time.Duration{
				stats.CloseHandshake: a.handshake, stats.FIN: a.fin, stats.ReadLag: a.lag, stats.OpenLag: a.openLag,
			} {
				if d > 0 && (c == stats.Clean || p == stats.OpenLag) {
					d += time.Duration(rng.Int64N(int64(d)/5 + 1))
					o.Phases[p] = stats.Sample{D: d, OK: true, Kernel: p == stats.CloseHandshake || p == stats.ReadLag}
				}
			}
			s.Connections.Started++
			if o.Opened {
				s.Connections.Opened++
			}
			s.Add(&o, nil)
		}
	}
	end(a.closes, stats.Clean)
	end(a.timeouts, stats.CloseTimeout)
	end(a.premature, stats.PrematureRST)
	end(a.notOpened, stats.OpenFailed)
	end(a.violations, stats.Violation)
	s.InvalidState[stats.Unexplained] = uint64(a.broken)
	return s
}

// file makes a trial of some pairs.
func file(pairs int, make func(i int) (a, b arm)) *File {
	f := &File{
		Schema: Schema, Wsload: "test", Seed: 42, Contract: DefaultContract(), Mix: mix(),
		A: Side{"base", "load"}, B: Side{"candidate", "load"},
	}
	f.Contract.Close, f.Contract.FIN = 35*time.Second, time.Second
	rng := rand.New(rand.NewPCG(7, 7))
	enc := new(stats.Encoder)
	for i := range pairs {
		a, b := make(i)
		f.Pairs = append(f.Pairs, Pair{
			Order: Order(f.Seed, i),
			A:     Arm{Span: result.NewSpan(a.summary(rng), enc), CPU: 0.4},
			B:     Arm{Span: result.NewSpan(b.summary(rng), enc), CPU: 0.5},
		})
	}
	return f
}

func alike(a arm) func(int) (arm, arm) { return func(int) (arm, arm) { return a, a } }

func judge(t *testing.T, f *File) Verdict {
	t.Helper()
	v, err := f.Judge()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const ms = time.Millisecond

func usual() arm { return arm{closes: 1000, handshake: 10 * ms, lag: ms / 100} }

func TestATrialHasFourAnswers(t *testing.T) {
	slower := func(share float64) func(int) (arm, arm) {
		return func(int) (arm, arm) {
			b := usual()
			b.handshake = time.Duration(float64(b.handshake) * share)
			return usual(), b
		}
	}
	with := func(change func(i int, a, b *arm)) func(int) (arm, arm) {
		return func(i int) (arm, arm) {
			a, b := usual(), usual()
			change(i, &a, &b)
			return a, b
		}
	}
	for _, c := range []struct {
		name   string
		file   *File
		want   gate.Verdict
		pairs  int
		reason string // a part of it
	}{
		{"equal", file(12, alike(usual())), gate.Pass, 10, "every metric"},
		{"slower by 20%", file(12, slower(1.2)), gate.Fail, 10, "close_handshake.p50: shown to be more than 3% worse"},
		{"faster", file(10, slower(0.5)), gate.Pass, 10, ""},
		{"between tolerance and what must be detected", file(10, slower(1.06)), gate.Fail, 10, "close_handshake.p50"},
		{"too few pairs", file(9, slower(2)), gate.Inconclusive, 9, "9 pairs, and the first look is after 10"},
		{"noise", file(10, with(func(i int, a, b *arm) {
			b.handshake = time.Duration(float64(b.handshake) * (0.7 + 0.3*float64(i%3)))
		})), gate.Inconclusive, 10, "neither more than 3% nor less than 10%"},
		{"tail only", file(14, with(func(i int, a, b *arm) {
			b.closes -= 30
			b.timeouts = 30
		})), gate.Fail, 10, "close_handshake.p99"},
		{"timeouts on both sides", file(14, with(func(i int, a, b *arm) {
			a.closes, b.closes, a.timeouts, b.timeouts = 970, 970, 30, 30
		})), gate.Inconclusive, 14, "close_handshake.p99"},
		{"the base has the timeouts", file(14, with(func(i int, a, b *arm) {
			a.closes, a.timeouts = 970, 30
		})), gate.Pass, 10, ""},
		{"a new kind of error", file(14, with(func(i int, a, b *arm) { b.premature = 2 })), gate.Fail, 10, "unexpected.rate"},
		{"a burst of errors in one pair of b", file(10, with(func(i int, a, b *arm) {
			if i == 4 {
				b.closes, b.premature = 900, 100
			}
		})), gate.Inconclusive, 10, "errors came in a burst"},
		{"a burst of errors in one pair of a", file(10, with(func(i int, a, b *arm) {
			if i == 4 {
				a.closes, a.premature = 900, 100
			}
		})), gate.Pass, 10, ""},
		{"an invariant broken early", file(14, with(func(i int, a, b *arm) { b.broken = i / 3 })), gate.Fail, 4, "happens in b only"},
		{"an invariant broken at the look", file(10, with(func(i int, a, b *arm) { b.broken = i / 9 })), gate.Fail, 10, "happens in b only"},
		{"an invariant broken after the verdict", file(14, with(func(i int, a, b *arm) { b.broken = i / 11 })), gate.Pass, 10, ""},
		{"an invariant that a breaks too", file(10, with(func(i int, a, b *arm) { a.broken, b.broken = 1, 1 })), gate.Pass, 10, ""},
		{"a server died", edit(file(10, alike(usual())), func(f *File) { f.Pairs[6].B.Fault = "exited with status 2" }),
			gate.NotComparable, 6, "pair 7: b: exited with status 2"},
		{"a server died after the verdict", edit(file(14, alike(usual())), func(f *File) { f.Pairs[12].B.Fault = "exited" }), gate.Pass, 10, ""},
		{"a saturated generator", edit(file(10, alike(usual())), func(f *File) { f.Pairs[2].A.CPU = 0.95 }),
			gate.NotComparable, 2, "pair 3: a: wsload itself used 95%"},
		{"a late generator", file(10, with(func(i int, a, b *arm) { b.openLag = 200 * ms })), gate.NotComparable, 5, "in 5 of 5 pairs"},
		{"a stall now and then", file(10, with(func(i int, a, b *arm) { b.openLag = ms + time.Duration(i%2)*200*ms })), gate.Pass, 10, ""},
		{"fewer attempts on one side", file(10, with(func(i int, a, b *arm) { b.closes -= 20 })), gate.NotComparable, 0, "1000 attempts on a and 980 on b"},
		{"nothing attempted", file(10, with(func(i int, a, b *arm) { *b = arm{} })), gate.NotComparable, 0, "b: nothing was attempted"},
		{"nothing opened", file(10, with(func(i int, a, b *arm) { *b = arm{notOpened: 1000} })), gate.NotComparable, 0, "b: no connection opened"},
		{"nothing but errors in b", file(10, with(func(i int, a, b *arm) { *b = arm{premature: 1000} })), gate.Fail, 10, "unexpected.rate"},
		{"a metric that was not measured", edit(file(14, alike(usual())), func(f *File) { f.Contract.Terms[0].Metric = "slow.notice.p50" }),
			gate.NotComparable, 14, "slow.notice.p50: never measured on either side"},
		{"no pairs", file(0, nil), gate.NotComparable, 0, "no pairs"},
		{"different loads", edit(file(10, alike(usual())), func(f *File) { f.B.Load = "another" }), gate.NotComparable, 0, "different loads"},
		{"an invariant without attempts", edit(file(10, alike(usual())), func(f *File) {
			f.Contract.Invariants = append(f.Contract.Invariants, "probe_accepted")
		}), gate.NotComparable, 10, "probe_accepted: there was no attempt"},
		{"changes below the floor", edit(file(10, slower(1.2)), func(f *File) {
			f.Contract.Terms[0].Floor, f.Contract.Terms[1].Floor = 5*ms, 5*ms
		}), gate.Pass, 10, ""},
		{"a small change in a row of the own clock", edit(file(10, with(func(i int, a, b *arm) {
			a.fin, b.fin, a.lag, b.lag = ms, ms, ms, ms
		})), func(f *File) { f.Contract.Terms[0].Metric = "fin.p50" }), gate.Inconclusive, 10, "which may hide a change"},
		{"a large change in a row of the own clock", edit(file(10, with(func(i int, a, b *arm) {
			a.fin, b.fin, a.lag, b.lag = ms, 3*ms, ms, ms
		})), func(f *File) { f.Contract.Terms[0].Metric = "fin.p50" }), gate.Fail, 10, "fin.p50"},
	} {
		got := judge(t, c.file)
		if got.Verdict != c.want || got.Pairs != c.pairs || !strings.Contains(got.Reason, c.reason) {
			text, _ := json.MarshalIndent(got, "", " ")
			t.Errorf("%s: %s after %d pairs (%s), want %s after %d (%s)\n%s", c.name, got.Verdict, got.Pairs, got.Reason, c.want, c.pairs, c.reason, text)
		}
	}
}

func TestTheIntervalOfAFindingFitsItsVerdict(t *testing.T) {
	for share := 0.90; share < 1.4; share += 0.02 {
		got := judge(t, file(10, func(i int) (arm, arm) {
			a, b := usual(), usual()
			b.handshake = time.Duration(float64(b.handshake) * share * (1 + 0.01*float64(i%5)))
			return a, b
		}))
		for i, term := range DefaultContract().Terms[:2] {
			f := got.Findings[i]
			if f.Low == nil || f.High == nil || f.Change == nil || !(*f.Low <= *f.Change && *f.Change <= *f.High) {
				t.Fatalf("%.2f: %s has no interval: %+v", share, f.Metric, f)
			}
			if (*f.Low > 1+term.Tolerance.Float()) != (f.Verdict == gate.Fail) {
				t.Errorf("%.2f: %s is %s with a lower limit of %v", share, f.Metric, f.Verdict, *f.Low)
			}
			if f.Verdict != gate.Fail && (*f.High < 1+term.MustDetect.Float()) != (f.Verdict == gate.Pass) {
				t.Errorf("%.2f: %s is %s with an upper limit of %v", share, f.Metric, f.Verdict, *f.High)
			}
		}
	}
}

func TestAVerdictIsComputedAgainToTheSameBytes(t *testing.T) {
	f := file(14, func(i int) (arm, arm) {
		a, b := usual(), usual()
		b.handshake += time.Duration(i%4-1) * ms
		b.closes, b.premature = 998, 2*(i%2)
		b.notOpened = 2 - b.premature
		return a, b
	})
	first, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	second, err := compute(first)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("the second computation differs: %v\n%s", err, cmp.Diff(string(first), string(second)))
	}
	// What is stored as the verdict is not believed.
	read, err := Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	read.Verdict = &Verdict{Verdict: gate.Pass, Reason: "forged"}
	text, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	if third, err := compute(text); err != nil || !bytes.Equal(first, third) {
		t.Errorf("a forged verdict changes the result: %v", err)
	}
}

// compute reads a file and writes it with its verdict computed anew.
func compute(text []byte) ([]byte, error) {
	f, err := Decode(text)
	if err != nil {
		return nil, err
	}
	return f.Encode()
}

// The stored file was written by an earlier computation. That it comes out the
// same is what lets a verdict be checked on another machine and by a later
// version. Where a change to the rules is meant, Schema changes too, and
// -update writes the file anew.
func TestAStoredVerdictComesOutTheSame(t *testing.T) {
	const path = "testdata/verdict.json"
	if *update {
		f := file(20, func(i int) (arm, arm) {
			a, b := usual(), usual()
			a.timeouts, b.timeouts = i%2, 1-i%2
			a.closes, b.closes = 60-a.timeouts, 60-b.timeouts
			b.handshake += time.Duration(i%5) * 400 * time.Microsecond
			return a, b
		})
		f.Contract.Terms[1].Metric = "active.close_handshake.p90"
		text, err := f.Encode()
		if err == nil {
			err = os.WriteFile(path, text, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := compute(stored)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, again) {
		before, after := new(File), new(File)
		if err := errors.Join(json.Unmarshal(stored, before), json.Unmarshal(again, after)); err != nil {
			t.Fatal(err)
		}
		t.Errorf("the verdict changes:\n%s", cmp.Diff(before.Verdict, after.Verdict))
	}
}

func TestAFileThatIsNotATrialIsRefused(t *testing.T) {
	good, err := file(10, alike(arm{closes: 20, handshake: ms})).Encode()
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the file has no %s", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	other := map[string]string{OrderABBA: OrderBAAB, OrderBAAB: OrderABBA}[Order(42, 0)]
	for text, want := range map[string]string{
		string(good[:len(good)/2]):                                  "unexpected EOF",
		string(good) + "{}":                                         "more text behind its end",
		replace(`"seed"`, `"sead"`):                                 "unknown field",
		replace(Schema, "wsload.verdict/2"):                         `schema "wsload.verdict/2", this version reads "wsload.verdict/1"`,
		replace(`"order":"`+Order(42, 0), `"order":"`+other):        "pair 1 has the order",
		replace(`"tolerance":"3%"`, `"tolerance":"30%"`):            "the tolerance 30% is not below what must be detected, 10%",
		replace(`"tolerance":"3%"`, `"tolerance":"3"`):              "not a percentage",
		replace(`"close_handshake.p50"`, `"close_handshak.p50"`):    "did you mean close_handshake?",
		replace(`"close_handshake.p50"`, `"drain.cut.rate"`):        "a gate does not measure it",
		replace(`"invalid_state.unexplained"`, `"drain.cut.count"`): "an invariant is a count",
		replace(`"close_handshake.p50"`, `"close_handshake.max"`):   "only quantiles and rates are compared (name a quantile of it",
		replace(`"close_handshake.p50"`, `"violation.count"`):       "name it with --invariant",
		replace(`"close_handshake.p50"`, `"close_handshake.p99"`):   "stands twice",
		replace(`"invalid_state.unexplained"`, `"premature.rate"`):  "an invariant is a count",
		replace(`"excess":"0.01%",`, ``):                            "",
		replace(`"must_excess":"0.05%"`, `"must_excess":"0.01%"`):   "its excess 0.01% must be below must_excess",
		replace(`"hdr":"HIST`, `"hdr":"HISX`):                       "pair 1",
	} {
		_, err := compute([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzComputeNeverPanicsAndIsStable(f *testing.F) {
	few := arm{closes: 21, handshake: ms, timeouts: 1}
	seed, err := file(1, alike(few)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := compute(text)
		if err != nil {
			return
		}
		if twice, err := compute(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("computed again it differs: %v", err)
		}
	})
}

func TestTheCoinIsFairAndComesFromTheSeed(t *testing.T) {
	heads, same := 0, 0
	for i := range 2000 {
		if Order(1, i) == OrderABBA {
			heads++
		}
		if Order(1, i) == Order(2, i) {
			same++
		}
	}
	if heads < 900 || heads > 1100 || same < 900 || same > 1100 {
		t.Errorf("%d of 2000 begin with a, and %d are as with another seed", heads, same)
	}
	var first []string
	for i := range 8 {
		first = append(first, Order(42, i))
	}
	// These stand in stored files: they must never change.
	if got, want := fmt.Sprint(first), "[BAAB ABBA ABBA BAAB ABBA ABBA ABBA BAAB]"; got != want {
		t.Errorf("the first orders of seed 42 are %s, want %s", got, want)
	}
}
