package proc

import (
	"fmt"
	"math"
	"runtime/metrics"
	"strconv"
)

// Unlimited is the value of a limit that is switched off.
const Unlimited = math.MaxInt64

// Fact is a number the platform may not tell. Where OK is false it is unknown
// and N is 0.
type Fact struct {
	N  int64
	OK bool
}

// Known returns a Fact that is known.
func Known(n int64) Fact { return Fact{N: n, OK: true} }

// MarshalJSON writes the number, or null where it is unknown.
func (f Fact) MarshalJSON() ([]byte, error) {
	if !f.OK {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, f.N, 10), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fact) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*f = Fact{}
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("read fact: %w (give a whole number or null)", err)
	}
	*f = Known(n)
	return nil
}

// Host holds the facts of the host that limit its connections. On Linux they
// are those of the process's network namespace.
type Host struct {
	Ports         Ports
	Somaxconn     Fact // largest backlog of a listener (net.core.somaxconn)
	TimeWaitReuse Fact // tcp_tw_reuse: 0 never, 1 always, 2 on loopback only
	Timestamps    Fact // tcp_timestamps: 0 is without, and without them nothing is reused
	TimeWait      Fact // sockets in TIME_WAIT now, IPv4 and IPv6
	MaxTimeWait   Fact // most of them before the kernel drops some (tcp_max_tw_buckets)
	Orphans       Fact // sockets in teardown that no process holds any more
}

// Ports is the range the kernel picks a local port from when a connection
// does not name one.
type Ports struct {
	Low, High int // both inclusive
	Reserved  int // ports in between that are never picked
	OK        bool
}

// Count returns how many connections one source address can hold to one
// destination address and port; 0 when the range is unknown.
func (p Ports) Count() int {
	if !p.OK {
		return 0
	}
	return max(p.High-p.Low+1-p.Reserved, 0)
}

// Process holds the facts of one process.
type Process struct {
	Descriptors Fact // open now
	SoftLimit   Fact // most open descriptors (RLIMIT_NOFILE); Go raises it to HardLimit at start
	HardLimit   Fact // what SoftLimit may be raised to without privilege
	RSS         Fact // memory in use, bytes
	Threads     Fact
	CPU         Fact // user and system time used so far, ns
	Started     Fact // clock ticks from boot to its start: with the pid it tells a process from its successors
}

// Group holds the facts of a process group: of a server with its children.
type Group struct {
	Alive Fact // processes that have not ended
	RSS   Fact // memory in use by them, bytes; shared pages count for each
	CPU   Fact // user and system time used so far, with that of children that were waited for, ns
}

// ReadHost reads the facts of the host as they are now.
func ReadHost() Host { return readHost() }

// Self reads the facts of this process as they are now. It is cheap enough to
// be called every second: a few system calls, a directory listing on Linux
// before 6.2.
func Self() Process {
	process := self()
	process.CPU = cpu()
	process.SoftLimit, process.HardLimit = descriptorLimits()
	return process
}

// Heap reads how many bytes of this process's heap were alive at the end of the
// last collection, which does not swing as the heap does. It is unknown as long
// as nothing has been collected.
func Heap() Fact {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if v := live[0].Value; v.Kind() == metrics.KindUint64 && v.Uint64() > 0 {
		return Known(int64(v.Uint64()))
	}
	return Fact{}
}
