package proc

import (
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// A pair is both ends of a connection over loopback.
type pair struct{ client, server *net.TCPConn }

// listen opens a listener of its own and returns it with its port.
func listen(t testing.TB, address string) (*net.TCPListener, int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("listen:", err) // a host without IPv6
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener), l.Addr().(*net.TCPAddr).Port
}

func connect(t *testing.T, l *net.TCPListener) pair {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	p := pair{client: c.(*net.TCPConn), server: s}
	t.Cleanup(func() { p.client.Close(); p.server.Close() })
	return p
}

// wantSockets waits until both ways to read the table show what is wanted: a
// state changes when the kernel has dealt with the segment, not with the call.
func wantSockets(t *testing.T, port int, want Sockets) {
	t.Helper()
	read := func() (asked, listed Sockets) {
		asked, err := SocketsOn(port)
		if err != nil {
			t.Fatal(err)
		}
		err = readTables(os.DirFS("/proc"), port, allStates, func(one socket) { listed.add(port, one) })
		if err != nil {
			t.Fatal(err)
		}
		return asked, listed
	}
	asked, listed := read()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if asked == want && listed == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
		asked, listed = read()
	}
	t.Fatalf("sock_diag shows %+v and /proc %+v, want %+v", asked, listed, want)
}

func TestSocketsAreCountedByStateAndSide(t *testing.T) {
	for name, address := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0"} {
		t.Run(name, func(t *testing.T) {
			other, _ := listen(t, address)
			connect(t, other) // what is on another port counts nowhere
			l, port := listen(t, address)
			var want Sockets
			want.Server[Listen] = 1
			wantSockets(t, port, want)

			connect(t, l)
			connect(t, l)
			want.Server[Established], want.Client[Established] = 2, 2
			wantSockets(t, port, want)

			forgotten := connect(t, l) // the client closes, the server does not
			forgotten.client.Close()
			want.Server[CloseWait], want.Client[FinWait2] = 1, 1
			wantSockets(t, port, want)

			waiting := connect(t, l) // the server closes first, the client does not
			waiting.server.CloseWrite()
			want.Server[FinWait2], want.Client[CloseWait] = 1, 1
			wantSockets(t, port, want)

			done := connect(t, l) // the client closes first, then the server: the client waits
			done.client.CloseWrite()
			if _, err := io.Copy(io.Discard, done.server); err != nil {
				t.Fatal(err)
			}
			done.server.Close()
			want.Client[TimeWait] = 1
			wantSockets(t, port, want)

			reversed := connect(t, l) // and the other way round
			reversed.server.CloseWrite()
			if _, err := io.Copy(io.Discard, reversed.client); err != nil {
				t.Fatal(err)
			}
			reversed.client.Close()
			want.Server[TimeWait] = 1
			wantSockets(t, port, want)
		})
	}
}

func TestAResetLeavesNoSocket(t *testing.T) {
	l, port := listen(t, "127.0.0.1:0")
	p := connect(t, l)
	p.client.SetLinger(0)
	p.client.Close()
	var want Sockets
	want.Server[Listen] = 1
	p.server.Close()
	wantSockets(t, port, want)
}

func TestTheFilterRunsInTheKernel(t *testing.T) {
	l, port := listen(t, "127.0.0.1:0")
	connect(t, l)
	other, _ := listen(t, "127.0.0.1:0")
	connect(t, other)
	rows := 0
	err := dump(port, allStates, func(one socket) {
		rows++
		if one.local != port && one.remote != port {
			t.Errorf("a socket from port %d to %d, want those of %d only", one.local, one.remote, port)
		}
	})
	if err != nil || rows != 3 {
		t.Errorf("%d sockets, %v, want a listener and two ends", rows, err)
	}
	rows = 0
	err = dump(port, 1<<Listen, func(one socket) { rows++ })
	if err != nil || rows != 1 {
		t.Errorf("%d sockets, %v, want the listener", rows, err)
	}
}

func TestAPortThatIsNoneIsRefused(t *testing.T) {
	for _, port := range []int{-1, 0, 65536} {
		if _, err := SocketsOn(port); err == nil || !strings.Contains(err.Error(), "1 to 65535") {
			t.Errorf("port %d: error %v", port, err)
		}
	}
}

