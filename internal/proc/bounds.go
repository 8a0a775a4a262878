package proc

import (
	"math"
	"runtime"
)

// Bounds holds what else a host allows, beside what Host and Process tell: the
// sizes of its kernel's tables, memory, CPUs, and settings that a measurement
// suffers from. A word that is not known is "".
type Bounds struct {
	DescriptorMax Fact // what a hard limit of descriptors may be raised to (fs.nr_open)
	Files         Fact // open on the host now
	FileMax       Fact // most of them (fs.file-max)

	SynBacklog Fact // half-open connections a listener remembers (tcp_max_syn_backlog)
	SynCookies Fact // what happens beyond: 0 they are dropped, else answered without memory
	MaxOrphans Fact // most sockets in teardown that no process holds (tcp_max_orphans)
	FinTimeout Fact // how long such a one waits for the other end's FIN, s (tcp_fin_timeout)

	TCPPages    Fact // of 4 KiB or what the host's page is, held by TCP now
	TCPPressure Fact // from so many on TCP saves (tcp_mem, second)
	TCPMaxPages Fact // most of them (tcp_mem, third)
	ReadBuffer  Fact // of a socket to begin with, bytes (tcp_rmem, second)
	WriteBuffer Fact // likewise (tcp_wmem, second)

	Tracked    Fact // connections a firewall remembers now; unknown where none is loaded
	MaxTracked Fact // most of them (nf_conntrack_max)

	Memory     Fact // available without swapping, bytes
	Swap       Fact // bytes of it there are
	GroupSpare Fact // memory up to the nearest limit of a cgroup, bytes; Unlimited without
	CPUs       int  // that this process may use
	Quota      Fact // of CPU time by cgroup, thousandths of a CPU; Unlimited without
	Threads    Fact // most on the host (kernel.threads-max)
	GroupTasks Fact // processes and threads up to the nearest limit of a cgroup; Unlimited without

	NetAdmin  Fact   // 1 where this process has CAP_NET_ADMIN, else 0
	Loopback6 Fact   // 1 where loopback has ::1, else 0
	Clock     string // the kernel's source of time, as in tsc
	Governor  string // of the frequency of the first CPU, as in performance
	HugePages string // always, madvise or never
}

// ReadBounds reads the bounds of the host as they are now.
func ReadBounds() Bounds {
	b := readBounds()
	b.CPUs = runtime.NumCPU()
	return b
}

// unlimited gives numbers that stand for no limit as Unlimited: that of cgroup
// v1 is 2^63 less a page.
func unlimited(f Fact) Fact {
	if f.N > math.MaxInt64>>1 {
		f.N = Unlimited
	}
	return f
}
