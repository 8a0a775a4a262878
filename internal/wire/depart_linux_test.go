package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// quiet is longer than the kernel's delay of an acknowledgement (40 ms): a
// client that says nothing for so long acknowledges at once by itself.
const quiet = 60 * time.Millisecond

// ownClosing is the library's Close.
func ownClosing() []byte {
	return AppendFrame(nil, OpClose, AppendClosePayload(nil, 1000, ""), true, [4]byte{1, 2, 3, 4})
}

// closeOwn writes the own Close as the library does, and waits until the peer
// has it.
func (c *client) closeOwn() {
	c.Helper()
	if _, err := c.tap.Write(ownClosing()); err != nil {
		c.Fatal(err)
	}
	c.peer.wantClose(1000, "")
}

// Without the delayed acknowledgement the stamp is the FIN's.
func TestLinuxDatesACloseByItselfAndNotByTheFINBehindIt(t *testing.T) {
	holdStamps(t)
	for _, tc := range []struct {
		name   string
		before func(c *client) // between the two Closes
	}{
		{"at once", func(*client) {}},
		{"when the server takes its time", func(*client) { time.Sleep(3 * quiet) }},
		{"behind a message that was read", func(c *client) {
			c.peer.send(text("last word"))
			if err := c.next(time.Second); err != nil {
				c.Fatal(err)
			}
			time.Sleep(quiet)
		}},
		{"behind a message that was read late", func(c *client) {
			c.peer.send(text("last word"))
			time.Sleep(2 * quiet)
			if err := c.next(time.Second); err != nil {
				c.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eventually(t, "the FIN is sent before the kernel stops to delay", func() bool {
				c := openTCP(t, opening{})
				time.Sleep(quiet)
				c.closeOwn()
				tc.before(c)
				sent := c.tb.Now()
				c.peer.send(closing(1000, ""))
				time.Sleep(delay / 3)
				ending := c.tb.Now()
				c.peer.fin()
				if c.tb.Now()-sent > delay {
					return false
				}
				c.wantState(tcpCloseWait)
				if err := c.next(time.Second); err != nil {
					t.Fatal(err)
				}
				tr := c.tap.Trace()
				if at := tr.PeerClose; at.Source != Kernel || at.At >= ending {
					t.Errorf("the Close of %v is dated %+v; the FIN was sent after %v", sent, at, ending)
				}
				return true
			})
		})
	}
}

// A server with Nagle's algorithm waits for the acknowledgement of each small
// segment: what follows the own Close is acknowledged when it is read.
// Without the stock the kernel's stamp of the Close is that of the FIN behind it.
func TestLinuxDatesWhatWasInStockBeforeTheOwnClose(t *testing.T) {
	holdStamps(t)
	c := openTCP(t, opening{withhold: true})
	c.peer.send(text("last word"), closing(1012, ""))
	time.Sleep(2 * quiet)
	if c.tap.TakeStock() {
		t.Error("the peer is said to have ended the connection")
	}
	if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
		t.Fatal(err)
	}
	c.peer.wantClose(1000, "")
	c.peer.fin()
	c.wantState(tcpCloseWait)
	tr := c.wantEnding(Closed, FIN)
	if tr.PeerClose.At >= tr.OwnClose.At || tr.Received != 1 || tr.AfterClose != 0 {
		t.Errorf("the end reads %+v", tr)
	}
}

func TestLinuxTakesStockOfAnEnd(t *testing.T) {
	for name, end := range map[string]func(*client){
		"a FIN":                  func(c *client) { c.peer.fin() },
		"a FIN behind a message": func(c *client) { c.peer.send(text("last word")); c.peer.fin() },
		"an RST":                 func(c *client) { c.peer.rst() },
	} {
		t.Run(name, func(t *testing.T) {
			c := openTCP(t, opening{withhold: true})
			end(c)
			eventually(t, "the end arrives", c.tap.TakeStock)
			want := FIN
			if name == "an RST" {
				want = RST
			}
			c.wantEnding(Aborted, want)
		})
	}
}

func TestLinuxAcknowledgesWhatItReadsBehindTheOwnClose(t *testing.T) {
	for name, o := range map[string]opening{"plain": {}, "TLS": openTLS(t)} {
		t.Run(name, func(t *testing.T) {
			eventually(t, "the peer is told with the read", func() bool {
				c := openTCP(t, o)
				time.Sleep(quiet)
				c.closeOwn()
				c.peer.send(text("last word"))
				if err := c.next(time.Second); err != nil {
					t.Fatal(err)
				}
				return c.unacked() == 0
			})
		})
	}
}

// unacked is how many bytes of the peer the client's kernel has not acknowledged.
func (c *client) unacked() int {
	c.Helper()
	s := newStamper(c.peer.tcp)
	if s == nil {
		c.Fatal("the peer's socket is none of the kernel's")
	}
	_, _, outq := s.facts()
	return outq
}

// What the process does to a Close, encryption included, is not part of a phase
// that begins with it.
func TestLinuxDatesTheOwnCloseByItsSystemCall(t *testing.T) {
	for name, o := range map[string]opening{"plain": {}, "TLS": openTLS(t)} {
		t.Run(name, func(t *testing.T) {
			c := openTCP(t, o)
			before := c.tb.Now()
			c.closeOwn()
			after := c.tb.Now()
			at := c.tap.Trace().OwnClose
			if at != UserInstant(c.tap.sock.departed()) || at.At < before || at.At > after {
				t.Errorf("dated %+v, the system call was at %v, the write from %v to %v",
					at, c.tap.sock.departed(), before, after)
			}
		})
	}
}

