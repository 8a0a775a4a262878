package trial

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
)

// noise is a model of what a pair of rounds shows of two servers: the logarithm
// of the ratio that a quantile would have if they were equal.
type noise func(rng *rand.Rand) (p50, p99 float64)

// recorded is as 184,000 real closes were on a busy machine of two cores, cut
// into pairs of 4 s in ABBA slices: standard deviations of 0.039 and 0.26, with
// tails. On top each process has its own speed, since both servers are
// restarted for every pair.
func recorded(rng *rand.Rand) (p50, p99 float64) {
	instance := 0.05 * math.Sqrt2 * rng.NormFloat64()
	return instance + 0.039*tailed(rng), instance + 0.26*tailed(rng)
}

// tailed is Student's t with five degrees of freedom, scaled to a variance of 1.
func tailed(rng *rand.Rand) float64 {
	var chi float64
	for range 5 {
		chi += math.Pow(rng.NormFloat64(), 2)
	}
	return rng.NormFloat64() / math.Sqrt(chi/5) / math.Sqrt(5.0/3)
}

// bursty is a harsh neighbour: of 2,000 closes with a log-normal duration in
// each slot, a tenth of the slots lie in a burst that triples p99, and the
// machine drifts from slot to slot.
func bursty(rng *rand.Rand) (p50, p99 float64) {
	slot := func() (c, t float64) {
		c = 0.03 * rng.NormFloat64()
		t = c + 0.05*rng.NormFloat64() + 0.0417*rng.NormFloat64()
		c += 0.014 * rng.NormFloat64()
		return c, t
	}
	ac, at := slot()
	bc, bt := slot()
	// The slots of a pair are neighbours: half of the bursts hold both.
	inA := rng.Float64() < 0.10
	inB := rng.Float64() < 0.05
	if inA && rng.IntN(2) == 0 {
		inB = true
	}
	if inA {
		ac, at = ac+math.Log(1.15), at+math.Log(3)
	}
	if inB {
		bc, bt = bc+math.Log(1.15), bt+math.Log(3)
	}
	drift := 0.10 * math.Sqrt(1-0.9*0.9) * rng.NormFloat64()
	if rng.IntN(2) == 0 { // the coin
		ac, at, bc, bt = bc, bt, ac, at
	}
	return bc - ac + drift, bt - at + drift
}

// quantileOf invents pairs with a base of 1 ms and a change of b.
func quantileOf(term Term, logs []float64, change float64) *quantiles {
	q := newQuantiles(gated{Term: term}, 0)
	for i, log := range logs {
		q.units = append(q.units, unit{value{d: 1e6}, value{d: time.Duration(1e6 * (1 + change) * math.Exp(log))}, i + 1})
	}
	return q
}

// errorsOf invents the errors of as many attempts per side and pair as a gate
// makes unless told otherwise: single ones with a probability, and on some slots
// of either side a burst of 2 %.
func errorsOf(rng *rand.Rand, term Term, single, added, bursts float64) *rates {
	const attempts = 1024
	r := &rates{gated: gated{Term: term}}
	draw := func(p float64) metric.Tally {
		if rng.Float64() < bursts {
			p += 0.02
		}
		t := metric.Tally{Of: attempts}
		for range t.Of {
			if rng.Float64() < p {
				t.N++
			}
		}
		return t
	}
	for range MaxPairs {
		r.a, r.b = append(r.a, draw(single)), append(r.b, draw(single+added))
	}
	return r
}

// figures are what some trials came to.
type figures struct {
	fail, pass, inconclusive float64 // percent
	pairs                    []int   // sorted
}

func (f figures) String() string {
	return fmt.Sprintf("fail %5.1f  pass %5.1f  inconclusive %4.1f  pairs median %d, p95 %d", f.fail, f.pass, f.inconclusive,
		f.pairs[len(f.pairs)/2], f.pairs[len(f.pairs)*95/100])
}

