package trial

import (
	"fmt"
	"math"
	"slices"

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

// measured is a pair as summaries: what a did, and what b did.
type measured [2]*stats.Summary

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
	add(pair measured)
	distances(k int) distances           // of the first k pairs
	describe(k int, at look, f *Finding) // the change in the first k pairs
	overall() (a, b *float64)            // the metric itself
	attempts() (a, b uint64)
}

// contender is a term in the course of a trial.
type contender struct {
	term     gated
	evidence evidence
	passed   int // pairs at the look that showed it, 0 where nothing does or something bars it
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
	switch {
	case c.last.barred != "": // also what an earlier look has shown
		c.passed = 0
	case pPass <= at.pass && c.passed == 0:
		c.passed = at.pairs
	}
}

// A course is a trial as it goes on, pair by pair.
type course struct {
	looks      []look
	contenders []*contender
	invariants []*invariant
	pairs      int // so far
}

func newCourse(c *Contract, terms []gated, invariants []metric.Metric) *course {
	t := &course{looks: looks(len(terms), c.Strict)}
	for _, g := range terms {
		one := &contender{term: g}
		if g.metric.Kind() == metric.Rate {
			one.evidence = &rates{gated: g}
		} else {
			one.evidence = newQuantiles(g, g.metric.Limit(c.Close, c.FIN))
		}
		t.contenders = append(t.contenders, one)
	}
	for _, m := range invariants {
		t.invariants = append(t.invariants, &invariant{metric: m})
	}
	return t
}

// add takes the next pair and returns what the pairs so far decide: Fail where
// a metric fails or an invariant is broken, Pass where all metrics have passed,
// else Inconclusive.
func (t *course) add(pair measured) gate.Verdict {
	for _, c := range t.contenders {
		c.evidence.add(pair)
	}
	for _, i := range t.invariants {
		i.add(pair)
	}
	verdict := t.step()
	for _, i := range t.invariants {
		if i.broken() {
			verdict = gate.Fail
		}
	}
	return verdict
}

// step counts a pair and makes the tests if it is time for a look.
func (t *course) step() gate.Verdict {
	t.pairs++
	for _, at := range t.looks {
		if at.pairs != t.pairs {
			continue
		}
		failed, passed := false, true
		for _, c := range t.contenders {
			c.look(at)
			failed = failed || c.failed
			passed = passed && c.passed > 0
		}
		switch {
		case failed:
			return gate.Fail
		case passed:
			return gate.Pass
		}
	}
	return gate.Inconclusive
}

// verdict says where the trial stands after a pair that gave that answer.
func (t *course) verdict(answer gate.Verdict) Verdict {
	v := Verdict{Verdict: answer, Pairs: t.pairs, Findings: []Finding{}}
	next := t.looks[len(t.looks)-1]
	for _, at := range slices.Backward(t.looks) {
		if at.pairs >= t.pairs {
			next = at
		}
	}
	for _, c := range t.contenders {
		v.Findings = append(v.Findings, c.finding(t.pairs, next, t.looks))
	}
	for _, i := range t.invariants {
		v.Findings = append(v.Findings, i.finding(t.pairs))
	}
	for _, f := range v.Findings {
		if f.Verdict == gate.NoData && v.Verdict != gate.Fail {
			v.Verdict = gate.NotComparable
		}
	}
	v.Reason = v.reason(t.looks)
	return v
}

// finding says how the metric stands.
func (c *contender) finding(pairs int, at look, looks []look) Finding {
	f := Finding{Metric: c.term.Metric, Verdict: gate.Inconclusive, PFail: c.pFail, PPass: c.pPass}
	if side := unmeasured(c.evidence.attempts()); side != "" {
		f.Verdict, f.Reason = gate.NoData, "never measured on "+side
		return f
	}
	f.A, f.B = c.evidence.overall()
	c.evidence.describe(pairs, at, &f)
	least := rank.LeastValues(looks[len(looks)-1].fail)
	switch {
	case c.failed:
		f.Verdict, f.Reason = gate.Fail, fmt.Sprintf("shown to be more than %s worse", c.term.Tolerance)
	case c.passed > 0:
		f.Verdict, f.Reason = gate.Pass, fmt.Sprintf("shown to be less than %s worse, after %d pairs", c.term.MustDetect, c.passed)
	case c.pFail == nil:
		f.Reason = fmt.Sprintf("no verdict before %d pairs", looks[0].pairs)
	case f.Units < least && (pairs >= MaxPairs || (f.Units+1)*MaxPairs < least*pairs): // nor will be at the last look
		f.Reason = fmt.Sprintf("not measurable: %s of enough attempts in %s and %d are needed (make more attempts in a pair)", gate.Number(f.Units, "unit"), gate.Number(pairs, "pair"), least)
	case c.last.barred != "":
		f.Reason = c.last.barred
	case c.last.idle != "" && *c.pFail <= at.fail:
		f.Reason = c.last.idle
	default:
		f.Reason = fmt.Sprintf("neither more than %s nor less than %s worse is shown", c.term.Tolerance, c.term.MustDetect)
	}
	return f
}

// unmeasured names the sides without attempts, "" for none.
func unmeasured(a, b uint64) string {
	switch {
	case a == 0 && b == 0:
		return "either side"
	case a == 0:
		return "a"
	case b == 0:
		return "b"
	}
	return ""
}

// invariant is a count that must stay 0, in the course of a trial.
type invariant struct {
	metric metric.Metric
	a, b   metric.Tally
}

func (i *invariant) add(pair measured) {
	i.a = total([]metric.Tally{i.a, i.metric.Tally(pair[0])})
	i.b = total([]metric.Tally{i.b, i.metric.Tally(pair[1])})
}

// broken reports whether it happened in b and not in a.
func (i *invariant) broken() bool { return i.b.N > 0 && i.a.N == 0 }

func (i *invariant) finding(pairs int) Finding {
	inA, inB := float64(i.a.N), float64(i.b.N)
	f := Finding{Metric: i.metric.String(), Verdict: gate.Pass, A: &inA, B: &inB, Units: pairs}
	switch side := unmeasured(i.a.Of, i.b.Of); {
	case i.broken():
		f.Verdict, f.Reason = gate.Fail, "it must stay 0 and happens in b only"
	case side != "":
		f.Verdict, f.Reason = gate.NoData, "there was no attempt in which it could have happened on "+side
	case i.b.N == 0:
		f.Reason = "it did not happen"
	default:
		f.Reason = "it happens in a too, so it is no regression: judge it by a rule"
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
	return fmt.Sprintf("%s, and the first look is after %d", gate.Number(v.Pairs, "pair"), looks[0].pairs)
}

func finite(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return &x
}
