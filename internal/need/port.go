package need

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
)

// maxSources bounds the loopback addresses that a run rotates by itself.
const maxSources = 64

// crowd is the share of its ports that a source is to have in use: one in so
// many. The kernel takes every second port first and searches for a free one
// from where it last was, so that connect takes ten times as long where half of
// all ports are in use.
const crowd = 8

// reclaimAfter is how long a port rests that Linux may take again from
// TIME_WAIT (tcp_tw_reuse_delay, a second also before it was a setting).
const reclaimAfter = time.Second

// Sources are the addresses that connections come from, in turn. A pair of a
// source and a destination has one range of ports, and a connection this end
// closed first keeps its port for a minute, so a loopback target, where
// addresses cost nothing, is given as many as the plan needs, with room to
// spare, and each shard its own: others may be on this host.
func Sources(plan *scenario.Plan, shard scenario.Shard, host proc.Host) ([]netip.Addr, error) {
	return sources(plan, shard, portsOf(host))
}

func sources(plan *scenario.Plan, shard scenario.Shard, portsPerPair int) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range plan.Target.LocalAddrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("target.local_addrs: %w", err)
		}
		all = append(all, a)
	}
	if len(all) > 0 || !loopback4(plan) || !wholeLoopback() {
		return all, nil
	}
	need := shard.Size(plan.Load.Connections) + portsInTimeWait(plan, shard, TimeWait)
	roomy := max(1, portsPerPair/crowd)
	n := min((need+roomy-1)/roomy, maxSources)
	if n <= 1 && shard.Count <= 1 {
		return nil, nil // the kernel's own choice does
	}
	n = max(1, n)
	first := max(0, shard.Index-1) * n
	for i := range n {
		k := 1 + (first+i)%(1<<24-2) // of 127.0.0.1 to 127.255.255.254
		all = append(all, netip.AddrFrom4([4]byte{127, byte(k >> 16), byte(k >> 8), byte(k)}))
	}
	return all, nil
}

// wholeLoopback reports whether all of 127.0.0.0/8 can be bound without being
// configured, as on Linux and Windows alone.
func wholeLoopback() bool { return runtime.GOOS == "linux" || runtime.GOOS == "windows" }

// portPairs is how many pairs of a source and a destination, each with a range of
// ports, the connections have. On a relayed path the part with the fewest
// counts. whose names the relay where that is what it opens to the server, for
// which no addresses can be named.
func portPairs(plan *scenario.Plan, shard scenario.Shard, ports int) (n int, whose string, err error) {
	part := *plan
	if Relayed(plan) {
		part.Target.ConnectTo = "127.0.0.1:0" // the relay's
	}
	from, err := sources(&part, shard, ports)
	n = max(1, len(from))
	if !Relayed(plan) || err != nil {
		return n, "", err
	}
	onward := 0 // the relay keeps a client's address from loopback to loopback alone
	for _, a := range from {
		if loopback4(plan) && a.Is4() && a.IsLoopback() {
			onward++
		}
	}
	if onward = max(1, onward); onward < n || !loopback4(plan) {
		return onward, " of the relay", nil
	}
	return n, "", nil
}

func portsOf(host proc.Host) int {
	if n := host.Ports.Count(); n > 0 {
		return n
	}
	return defaultPorts
}

// Reclaimed reports whether the kernel takes a port from TIME_WAIT again for a
// new connection of the same pair: with tcp_tw_reuse 1, on loopback with 2 too,
// and never without TCP's timestamps (RFC 6191).
func Reclaimed(plan *scenario.Plan, host proc.Host) bool {
	if host.Timestamps.OK && host.Timestamps.N == 0 {
		return false
	}
	return host.TimeWaitReuse.N == 1 || host.TimeWaitReuse.N == 2 && Local(plan)
}

// portsInTimeWait estimates how many ports closed connections still hold: of
// the entries whose end is this tool's doing, what closes within the span at
// the full rate. An abort by RST holds none.
func portsInTimeWait(plan *scenario.Plan, shard scenario.Shard, span time.Duration) int {
	if plan.Load.Duration == 0 {
		return 0
	}
	return int(closesWithin(plan, shard, span) * share(plan, closesFirst))
}

// closesFirst reports whether this end is the first to close TCP where the
// entry goes as planned: RFC 6455 section 7.1.1 leaves that to the server, for
// it to be the one that waits.
func closesFirst(c *scenario.Close) bool {
	return c.Eager || c.Mode == scenario.HalfClose || c.Mode == scenario.Abort && c.How == scenario.FIN
}

// share is the part of the closes that are of such an entry.
func share(plan *scenario.Plan, such func(*scenario.Close) bool) float64 {
	some, all := 0, 0
	for i := range plan.Closes.Mix {
		c := &plan.Closes.Mix[i]
		all += c.Weight
		if such(c) {
			some += c.Weight
		}
	}
	if all == 0 {
		return 0
	}
	return float64(some) / float64(all)
}

// closesWithin is the most closes that the shard has within a span of the run,
// where replacements follow: as many as the rate lets open, and without a rate
// each connection once a second.
func closesWithin(plan *scenario.Plan, shard scenario.Shard, span time.Duration) float64 {
	perSecond := float64(shard.Size(plan.Load.Connections))
	if plan.Load.Rate > 0 {
		perSecond = float64(plan.Load.Rate) * perSecond / float64(plan.Load.Connections)
	}
	return perSecond * min(plan.Load.Duration, span).Seconds()
}