func simulate(runs int, seed uint64, one func(rng *rand.Rand) []*contender) figures {
	var f figures
	counts := map[gate.Verdict]int{}
	for i := range runs {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		all := one(rng)
		verdict, pairs := run(all, MaxPairs)
		counts[verdict]++
		f.pairs = append(f.pairs, pairs)
	}
	percent := func(v gate.Verdict) float64 { return 100 * float64(counts[v]) / float64(runs) }
	f.fail, f.pass, f.inconclusive = percent(gate.Fail), percent(gate.Pass), percent(gate.Inconclusive)
	slices.Sort(f.pairs)
	return f
}

// run is a trial whose evidence is all there.
func run(all []*contender, pairs int) (gate.Verdict, int) {
	t := &course{looks: looks(len(all), false), contenders: all}
	for t.pairs < pairs {
		if answer := t.step(); answer != gate.Inconclusive {
			return answer, t.pairs
		}
	}
	return gate.Inconclusive, t.pairs
}

// simulated is the number of trials in each figure: enough in any run of the
// tests to see a broken rule, and with more to tell 1 % from 2 %.
var simulated = flag.Int("sim.trials", 300, "simulate `N` trials for each figure")

func runs() int {
	if testing.Short() {
		return min(*simulated, 150)
	}
	return *simulated
}

// slack is three standard errors of a percentage around p.
func slack(p float64) float64 { return 3 * math.Sqrt(p*(100-p)/float64(runs())) }

func TestTheDefaultContractHasThePowerItPromises(t *testing.T) {
	terms := DefaultContract().Terms
	for _, c := range []struct {
		name              string
		noise             noise
		median, tail      float64 // changes of b
		least, most, pass float64 // percent that may fail, and that may pass at most
		seconds           int     // the median time to a verdict, 0 for no bound
	}{
		{"recorded, equal", recorded, 0, 0, 0, 1, 100, 90},
		{"recorded, all +10%", recorded, 0.10, 0.10, 95, 100, 5, 100},
		{"recorded, all +20%", recorded, 0.20, 0.20, 99, 100, 0.1, 90},
		{"recorded, p99 +20%", recorded, 0, 0.20, 80, 100, 5, 0},
		{"recorded, p99 +30%", recorded, 0, 0.30, 97, 100, 1, 0},
		{"bursty, equal", bursty, 0, 0, 0, 1, 100, 0},
		{"bursty, all +10%", bursty, 0.10, 0.10, 95, 100, 5, 0},
		{"bursty, all +20%", bursty, 0.20, 0.20, 99, 100, 0.1, 90},
		{"bursty, p99 +20%", bursty, 0, 0.20, 80, 100, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := simulate(runs(), 11, func(rng *rand.Rand) []*contender {
				var p50, p99 []float64
				for range MaxPairs {
					m, q := c.noise(rng)
					p50, p99 = append(p50, m), append(p99, q)
				}
				return []*contender{
					{term: gated{Term: terms[0]}, evidence: quantileOf(terms[0], p50, c.median)},
					{term: gated{Term: terms[1]}, evidence: quantileOf(terms[1], p99, c.tail)},
					{term: gated{Term: terms[2]}, evidence: errorsOf(rng, terms[2], 0, 0, 0)},
				}
			})
			t.Log(got)
			if got.fail < c.least-slack(c.least) || got.fail > c.most+slack(c.most) || got.pass > c.pass+slack(c.pass) {
				t.Errorf("%s: want fail %v to %v, pass up to %v", got, c.least, c.most, c.pass)
			}
			// A pair takes 4 s and a restart 1 s.
			median, p95 := 5*got.pairs[len(got.pairs)/2], 5*got.pairs[len(got.pairs)*95/100]
			if c.seconds > 0 && runs() >= 2000 && median > c.seconds || p95 > 300 {
				t.Errorf("the median time to a verdict is %d s, p95 %d s", median, p95)
			}
		})
	}
}

