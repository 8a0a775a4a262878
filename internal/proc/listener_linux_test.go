package proc

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheProcessThatListensOnAPortIsFound(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		ln, err := net.Listen(network, "localhost:0")
		if err != nil {
			t.Logf("%s: %v", network, err) // a host without IPv6
			continue
		}
		port := ln.Addr().(*net.TCPAddr).Port
		if pid, err := Listener(port); pid != os.Getpid() || err != nil {
			t.Errorf("%s: process %d listens on port %d, %v; want %d", network, pid, port, err, os.Getpid())
		}
		client, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close() // what is left has the port too, and does not listen
		defer client.Close()
		defer server.Close()
		if _, err := Listener(port); err == nil || !strings.HasPrefix(err.Error(), "nothing listens on port") {
			t.Errorf("%s: after its end the error is %v", network, err)
		}
	}
}

func TestTheParentOfAProcessIsRead(t *testing.T) {
	procfs := os.DirFS("/proc")
	if got := parentOf(procfs, os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d, want %d", got, os.Getppid())
	}
	if got := parentOf(procfs, -1); got != 0 {
		t.Errorf("parent %d of no process", got)
	}
}

func TestThisProcessHoldsItsListener(t *testing.T) {
	l, port := listen(t, "127.0.0.1:0")
	pids, err := Holders(port)
	if err != nil || !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("holders %v, %v, want this process %d", pids, err, os.Getpid())
	}
	// A connection to the port does not make its process a holder.
	connect(t, l)
	l.Close()
	if pids, err := Holders(port); err == nil || !strings.Contains(err.Error(), "start the server first") {
		t.Errorf("without a listener: %v, %v", pids, err)
	}
}

// sharing is a host on which processes hold the listener of a port, each with
// its parent.
func sharing(t *testing.T, port int, parents map[int]int) fstest.MapFS {
	t.Helper()
	var inode string
	err := dump(port, 1<<Listen, func(one socket) { inode = fmt.Sprintf("socket:[%d]", one.inode) })
	if err != nil {
		t.Fatal(err)
	}
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: os.ModeSymlink} }
	procfs := fstest.MapFS{"5/fd/1": link("socket:[1]"), "self/fd/3": link(inode), "6/stat": file("")}
	for pid, parent := range parents {
		procfs[fmt.Sprintf("%d/fd/0", pid)] = link("/dev/null")
		procfs[fmt.Sprintf("%d/fd/7", pid)] = link(inode)
		procfs[fmt.Sprintf("%d/stat", pid)] = file(fmt.Sprintf("%d (a (name) S %d 4 4 0 -1 0 0 0 0 0 1 2 30 40 20 0 1 0 0", pid, parent))
	}
	return procfs
}

func TestAllProcessesThatShareAListenerHoldIt(t *testing.T) {
	_, port := listen(t, "127.0.0.1:0")
	if pids, err := holders(sharing(t, port, map[int]int{30: 4, 4: 1}), port); err != nil || !slices.Equal(pids, []int{4, 30}) {
		t.Errorf("holders %v, %v, want 4 and 30", pids, err)
	}
	if pids, err := holders(sharing(t, port, nil), port); err == nil || !strings.Contains(err.Error(), "not visible") {
		t.Errorf("holders that cannot be seen: %v, %v", pids, err)
	}
}

func TestOfThoseWhoShareAListenerTheMasterIsFound(t *testing.T) {
	_, port := listen(t, "127.0.0.1:0")
	for _, parents := range []map[int]int{{4: 1}, {4: 1, 30: 4, 31: 4}, {40: 1, 30: 40, 31: 30}, {40: 5}} {
		first := 4
		if parents[40] != 0 {
			first = 40
		}
		if pid, err := listener(sharing(t, port, parents), port); pid != first || err != nil {
			t.Errorf("%v: process %d, %v, want %d", parents, pid, err, first)
		}
	}
	if pid, err := listener(sharing(t, port, map[int]int{4: 1, 30: 1}), port); err == nil || !strings.HasPrefix(err.Error(), "2 processes listen on port") {
		t.Errorf("of two without a master: process %d, %v", pid, err)
	}
	if pid, err := listener(sharing(t, port, nil), port); pid != 0 || err == nil || !strings.Contains(err.Error(), "not visible") {
		t.Errorf("a listener that cannot be seen: process %d, %v", pid, err)
	}
}
