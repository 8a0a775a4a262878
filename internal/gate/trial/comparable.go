package trial

import (
	"fmt"
	"time"

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
	}{{"a", &p.A, s[0]}, {"b", &p.B, s[1]}} {
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
	a, b := s[0].Connections.Started, s[1].Connections.Started
	if (max(a, b)-min(a, b))*attemptsPer > max(a, b) {
		return fmt.Sprintf("%d attempts on a and %d on b: they must not differ by more than 1%%", a, b)
	}
	return ""
}