func TestRatesStayHonestWhereErrorsComeInBurstsAndSeeANewKind(t *testing.T) {
	terms := DefaultContract().Terms
	for _, c := range []struct {
		name                  string
		single, added, bursts float64
		least, most, pass     float64
		pairs                 int // at which all but 1 % are decided, 0 for no bound
	}{
		{"equal, none", 0, 0, 0, 0, 0, 100, 10},
		{"equal, 1 in 1,000", 0.001, 0, 0, 0, 1, 100, 0},
		{"equal, in bursts", 0, 0, 0.1, 0, 1.7, 100, 0},
		{"new kind, 1 in 1,000", 0, 0.001, 0, 99, 100, 1, 20},
		{"new kind beside bursts, 1 in 1,000", 0, 0.001, 0.1, 50, 100, 30, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := simulate(runs()/2, 12, func(rng *rand.Rand) []*contender {
				quiet := make([]float64, MaxPairs)
				return []*contender{
					{term: gated{Term: terms[0]}, evidence: quantileOf(terms[0], quiet, 0)},
					{term: gated{Term: terms[1]}, evidence: quantileOf(terms[1], quiet, 0)},
					{term: gated{Term: terms[2]}, evidence: errorsOf(rng, terms[2], c.single, c.added, c.bursts)},
				}
			})
			t.Log(got)
			if got.fail < c.least-slack(c.least) || got.fail > c.most+slack(c.most) || got.pass > c.pass+slack(c.pass) {
				t.Errorf("%s: want fail %v to %v, pass up to %v", got, c.least, c.most, c.pass)
			}
			// Of fewer trials the last one would decide.
			if c.pairs > 0 && len(got.pairs) >= 150 && got.pairs[len(got.pairs)*99/100] > c.pairs {
				t.Errorf("%d pairs for 99 %% of the verdicts, want %d", got.pairs[len(got.pairs)*99/100], c.pairs)
			}
		})
	}
}

// At a change of exactly the tolerance no side of it is right more often than
// the other, and a trial may fail in one of twenty; the same at what must be
// detected. The rank statistic does not depend on the noise, so this holds for
// any.
func TestTheLooksTogetherKeepTheError(t *testing.T) {
	const n = 100_000
	rejected := map[string]int{}
	all := map[string][]look{
		"one metric": looks(1, false), "two metrics": looks(2, false), "three metrics": looks(3, false),
		"strict": looks(1, true), "four metrics": looks(4, false),
	}
	rng := rand.New(rand.NewPCG(13, 13))
	critical := map[float64]int{} // doubled W+ of the first rejection, by level and pairs: unique per level
	for _, looks := range all {
		for _, at := range looks {
			critical[at.fail+float64(at.pairs)] = criticalSum(at)
		}
	}
	for range n {
		values := make([]float64, MaxPairs)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		sums := map[int]int{}
		for _, at := range looks(1, false) {
			sums[at.pairs] = signedSum(values[:at.pairs])
		}
		for name, looks := range all {
			if slices.ContainsFunc(looks, func(at look) bool { return sums[at.pairs] >= critical[at.fail+float64(at.pairs)] }) {
				rejected[name]++
			}
		}
	}
	for name, want := range map[string]float64{"one metric": 0.05, "two metrics": 0.025, "three metrics": 0.05 / 3, "strict": 0.05, "four metrics": 0.0125} {
		got := float64(rejected[name]) / float64(n)
		t.Logf("%s: %.4f, want %.4f", name, got, want)
		if got > want+3*math.Sqrt(want/float64(n)) || got < want/2 {
			t.Errorf("%s: the looks together reject %.4f of true hypotheses, want %.4f", name, got, want)
		}
	}
}

// signedSum is W+ of values without ties.
func signedSum(values []float64) int {
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b float64) int {
		if math.Abs(a) < math.Abs(b) {
			return -1
		}
		return 1
	})
	sum := 0
	for i, v := range sorted {
		if v > 0 {
			sum += i + 1
		}
	}
	return sum
}

// criticalSum is the smallest W+ that the test rejects, found with the test
// itself.
func criticalSum(at look) int {
	values := make([]float64, at.pairs)
	for i := range values {
		values[i] = float64(i + 1)
	}
	for least := at.pairs * (at.pairs + 1) / 2; ; least-- {
		rest := at.pairs*(at.pairs+1)/2 - least + 1
		for i := at.pairs - 1; i >= 0; i-- {
			values[i] = math.Abs(values[i])
			if i+1 <= rest {
				values[i] = -values[i]
				rest -= i + 1
			}
		}
		if rank.Greater(values) > at.fail {
			return least
		}
	}
}
