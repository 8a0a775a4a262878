package rule

import (
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

// A Run is what rules judge.
type Run struct {
	Total *stats.Summary
	// Rounds are the intervals of the run, in order. They need not be all, nor
	// of one length. Without them an interval holds the sampling error only.
	Rounds []*stats.Summary
	// Close and FIN are the run's limits.close and limits.fin: what an attempt
	// that ran out of time lasted at least. 0 stands for unknown.
	Close, FIN time.Duration
	Echo       bool // messages were sequence-checked (traffic.expect: echo)
	// Figures are what was measured beside the connections, by the name of the
	// metric.
	Figures map[string]metric.Figure

	look float64 // the level of a look at a run that goes on; 0 for one that is over
}

// level is the probability with which each end of an interval may be wrong.
func (r *Run) level() float64 {
	if r.look > 0 {
		return r.look
	}
	return level
}

// A Result is what a rule says of a run. Durations are nanoseconds, rates
// shares from 0 to 1.
type Result struct {
	Rule    string       `json:"rule"`
	Verdict gate.Verdict `json:"verdict"` // Pass, Fail, Inconclusive or NoData
	Value   *float64     `json:"value"`   // as measured; null for none, and for a quantile among the attempts that ran out of time
	Low     *float64     `json:"low"`     // the interval; null for an end that is not bounded, and without data
	High    *float64     `json:"high"`
	Reason  string       `json:"reason"` // what the verdict rests on, or what is missing
}

// Judge judges the rules and joins their verdicts.
func Judge(rules []Rule, run Run) ([]Result, gate.Verdict) {
	results, verdicts := make([]Result, len(rules)), make([]gate.Verdict, len(rules))
	for i, r := range rules {
		results[i] = r.Judge(run)
		verdicts[i] = results[i].Verdict
	}
	return results, gate.Overall(verdicts)
}

// finding is a measurement and how far it may be off.
type finding struct {
	value, low, high float64 // infinite where not bounded
	basis            string  // what they rest on
	doubt            string  // why they cannot decide, "" where they can
	hidden           string  // why they cannot show that the bound is kept, "" where they can
	missing          string  // what would decide where the interval does not
	none             string  // why there are no data, "" where there are
	early            bool    // there are too few rounds to tell how far they differ
}

// Judge measures the rule's metric on a run and compares it with the bound.
func (r Rule) Judge(run Run) Result {
	f := r.find(run)
	out := Result{Rule: r.text}
	if f.none != "" {
		out.Verdict, out.Reason = gate.NoData, f.none
		return out
	}
	out.Value, out.Low, out.High = finite(f.value), finite(f.low), finite(f.high)
	all, some := r.holdsOver(f.low, f.high)
	switch {
	case f.doubt != "":
		out.Verdict, out.Reason = gate.Inconclusive, f.doubt
	case all && f.hidden != "":
		out.Verdict, out.Reason = gate.Inconclusive, f.hidden
	case all:
		out.Verdict, out.Reason = gate.Pass, f.basis
	case !some:
		out.Verdict, out.Reason = gate.Fail, f.basis
	default:
		out.Verdict, out.Reason = gate.Inconclusive, "the interval holds the bound: "+f.basis
		if f.missing != "" {
			out.Reason += "; " + f.missing
		}
	}
	return out
}

func finite(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func (r Rule) find(run Run) finding {
	switch {
	case r.metric.IsFigure():
		return r.findFigure(run.Figures)
	case r.metric.NeedsEcho() && !run.Echo:
		return finding{none: "messages were not checked for loss (set traffic.expect: echo)"}
	case r.metric.Kind() == metric.Duration && r.point:
		return r.findPoint(run)
	case r.metric.Kind() == metric.Duration:
		return r.findDuration(run)
	}
	t := r.metric.Tally(run.Total)
	switch {
	case t.Of == 0:
		return finding{none: "there was no attempt in which it could have happened"}
	case r.metric.Kind() == metric.Count:
		return exactly(float64(t.N), "counted, in "+attempts(t.Of))
	case r.bound == 0:
		return exactly(share(t), fmt.Sprintf("counted: %d of %s", t.N, attempts(t.Of)))
	case r.point:
		return exactly(share(t), fmt.Sprintf("%d of %s, as measured", t.N, attempts(t.Of)))
	}
	return r.findRate(t, run)
}

// findFigure takes what was measured beside the connections as it is.
func (r Rule) findFigure(figures map[string]metric.Figure) finding {
	f, ok := figures[r.metric.String()]
	switch {
	case !ok:
		return finding{none: "the run has no such figure (leaks need watch.sources, a drain needs drain.hooks)"}
	case f.None != "":
		return finding{none: f.None}
	case r.point:
		return exactly(f.Value, f.Basis)
	}
	return finding{value: f.Value, low: f.Low, high: f.High, basis: f.Basis, missing: "a longer run narrows it"}
}

func exactly(value float64, basis string) finding {
	return finding{value: value, low: value, high: value, basis: basis}
}

func attempts(n uint64) string { return gate.Number(n, "attempt") }

func share(t metric.Tally) float64 { return float64(t.N) / float64(t.Of) }

// findRate puts the interval of Clopper and Pearson around a rate, made wider
// where the errors of the rounds show that they come in bursts.
func (r Rule) findRate(t metric.Tally, run Run) finding {
	tallies := make([]metric.Tally, len(run.Rounds))
	for i, round := range run.Rounds {
		tallies[i] = r.metric.Tally(round)
	}
	spread := dispersion(tallies)
	f := finding{value: share(t)}
	f.low, f.high = shareLimits(float64(t.N)/spread, float64(t.Of)/spread, run.level())
	if run.look > 0 && measured(tallies) < minRounds {
		f.doubt = tooEarly
	}
	f.basis = fmt.Sprintf("%d of %s, as if they failed singly", t.N, attempts(t.Of))
	if spread > 1 {
		f.basis = fmt.Sprintf("%d of %s, which vary between rounds %.3g times as much as single ones", t.N, attempts(t.Of), spread)
	}
	if n := r.attemptsToDecide(f.value, spread); n > t.Of {
		f.missing = fmt.Sprintf("%s at this rate would decide, %d more", attempts(n), n-t.Of)
	} else {
		f.missing = "no number of attempts at this rate would decide"
	}
	return f
}
