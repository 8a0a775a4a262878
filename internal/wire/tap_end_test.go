package wire

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

// How a connection ended is told by the socket: an RST that follows a FIN reads
// as the end of the stream, too.
func TestAnEndIsToldByTheSocket(t *testing.T) {
	for _, tc := range []struct {
		name   string
		peer   func(c *client)
		ending Kind
		errno  syscall.Errno
		cut    bool // inside a frame or message
	}{
		{"a FIN", func(c *client) { c.peer.fin() }, FIN, 0, false},
		{"a close with nothing unread", func(c *client) { c.peer.close() }, FIN, 0, false},
		{"a FIN inside a header", func(c *client) { c.peer.send(text("abc")[:1]); c.peer.fin() }, FIN, 0, true},
		{"a FIN inside a payload", func(c *client) { c.peer.send(text("abc")[:3]); c.peer.fin() }, FIN, 0, true},
		{"a FIN between fragments", func(c *client) { c.peer.send(fragment(OpText, "ab")); c.peer.fin() }, FIN, 0, true},
		{"a FIN behind a message", func(c *client) { c.peer.send(text("abc")); c.peer.fin() }, FIN, 0, false},
		{"an RST", func(c *client) { c.peer.rst() }, RST, syscall.ECONNRESET, false},
		{"an RST behind half a message", func(c *client) { c.peer.send(text("abc")[:3]); c.peer.rst() }, RST, syscall.ECONNRESET, true},
		{"a close with unread bytes", func(c *client) {
			c.tap.Write(AppendFrame(nil, OpText, []byte("never read"), true, [4]byte{}))
			c.peer.close()
		}, RST, syscall.ECONNRESET, false},
		{"a FIN, then an RST for what was written to nobody", func(c *client) {
			c.peer.close()
			c.tap.Write(AppendFrame(nil, OpText, []byte("nobody there"), true, [4]byte{}))
		}, RST, syscall.EPIPE, false},
		{"an RST whose error a write has eaten", func(c *client) {
			c.peer.rst()
			c.tap.Write(AppendFrame(nil, OpPing, nil, true, [4]byte{}))
		}, RST, syscall.ECONNRESET, false},
		{"a FIN, then an RST whose error a write has eaten", func(c *client) {
			c.peer.close()
			for range 2 {
				c.tap.Write(AppendFrame(nil, OpPing, nil, true, [4]byte{}))
			}
		}, RST, syscall.EPIPE, false},
		{"an RST whose error was asked for before", func(c *client) {
			c.peer.rst()
			c.tap.Unsent()
		}, RST, syscall.ECONNRESET, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				tc.peer(c)
				tr := c.wantEnding(Aborted, tc.ending)
				if tr.Errno != tc.errno || tr.Truncated != tc.cut || !tr.End.Set() {
					t.Errorf("errno %v, truncated %t, want %v, %t", tr.Errno, tr.Truncated, tc.errno, tc.cut)
				}
				if want := tc.errno == syscall.EPIPE; tr.AfterFIN != want {
					t.Errorf("the RST came behind a FIN: %t, want %t", tr.AfterFIN, want)
				}
				before := tr
				if err := c.next(time.Second); !errors.Is(err, io.EOF) {
					t.Errorf("a read behind the end: %v", err)
				}
				if tr := c.tap.Trace(); tr != before {
					t.Errorf("a read behind the end changed the trace to %+v", tr)
				}
			})
		})
	}
}

// A peer that sends its Close and closes TCP at once answers the mandatory
// reply with an RST (seen with uvicorn, cowboy and others). On the way it looks
// like a clean end until the reply has arrived.
func TestConfirmWaitsForWhatBecomesOfTheReply(t *testing.T) {
	for _, tc := range []struct {
		name   string
		early  bool // the FIN is read before the reply is written
		peer   func(c *client)
		ending Kind
		took   time.Duration
	}{
		{"the peer is gone: its kernel answers with an RST",
			false, func(c *client) { c.peer.close() }, RST, 40 * time.Millisecond},
		{"the peer still reads: its kernel acknowledges, the FIN stays a FIN",
			false, func(c *client) { c.peer.fin() }, FIN, 20 * time.Millisecond},
		{"the FIN was read before the reply was written, and the peer is gone",
			true, func(c *client) { c.peer.close() }, RST, 40 * time.Millisecond},
		{"the FIN was read before the reply was written, and the peer still reads",
			true, func(c *client) { c.peer.fin() }, FIN, 20 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := memnet.Options{ToServer: 20 * time.Millisecond, ToClient: 20 * time.Millisecond}
				c := openMem(t, path, opening{withhold: true})
				c.tap.td.log = &Log{limit: 8}
				c.peer.send(closing(1000, ""))
				tc.peer(c)
				if err := c.reading().wait(); !errors.Is(err, ErrHandover) {
					t.Fatalf("the library's Read ended with %v", err)
				}
				if tc.early {
					c.wantEnding(Aborted, FIN)
				}
				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				written := time.Now()
				c.wantEnding(Closed, FIN) // as far as anyone can tell
				c.tap.Confirm(c.tb.Now() + time.Second)
				tr := c.wantTrace(Closed, tc.ending)
				if tr.AfterFIN != (tc.ending == RST) {
					t.Errorf("the RST came behind a FIN: %t", tr.AfterFIN)
				}
				// Confirm looks at growing intervals of up to 5 ms.
				if d := time.Since(written); d < tc.took || d > tc.took+5*time.Millisecond {
					t.Errorf("Confirm came back %v after the reply, want %v", d, tc.took)
				}
				events := c.tap.td.log.Events
				if last := events[len(events)-1].Kind; (last == RST) != (tc.ending == RST) {
					t.Errorf("the log ends with %v", last)
				}
				if tc.ending == RST && tr.End.At != c.tb.Now() {
					t.Errorf("the RST is dated %v, want %v", tr.End.At, c.tb.Now())
				}
			})
		})
	}
}

