package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

func TestAfterAHalfCloseThePeerHasTheEndAndIsStillHeard(t *testing.T) {
	for name, o := range map[string]opening{"ws": {withhold: true}, "wss": openTLS(t)} {
		t.Run(name, func(t *testing.T) {
			o.withhold = true
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, o)
				c.tap.td.log = &Log{limit: 8}
				reader := c.reading()
				time.Sleep(time.Second)
				for range 2 { // again it does nothing
					if err := c.tap.CloseWrite(c.tb.Now() + time.Second); err != nil {
						t.Fatal(err)
					}
				}
				if tr := c.wantTrace(Open, None); tr.HalfClose != UserInstant(time.Second) {
					t.Errorf("half closed at %+v, want 1s", tr.HalfClose)
				}
				if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 || err != nil {
					t.Errorf("the peer read % x, %v", rest, err)
				}
				if n, err := c.peer.tcp.Read(c.buf[:]); n != 0 || err != io.EOF {
					t.Errorf("below, the peer read %d bytes, %v", n, err)
				}
				time.Sleep(time.Second)
				c.peer.send(text("still here"))
				if err := reader.after(2 * time.Second); err != nil {
					t.Errorf("the library's Read: %v", err)
				}
				if err := c.writing([]byte("behind")).after(0); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the library's Write behind: %v", err)
				}
				c.peer.fin()
				if tr := c.wantEnding(Aborted, FIN); tr.AfterFIN || tr.Received != 1 {
					t.Errorf("the end reads %+v", tr)
				}
				before := c.tap.Trace()
				c.tap.Confirm(c.tb.Now() + time.Minute)
				if tr := c.tap.Trace(); tr != before {
					t.Errorf("Confirm made it %+v", tr)
				}
				if got := c.kinds(); len(got) != 3 || got[0] != "own half_close" {
					t.Errorf("events %q", got)
				}
			})
		})
	}
}

func TestBehindAHalfCloseThePeersCloseStaysUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		if err := c.tap.CloseWrite(c.tb.Now() + time.Second); err != nil {
			t.Fatal(err)
		}
		c.peer.send(closing(1001, ""))
		if err := c.reading().after(0); !errors.Is(err, ErrHandover) {
			t.Errorf("the library's Read ended with %v", err)
		}
		c.next(time.Second)
		if err := c.tap.WriteClose(1001, "", c.tb.Now()+time.Second); !errors.Is(err, errHalfClosed) {
			t.Errorf("an answer: %v", err)
		}
		if tr := c.wantTrace(CloseReceived, None); tr.OwnClose.Set() || !tr.OwnCloseLost {
			t.Errorf("the answer reads %+v", tr)
		}
	})
}

func TestAHalfCloseBehindAnOwnCloseKeepsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		if err := errors.Join(c.tap.WriteClose(1000, "", c.tb.Now()+time.Second), c.tap.CloseWrite(c.tb.Now()+time.Second)); err != nil {
			t.Fatal(err)
		}
		c.peer.wantClose(1000, "")
		c.peer.wantEnd(io.EOF)
		c.peer.send(closing(1000, ""))
		c.peer.fin()
		c.wantEnding(Closed, FIN)
	})
}

func TestAnRSTBehindTheOwnFINIsToldFromAFIN(t *testing.T) {
	for name, tc := range map[string]struct {
		peer   func(c *client)
		ending Kind
	}{
		"an RST":                         {func(c *client) { c.peer.rst() }, RST},
		"a FIN":                          {func(c *client) { c.peer.fin() }, FIN},
		"a FIN before the own one":       {nil, FIN},
		"a FIN that crosses the own one": {func(c *client) { c.peer.close() }, FIN},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := memnet.Options{}
				if name == "a FIN that crosses the own one" {
					path = memnet.Options{ToServer: 20 * time.Millisecond, ToClient: 20 * time.Millisecond}
				}
				c := openMem(t, path, opening{withhold: true})
				if tc.peer == nil {
					c.peer.fin()
				}
				if err := c.tap.CloseWrite(c.tb.Now() + time.Second); err != nil {
					t.Fatal(err)
				}
				if tc.peer != nil {
					tc.peer(c)
				}
				c.wantEnding(Aborted, tc.ending)
				c.tap.Confirm(c.tb.Now() + time.Second)
				if tr := c.wantTrace(Aborted, tc.ending); tr.AfterFIN {
					t.Errorf("the end reads %+v", tr)
				}
			})
		})
	}
}

func TestAHalfCloseOfAResetConnectionIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		c.peer.rst()
		if err := c.tap.CloseWrite(c.tb.Now() + time.Second); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("got %v", err)
		}
		if tr := c.wantEnding(Aborted, RST); tr.HalfClose.Set() || tr.AfterFIN {
			t.Errorf("the end reads %+v", tr)
		}
	})
}

func TestOverTLSAHalfCloseThatFindsNoRoomGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		interrupted bool
		want        error
		took        time.Duration
	}{
		"at its limit":     {false, os.ErrDeadlineExceeded, 2 * time.Second},
		"when interrupted": {true, ErrInterrupted, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openTLS(t)
				o.withhold = true
				c := openMem(t, memnet.Options{Window: 4096}, o)
				// Below the session: what fills the window need not be said in TLS.
				c.tap.sock.SetWriteDeadline(time.Now().Add(time.Millisecond))
				c.tap.sock.Write(make([]byte, 8192))
				c.tap.sock.SetWriteDeadline(time.Time{})
				if tc.interrupted {
					time.AfterFunc(tc.took, c.tap.Interrupt)
				}
				began := time.Now()
				err := c.tap.CloseWrite(c.tb.Now() + 2*time.Second)
				if d := time.Since(began); !errors.Is(err, tc.want) || d != tc.took {
					t.Errorf("%v after %v, want %v after %v", err, d, tc.want, tc.took)
				}
				if tr := c.wantTrace(Open, None); tr.HalfClose.Set() {
					t.Error("it counts as a half close")
				}
			})
		})
	}
}

func TestAVanishedEndIsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 1024}, opening{withhold: true})
		reader := c.reading()
		time.Sleep(time.Second)
		c.peer.send(text("unread")[:3])
		c.tap.LetGo()
		reader.wait()
		if err := c.tap.Vanish(); err != nil {
			t.Fatal(err)
		}
		if tr := c.wantTrace(Aborted, None); tr.Cut != UserInstant(time.Second) || !tr.Silent || tr.Reset || tr.HalfClose.Set() {
			t.Errorf("the end reads %+v", tr)
		}
		c.peer.tcp.SetDeadline(time.Now().Add(time.Hour))
		if n, err := c.peer.tcp.Read(c.buf[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the peer read %d bytes, %v", n, err)
		}
		c.peer.tcp.SetDeadline(time.Now().Add(time.Hour))
		if n, err := c.peer.tcp.Write(make([]byte, 4096)); n != 1024-3 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the peer wrote %d bytes, %v", n, err)
		}
		if err := c.tap.Next(c.buf[:], c.tb.Now()+time.Second); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read behind it: %v", err)
		}
		c.tap.Shut()
	})
}

func TestWhatCannotVanishIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(memnet.Options{})
		c := open(t, struct{ net.Conn }{near}, far, opening{withhold: true})
		if err := c.tap.Vanish(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Vanish: %v", err)
		}
		if err := c.tap.CloseWrite(c.tb.Now() + time.Second); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v", err)
		}
		if tr := c.wantTrace(Open, None); tr.Cut.Set() || tr.HalfClose.Set() || tr.Silent {
			t.Errorf("the trace reads %+v", tr)
		}
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Errorf("a Close behind: %v", err)
		}
	})
}

func TestWhatWasUnreadAtTheEndIsToldInTheTrace(t *testing.T) {
	ends := map[string]func(c *client) error{
		"a cut by FIN": func(c *client) error { return c.tap.Cut(false) },
		"a cut by RST": func(c *client) error { return c.tap.Cut(true) },
		"a close":      func(c *client) error { return c.tap.Shut() },
	}
	for name, end := range ends {
		for what, sent := range map[string]int{"nothing": 0, "a little": 10, "more than is taken out": 1 << 20} {
			t.Run(name+" with "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := openMem(t, memnet.Options{Window: 2 << 20}, opening{withhold: true})
					if sent > 0 {
						c.peer.send(serverFrame(OpBinary, string(make([]byte, sent))))
					}
					if err := end(c); err != nil {
						t.Fatal(err)
					}
					flood, byRST := sent > 1<<17, name == "a cut by RST"
					tr := c.tap.Trace()
					if tr.Unread != (sent > 0) || tr.Reset != (byRST || flood && name == "a cut by FIN") {
						t.Errorf("unread %t, reset %t", tr.Unread, tr.Reset)
					}
					if byRST || flood {
						c.peer.wantEnd(syscall.ECONNRESET)
					} else {
						c.peer.wantEnd(io.EOF)
					}
				})
			})
		}
	}
}
