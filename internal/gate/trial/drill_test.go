package trial

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// drilled makes a drill of trials of a server against itself, whose pairs vary
// by up to a tenth.
func drilled(t *testing.T, closes int) *Drill {
	t.Helper()
	d, err := NewDrill(DefaultContract(), mix())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := d.Add(file(20, func(i int) (a, b arm) {
			a, b = usual(), usual()
			a.closes, b.closes = closes, closes
			a.handshake += time.Duration(i%5) * ms / 4
			b.handshake += time.Duration((i/5)%5) * ms / 4
			return a, b
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestADrillKnowsHowMuchEqualServersDiffer(t *testing.T) {
	d := drilled(t, 1000)
	if d.Pairs() != 40 {
		t.Errorf("%d pairs, want 40", d.Pairs())
	}
	// The logarithms of (10 + i/4) / (10 + j/4), i and j from 0 to 4 each.
	sum, n := 0.0, 0.0
	for i := range 5 {
		for j := range 4 { // of 20 pairs
			x := math.Log((10 + float64(j)/4) / (10 + float64(i)/4))
			sum, n = sum+x*x, n+1
		}
	}
	want := math.Sqrt(sum / n)
	spreads := d.Spreads()
	for i, metric := range []string{"close_handshake.p50", "close_handshake.p99"} {
		s := spreads[i]
		if s.Metric != metric || s.Units != 40 || s.Late != 0 || math.Abs(s.SD-want) > want/10 {
			t.Errorf("%+v, want %s with 40 units and an SD of about %.4f", s, metric, want)
		}
	}
	if diff := cmp.Diff(Spread{Metric: "unexpected.rate", Units: 40}, spreads[2]); diff != "" {
		t.Error(diff)
	}
}

func TestTrialsOfADrillPassEqualServersAndFailSlowerOnes(t *testing.T) {
	d := drilled(t, 1000)
	try := func(x Exercise) Answer {
		t.Helper()
		x.Terms, x.Trials, x.Seed = DefaultContract().Terms, 200, 3
		a, err := d.Try(x)
		if err != nil {
			t.Fatal(err)
		}
		if a.Fail+a.Pass+a.Inconclusive != 200 || len(a.Rested) != 200 {
			t.Errorf("%+v are not 200 trials", a)
		}
		return a
	}
	equal := try(Exercise{Pairs: MaxPairs})
	if equal.Fail > 6 || equal.Pass < 180 {
		t.Errorf("equal servers: %d fail and %d pass of 200", equal.Fail, equal.Pass)
	}
	if diff := cmp.Diff(equal, try(Exercise{Pairs: MaxPairs})); diff != "" {
		t.Errorf("the same seed gives other trials:\n%s", diff)
	}
	if a := try(Exercise{Pairs: MaxPairs, Worse: []float64{0.2, 0.2, 0}}); a.Fail < 198 {
		t.Errorf("of servers slower by 20%% %d of 200 fail", a.Fail)
	}
	if a := try(Exercise{Pairs: MaxPairs, Worse: []float64{0, 0.4, 0}}); a.Fail < 190 {
		t.Errorf("of servers whose tail is longer by 40%% %d of 200 fail", a.Fail)
	}
	// Three attempts in a thousand of b, with a thousand a pair.
	if a := try(Exercise{Pairs: 20, Worse: []float64{0, 0, 0.003}}); a.Fail < 195 {
		t.Errorf("of servers that fail 3 more attempts in 1,000 %d of 200 fail", a.Fail)
	}
	if a := try(Exercise{Pairs: 9, Worse: []float64{1, 1, 0}}); a.Inconclusive != 200 {
		t.Errorf("before the first look %d of 200 are inconclusive", a.Inconclusive)
	}
}

func TestPairsThatMakeAUnitTogetherAreDrawnAsOne(t *testing.T) {
	d := drilled(t, 500) // two pairs make a p99
	if s := d.Spreads(); s[0].Units != 40 || s[1].Units != 20 {
		t.Fatalf("%+v", s)
	}
	a, err := d.Try(Exercise{Terms: DefaultContract().Terms, Trials: 100, Pairs: 14, Seed: 1, Worse: []float64{0, 1, 0}})
	if err != nil {
		t.Fatal(err)
	}
	// Seven units cannot reach the level of the second look, 0.0028.
	if a.Fail != 0 {
		t.Errorf("%d trials fail by a tail that they have seven of", a.Fail)
	}
}

func TestADrillLeavesOutPairsThatCannotBeCompared(t *testing.T) {
	d, err := NewDrill(DefaultContract(), mix())
	if err != nil {
		t.Fatal(err)
	}
	f := file(3, alike(usual()))
	f.Pairs[1].B.Fault = "it died"
	if err := d.Add(f); err != nil || d.Pairs() != 2 {
		t.Errorf("%d pairs, %v", d.Pairs(), err)
	}
}

func TestADrillRefusesOtherMetricsThanItsOwn(t *testing.T) {
	d := drilled(t, 1000)
	terms := DefaultContract().Terms
	terms[0].Metric = "close_handshake.p90"
	if _, err := d.Try(Exercise{Terms: terms, Pairs: 10, Trials: 1}); err == nil || !strings.Contains(err.Error(), "term 1 is close_handshake.p90, and close_handshake.p50 was recorded") {
		t.Error(err)
	}
	if _, err := d.Try(Exercise{Terms: terms[:2], Pairs: 10, Trials: 1}); err == nil {
		t.Error("two terms were taken for three")
	}
}

func TestACoinDecidesWhichSideOfADrilledPairIsWhich(t *testing.T) {
	d, err := NewDrill(DefaultContract(), mix())
	if err != nil {
		t.Fatal(err)
	}
	// Even if the recorded sides were not equal, those of its trials are.
	if err := d.Add(file(20, func(int) (a, b arm) {
		a, b = usual(), usual()
		b.handshake *= 2
		return a, b
	})); err != nil {
		t.Fatal(err)
	}
	a, err := d.Try(Exercise{Terms: DefaultContract().Terms, Trials: 200, Pairs: MaxPairs, Seed: 1})
	if err != nil || a.Fail > 20 {
		t.Errorf("%d of 200 trials fail, %v", a.Fail, err)
	}
}

func TestAUnitDoesNotReachFromOneTrialIntoTheNext(t *testing.T) {
	d, err := NewDrill(DefaultContract(), mix())
	if err != nil {
		t.Fatal(err)
	}
	few := usual()
	few.closes = 500 // two pairs make a p99
	for range 2 {
		if err := d.Add(file(3, alike(few))); err != nil {
			t.Fatal(err)
		}
	}
	if s := d.Spreads()[1]; s.Units != 2 {
		t.Errorf("%d units of two trials with three pairs each, want one of each", s.Units)
	}
}
