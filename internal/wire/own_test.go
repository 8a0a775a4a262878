package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// ours frames a message as this end sends it.
func ours(op Opcode, payload string) []byte {
	return AppendFrame(nil, op, []byte(payload), true, [4]byte{1, 2, 3, 4})
}

func TestTheLibraryReadsOnBehindAnOwnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		reader := beside(t, func() error {
			for {
				if _, _, err := c.ws.Read(context.Background()); err != nil {
					return err
				}
			}
		})
		synctest.Wait()
		if err := c.tap.WriteClose(4000, "no more", c.tb.Now()+time.Second); err != nil {
			t.Fatal(err)
		}
		c.peer.wantClose(4000, "no more")
		c.wantTrace(CloseSent, None)
		if err := c.writing([]byte("too late")).after(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the library's Write behind it: %v", err)
		}
		time.Sleep(time.Second)
		c.peer.send(text("still"), text("coming"), closing(4000, ""))
		if err := reader.after(time.Second); !errors.Is(err, ErrHandover) {
			t.Errorf("the library's Read ended with %v", err)
		}
		c.peer.close()
		if tr := c.wantEnding(Closed, FIN); tr.AfterClose != 2 || tr.Received != 2 || tr.Sent != 0 {
			t.Errorf("%d of %d messages came behind the own Close, %d left; want 2 of 2, 0", tr.AfterClose, tr.Received, tr.Sent)
		}
	})
}

// A silenced library cannot answer a ping. Its read ends, and what comes then is
// the owner's to read.
func TestNothingOfTheLibraryFollowsAnOwnClose(t *testing.T) {
	for name, library := range map[string]func(c *client) error{
		"a pong":    func(c *client) error { c.peer.send(serverFrame(OpPing, "p")); return c.reading().after(0) },
		"a Close":   func(c *client) error { return c.closing(1000, "").wait() },
		"a message": func(c *client) error { return c.writing([]byte("a")).after(0) },
		"a ping":    func(c *client) error { return c.ws.Ping(context.Background()) },
		"the owner's ping": func(c *client) error {
			if c.tap.Ping() {
				return errors.New("it was sent")
			}
			return net.ErrClosed
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{withhold: true})
				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				c.peer.wantClose(1000, "")
				if err := library(c); name != "a Close" && !errors.Is(err, net.ErrClosed) {
					t.Errorf("the library was told %v", err)
				}
				c.peer.send(text("more"), closing(1000, ""))
				if err := c.next(time.Second); err != nil {
					t.Errorf("the owner's read: %v", err)
				}
				if tr := c.wantTrace(Closed, None); tr.Received != 1 {
					t.Errorf("%d messages, want 1", tr.Received)
				}
				c.tap.Shut()
				if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 || err != nil {
					t.Errorf("behind the Close came % x, %v", rest, err)
				}
			})
		})
	}
}

// The library's own Close is the last that the library writes, without the
// Tap's help.
func TestTheLibraryItselfWritesNothingBehindItsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		closer := c.closing(1000, "")
		c.peer.wantClose(1000, "")
		c.peer.send(serverFrame(OpPing, "p"))
		closer.after(0) // it has given up: the ping could not be answered
		c.peer.send(closing(1000, ""))
		c.peer.fin()
		c.wantEnding(Closed, FIN)
		c.tap.Shut()
		if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 || err != nil {
			t.Errorf("behind the Close came % x, %v", rest, err)
		}
	})
}

func TestSilenceWaitsForTheRestOfTheLibrarysFrame(t *testing.T) {
	for name, withhold := range map[string]bool{"the library may read on": true, "nothing is withheld": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 1024}, opening{withhold: withhold})
				big := make([]byte, 20000) // several writes of the library's buffer
				writer := c.writing(big)
				synctest.Wait()
				owner := beside(t, func() error { return c.tap.WriteClose(1000, "", c.tb.Now()+time.Minute) })
				synctest.Wait()
				behind := c.writing([]byte("behind"))
				time.Sleep(3 * time.Second)
				c.peer.want(OpBinary, string(big))
				c.peer.wantClose(1000, "")
				if err := writer.after(3 * time.Second); err != nil {
					t.Errorf("the message under way: %v", err)
				}
				if err := owner.after(3 * time.Second); err != nil {
					t.Errorf("the Close: %v", err)
				}
				if err := behind.after(3 * time.Second); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the message behind: %v", err)
				}
				if tr := c.wantTrace(CloseSent, None); tr.Sent != 1 || tr.OwnClose.At != 3*time.Second {
					t.Errorf("%d messages, the Close at %v, want 1, 3s", tr.Sent, tr.OwnClose.At)
				}
			})
		})
	}
}

func TestAWaitForTheLibrarysFrameEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(c *client)
		want error
		took time.Duration
		lost bool // a Close that waits so is lost
	}{
		"at its limit":                   {func(*client) {}, os.ErrDeadlineExceeded, 2 * time.Second, true},
		"when interrupted":               {func(c *client) { c.tap.Interrupt() }, ErrInterrupted, time.Second, false},
		"when the library is let go":     {func(c *client) { c.tap.LetGo() }, errNotAtBoundary, time.Second, true},
		"when the library lets go":       {func(c *client) { c.ws.CloseNow() }, errNotAtBoundary, time.Second, true},
		"when the connection has failed": {func(c *client) { c.peer.rst() }, errNotAtBoundary, time.Second, true},
	} {
		for what, wait := range map[string]func(c *client, limit time.Duration) error{
			"Silence":    func(c *client, limit time.Duration) error { return c.tap.Silence(limit) },
			"WriteClose": func(c *client, limit time.Duration) error { return c.tap.WriteClose(1000, "", limit) },
			"WriteRaw":   func(c *client, limit time.Duration) error { return c.tap.WriteRaw(ours(3, ""), limit) },
			"CloseWrite": func(c *client, limit time.Duration) error { return c.tap.CloseWrite(limit) },
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := openMem(t, memnet.Options{Window: 1024}, opening{withhold: true})
					writer := c.writing(make([]byte, 20000))
					synctest.Wait()
					time.AfterFunc(time.Second, func() { tc.end(c) })
					owner := beside(t, func() error { return wait(c, c.tb.Now()+2*time.Second) })
					if err := owner.after(tc.took); !errors.Is(err, tc.want) {
						t.Errorf("it ended with %v, want %v", err, tc.want)
					}
					tr := c.tap.Trace()
					if tr.OwnClose.Set() || tr.HalfClose.Set() || tr.OwnCloseLost != (tc.lost && what == "WriteClose") {
						t.Errorf("nothing was written, and %+v", tr)
					}
					c.tap.Cut(true)
					writer.wait()
				})
			})
		}
	}
}

func TestSilenceGivesUpOnAFrameThatNobodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		w, err := c.ws.Writer(context.Background(), websocket.MessageBinary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		owner := beside(t, func() error { return c.tap.Silence(c.tb.Now() + time.Second) })
		if err := owner.after(time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if c.tap.Ping() {
			t.Error("a ping was sent")
		}
		// The library may still end it, and then no more.
		if err := w.Close(); err != nil {
			t.Errorf("the rest of the frame: %v", err)
		}
		if err := c.tap.Silence(0); err != nil {
			t.Errorf("then: %v", err)
		}
		if err := c.writing([]byte("a")).after(0); !errors.Is(err, net.ErrClosed) || c.tap.Ping() {
			t.Errorf("behind it the library's Write: %v, or a ping was sent", err)
		}
	})
}

func TestALateCloseOfTheLibraryDoesNotSpoilTheOwnersWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 1000}, opening{withhold: true})
		full := make([]byte, 1000-8) // with its header the whole window
		if err := c.writing(full).after(0); err != nil {
			t.Fatal(err)
		}
		owner := beside(t, func() error { return c.tap.WriteClose(1000, "", c.tb.Now()+10*time.Second) })
		time.Sleep(time.Second)
		c.ws.CloseNow() // lets go only now
		time.Sleep(time.Second)
		c.peer.want(OpBinary, string(full))
		c.peer.wantClose(1000, "")
		if err := owner.after(2 * time.Second); err != nil {
			t.Errorf("the owner's Close: %v", err)
		}
		if tr := c.wantTrace(CloseSent, None); tr.OwnCloseLost {
			t.Error("the own Close counts as lost")
		}
	})
}

