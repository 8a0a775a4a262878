package proc

import (
	"maps"
	"testing"
	"testing/fstest"
)

// host is what a made-up host tells, without control groups.
func host() fstest.MapFS {
	return fstest.MapFS{
		"proc/sys/fs/nr_open":                                             file("1048576\n"),
		"proc/sys/fs/file-nr":                                             file("3779\t0\t9223372036854775807\n"),
		"proc/sys/fs/file-max":                                            file("9223372036854775807\n"),
		"proc/sys/net/ipv4/tcp_max_syn_backlog":                           file("2048\n"),
		"proc/sys/net/ipv4/tcp_syncookies":                                file("1\n"),
		"proc/sys/net/ipv4/tcp_max_orphans":                               file("131072\n"),
		"proc/sys/net/ipv4/tcp_fin_timeout":                               file("60\n"),
		"proc/sys/net/ipv4/tcp_mem":                                       file("287898\t383866\t575796\n"),
		"proc/sys/net/ipv4/tcp_rmem":                                      file("4096\t131072\t33554432\n"),
		"proc/sys/net/ipv4/tcp_wmem":                                      file("4096\t16384\t4194304\n"),
		"proc/sys/net/netfilter/nf_conntrack_count":                       file("7\n"),
		"proc/sys/net/netfilter/nf_conntrack_max":                         file("262144\n"),
		"proc/sys/kernel/threads-max":                                     file("192729\n"),
		"proc/meminfo":                                                    file("MemTotal: 24683656 kB\nMemAvailable:   22672172 kB\nSwapTotal:  1024 kB\nHugePages_Total: 0\n"),
		"proc/net/sockstat":                                               file("TCP: inuse 5 orphan 7 tw 31 alloc 8 mem 12\n"),
		"proc/net/if_inet6":                                               file("fe80000000000000000000000000000a 02 40 20 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n"),
		"proc/self/status":                                                file("Name:\tx\nCapPrm:\t0\nCapEff:\t0000000000001000\n"),
		"sys/kernel/mm/transparent_hugepage/enabled":                      file("always [madvise] never\n"),
		"sys/devices/system/clocksource/clocksource0/current_clocksource": file("tsc\n"),
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            file("powersave\n"),
	}
}

func TestTheBoundsOfAHostAreRead(t *testing.T) {
	want := Bounds{
		DescriptorMax: Known(1048576), Files: Known(3779), FileMax: Known(Unlimited),
		SynBacklog: Known(2048), SynCookies: Known(1), MaxOrphans: Known(131072), FinTimeout: Known(60),
		TCPPages: Known(12), TCPPressure: Known(383866), TCPMaxPages: Known(575796), ReadBuffer: Known(131072), WriteBuffer: Known(16384),
		Tracked: Known(7), MaxTracked: Known(262144),
		Memory: Known(22672172 << 10), Swap: Known(1 << 20), Threads: Known(192729),
		NetAdmin: Known(1), Loopback6: Known(1), Clock: "tsc", Governor: "powersave", HugePages: "madvise",
	}
	if got := boundsOf(host()); got != want {
		t.Errorf("bounds\n%+v, want\n%+v", got, want)
	}
}

func TestBoundsThatCannotBeReadAreUnknown(t *testing.T) {
	if got := boundsOf(fstest.MapFS{}); got != (Bounds{}) {
		t.Errorf("of nothing: %+v", got)
	}
	strange := host()
	for name := range strange {
		strange[name] = file("?\n")
	}
	strange["proc/self/cgroup"] = file("4:memory\n::\n0::/\n")
	strange["proc/self/mountinfo"] = file("31 - cgroup2\n32 23 0:28 / /c rw - cgroup2 cgroup2 rw\n")
	strange["c/cpu.max"] = file("many\n")
	want := Bounds{Loopback6: Known(0), Clock: "?", Governor: "?"}
	if got := boundsOf(strange); got != want {
		t.Errorf("of strange text: %+v", got)
	}
}

func TestTheNearestLimitOfAControlGroupCounts(t *testing.T) {
	const (
		v2      = "32 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		hybrid  = "32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n33 23 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n34 23 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 23 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		part    = "32 23 0:28 /docker/a /sys/fs/cgroup ro shared:1 - cgroup2 cgroup2 rw\n"
		cgroups = "sys/fs/cgroup/"
	)
	for _, r := range []struct {
		name, groups, mounts string
		files                map[string]string
		memory, tasks, quota Fact
	}{
		{name: "no control groups"},
		{name: "one that is not mounted", groups: "0::/a\n"},
		{
			name: "version 2, and the limit of the one around it is less", groups: "0::/a/b\n", mounts: v2,
			files: map[string]string{
				"a/b/memory.max": "max", "a/b/memory.current": "5", "a/memory.max": "1000", "a/memory.current": "300", "a/memory.stat": "anon 5\ninactive_file 100\n",
				"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000", "a/b/pids.max": "20", "a/b/pids.current": "5", "a/pids.max": "max",
			},
			memory: Known(800), tasks: Known(15), quota: Known(1500),
		},
		{
			name: "of a container, which sees its own part", groups: "0::/docker/a\n", mounts: part,
			files:  map[string]string{"memory.max": "1000", "memory.current": "2000", "cpu.max": "max 100000"},
			memory: Known(0), quota: Known(Unlimited),
		},
		{
			name: "that is outside of what is mounted", groups: "0::/docker/ab\n", mounts: part,
			files: map[string]string{"pids.max": "max"}, tasks: Known(Unlimited),
		},
		{
			name: "version 1", groups: "9:name=systemd:/\n4:memory:/a\n3:cpu,cpuacct:/\n8:pids:/\n0::/\n", mounts: hybrid,
			files: map[string]string{
				"memory/a/memory.limit_in_bytes": "9223372036854771712", "memory/memory.limit_in_bytes": "4096", "memory/memory.usage_in_bytes": "96",
				"memory/memory.stat": "inactive_file 7\ntotal_inactive_file 50\n", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000", "pids/pids.max": "9",
			},
			memory: Known(4050), tasks: Known(9), quota: Known(Unlimited),
		},
	} {
		root := fstest.MapFS{"proc/self/cgroup": file(r.groups), "proc/self/mountinfo": file("21 1 8:1 / / rw - ext4 /dev/vda rw\n" + r.mounts)}
		maps.Copy(root, host())
		for name, text := range r.files {
			root[cgroups+name] = file(text)
		}
		got := boundsOf(root)
		if got.GroupSpare != r.memory || got.GroupTasks != r.tasks || got.Quota != r.quota {
			t.Errorf("%s: memory %v, tasks %v, quota %v; want %v, %v, %v", r.name, got.GroupSpare, got.GroupTasks, got.Quota, r.memory, r.tasks, r.quota)
		}
	}
}

func TestThisHostTellsItsBounds(t *testing.T) {
	got := ReadBounds()
	if got.CPUs < 1 || got.Memory.N < 1<<20 || got.DescriptorMax.N < 1024 || !got.NetAdmin.OK {
		t.Errorf("this host has %+v", got)
	}
}
