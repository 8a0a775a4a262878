package wire

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tcpFinWait2 is a connection whose own FIN was acknowledged.
const tcpFinWait2 = 5

func TestLinuxHalfClosesAndReadsOn(t *testing.T) {
	openings := map[string]opening{"ws": {}, "wss": openTLS(t)}
	for _, tc := range []struct {
		name   string
		peer   func(c *client)
		ending Kind
		errno  syscall.Errno
	}{
		{"to the peer's FIN", func(c *client) { c.peer.send(text("still here")); c.peer.fin() }, FIN, 0},
		{"to an RST", func(c *client) { c.peer.send(text("still here")); c.peer.rst() }, RST, syscall.ECONNRESET},
	} {
		for scheme, o := range openings {
			t.Run(scheme+" "+tc.name, func(t *testing.T) {
				o.withhold = true
				c := openTCP(t, o)
				reader := c.reading()
				if err := c.tap.CloseWrite(c.tb.Now() + 5*time.Second); err != nil {
					t.Fatal(err)
				}
				if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 || err != nil {
					t.Errorf("the peer read % x, %v", rest, err)
				}
				if n, err := c.peer.tcp.Read(c.buf[:]); n != 0 || err != io.EOF {
					t.Errorf("below, the peer read %d bytes, %v", n, err)
				}
				c.wantState(tcpFinWait2)
				tc.peer(c)
				if err := reader.wait(); err != nil {
					t.Errorf("the library's Read: %v", err)
				}
				c.wantState(tcpClose) // after a FIN, too: the rest is TIME_WAIT's
				tr := c.wantEnding(Aborted, tc.ending)
				if tr.Errno != tc.errno || tr.AfterFIN || tr.Received != 1 || !tr.HalfClose.Set() || tr.HalfClose.At > tr.End.At {
					t.Errorf("the end reads %+v", tr)
				}
				c.tap.Confirm(c.tb.Now() + time.Second)
				c.wantTrace(Aborted, tc.ending)
			})
		}
	}
}

func TestLinuxHalfClosesASocketOfPackageNet(t *testing.T) {
	near, far := tcpPair(t)
	c := open(t, near, far, opening{withhold: true})
	if err := c.tap.CloseWrite(c.tb.Now() + 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c.peer.wantEnd(io.EOF)
	c.peer.fin()
	c.wantEnding(Aborted, FIN)
}

func TestLinuxSilencesTheLibraryBehindItsFrame(t *testing.T) {
	for scheme, o := range map[string]opening{"ws": {}, "wss": openTLS(t)} {
		t.Run(scheme, func(t *testing.T) {
			o.withhold = true
			c := openTCP(t, o)
			big := make([]byte, 32<<20) // more than the buffers of both kernels
			writer := c.writing(big)
			eventually(t, "the library writes", func() bool { return c.tap.Trace().Sent == 0 && c.tap.Unsent() })
			owner := beside(t, func() error { return c.tap.WriteClose(1000, "bye", c.tb.Now()+time.Minute) })
			c.peer.want(OpBinary, string(big))
			c.peer.wantClose(1000, "bye")
			if err := errors.Join(writer.wait(), owner.wait()); err != nil {
				t.Error(err)
			}
			c.wantTrace(CloseSent, None)
		})
	}
}

func TestLinuxSaysWhatWasUnread(t *testing.T) {
	for name, end := range map[string]func(c *client) error{
		"a cut by FIN": func(c *client) error { return c.tap.Cut(false) },
		"a cut by RST": func(c *client) error { return c.tap.Cut(true) },
		"a close":      func(c *client) error { return c.tap.Shut() },
	} {
		for _, unread := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				c := openTCP(t, opening{withhold: true})
				if unread {
					c.peer.send(text("unread"))
					eventually(t, "the bytes have arrived", func() bool { return c.tap.sock.unread() == 8 })
				}
				if err := end(c); err != nil {
					t.Fatal(err)
				}
				if tr := c.tap.Trace(); tr.Unread != unread || tr.Reset != (name == "a cut by RST") {
					t.Errorf("unread %t, reset %t", tr.Unread, tr.Reset)
				}
			})
		}
	}
}

func TestLinuxVanishesWithoutASound(t *testing.T) {
	if err := CanVanish(); err != nil {
		t.Skip(err)
	}
	for name, start := range map[string]func(t *testing.T) *client{
		"a socket of the Dialer": func(t *testing.T) *client { return openTCP(t, opening{withhold: true}) },
		"a socket of package net": func(t *testing.T) *client {
			near, far := tcpPair(t)
			return open(t, near, far, opening{withhold: true})
		},
		"a TLS session": func(t *testing.T) *client {
			o := openTLS(t)
			o.withhold = true
			return openTCP(t, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			c.peer.send(text("unread")) // a close would answer it with an RST
			eventually(t, "the bytes have arrived", func() bool { return c.tap.sock.unread() > 0 })
			if err := c.tap.Vanish(); err != nil {
				t.Fatal(err)
			}
			if tr := c.wantTrace(Aborted, None); !tr.Cut.Set() || !tr.Silent || tr.Reset {
				t.Errorf("the end reads %+v", tr)
			}
			// Loopback delivers within the call: had anything been sent, it were here.
			raw, err := c.peer.tcp.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			s := &stamper{raw: raw}
			if soErr, state, _ := s.facts(); soErr != 0 || state != tcpEstablished {
				t.Errorf("the peer's socket is in state %d with %v, want established", state, soErr)
			}
		})
	}
}

// The thread of this test gives its rights up, and ends with it.
func TestLinuxSaysWhichRightIsMissing(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 && syscall.Getuid() == 0 {
			t.Error(errno)
		}
		done <- CanVanish()
	}()
	err := <-done
	if !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("got %v", err)
	}
}
