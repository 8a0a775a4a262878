package proc

import (
	"os"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

func TestTheHostIsReadFromProc(t *testing.T) {
	procfs := fstest.MapFS{
		"sys/net/core/somaxconn":               file("4096\n"),
		"sys/net/ipv4/tcp_tw_reuse":            file("2\n"),
		"sys/net/ipv4/tcp_timestamps":          file("1\n"),
		"sys/net/ipv4/tcp_max_tw_buckets":      file("65536\n"),
		"sys/net/ipv4/ip_local_port_range":     file("32768\t60999\n"),
		"sys/net/ipv4/ip_local_reserved_ports": file("8080,32760-32769,40000,60998-61010\n"),
		"net/sockstat": file("sockets: used 300\n" +
			"TCP: inuse 5 orphan 7 tw 31 alloc 8 mem 1\nUDP: inuse 2 mem 1\n"),
	}
	want := Host{
		Ports:         Ports{Low: 32768, High: 60999, Reserved: 2 + 1 + 2, OK: true},
		Somaxconn:     Known(4096),
		TimeWaitReuse: Known(2),
		Timestamps:    Known(1),
		TimeWait:      Known(31),
		MaxTimeWait:   Known(65536),
		Orphans:       Known(7),
	}
	if got := hostOf(procfs); got != want {
		t.Errorf("host %+v, want %+v", got, want)
	}
}

func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	for name, procfs := range map[string]fstest.MapFS{
		"nothing there": {},
		"unexpected text": {
			"sys/net/core/somaxconn":           file("many"),
			"sys/net/ipv4/tcp_tw_reuse":        file(""),
			"sys/net/ipv4/ip_local_port_range": file("32768 all"),
			"net/sockstat":                     file("TCP: inuse 5 orphan x tw\nTCP6: tw 4"),
			"self/statm":                       file("100 x"),
		},
		"too few fields": {
			"sys/net/ipv4/ip_local_port_range": file("32768"),
			"net/sockstat":                     file("TCP:\n\n"),
			"self/statm":                       file("100"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hostOf(procfs); got != (Host{}) {
				t.Errorf("host %+v, want all unknown", got)
			}
			if got := residentOf(procfs, "self"); got.OK {
				t.Errorf("memory %+v, want unknown", got)
			}
			if got := descriptorsOf(procfs, "self"); got.OK {
				t.Errorf("descriptors %+v, want unknown", got)
			}
		})
	}
}

func TestDescriptorsAreCountedFromTheListingWhereTheSizeDoesNotTell(t *testing.T) {
	// As before Linux 6.2: the directory has no size, and the listing shows
	// the descriptor it is read through.
	procfs := fstest.MapFS{"self/fd/0": file(""), "self/fd/1": file(""), "self/fd/5": file("")}
	if got := descriptorsOf(procfs, "self"); got != Known(2) {
		t.Errorf("descriptors %+v, want 2", got)
	}
}

func TestOpeningFilesRaisesTheCountOfDescriptors(t *testing.T) {
	open := func() {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
	open() // the first may bring the descriptors of the runtime's poller
	before := Self().Descriptors
	const opened = 5
	for range opened {
		open()
	}
	if after := Self().Descriptors; !before.OK || !after.OK || after.N != before.N+opened {
		t.Errorf("descriptors %+v, then %+v after opening %d", before, after, opened)
	}
}

func TestLimitsFollowSetrlimit(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	lower := syscall.Rlimit{Cur: old.Cur - 1, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}()
	got := Self()
	if got.SoftLimit != limitOf(lower.Cur) || got.HardLimit != limitOf(lower.Max) {
		t.Errorf("limits %+v and %+v, want %+v", got.SoftLimit, got.HardLimit, lower)
	}
}

func TestWorkAndMemoryShowInTheFactsOfTheProcess(t *testing.T) {
	before := Self()
	const size = 64 << 20 // mapped apart: the heap may already hold as much
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Munmap(memory); err != nil {
			t.Error(err)
		}
	}()
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
		for i := 0; i < size; i += os.Getpagesize() {
			memory[i]++
		}
	}
	after := Self()
	if grown := after.RSS.N - before.RSS.N; !after.RSS.OK || grown < size/2 {
		t.Errorf("memory grew by %d bytes after touching %d", grown, size)
	}
	if worked := time.Duration(after.CPU.N - before.CPU.N); !after.CPU.OK || worked < time.Millisecond {
		t.Errorf("CPU time grew by %v after 30 ms of work", worked)
	}
	if own := Of(os.Getpid()).RSS; !own.OK || own.N < size/2 {
		t.Errorf("memory of the own pid %+v, want at least %d", own, size/2)
	}
}

func TestAProcessThatIsNotThereHasNoMemory(t *testing.T) {
	if got := Of(1 << 30).RSS; got != (Fact{}) {
		t.Errorf("memory %+v, want unknown", got)
	}
}

func TestThisHostTellsItsFacts(t *testing.T) {
	host := ReadHost()
	if host.Ports.Count() < 1 || host.Somaxconn.N < 1 || !host.TimeWait.OK {
		t.Errorf("host %+v: the port range, the backlog and TIME_WAIT are always known on Linux", host)
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
