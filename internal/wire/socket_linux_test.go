package wire

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// eventually waits for something the kernel does in its own time.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("after ten seconds still not: %s", what)
		}
	}
}

// wantState waits until the kernel's state of the client's socket is one of
// TCP_INFO's numbers. It takes no error out of the socket.
func (c *client) wantState(state uint8) {
	c.Helper()
	eventually(c.T, "the state of TCP_INFO", func() bool {
		raw := c.tap.sock.stamp.raw
		var got int
		raw.Control(func(fd uintptr) {
			got, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		})
		return uint8(got) == state
	})
}

const tcpEstablished = 1

func TestLinuxTellsAFINFromAnRST(t *testing.T) {
	own := AppendFrame(nil, OpText, []byte("unread"), true, [4]byte{})
	for _, tc := range []struct {
		name   string
		peer   func(c *client)
		state  uint8 // to wait for before the end is read
		ending Kind
		errno  syscall.Errno
	}{
		{"a FIN", func(c *client) { c.peer.fin() }, tcpCloseWait, FIN, 0},
		{"a close", func(c *client) { c.peer.close() }, tcpCloseWait, FIN, 0},
		{"a close with linger 0", func(c *client) { c.peer.rst() }, tcpClose, RST, syscall.ECONNRESET},
		{"a close with unread bytes", func(c *client) {
			c.tap.Write(own)
			eventually(c.T, "the bytes have arrived", func() bool { return !c.tap.Unsent() })
			c.peer.close()
		}, tcpClose, RST, syscall.ECONNRESET},
		{"a FIN, then an RST for a write to nobody", func(c *client) {
			c.peer.close()
			c.wantState(tcpCloseWait)
			c.tap.Write(own)
		}, tcpClose, RST, syscall.EPIPE},
		{"an RST whose error a write has eaten", func(c *client) {
			c.peer.rst()
			c.wantState(tcpClose)
			c.tap.Write(own)
		}, tcpClose, RST, syscall.ECONNRESET},
		{"an RST whose error was asked for before", func(c *client) {
			c.peer.rst()
			c.wantState(tcpClose)
			c.tap.Unsent()
		}, tcpClose, RST, syscall.ECONNRESET},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := openTCP(t, opening{})
			tc.peer(c)
			c.wantState(tc.state)
			if tr := c.wantEnding(Aborted, tc.ending); tr.Errno != tc.errno || tr.AfterFIN != (tc.errno == syscall.EPIPE) {
				t.Errorf("errno %v, behind a FIN %t, want errno %v", tr.Errno, tr.AfterFIN, tc.errno)
			}
		})
	}
}

func TestLinuxHandsOverWhatArrivedBeforeAnRST(t *testing.T) {
	c := openTCP(t, opening{})
	c.peer.send(text("last word"), closing(1001, ""))
	c.peer.rst()
	c.wantState(tcpClose)
	if tr := c.wantEnding(Aborted, RST); tr.Received != 1 || tr.PeerCode != 1001 {
		t.Errorf("before the RST came %+v", tr)
	}
}

// The peer has answered the reply to its Close with an RST, because it closed
// TCP right behind its Close.
func TestLinuxConfirmsTheEndBehindAReply(t *testing.T) {
	for _, tc := range []struct {
		name   string
		peer   func(p *peer)
		ending Kind
	}{
		{"the peer still reads", (*peer).fin, FIN},
		{"the peer is gone", (*peer).close, RST},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := openTCP(t, opening{withhold: true})
			c.peer.send(closing(1000, ""))
			tc.peer(c.peer)
			if err := c.reading().wait(); !errors.Is(err, ErrHandover) {
				t.Fatalf("the library's Read ended with %v", err)
			}
			c.wantEnding(Aborted, FIN)
			if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
				t.Fatal(err)
			}
			c.tap.Confirm(c.tb.Now() + 5*time.Second)
			c.wantTrace(Closed, tc.ending)
		})
	}
}

func TestLinuxCutsByFINAndByRST(t *testing.T) {
	for name, tc := range map[string]struct {
		unread, reset bool
		want          error
	}{
		"by FIN":                   {false, false, io.EOF},
		"by FIN with unread bytes": {true, false, io.EOF},
		"by RST":                   {false, true, syscall.ECONNRESET},
		"by RST with unread bytes": {true, true, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			c := openTCP(t, opening{})
			if tc.unread {
				c.peer.send(text("unread"))
				time.Sleep(10 * time.Millisecond) // loopback; where it is late, the test is only weaker
			}
			if err := c.tap.Cut(tc.reset); err != nil {
				t.Fatal(err)
			}
			c.peer.wantEnd(tc.want)
		})
	}
}

func TestLinuxSeesAfterTheLimitWhatHadArrivedBefore(t *testing.T) {
	c := openTCP(t, opening{})
	limit := c.tb.Now() + time.Millisecond
	c.peer.send(closing(1000, ""))
	eventually(t, "the limit is over", func() bool { return c.tb.Now() > limit+20*time.Millisecond })
	if err := c.tap.Next(c.buf[:], limit); err != nil {
		t.Fatalf("what had arrived: %v", err)
	}
	if tr := c.wantTrace(CloseReceived, None); tr.PeerClose.At > tr.PeerCloseSeen {
		t.Errorf("arrived at %v, seen at %v", tr.PeerClose.At, tr.PeerCloseSeen)
	}
	began := time.Now()
	if err := c.tap.Next(c.buf[:], limit); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("when nothing more had arrived: %v", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("a last look took %v", d)
	}
	c.wantState(tcpEstablished)
}

func TestLinuxWakesWhatIsInsideTheSocket(t *testing.T) {
	c := openTCP(t, opening{})
	c.tap.sock.stamp.raw.Control(func(fd uintptr) {
		if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096); err != nil {
			t.Error(err)
		}
	})
	reader, writer := c.reading(), c.writing(make([]byte, 16<<20))
	time.Sleep(20 * time.Millisecond) // both are inside, as good as always
	if err := c.ws.CloseNow(); err != nil {
		t.Error(err)
	}
	reader.wait()
	writer.wait()
	if reader.took > 5*time.Second || writer.took > 5*time.Second {
		t.Errorf("the read ended after %v, the write after %v", reader.took, writer.took)
	}
	if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); !errors.Is(err, errNotAtBoundary) {
		t.Errorf("a Close inside a half frame: %v", err)
	}
	c.peer.send(text("still here"))
	if err := c.next(5 * time.Second); err != nil {
		t.Errorf("the owner's read: %v", err)
	}
}
