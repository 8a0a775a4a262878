package need

import (
	"net"
	"net/netip"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
)

// Need is what a shard of a plan asks of its host.
type Need struct {
	Connections int    // held at once
	Processes   int    // that carry them
	Largest     int    // of them, by the process with most
	Each        int64  // descriptors that each of them takes of its process
	Descriptors int64  // that the process with most connections takes in all
	Sharing     int    // connections that share the pairs of addresses
	Ports       int    // that a pair of addresses has
	Pairs       int    // of a source and a destination address
	Whose       string // "" or, as in " of the relay", who the sources belong to where they cannot be named
	Busy        int    // ports that are taken: by what is open, and by what this end closed first
	Burst       int    // connections that are opened at one moment, at most

	Ends     int   // sockets on this host for each connection: that of the client, the server's, the relay's two
	Sockets  int64 // on this host, of what is open
	TimeWait int64 // sockets in TIME_WAIT on this host
	Orphans  int64 // sockets in teardown that no process holds any more
	Tracked  int64 // entries of the table of connections of a firewall on this host
	Memory   int64 // of the processes and of the kernel for their sockets, in bytes
	Pages    int64 // of 4 KiB, for bytes that are under way in TCP
	CPU      int64 // thousandths of a CPU for opening and closing, by the processes
}

// Reserve is the descriptors kept for everything that is no connection: the
// program's own files, the poller, a result file, a child's pipes.
const Reserve = 64

// TimeWait is how long Linux keeps the port of a connection that this end
// closed first (TCP_TIMEWAIT_LEN, which no setting changes).
const TimeWait = 60 * time.Second

// defaultPorts is the size of Linux's default range of ephemeral ports, for
// hosts that do not tell theirs.
const defaultPorts = 28232

// Of reckons what the shard of the plan asks of the host, carried out by so many
// processes, each its part by Shard.Split. The error names an entry of
// target.local_addrs that is no address.
func Of(plan *scenario.Plan, shard scenario.Shard, procs int, host proc.Host) (Need, error) {
	part := shard.Split(1, procs) // no other is larger
	n := Need{
		Processes: procs, Connections: shard.Size(plan.Load.Connections), Largest: part.Size(plan.Load.Connections),
		Each: 1, Ports: portsOf(host), Burst: burst(&plan.Load, shard),
	}
	if Relayed(plan) {
		n.Each = 3 // this end's, and the relay's to either side
	}
	n.Descriptors = int64(n.Largest)*n.Each + Reserve
	sharing := shard
	if len(plan.Target.LocalAddrs) == 0 && loopback4(plan) && wholeLoopback() {
		sharing = part // each process has its own
	}
	n.Sharing = sharing.Size(plan.Load.Connections)
	var err error
	if n.Pairs, n.Whose, err = portPairs(plan, sharing, n.Ports); err != nil {
		return Need{}, err
	}
	span := TimeWait
	if Reclaimed(plan, host) {
		span = reclaimAfter
	}
	n.Busy = n.Sharing + portsInTimeWait(plan, sharing, span)
	n.ofHost(plan, shard, procs)
	return n, nil
}

// Relayed reports whether connections go through a relay in this process.
func Relayed(plan *scenario.Plan) bool {
	return len(plan.Faults.Steps) > 0 && plan.Faults.Toxiproxy == ""
}

// burst is how many connections the plan opens at one moment, at most: none
// where a rate paces them.
func burst(load *scenario.Load, shard scenario.Shard) int {
	switch {
	case load.Rate > 0:
		return 0
	case len(load.Stages) == 0:
		return shard.Size(load.Connections)
	}
	most, before := 0, 0
	for _, s := range load.Stages {
		if s.For == 0 {
			most = max(most, shard.Size(s.Connections)-shard.Size(before))
		}
		before = s.Connections
	}
	return most
}

// loopback4 reports whether the target is reached over IPv4's loopback.
func loopback4(plan *scenario.Plan) bool {
	a, ok := reached(plan)
	return ok && a.Is4() && a.IsLoopback()
}

// Local reports whether the target is on this host, as far as its address
// tells.
func Local(plan *scenario.Plan) bool {
	a, ok := reached(plan)
	return ok && a.IsLoopback() || Host(plan) == "localhost"
}

// reached is the address that is dialled, not ok where it is a name.
func reached(plan *scenario.Plan) (a netip.Addr, ok bool) {
	a, err := netip.ParseAddr(Host(plan))
	return a, err == nil
}

// Host is the host that is dialled, without its port.
func Host(plan *scenario.Plan) string {
	address, err := plan.Target.Address()
	if err != nil {
		return ""
	}
	host, _, _ := net.SplitHostPort(address)
	return host
}
