package proc

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

func readHost() Host { return hostOf(os.DirFS("/proc")) }

// hostOf reads the host's facts below procfs, which is /proc.
func hostOf(procfs fs.FS) Host {
	return Host{
		Ports:         portsOf(procfs),
		Somaxconn:     number(procfs, "sys/net/core/somaxconn"),
		TimeWaitReuse: number(procfs, "sys/net/ipv4/tcp_tw_reuse"),
		Timestamps:    number(procfs, "sys/net/ipv4/tcp_timestamps"),
		TimeWait:      socketCount(procfs, "tw"),
		MaxTimeWait:   number(procfs, "sys/net/ipv4/tcp_max_tw_buckets"),
		Orphans:       socketCount(procfs, "orphan"),
	}
}

// number reads a file that holds one number.
func number(procfs fs.FS, name string) Fact {
	text, err := fs.ReadFile(procfs, name)
	if err != nil {
		return Fact{}
	}
	return parse(strings.TrimSpace(string(text)))
}

func parse(text string) Fact {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return Fact{}
	}
	return Known(n)
}

// socketCount reads one count from the line of sockstat that looks like
// "TCP: inuse 5 orphan 0 tw 3 alloc 8 mem 1". Its tw and orphan cover IPv6 too.
func socketCount(procfs fs.FS, name string) Fact {
	text, _ := fs.ReadFile(procfs, "net/sockstat")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == name {
				return parse(fields[i+1])
			}
		}
	}
	return Fact{}
}

func portsOf(procfs fs.FS) Ports {
	text, _ := fs.ReadFile(procfs, "sys/net/ipv4/ip_local_port_range")
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return Ports{}
	}
	low, high := parse(fields[0]), parse(fields[1])
	if !low.OK || !high.OK {
		return Ports{}
	}
	ports := Ports{Low: int(low.N), High: int(high.N), OK: true}
	reserved, _ := fs.ReadFile(procfs, "sys/net/ipv4/ip_local_reserved_ports")
	ports.Reserved = overlap(strings.TrimSpace(string(reserved)), ports.Low, ports.High)
	return ports
}

// overlap counts the ports of a list like "8080,9148-9150" from low to high.
// The kernel prints the list sorted and merged, so none is counted twice.
func overlap(list string, low, high int) (count int) {
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		first, last := parse(from), parse(to)
		if first.OK && last.OK {
			count += max(min(int(last.N), high)-max(int(first.N), low)+1, 0)
		}
	}
	return count
}

// residentOf reads the second number of statm, the resident pages.
func residentOf(procfs fs.FS, pid string) Fact {
	text, _ := fs.ReadFile(procfs, pid+"/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return Fact{}
	}
	pages := parse(fields[1])
	if !pages.OK {
		return Fact{}
	}
	return Known(pages.N * int64(os.Getpagesize()))
}
