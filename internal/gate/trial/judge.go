package trial

import (
	"fmt"
	"math"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
	"github.com/wsload/wsload/stats"
)

// A Verdict is what a trial says of b.
type Verdict struct {
	Verdict gate.Verdict `json:"verdict"` // Pass, Fail, Inconclusive or NotComparable
	Reason  string       `json:"reason"`
	Pairs   int          `json:"pairs"` // that it rests on: the trial could stop there
	// Findings are of the contract's terms, then of its invariants. They are
	// empty where the sides are not comparable.
	Findings []Finding `json:"findings"`
}

// A Finding is what a trial says of one metric. Durations are nanoseconds,
// rates shares from 0 to 1.
type Finding struct {
	Metric  string       `json:"metric"`
	Verdict gate.Verdict `json:"verdict"`
	Reason  string       `json:"reason"`
	A       *float64     `json:"a"` // over all pairs; null where it is not known
	B       *float64     `json:"b"`
	// Change is the centre of the changes of the pairs: of a quantile b's share
	// of a, of a rate b's difference to a. Low and High are its interval at the
	// levels of the verdict; null where there are too few pairs for an end.
	Change *float64 `json:"change"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	Units  int      `json:"units"`  // numbers that the tests had: pairs, or groups of pairs
	PFail  *float64 `json:"p_fail"` // of the test against the tolerance, at the last look
	PPass  *float64 `json:"p_pass"` // of the test against what must be detected, at the last look
}

// measured is a pair as summaries.
type measured struct{ a, b *stats.Summary }

// distances are what the two tests look at.
type distances struct {
	above []float64 // of b from what is tolerated
	below []float64 // of b from what must be detected
	// idle says why there can be no Fail and barred why there can be no Pass,
	// whatever the distances are; "" where there can.
	idle, barred string
}

// evidence is the numbers of the pairs on one metric.
type evidence interface {
	distances(k int) distances
	describe(k int, at look, f *Finding)
}

// contender is a term in the course of a trial.
type contender struct {
	term     gated
	evidence evidence
	passed   int // pairs at the look that showed it, 0 before that
	failed   bool
	pFail    *float64
	pPass    *float64
	last     distances // at the last look
}

// look makes both tests on the first pairs.
func (c *contender) look(at look) {
	c.last = c.evidence.distances(at.pairs)
	pFail, pPass := rank.Greater(c.last.above), rank.Greater(c.last.below)
	c.pFail, c.pPass = &pFail, &pPass
	c.failed = pFail <= at.fail && c.last.idle == ""
	if pPass <= at.pass && c.last.barred == "" && c.passed == 0 {
		c.passed = at.pairs
	}
}

// course runs the looks over the evidence of n pairs, and returns the verdict
// and the number of pairs at which it fell: the first look at which a metric
// fails, or after which all have passed.
func course(all []*contender, looks []look, n int) (gate.Verdict, int) {
	for _, at := range looks {
		if at.pairs > n {
			break
		}
		failed, passed := false, true
		for _, c := range all {
			c.look(at)
			failed = failed || c.failed
			passed = passed && c.passed > 0
		}
		switch {
		case failed:
			return gate.Fail, at.pairs
		case passed:
			return gate.Pass, at.pairs
		}
	}
	return gate.Inconclusive, n
}

// judge judges the pairs in their order, and stops at the first that decides.
func (c *Contract) judge(terms []gated, invariants []metric.Metric, pairs []measured) Verdict {
	all := make([]*contender, len(terms))
	for i, t := range terms {
		all[i] = &contender{term: t, evidence: c.evidence(t, pairs)}
	}
	looks := looks(len(terms), c.Strict)
	out := Verdict{Findings: []Finding{}}
	n, broken := len(pairs), firstBroken(invariants, pairs)
	if broken > 0 {
		n = broken
	}
	out.Verdict, out.Pairs = course(all, looks, n)
	if broken > 0 && out.Pairs == broken {
		out.Verdict = gate.Fail
	}
	next := looks[len(looks)-1]
	for i := len(looks) - 1; i >= 0 && looks[i].pairs >= out.Pairs; i-- {
		next = looks[i]
	}
	for _, one := range all {
		out.Findings = append(out.Findings, one.finding(pairs[:out.Pairs], next, looks))
	}
	for _, m := range invariants {
		out.Findings = append(out.Findings, invariant(m, pairs[:out.Pairs]))
	}
	for _, f := range out.Findings {
		if f.Verdict == gate.NoData && out.Verdict != gate.Fail {
			out.Verdict = gate.NotComparable // an invariant that could not be broken
		}
	}
	out.Reason = out.reason(looks)
	return out
}

func (c *Contract) evidence(t gated, pairs []measured) evidence {
	if t.metric.Kind() == metric.Rate {
		return newRates(t, pairs)
	}
	return newQuantiles(t, pairs, c.Close, c.FIN)
}

// finding says how the metric stands.
func (c *contender) finding(pairs []measured, at look, looks []look) Finding {
	f := Finding{Metric: c.term.Metric, Verdict: gate.Inconclusive, PFail: c.pFail, PPass: c.pPass}
	f.A, f.B = c.overall(pairs, false), c.overall(pairs, true)
	c.evidence.describe(len(pairs), at, &f)
	least := rank.LeastValues(looks[len(looks)-1].fail)
	switch {
	case c.failed:
		f.Verdict, f.Reason = gate.Fail, fmt.Sprintf("shown to be more than %s worse", c.term.Tolerance)
	case c.passed > 0:
		f.Verdict, f.Reason = gate.Pass, fmt.Sprintf("shown to be less than %s worse, after %d pairs", c.term.MustDetect, c.passed)
	case c.pFail == nil:
		f.Reason = fmt.Sprintf("no verdict before %d pairs", looks[0].pairs)
	case f.Units < least && len(pairs) >= MaxPairs:
		f.Reason = fmt.Sprintf("not measurable: %d units of enough attempts and %d are needed (use longer pairs)", f.Units, least)
	case c.last.barred != "":
		f.Reason = c.last.barred
	case c.last.idle != "" && *c.pFail <= at.fail:
		f.Reason = c.last.idle
	default:
		f.Reason = fmt.Sprintf("neither more than %s nor less than %s worse is shown", c.term.Tolerance, c.term.MustDetect)
	}
	return f
}

// overall is the metric of one side over all pairs, nil where it is not known.
func (c *contender) overall(pairs []measured, b bool) *float64 {
	var tally metric.Tally
	sample := metric.Sample{Hist: new(stats.Histogram)}
	for _, p := range pairs {
		s := p.a
		if b {
			s = p.b
		}
		if c.term.metric.Kind() == metric.Rate {
			tally = total([]metric.Tally{tally, c.term.metric.Tally(s)})
		} else {
			join(&sample, c.term.metric.Sample(s))
		}
	}
	if c.term.metric.Kind() == metric.Rate {
		x := share(tally)
		return &x
	}
	d, ok := sample.At(c.term.metric.Quant().Rank(sample.N()))
	if !ok || sample.N() == 0 {
		return nil
	}
	x := float64(d)
	return &x
}

// firstBroken returns how many pairs there were when an invariant was broken
// by b and not by a, 0 where none is.
func firstBroken(invariants []metric.Metric, pairs []measured) int {
	first := 0
	for _, m := range invariants {
		var a, b uint64
		for i, p := range pairs {
			a, b = a+m.Tally(p.a).N, b+m.Tally(p.b).N
			if b > 0 && a == 0 && (first == 0 || i+1 < first) {
				first = i + 1
			}
		}
	}
	return first
}

// invariant says whether a count stayed 0.
func invariant(m metric.Metric, pairs []measured) Finding {
	var a, b metric.Tally
	for _, p := range pairs {
		a, b = total([]metric.Tally{a, m.Tally(p.a)}), total([]metric.Tally{b, m.Tally(p.b)})
	}
	inA, inB := float64(a.N), float64(b.N)
	f := Finding{Metric: m.String(), A: &inA, B: &inB, Units: len(pairs)}
	switch {
	case b.Of == 0 || a.Of == 0:
		f.Verdict, f.Reason = gate.NoData, "there was no attempt in which it could have happened"
	case b.N == 0:
		f.Verdict, f.Reason = gate.Pass, "it did not happen"
	case a.N == 0:
		f.Verdict, f.Reason = gate.Fail, "it must stay 0 and happens in b only"
	default:
		f.Verdict, f.Reason = gate.Pass, "it happens in a too, so it is no regression: judge it by a rule"
	}
	return f
}

// reason sums up the findings in one line.
func (v *Verdict) reason(looks []look) string {
	for _, f := range v.Findings {
		if v.Verdict == gate.Fail && f.Verdict == gate.Fail || v.Verdict == gate.NotComparable && f.Verdict == gate.NoData ||
			v.Verdict == gate.Inconclusive && f.Verdict == gate.Inconclusive && v.Pairs >= looks[0].pairs {
			return f.Metric + ": " + f.Reason
		}
	}
	if v.Verdict == gate.Pass {
		return "every metric is shown to be within what must be detected"
	}
	return fmt.Sprintf("%d pairs, and the first look is after %d", v.Pairs, looks[0].pairs)
}

func finite(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return &x
}
