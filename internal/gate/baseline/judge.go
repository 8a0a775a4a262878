package baseline

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
)

// MinJobs is the number of stored jobs before which nothing fails.
const MinJobs = 8

// level is the probability with which a verdict may be wrong: for Fail over all
// metrics together, for Pass of each.
const level = 0.05

// A Verdict is what the stored jobs say of a run.
type Verdict struct {
	Verdict  gate.Verdict `json:"verdict"`
	Reason   string       `json:"reason"`
	Jobs     int          `json:"jobs"`     // that count
	LeftOut  []LeftOut    `json:"left_out"` // those that do not
	Findings []Finding    `json:"findings"` // by term
}

// A LeftOut is a stored job that cannot be compared with the run.
type LeftOut struct {
	Run    string `json:"run"`
	Reason string `json:"reason"`
}

// A Finding is what the stored jobs say of one metric. Times are nanoseconds.
type Finding struct {
	Metric     string       `json:"metric"`
	Verdict    gate.Verdict `json:"verdict"`
	Reason     string       `json:"reason"`
	Baseline   *float64     `json:"baseline"` // geometric mean of the jobs
	Value      *float64     `json:"value"`    // of the run
	Jobs       int          `json:"jobs"`     // in which it was measured
	Change     *float64     `json:"change"`   // the run's share of the baseline
	Low        *float64     `json:"low"`      // of the prediction interval about it, at the levels of the verdict
	High       *float64     `json:"high"`
	Tolerance  trial.Share  `json:"tolerance"`
	MustDetect trial.Share  `json:"must_detect"`
}

// Judge judges a run against stored jobs. Terms are of quantiles. It fails for
// terms and documents that cannot be judged.
func Judge(stored []*result.Document, run *result.Document, terms []trial.Term) (Verdict, error) {
	v := Verdict{LeftOut: []LeftOut{}, Findings: []Finding{}}
	candidate, err := newJob(run)
	if err != nil {
		return v, err
	}
	var jobs []*job
	for _, d := range stored {
		j, err := newJob(d)
		if err != nil {
			return v, err
		}
		if why := j.differs(candidate); why != "" {
			v.LeftOut = append(v.LeftOut, LeftOut{d.Run, why})
			continue
		}
		jobs = append(jobs, j)
	}
	v.Jobs = len(jobs)
	metrics, err := quantiles(candidate, terms)
	if err != nil {
		return v, err
	}
	if !run.Complete {
		v.Verdict, v.Reason = gate.NotComparable, "the run is not complete"
		return v, nil
	}
	var parts []gate.Verdict
	for i, t := range terms {
		f, err := compare(jobs, candidate, t, metrics[i], level/float64(len(terms)))
		if err != nil {
			return v, err
		}
		v.Findings = append(v.Findings, f)
		parts = append(parts, f.Verdict)
	}
	v.Verdict = gate.Overall(parts)
	v.Reason = "every metric is shown to be within what must be detected"
	for _, f := range v.Findings {
		if f.Verdict == v.Verdict && v.Verdict != gate.Pass || f.Verdict == gate.NoData && v.Verdict == gate.NotComparable {
			v.Reason = f.Metric + ": " + f.Reason
			break
		}
	}
	return v, nil
}

// quantiles reads the metrics of the terms.
func quantiles(candidate *job, terms []trial.Term) ([]metric.Metric, error) {
	var names []string
	for _, e := range candidate.doc.Mix {
		names = append(names, e.Name)
	}
	if len(terms) == 0 {
		return nil, errors.New("judge against a baseline: nothing is gated (name a metric, such as close_handshake.p99)")
	}
	var all []metric.Metric
	for _, t := range terms {
		m, err := metric.Parse(t.Metric, names)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read metric %s: %w", t.Metric, err)
		case m.Kind() != metric.Duration || m.Stat() != metric.Quantile:
			return nil, fmt.Errorf("judge %s against a baseline: only quantiles are (a rule judges rates and counts of one run)", t.Metric)
		case t.Tolerance >= t.MustDetect:
			return nil, fmt.Errorf("%s: the tolerance %s is not below what must be detected, %s (leave room between them)", t.Metric, t.Tolerance, t.MustDetect)
		}
		all = append(all, m)
	}
	return all, nil
}

// compare holds one metric of the run against the jobs. A Fail may be wrong with
// the probability failLevel.
func compare(jobs []*job, candidate *job, t trial.Term, m metric.Metric, failLevel float64) (Finding, error) {
	is, err := candidate.read(m)
	if err != nil {
		return Finding{}, err
	}
	var logs []float64
	for _, j := range jobs {
		was, err := j.read(m)
		if err != nil {
			return Finding{}, err
		}
		if was.ns > 0 && !was.late { // else there is no number to predict from
			logs = append(logs, math.Log(was.ns))
		}
	}
	return verdictOf(logs, is.ns, is.late, t, failLevel), nil
}

// verdictOf holds a value against the logarithms of those of jobs. Where it is
// late it is only what the value is at least.
func verdictOf(logs []float64, value float64, late bool, t trial.Term, failLevel float64) Finding {
	f := Finding{Metric: t.Metric, Tolerance: t.Tolerance, MustDetect: t.MustDetect, Verdict: gate.Inconclusive, Jobs: len(logs)}
	switch {
	case value == 0:
		f.Verdict, f.Reason = gate.NoData, "no round of the run has enough attempts (let it run longer, or at a higher rate)"
		return f
	case len(logs) == 0:
		f.Verdict, f.Reason = gate.NoData, "no stored job of the same load and kind of host has it (wsload baseline add stores one)"
		return f
	}
	mean, sd := spread(logs)
	centre, change := math.Exp(mean), value/math.Exp(mean)
	f.Baseline, f.Value, f.Change = &centre, &value, &change
	if len(logs) < 2 {
		f.Reason = "one stored job does not tell how much jobs differ"
		return f
	}
	// What another job of the same server may be off by.
	t1 := distuv.StudentsT{Sigma: 1, Nu: float64(len(logs) - 1)}
	width := sd * math.Sqrt(1+1/float64(len(logs)))
	low, high := change*math.Exp(-width*t1.Quantile(1-failLevel)), change*math.Exp(width*t1.Quantile(1-level))
	f.Low = &low
	if !late {
		f.High = &high
	}
	switch {
	case low > 1+t.Tolerance.Float() && len(logs) >= MinJobs:
		f.Verdict, f.Reason = gate.Fail, fmt.Sprintf("shown to be more than %s worse than other jobs", t.Tolerance)
	case low > 1+t.Tolerance.Float():
		f.Reason = fmt.Sprintf("more than %s worse, but of %s, and fewer than %d fail nothing", t.Tolerance, gate.Number(len(logs), "job"), MinJobs)
	case late:
		f.Reason = "some of it is among what ran out of time"
	case high < 1+t.MustDetect.Float():
		f.Verdict, f.Reason = gate.Pass, fmt.Sprintf("shown to be less than %s worse than other jobs", t.MustDetect)
	default:
		f.Reason = fmt.Sprintf("neither more than %s nor less than %s worse is shown: jobs differ by %.0f%%", t.Tolerance, t.MustDetect, 100*math.Expm1(sd))
	}
	return f
}

// spread is the mean and the standard deviation of values; the latter is 0 for
// one.
func spread(values []float64) (mean, sd float64) {
	for _, x := range values {
		mean += x / float64(len(values))
	}
	for _, x := range values {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(max(1, len(values)-1)))
}
