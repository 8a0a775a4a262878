package need

import (
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

const (
	// perClient is the memory of a connection that is held, with its receive loop,
	// as the process's resident set grows by it at GOGC 400: 9.8 to 10.1 KiB.
	perClient = 11 << 10
	// perLibrary is what the client library adds to it where there are messages.
	perLibrary = 10 << 10
	// perServer is the same of the own server, which has GOGC 100: 13 to 15 KiB.
	perServer = 16 << 10
	// perRelayed is what the relay adds to the client's: two sockets, and a goroutine
	// with its buffer for each direction.
	perRelayed = 26 << 10
	// perSocket is what the kernel keeps of a socket without bytes in it: a tcp_sock
	// of 2.3 KiB, its inode, directory entry and file.
	perSocket = 4 << 10
	// perProcess is what a process has without connections: 20 MiB, and histograms.
	perProcess = 32 << 20

	pageSize = 4096
	// stalled is the bytes that wait at a connection which does not read: the
	// default of tcp_rmem.
	stalled = 128 << 10

	// lifecycleCPU is the time of a CPU that opening, closing and judging one
	// connection takes this end: 66 to 110 µs where it was measured, the more the
	// less there is to do at a time.
	lifecycleCPU = 100 * time.Microsecond

	// flight is how long a close may be under way: the first retransmission of a
	// packet that was lost comes after a second (RFC 6298 section 2.1).
	flight = time.Second
	// forsaken is how long the kernel sends a FIN again that nobody acknowledges, as
	// of a connection whose other end has vanished: tcp_orphan_retries, 8 by default,
	// from 200 ms on and each wait the double of the one before.
	forsaken = 102 * time.Second
	// trackedAfter is how long a firewall remembers what has ended
	// (nf_conntrack_tcp_timeout_time_wait).
	trackedAfter = 120 * time.Second
)

// ofHost reckons what all processes on this host ask of its kernel together.
func (n *Need) ofHost(plan *scenario.Plan, shard scenario.Shard, procs int) {
	n.Ends = 1
	legs := int64(1)
	if Local(plan) {
		n.Ends++
	}
	relays := int64(0)
	if Relayed(plan) {
		n.Ends += 2
		legs, relays = 2, 1
	}
	open := int64(n.Connections)
	n.Sockets = open * int64(n.Ends)

	closed := func(span time.Duration, such func(*scenario.Close) bool) int64 {
		return int64(n.ended(plan, shard, span) * share(plan, such))
	}
	waits := closesFirst // a socket waits at the end that was the first to close
	if Local(plan) {
		waits = byFIN
	}
	n.TimeWait = closed(TimeWait, waits) * legs
	if Relayed(plan) && !Local(plan) { // the relay is the server of the one leg
		n.TimeWait = closed(TimeWait, closesFirst) + closed(TimeWait, byFIN)
	}
	n.Orphans = closed(flight, byFIN) * int64(n.Ends)
	gone := closed(plan.Load.Duration, vanishes)
	if Local(plan) {
		n.Orphans += closed(forsaken, vanishes)
	}
	n.Tracked = (open + closed(trackedAfter, byFIN)) * legs
	n.Tracked += gone // for days: nothing told the firewall of their end

	each := perClient + relays*perRelayed
	if plan.Traffic.Every > 0 || len(plan.OnOpen) > 0 {
		each += perLibrary
	}
	n.Memory = int64(procs)*perProcess + open*each + n.Sockets*perSocket
	n.Pages = n.Sockets * int64(1+plan.Traffic.Size/pageSize)
	if plan.Traffic.Every > 0 {
		n.Pages += int64(float64(open)*share(plan, stalls)) * (stalled / pageSize)
	}
	if plan.Load.Rate > 0 {
		n.CPU = int64(float64(plan.Load.Rate) * float64(open) / float64(plan.Load.Connections) * lifecycleCPU.Seconds() * 1000)
	}
}

// OfServer is the memory of the tool's own server for the plan, in bytes, without
// its sockets, which Memory has.
func (n Need) OfServer() int64 {
	return int64(n.Processes)*perProcess + int64(n.Connections)*perServer // as many processes serve as load
}

// ended is the most connections that end within a span: as closesWithin says,
// and all at once where the plan closes them together or a drain does, or where
// each lives only once.
func (n *Need) ended(plan *scenario.Plan, shard scenario.Shard, span time.Duration) float64 {
	all := float64(n.Connections)
	closes := closesWithin(plan, shard, span)
	kind := plan.Closes.Shape.Kind()
	if plan.Load.Duration == 0 || len(plan.Drain.Hooks) > 0 || kind == value.ShapeWave || kind == value.ShapeAtEnd {
		return max(all, closes)
	}
	return closes
}

// byFIN reports whether an entry that goes as planned ends by a FIN.
func byFIN(c *scenario.Close) bool {
	return !vanishes(c) && !(c.Mode == scenario.Abort && c.How == scenario.RST)
}

func vanishes(c *scenario.Close) bool { return c.Mode == scenario.Vanish }

func stalls(c *scenario.Close) bool { return c.Mode == scenario.Stall }
