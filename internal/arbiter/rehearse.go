package arbiter

import (
	"errors"
	"math"
	"reflect"
	"strings"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate/trial"
)

// What is tried on the pairs of a qualification, and what is asked of it.
const (
	equalTrials    = 2000 // of equal servers: what is rare among them counts
	changedTrials  = 1000 // with a change
	searchTrials   = 300  // for each step of the search for the smallest change
	wantFound      = 0.9  // share of the trials that must find the smallest change
	wantPassing    = 0.9  // share of equal servers that a contract must pass
	mostAlarms     = 0.01 // share of equal servers that it may fail
	largestChange  = 4.0
	smallestChange = 0.001 // steps of the search
)

// A Noise is what the pairs say of one metric.
type Noise struct {
	Metric string  `json:"metric"`
	Units  int     `json:"units"` // pairs, or groups of pairs
	Late   int     `json:"late"`  // without a figure: among what ran out of time
	SD     float64 `json:"sd"`    // of the change: a logarithm, or of a rate a difference
	// Detectable is the smallest change, as a share, that nine of ten gates
	// find with the contract of the gates and the pairs that the budget holds.
	// It is null for a rate, and where not even four times as much is found.
	Detectable *float64 `json:"detectable"`
}

// An Offer is a contract as it does on the pairs of the qualification.
type Offer struct {
	Contract  string       `json:"contract"`
	Terms     []trial.Term `json:"terms"`
	Exercises []Exercise   `json:"exercises"` // the first is of equal servers
	// Affordable: of equal servers at least nine in ten pass and at most one in
	// a hundred fails.
	Affordable bool `json:"affordable"`
}

// An Exercise is what became of trials made of the recorded pairs, with b
// worse by some change.
type Exercise struct {
	Change       string  `json:"change"` // in words
	Trials       int     `json:"trials"`
	Pass         int     `json:"pass"`
	Fail         int     `json:"fail"`
	Inconclusive int     `json:"inconclusive"`
	MedianS      float64 `json:"median_s"` // time that the gates would have taken
	P95S         float64 `json:"p95_s"`
}

// rehearse tries contracts on the pairs.
func (q *Qualification) rehearse(s *Setup, first *Match, drill *trial.Drill) error {
	q.Metrics, q.Offers = []Noise{}, []Offer{}
	if drill.Pairs() == 0 {
		return nil
	}
	x := trial.Exercise{Terms: q.Terms, Pairs: q.Held, Seed: first.File.Seed}
	for i, spread := range drill.Spreads() {
		n := Noise{Metric: spread.Metric, Units: spread.Units, Late: spread.Late, SD: spread.SD}
		if !isRate(n.Metric) && n.Units > 0 {
			found, err := smallest(drill, x, i)
			if err != nil {
				return err
			}
			n.Detectable = found
		}
		q.Metrics = append(q.Metrics, n)
	}
	var entries []string
	for _, e := range first.File.Mix {
		entries = append(entries, e.Name)
	}
	for _, preset := range []string{contest.Default, contest.Relaxed} {
		terms, err := contest.Terms(entries, contest.Wanted{
			Preset: preset, Metrics: s.Metrics, Tolerances: s.Tolerance, MustDetect: s.MustDetect, Restarts: q.Restarts,
			Echo: true, // or the gates would not have been
		})
		if err != nil {
			return err
		}
		if len(q.Offers) > 0 && reflect.DeepEqual(q.Offers[0].Terms, terms) {
			continue // told by hand, or wide already since nothing restarts
		}
		x.Terms = terms
		offer, err := q.offer(preset, drill, x)
		if err != nil {
			return err
		}
		if q.Offers = append(q.Offers, offer); offer.Affordable && q.Advice == "" {
			q.Advice = preset
		}
	}
	return nil
}

// offer tries one contract on equal servers and on slower ones.
func (q *Qualification) offer(preset string, drill *trial.Drill, x trial.Exercise) (Offer, error) {
	o := Offer{Contract: preset, Terms: x.Terms}
	type change struct {
		words string
		worse []float64
		pairs int // at most
	}
	alone := func(term int, share float64) []float64 {
		worse := make([]float64, len(x.Terms))
		worse[term] = share
		return worse
	}
	slower := func(share float64) []float64 {
		worse := make([]float64, len(x.Terms))
		for i, t := range x.Terms {
			if !isRate(t.Metric) {
				worse[i] = share
			}
		}
		return worse
	}
	held := x.Pairs
	changes := []change{{"equal", nil, held}, {"all +10%", slower(0.1), held}, {"all +20%", slower(0.2), held}}
	for i, t := range x.Terms {
		switch {
		case isRate(t.Metric):
			changes = append(changes, change{t.Metric + " +1 in 1,000, within 20 pairs", alone(i, 0.001), min(held, 20)})
		case len(x.Terms) > 1:
			changes = append(changes, change{t.Metric + " alone +20%", alone(i, 0.2), held})
		}
	}
	for i, c := range changes {
		x.Worse, x.Trials, x.Pairs = c.worse, changedTrials, c.pairs
		if i == 0 {
			x.Trials = equalTrials
		}
		answer, err := drill.Try(x)
		if err != nil {
			return o, err
		}
		o.Exercises = append(o.Exercises, Exercise{
			Change: c.words, Trials: x.Trials, Pass: answer.Pass, Fail: answer.Fail, Inconclusive: answer.Inconclusive,
			MedianS: q.PerPair * float64(ranked(answer.Rested, 0.5)), P95S: q.PerPair * float64(ranked(answer.Rested, 0.95)),
		})
	}
	equal := o.Exercises[0]
	o.Affordable = float64(equal.Pass) >= wantPassing*float64(equal.Trials) && float64(equal.Fail) <= mostAlarms*float64(equal.Trials)
	return o, nil
}

// smallest searches for the smallest change of one term that trials find. It is
// nil where there is none.
func smallest(drill *trial.Drill, x trial.Exercise, term int) (*float64, error) {
	x.Trials, x.Worse = searchTrials, make([]float64, len(x.Terms))
	found := func(share float64) (bool, error) {
		x.Worse[term] = share
		answer, err := drill.Try(x)
		return float64(answer.Fail) >= wantFound*float64(x.Trials), err
	}
	missed, seen := 0.0, largestChange
	if ok, err := found(seen); err != nil || !ok {
		return nil, err
	}
	for seen-missed > smallestChange {
		middle := math.Sqrt((1+missed)*(1+seen)) - 1
		ok, err := found(middle)
		switch {
		case err != nil:
			return nil, errors.Join(errors.New("search for the smallest change"), err)
		case ok:
			seen = middle
		default:
			missed = middle
		}
	}
	return &seen, nil
}

func isRate(metric string) bool { return strings.HasSuffix(metric, ".rate") }
