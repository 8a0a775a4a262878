package trial

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
)

// A Contract says by how much b may be worse than a.
type Contract struct {
	Terms []Term `json:"terms"` // at least one; each makes every other a little harder to fail
	// Invariants are counts that must stay 0. One that happens in b and has not
	// happened in a fails at once.
	Invariants []string `json:"invariants"`
	// Strict spends the error on the looks so that it is kept whatever the
	// noise does over time. Otherwise the sizes of the changes are taken to be
	// alike at any time of the trial, which gives a little more power.
	Strict bool `json:"strict"`
	// Close and FIN are the limits of the plan: what an attempt that ran out
	// of time lasted at least.
	Close time.Duration `json:"limit_close_ns"`
	FIN   time.Duration `json:"limit_fin_ns"`
}

// A Term is what a Contract says of one metric, a quantile or a rate. Both
// shares are of a's value.
type Term struct {
	Metric     string `json:"metric"`
	Tolerance  Share  `json:"tolerance"`   // more than this is a regression
	MustDetect Share  `json:"must_detect"` // b passes only if shown to be below this
	// Floor, of a quantile, is a change too short to matter, however large a
	// share it is.
	Floor time.Duration `json:"floor_ns,omitempty"`
	// Excess and MustExcess, of a rate, are shares of all attempts: how many
	// more must fail for a regression, and how many more b must be shown to
	// stay below beside MustDetect. Without MustExcess two rates of 0 could
	// not be told from a small one.
	Excess     Share `json:"excess,omitempty"`
	MustExcess Share `json:"must_excess,omitempty"`
}

// Tolerated says for a person what more than which is a regression. Of a rate
// both its parts must be exceeded.
func (t *Term) Tolerated() string { return t.Tolerance.with(t.Excess) }

// Detected says for a person what a Pass rules out. Of a rate the two parts are
// added.
func (t *Term) Detected() string { return t.MustDetect.with(t.MustExcess) }

// DefaultContract gates the median and the tail of the close handshake and the
// connections that did not end as planned.
func DefaultContract() Contract {
	return Contract{
		Terms: []Term{
			{Metric: "close_handshake.p50", Tolerance: 30_000, MustDetect: 100_000},
			{Metric: "close_handshake.p99", Tolerance: 50_000, MustDetect: 200_000},
			{Metric: "unexpected.rate", Tolerance: 100_000, MustDetect: 500_000, Excess: 100, MustExcess: 500},
		},
		Invariants: []string{"invalid_state.unexplained"},
	}
}

// terms reads the contract's metrics and refuses what cannot be judged. The
// error names everything that is wrong.
func (c *Contract) terms(entries []string) (terms []gated, invariants []metric.Metric, err error) {
	var problems []error
	wrong := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("read contract: %s: %s", name, fmt.Sprintf(format, args...)))
	}
	if len(c.Terms) == 0 {
		wrong("terms", "nothing is gated (name a metric, such as close_handshake.p99)")
	}
	seen := map[string]bool{}
	for _, t := range c.Terms {
		m, err := metric.Parse(t.Metric, entries)
		switch {
		case err != nil:
			wrong(t.Metric, "%s", err)
		case m.IsFigure():
			wrong(t.Metric, "a gate does not measure it (write it as a rule of a run)")
		case seen[t.Metric]:
			wrong(t.Metric, "stands twice (keep one)")
		case m.Kind() == metric.Count:
			wrong(t.Metric, "only quantiles and rates are compared (a count that must stay 0 is an invariant: name it with --invariant)")
		case m.Kind() == metric.Duration && m.Stat() != metric.Quantile:
			wrong(t.Metric, "only quantiles and rates are compared (name a quantile of it, such as p99)")
		case t.Tolerance >= t.MustDetect:
			wrong(t.Metric, "the tolerance %s is not below what must be detected, %s (leave room between them)", t.Tolerance, t.MustDetect)
		case t.MustDetect > maxShare || t.MustExcess > whole || t.Floor < 0:
			wrong(t.Metric, "a share is above 1000%%, an excess above 100%%, or the floor is negative")
		case m.Kind() == metric.Rate && (t.Excess >= t.MustExcess || t.Floor != 0):
			wrong(t.Metric, "a rate has no floor, and its excess %s must be below must_excess, %s", t.Excess, t.MustExcess)
		case m.Kind() == metric.Duration && (t.Excess != 0 || t.MustExcess != 0):
			wrong(t.Metric, "a quantile has no excess (use the floor)")
		}
		seen[t.Metric] = true
		terms = append(terms, gated{Term: t, metric: m})
	}
	for _, text := range c.Invariants {
		m, err := metric.Parse(text, entries)
		if err != nil {
			wrong(text, "%s", err)
		} else if m.Kind() != metric.Count || m.IsFigure() {
			wrong(text, "an invariant is a count, and must stay 0 (name one such as violation.count)")
		}
		invariants = append(invariants, m)
	}
	return terms, invariants, errors.Join(problems...)
}

// gated is a Term with its metric read.
type gated struct {
	Term
	metric metric.Metric
}

// A look is a number of pairs after which the tests are made, with the levels
// that they must reach.
type look struct {
	pairs      int
	fail, pass float64
}

// MaxPairs is the number of pairs at the last look. A trial has no use for
// more.
const MaxPairs = 50

// looks returns the looks for a number of gated metrics.
//
// A trial may fail by any of its metrics, so each gets its part of an error of
// 0.05; all must pass, so for that each gets the whole. Over the looks the
// error is spent so that their union keeps it: the statistics of successive
// looks are correlated, which for a statistic by ranks does not depend on the
// noise, so the levels were found by simulation (of four million trials each:
// 0.0498, 0.0247 of 0.025 and 0.0165 of 0.0167). A test of this package shows
// that they hold. With strict, and for more than three metrics, they are a
// plain division of the error, which needs no simulation.
func looks(metrics int, strict bool) []look {
	pairs := [...]int{10, 14, 20, 30, MaxPairs}
	divided := [...]float64{0.0025, 0.0059, 0.0102, 0.0144, 0.0169} // sums to less than 0.05
	calibrated := [...][len(pairs)]float64{
		{0.0040, 0.0094, 0.0160, 0.0226, 0.0266},
		{0.0020, 0.0043, 0.0073, 0.0104, 0.0122},
		{0.0012, 0.0028, 0.0048, 0.0068, 0.0080},
	}
	all := make([]look, len(pairs))
	for i, n := range pairs {
		all[i] = look{pairs: n, fail: divided[i] / float64(metrics), pass: divided[i]}
		if !strict {
			all[i].pass = calibrated[0][i]
			if metrics <= len(calibrated) {
				all[i].fail = calibrated[metrics-1][i]
			}
		}
	}
	return all
}