func TestConfirmGivesUp(t *testing.T) {
	for name, interrupted := range map[string]bool{"at its limit": false, "when interrupted": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{ToServer: 4 * time.Second}, opening{withhold: true})
				c.peer.send(closing(1000, ""))
				c.peer.fin()
				c.reading().wait()
				c.tap.WriteClose(1000, "", c.tb.Now()+time.Second)
				c.wantEnding(Closed, FIN)
				want := 2 * time.Second
				if interrupted {
					want = time.Second
					time.AfterFunc(want, c.tap.Interrupt)
				}
				began := time.Now()
				c.tap.Confirm(c.tb.Now() + 2*time.Second)
				if d := time.Since(began); d < want || d > want+5*time.Millisecond {
					t.Errorf("Confirm took %v, want %v", d, want)
				}
				c.wantTrace(Closed, FIN)
			})
		})
	}
}

func TestConfirmDoesNotWaitWhereNothingIsUnderWay(t *testing.T) {
	for name, peer := range map[string]func(c *client){
		"after a FIN":    func(c *client) { c.peer.fin() },
		"after an RST":   func(c *client) { c.peer.rst() },
		"before any end": func(c *client) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				peer(c)
				c.follow(time.Second)
				before, began := c.tap.Trace(), time.Now()
				c.tap.Confirm(c.tb.Now() + time.Minute)
				if d := time.Since(began); d != 0 {
					t.Errorf("it took %v", d)
				}
				if tr := c.tap.Trace(); tr != before {
					t.Errorf("it changed the trace to %+v", tr)
				}
			})
		})
	}
}

func TestUnsentTellsWhetherThePeersKernelHasTheOwnBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{ToServer: time.Second}, opening{})
		c.tap.LetGo()
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Fatal(err)
		}
		if !c.tap.Unsent() {
			t.Error("bytes under way count as sent")
		}
		time.Sleep(2 * time.Second)
		if c.tap.Unsent() {
			t.Error("bytes that arrived count as unsent")
		}
	})
}

func TestACutSaysWhatItIs(t *testing.T) {
	for _, tc := range []struct {
		name   string
		unread []byte // has arrived when the cut is made
		reset  bool
		want   error
		got    uint64 // messages that the wire counts
	}{
		{"by RST", nil, true, syscall.ECONNRESET, 0},
		{"by FIN", nil, false, io.EOF, 0},
		{"by FIN with unread messages, which are taken out first", frames(text("a"), text("b")), false, io.EOF, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				if tc.unread != nil {
					c.peer.send(tc.unread)
				}
				if err := c.tap.Cut(tc.reset); err != nil {
					t.Fatal(err)
				}
				c.peer.wantEnd(tc.want)
				tr := c.wantTrace(Aborted, None)
				if !tr.Cut.Set() || tr.Reset != tc.reset || tr.Received != tc.got {
					t.Errorf("the cut reads %+v", tr)
				}
			})
		})
	}
}

func TestACutByFINSeesThatThePeerHadEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.peer.send(text("a"))
		c.peer.fin()
		if err := c.tap.Cut(false); err != nil {
			t.Fatal(err)
		}
		if tr := c.wantTrace(Aborted, FIN); tr.End.At > tr.Cut.At || tr.Received != 1 {
			t.Errorf("the end reads %+v", tr)
		}
	})
}

func TestShutIsNotedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		time.Sleep(time.Second)
		if err := c.tap.Shut(); err != nil {
			t.Error(err)
		}
		c.peer.wantEnd(io.EOF)
		time.Sleep(time.Second)
		c.tap.Shut()
		if tr := c.wantTrace(Open, None); tr.Shut.At != time.Second {
			t.Errorf("the socket was closed at %v, want 1s", tr.Shut.At)
		}
	})
}
