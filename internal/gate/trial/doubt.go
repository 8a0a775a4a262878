package trial

import (
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

// doubt says why a small change of a quantile may be hidden in the tool's own
// lag, "" where it is not: the lag is more than a tenth of it on one side. That
// there is a change can still be shown, for a coin decided whom the lag meets;
// that there is none cannot.
func doubt(m metric.Metric, pairs []measured) string {
	if m.OwnLag() {
		return ""
	}
	for _, side := range []func(measured) *stats.Summary{
		func(p measured) *stats.Summary { return p.a },
		func(p measured) *stats.Summary { return p.b },
	} {
		user := false
		for _, p := range pairs {
			s := m.Sample(side(p))
			user = user || s.Hist.Count() > 0 && s.Clock == stats.ClockUser
		}
		if user {
			if lag, hides := hides(m, pairs, side, stats.ReadLag); hides {
				return "it ends on the clock of this process, which read what had arrived up to " + lag +
					" later (read_lag p99): more than a tenth of it, which may hide a change"
			}
		}
		if m.FromPlan() {
			if lag, hides := hides(m, pairs, side, stats.CloseLag); hides {
				return "it counts from the plan, and closes began up to " + lag +
					" later (close_lag p99): more than a tenth of it, which may hide a change"
			}
		}
	}
	return ""
}

// hides compares the p99 of one of the tool's lags with a quantile of one side.
func hides(m metric.Metric, pairs []measured, side func(measured) *stats.Summary, p stats.Phase) (lag string, hides bool) {
	sample, own := metric.Sample{Hist: new(stats.Histogram)}, new(stats.Histogram)
	for _, pair := range pairs {
		join(&sample, m.Sample(side(pair)))
		own.Merge(side(pair).Row(p).Hist)
	}
	d, ok := sample.At(m.Quant().Rank(sample.N()))
	late := own.Quantile(0.99)
	return late.Round(time.Microsecond).String(), ok && late > d/10
}
