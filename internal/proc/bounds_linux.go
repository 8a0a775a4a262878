package proc

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

func readBounds() Bounds { return boundsOf(os.DirFS("/")) }

// capNetAdmin is the bit of CAP_NET_ADMIN in a set of capabilities(7).
const capNetAdmin = 12

// boundsOf reads the bounds below root, which is /.
func boundsOf(root fs.FS) Bounds {
	sysctl := func(name string) Fact { return number(root, "proc/sys/"+name) }
	b := Bounds{
		DescriptorMax: sysctl("fs/nr_open"),
		Files:         field(root, "proc/sys/fs/file-nr", 0),
		FileMax:       unlimited(sysctl("fs/file-max")),
		SynBacklog:    sysctl("net/ipv4/tcp_max_syn_backlog"),
		SynCookies:    sysctl("net/ipv4/tcp_syncookies"),
		MaxOrphans:    sysctl("net/ipv4/tcp_max_orphans"),
		FinTimeout:    sysctl("net/ipv4/tcp_fin_timeout"),
		TCPPressure:   field(root, "proc/sys/net/ipv4/tcp_mem", 1),
		TCPMaxPages:   field(root, "proc/sys/net/ipv4/tcp_mem", 2),
		ReadBuffer:    field(root, "proc/sys/net/ipv4/tcp_rmem", 1),
		WriteBuffer:   field(root, "proc/sys/net/ipv4/tcp_wmem", 1),
		Tracked:       sysctl("net/netfilter/nf_conntrack_count"),
		MaxTracked:    sysctl("net/netfilter/nf_conntrack_max"),
		Memory:        memoryOf(root, "MemAvailable:"),
		Swap:          memoryOf(root, "SwapTotal:"),
		Threads:       sysctl("kernel/threads-max"),
		NetAdmin:      capability(root, capNetAdmin),
		Loopback6:     loopback6(root),
		Clock:         line(root, "sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Governor:      line(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		HugePages:     chosen(line(root, "sys/kernel/mm/transparent_hugepage/enabled")),
	}
	if procfs, err := fs.Sub(root, "proc"); err == nil {
		b.TCPPages = socketCount(procfs, "mem")
	}
	groups := groupsOf(root)
	b.GroupSpare, b.GroupTasks, b.Quota = groups.memory(), groups.tasks(), groups.quota()
	return b
}

// line reads a file of one line, "" where it cannot be read.
func line(root fs.FS, name string) string {
	text, _ := fs.ReadFile(root, name)
	return strings.TrimSpace(string(text))
}

// field reads one of several numbers in a file, counted from 0.
func field(root fs.FS, name string, i int) Fact {
	fields := strings.Fields(line(root, name))
	if len(fields) <= i {
		return Fact{}
	}
	return parse(fields[i])
}

// memoryOf reads an amount from the line of meminfo like
// "MemAvailable:   22672172 kB", in bytes.
func memoryOf(root fs.FS, name string) Fact {
	for text := range strings.Lines(line(root, "proc/meminfo")) {
		if fields := strings.Fields(text); len(fields) == 3 && fields[0] == name && fields[2] == "kB" {
			if kib := parse(fields[1]); kib.OK {
				return Known(kib.N << 10)
			}
		}
	}
	return Fact{}
}

// capability tells by the line CapEff of its status, in hexadecimal digits,
// whether this process has one.
func capability(root fs.FS, bit uint) Fact {
	for text := range strings.Lines(line(root, "proc/self/status")) {
		if set, ok := strings.CutPrefix(text, "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			if err != nil {
				return Fact{}
			}
			return Known(int64(mask >> bit & 1))
		}
	}
	return Fact{}
}

// loopback6 looks for ::1 among the host's addresses. A kernel without IPv6 has
// no such list.
func loopback6(root fs.FS) Fact {
	if _, err := fs.Stat(root, "proc/net"); err != nil {
		return Fact{}
	}
	if strings.Contains("\n"+line(root, "proc/net/if_inet6"), "\n00000000000000000000000000000001 ") {
		return Known(1)
	}
	return Known(0)
}

// chosen is the word in brackets of "always [madvise] never".
func chosen(words string) string {
	_, rest, _ := strings.Cut(words, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}