func TestTheTablesOfAllSocketsAreReadWhereTheKernelIsNotAsked(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	tables := fstest.MapFS{
		"net/tcp": file(head +
			"   0: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n" +
			"   1: 0100007F:2328 0100007F:C350 08 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n" +
			"   2: 0100007F:C350 0100007F:2328 05 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n" +
			"   3: 0100007F:2329 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 4714 1 0\n" +
			"   4: 0100007F:2328 torn\n"),
		"net/tcp6": file(head +
			"   0: 00000000000000000000000001000000:2328 00000000000000000000000001000000:C352 0C 00:0 00:0 0 0 0 4715\n" +
			"   1: 00000000000000000000000001000000:2328 00000000000000000000000001000000:C353 FF 00:0 00:0 0 0 0 4716\n"),
	}
	var got, want Sockets
	if err := readTables(tables, 9000, allStates, func(one socket) { got.add(9000, one) }); err != nil {
		t.Fatal(err)
	}
	want.Server[Listen], want.Server[CloseWait], want.Client[FinWait2], want.Server[SynReceived] = 1, 1, 1, 1
	if got != want {
		t.Errorf("sockets %+v, want %+v", got, want)
	}
	delete(tables, "net/tcp6")
	if err := readTables(tables, 9000, allStates, func(socket) {}); err != nil {
		t.Errorf("without IPv6: %v", err)
	}
	delete(tables, "net/tcp")
	if err := readTables(tables, 9000, allStates, func(socket) {}); err == nil {
		t.Error("without a table there is no error")
	}
}

func TestStatesHaveTheNamesOfMetrics(t *testing.T) {
	all := AllStates()
	if len(all) != 11 || CloseWait.String() != "close_wait" || State(99).String() != "state_99" {
		t.Errorf("%d states, %v, %v", len(all), CloseWait, State(99))
	}
	var c States
	if c.String() != "none" {
		t.Errorf("no sockets are %q", c)
	}
	c[Established], c[CloseWait] = 2, 1
	if c.String() != "established 2, close_wait 1" || c.Total() != 3 {
		t.Errorf("%q, %d in all", c, c.Total())
	}
}

func TestTheFactsOfAnotherProcessAreRead(t *testing.T) {
	page := int64(os.Getpagesize())
	procfs := fstest.MapFS{
		"9/stat":   file("9 (a) name) 8 9) R 7 7 7 0 -1 0 0 0 0 0 100 200 7 8 20 0 12 0 4711 0"),
		"9/statm":  file("100 5 0"),
		"9/fd/0":   file(""),
		"9/fd/1":   file(""),
		"9/limits": file("Limit  Soft  Hard  Units\nMax open files            1024                 unlimited            files     \n"),
		"8/stat":   file("8 (done) Z 7 7 7 0 -1 0 0 0 0 0 4 0 0 0 20 0 1 0 4711"),
		"8/fd/0":   file(""),
	}
	want := Process{Descriptors: Known(2), SoftLimit: Known(1024), HardLimit: Known(Unlimited), RSS: Known(5 * page),
		Threads: Known(12), CPU: Known(3_000_000_000), Started: Known(4711)}
	if got := processOf(procfs, "9"); got != want {
		t.Errorf("process %+v, want %+v", got, want)
	}
	for _, gone := range []string{"8", "7"} { // one that has ended, one that was never there
		if got := processOf(procfs, gone); got != (Process{}) {
			t.Errorf("process %s: %+v, want all unknown", gone, got)
		}
	}
}

func TestTheFactsOfAPidAreThoseOfTheProcessItself(t *testing.T) {
	before, of, after := Self(), Of(os.Getpid()), Self()
	if of.Descriptors != before.Descriptors || of.SoftLimit != before.SoftLimit || of.HardLimit != before.HardLimit ||
		of.Started != before.Started || !of.Started.OK || of.Threads.N < 1 || of.RSS.N < 1<<20 {
		t.Errorf("by pid %+v, by itself %+v", of, before)
	}
	const tick = 1e9 / ticks
	if of.CPU.N < before.CPU.N-2*tick || of.CPU.N > after.CPU.N+2*tick {
		t.Errorf("CPU by pid %d, by itself %d to %d", of.CPU.N, before.CPU.N, after.CPU.N)
	}
	if parent := Of(syscall.Getppid()); !parent.Started.OK || parent.Started == of.Started && parent.CPU == of.CPU {
		t.Errorf("the parent is %+v", parent)
	}
}