func TestOnlyOneOwnCloseIsWritten(t *testing.T) {
	for name, again := range map[string]func(c *client) error{
		"WriteClose":    func(c *client) error { return c.tap.WriteClose(1001, "", c.tb.Now()+time.Second) },
		"WriteBadClose": func(c *client) error { return c.tap.WriteBadClose(ours(OpClose, ""), 1001, c.tb.Now()+time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{withhold: true})
				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				before := c.tap.Trace()
				if err := again(c); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the second: %v", err)
				}
				if tr := c.tap.Trace(); tr != before {
					t.Errorf("it changed the trace to %+v", tr)
				}
				c.tap.Shut()
				c.peer.wantClose(1000, "")
				if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 || err != nil {
					t.Errorf("behind the Close came % x, %v", rest, err)
				}
			})
		})
	}
}

// kinds are the events of the log, in order.
func (c *client) kinds() (all []string) {
	for _, ev := range c.tap.td.log.Events {
		s := ev.Kind.String()
		if ev.Dir == Out {
			s = "own " + s
		}
		if ev.Kind == Broken {
			s += " " + ev.Rule.String()
		}
		all = append(all, s)
	}
	return all
}

func TestBytesThatStandForTheOwnCloseAreOneClose(t *testing.T) {
	bye := AppendClosePayload(nil, 1000, "bye")
	for name, tc := range map[string]struct {
		said []byte
		sent uint64
		want []string
	}{
		"no frame at all":          {[]byte{0x88}, 0, []string{"own close", "own close_done"}},
		"a reserved opcode":        {ours(0xB, "x"), 0, []string{"own close", "own broken opcode", "own close_done"}},
		"two of them":              {frames(ours(OpClose, string(bye)), ours(OpClose, string(bye))), 0, []string{"own close", "own close_done"}},
		"one with a message after": {frames(ours(OpClose, string(bye)), ours(OpText, "x")), 0, []string{"own close", "own broken data-after-close", "own close_done"}},
		"one with a ping after":    {frames(ours(OpClose, string(bye)), ours(OpPing, "")), 0, []string{"own close", "own close_done"}},
		"one behind a message":     {frames(ours(OpText, "x"), ours(OpClose, string(bye))), 1, []string{"own close", "own message", "own close_done"}},
		"an unmasked one":          {closing(1000, ""), 0, []string{"own close", "own broken masked", "own close_done"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{withhold: true})
				c.tap.td.log = &Log{limit: 8}
				time.Sleep(time.Second)
				if err := c.tap.WriteBadClose(tc.said, 4711, c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				tr := c.wantTrace(CloseSent, None)
				if tr.OwnClose.At != time.Second || !tr.OwnCloseDone || tr.OwnCode != 4711 || tr.Sent != tc.sent || tr.Rule != NoRule {
					t.Errorf("the Close reads %+v", tr)
				}
				if got := c.kinds(); !slices.Equal(got, tc.want) {
					t.Errorf("events %q, want %q", got, tc.want)
				}
				c.tap.Shut()
				if got, err := io.ReadAll(c.peer.tcp); err != nil || !slices.Equal(got, tc.said) {
					t.Errorf("the peer read % x, %v, want % x", got, err, tc.said)
				}
			})
		})
	}
}

func TestBytesThatBreakARuleAreNeitherMessageNorClose(t *testing.T) {
	for name, tc := range map[string]struct {
		said  []byte
		after error // of a Close behind
	}{
		"a reserved opcode":         {ours(3, "x"), nil},
		"an unmasked message":       {text("x"), nil},
		"a ping that is too long":   {ours(OpPing, string(make([]byte, 126))), nil},
		"half a message":            {ours(OpText, "some text")[:9], errNotAtBoundary},
		"a header":                  {ours(OpText, "")[:1], errNotAtBoundary},
		"a message that went wrong": {frames(ours(OpContinuation, "x"), ours(OpText, "y")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{withhold: true})
				if err := c.tap.WriteRaw(tc.said, c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				if tr := c.wantTrace(Open, None); tr.Sent != 0 || tr.OwnClose.Set() || tr.Rule != NoRule {
					t.Errorf("the bytes read %+v", tr)
				}
				if err := c.writing([]byte("behind")).after(0); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the library's Write behind: %v", err)
				}
				err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second)
				if tr := c.tap.Trace(); !errors.Is(err, tc.after) || tr.OwnCloseLost != (tc.after != nil) {
					t.Errorf("a Close behind: %v, lost %t, want %v", err, tr.OwnCloseLost, tc.after)
				}
			})
		})
	}
}
