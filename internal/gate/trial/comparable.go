package trial

import (
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/stats"
)

// Bounds beyond which a pair says nothing about the servers.
const (
	maxCPU      = 0.9                    // share of this process' processors: above it every time is the tool's own
	maxOpenLag  = 100 * time.Millisecond // p99: above it the load of the pair was not the planned one
	leastLate   = 5                      // pairs that were late, and more than half of all: the host cannot keep the pace
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
		switch {
		case side.sum.Connections.Started == 0:
			return side.name + ": nothing was attempted"
		case side.sum.Connections.Opened == 0:
			return side.name + ": no connection opened"
		case !(side.arm.CPU >= 0 && side.arm.CPU <= maxCPU):
			return fmt.Sprintf("%s: wsload itself used %.0f%% of its processors, so times are its own (lower the rate)", side.name, 100*side.arm.CPU)
		}
	}
	a, b := s[0].Connections.Started, s[1].Connections.Started
	if (max(a, b)-min(a, b))*attemptsPer > max(a, b) {
		return fmt.Sprintf("%s on a and %d on b: they must not differ by more than 1%%", gate.Number(a, "attempt"), b)
	}
	return ""
}

// A pace keeps count of the pairs of which the load was not the planned one,
// since the tool or its host was late. One stall in a shared machine is noise
// like any other: it is in both sides, as the coin has it, and a pair is not
// left out for it. Where most pairs are late the rate is more than the host can
// do, and then nothing is compared.
type pace struct {
	pairs, late int
	worst       time.Duration // open_lag p99 of a side
}

// add takes a pair and says why no trial is possible, "" where it is.
func (p *pace) add(s measured) string {
	var lag time.Duration
	for _, side := range s {
		lag = max(lag, side.Row(stats.OpenLag).Hist.Quantile(0.99))
	}
	p.pairs++
	if lag > maxOpenLag {
		p.late++
		p.worst = max(p.worst, lag)
	}
	if p.late < leastLate || 2*p.late <= p.pairs {
		return ""
	}
	return fmt.Sprintf("in %d of %d pairs connections were opened late, by up to %s (open_lag p99), so the load was not the planned one (lower the rate)",
		p.late, p.pairs, p.worst.Round(time.Millisecond))
}