// stuff fills the client's socket until it takes no more, past the Tap.
func (c *client) stuff() (n int) {
	c.Helper()
	zeros := make([]byte, 64<<10)
	c.tap.sock.stamp.raw.Control(func(fd uintptr) {
		for {
			m, err := syscall.Write(int(fd), zeros)
			if err == syscall.EAGAIN {
				return
			} else if err != nil {
				c.Error(err)
				return
			}
			n += m
		}
	})
	return n
}

func TestLinuxWaitsForRoomForItsClose(t *testing.T) {
	c := openTCP(t, opening{})
	n := c.stuff()
	writing := beside(t, func() error { return c.tap.WriteClose(1001, "later", c.tb.Now()+30*time.Second) })
	eventually(t, "the Close is under way", func() bool { return c.tap.Trace().OwnClose.Set() })
	if _, err := io.CopyN(io.Discard, c.peer.br, int64(n)); err != nil {
		t.Fatal(err)
	}
	c.peer.wantClose(1001, "later")
	if err := writing.wait(); err != nil {
		t.Fatal(err)
	}
	c.wantTrace(CloseSent, None)
}

func TestLinuxGivesUpACloseWithoutRoomAtItsLimit(t *testing.T) {
	c := openTCP(t, opening{})
	c.stuff()
	limit := c.tb.Now() + 20*time.Millisecond
	if err := c.tap.WriteClose(1001, "never", limit); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a Close without room: %v", err)
	}
	tr := c.wantTrace(Open, None)
	if !tr.OwnCloseLost || tr.OwnCloseDone || tr.OwnClose.At >= c.tb.Now() || tr.OwnClose.At == 0 {
		t.Errorf("trace %+v", tr)
	}
}

func TestLinuxSaysWhyACloseCouldNotBeWritten(t *testing.T) {
	c := openTCP(t, opening{})
	c.peer.rst()
	c.wantState(tcpClose)
	if _, err := c.tap.Write(ownClosing()); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("a Close to a peer that is gone: %v", err)
	}
	if tr := c.tap.Trace(); !tr.OwnCloseLost || tr.OwnCloseDone {
		t.Errorf("trace %+v", tr)
	}
}

func TestLinuxClosesAtOnceWhereThatNeedsNoWait(t *testing.T) {
	c := openTCP(t, opening{})
	before := c.tb.Now()
	if done, err := c.tap.TryClose(4000, "at once"); !done || err != nil {
		t.Fatalf("done %t, %v", done, err)
	}
	after := c.tb.Now()
	c.peer.wantClose(4000, "at once")
	tr := c.wantTrace(CloseSent, None)
	if at := tr.OwnClose.At; at < before || at > after || !tr.OwnCloseDone || tr.OwnCode != 4000 {
		t.Errorf("%d at %v, done %t; it was written from %v to %v", tr.OwnCode, at, tr.OwnCloseDone, before, after)
	}
	if done, err := c.tap.TryClose(1000, ""); !done || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second one: done %t, %v", done, err)
	}
	if _, err := c.tap.Write(ours(OpText, "too late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a message behind it: %v", err)
	}
	c.peer.send(closing(4000, ""))
	c.peer.close()
	c.wantEnding(Closed, FIN)
}

func TestLinuxDoesNotCloseAtOnceWithoutRoomOrOverTLS(t *testing.T) {
	c := openTCP(t, opening{})
	n := c.stuff()
	if done, err := c.tap.TryClose(1000, ""); done {
		t.Fatalf("without room: %v", err)
	}
	c.wantTrace(Open, None)
	writing := beside(t, func() error { return c.tap.WriteClose(1001, "later", c.tb.Now()+30*time.Second) })
	if _, err := io.CopyN(io.Discard, c.peer.br, int64(n)); err != nil {
		t.Fatal(err)
	}
	c.peer.wantClose(1001, "later")
	if err := writing.wait(); err != nil {
		t.Fatal(err)
	}

	secure := openTCP(t, openTLS(t))
	if done, err := secure.tap.TryClose(1000, ""); done {
		t.Errorf("over TLS: %v", err)
	}
}

func TestLinuxNotesACloseThatMeetsAnRST(t *testing.T) {
	c := openTCP(t, opening{})
	c.peer.rst()
	eventually(t, "the RST is here", func() bool { _, state, _ := c.tap.sock.stamp.facts(); return state == tcpClose })
	if done, err := c.tap.TryClose(1000, ""); !done || err == nil {
		t.Fatalf("done %t, %v", done, err)
	}
	if tr := c.tap.Trace(); !tr.OwnCloseLost || tr.OwnCloseDone {
		t.Errorf("it counts as written: %+v", tr)
	}
	c.wantEnding(Aborted, RST)
}

func TestLinuxCallsBackBeforeItReadsWhatHasArrived(t *testing.T) {
	holdStamps(t)
	eventually(t, "it waits before the Close arrives", func() bool {
		c := openTCP(t, opening{})
		arrived, goOn := make(chan struct{}), make(chan struct{})
		waiting := beside(t, func() error {
			return c.tap.Await(func() {
				close(arrived)
				<-goOn
			})
		})
		time.Sleep(quiet)
		c.peer.send(closing(1001, ""))
		select {
		case <-arrived:
		case <-waiting.done:
			return false
		}
		before := c.tb.Now()
		c.wantTrace(Open, None)
		close(goOn)
		if err := waiting.wait(); err != nil {
			t.Fatal(err)
		}
		tr := c.wantTrace(CloseReceived, None)
		if at := tr.PeerClose; at.Source != Kernel || at.At >= before || tr.PeerCloseSeen < before {
			t.Errorf("arrived %+v and seen %v; it was let read at %v", at, tr.PeerCloseSeen, before)
		}
		return true
	})
}
