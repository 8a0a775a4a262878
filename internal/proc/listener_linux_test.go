package proc

import (
	"net"
	"os"
	"strings"
	"testing"
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
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d, want %d", got, os.Getppid())
	}
	if got := parentOf(-1); got != 0 {
		t.Errorf("parent %d of no process", got)
	}
}
