package trial

import (
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

// Bounds beyond which a pair says nothing about the servers.
const (
	maxCPU      = 0.9                    // share of this process' processors: above it every time is the tool's own
	maxOpenLag  = 100 * time.Millisecond // p99: above it the load was not the planned one
	attemptsPer = 100                    // the sides' attempts may differ by one in this many
)

// incomparable says why a pair cannot be compared, "" where it can.
func incomparable(p *Pair, s measured) string {
	switch { // first, since a fault of one side keeps the other from its turn
	case p.A.Fault != "":
		return "a: " + p.A.Fault
	case p.B.Fault != "":
		return "b: " + p.B.Fault
	}
	for _, side := range []struct {
		name string
		arm  *Arm
		sum  *stats.Summary
	}{{"a", &p.A, s.a}, {"b", &p.B, s.b}} {
		lag := side.sum.Row(stats.OpenLag).Hist.Quantile(0.99)
		switch {
		case side.sum.Connections.Started == 0:
			return side.name + ": nothing was attempted"
		case side.sum.Connections.Opened == 0:
			return side.name + ": no connection opened"
		case !(side.arm.CPU >= 0 && side.arm.CPU <= maxCPU):
			return fmt.Sprintf("%s: wsload itself used %.0f%% of its processors, so times are its own (lower the rate)", side.name, 100*side.arm.CPU)
		case lag > maxOpenLag:
			return fmt.Sprintf("%s: connections were opened up to %s late (open_lag p99), so the load was not the planned one (lower the rate)",
				side.name, lag.Round(time.Millisecond))
		}
	}
	a, b := s.a.Connections.Started, s.b.Connections.Started
	if (max(a, b)-min(a, b))*attemptsPer > max(a, b) {
		return fmt.Sprintf("%d attempts on a and %d on b: they must not differ by more than 1%%", a, b)
	}
	return ""
}

// unmeasured names a metric that one side has no data for over all pairs, ""
// where there is none.
func unmeasured(terms []gated, pairs []measured) string {
	for _, t := range terms {
		var a, b uint64
		for _, p := range pairs {
			a, b = a+attempts(t.metric, p.a), b+attempts(t.metric, p.b)
		}
		switch {
		case a == 0 && b == 0:
			return t.Metric + ": never measured on either side"
		case a == 0:
			return t.Metric + ": never measured on a"
		case b == 0:
			return t.Metric + ": never measured on b"
		}
	}
	return ""
}

func attempts(m metric.Metric, s *stats.Summary) uint64 {
	if m.Kind() == metric.Rate {
		return m.Tally(s).Of
	}
	return m.Sample(s).N()
}
