package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

func (c *client) awaiting() *call { return beside(c.T, func() error { return c.tap.Await(nil) }) }

func TestAnOwnerWithoutALibraryAnswersPingsAndWaitsForTheClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{behind: serverFrame(OpPing, "with the 101")})
		k := c.awaiting()
		c.peer.want(OpPong, "with the 101")
		for _, payload := range []string{"", "again"} {
			time.Sleep(time.Second)
			c.peer.send(serverFrame(OpPong, "unasked"))
			synctest.Wait() // a frame by itself
			c.peer.send(serverFrame(OpPing, payload))
			c.peer.want(OpPong, payload)
		}
		c.peer.send(closing(1001, "bye"))
		if err := k.after(2 * time.Second); err != nil {
			t.Fatal(err)
		}
		if tr := c.wantTrace(CloseReceived, None); tr.PeerCode != 1001 || tr.PeerReason != "bye" || tr.Rule != NoRule {
			t.Errorf("the Close was taken as %d %q, rule %v", tr.PeerCode, tr.PeerReason, tr.Rule)
		}
	})
}

func TestWhatIsNoLoneControlFrameIsTheLibrarysAndComesToItWhole(t *testing.T) {
	long := "a message that is longer than what is read before somebody is found who reads it"
	for name, sent := range map[string][]byte{
		"a message":                  text(long),
		"half a header":              text(long)[:1],
		"a message behind a ping":    append(serverFrame(OpPing, ""), text(long)...),
		"a Close behind a pong":      append(serverFrame(OpPong, ""), closing(1000, "")...),
		"a long Close":               closing(1000, long),
		"half a Close":               closing(1000, "")[:3],
		"a Close that breaks a rule": serverFrame(OpClose, "\x03"),
		"a masked ping":              ours(OpPing, ""),
		"a ping in two parts":        {byte(OpPing), 0},
		"a reserved bit":             {0xC0 | byte(OpPing), 0},
		"a reserved opcode":          {0x83, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				k := c.awaiting()
				c.peer.send(sent)
				if err := k.after(0); !errors.Is(err, ErrEngage) {
					t.Fatalf("got %v", err)
				}
				c.wantTrace(Open, None) // it is for the library to meet
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(c.tap, got); err != nil || string(got) != string(sent) {
					t.Errorf("the library read %q, %v, want %q", got, err, sent)
				}
			})
		})
	}
}

func TestTheLibraryGoesOnWhereTheOwnerHadWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		k := c.awaiting()
		c.peer.send(serverFrame(OpPing, "?"))
		c.peer.want(OpPong, "?")
		c.peer.send(text("one"), text("two"), closing(1001, "bye"))
		if err := k.after(0); !errors.Is(err, ErrEngage) {
			t.Fatalf("got %v", err)
		}
		c.wantText("one")
		c.wantText("two")
		read := c.reading()
		c.peer.wantClose(1001, "bye")
		read.wait()
		c.peer.close()
		if tr := c.wantEnding(Closed, FIN); tr.Received != 2 {
			t.Errorf("%d messages", tr.Received)
		}
	})
}

func TestAnythingBehindTheOwnCloseIsTheOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		k := c.awaiting()
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Fatal(err)
		}
		c.peer.wantClose(1000, "")
		time.Sleep(time.Second)
		c.peer.send(serverFrame(OpPing, "?"), text("late"), closing(1000, ""))
		if err := k.after(time.Second); err != nil {
			t.Fatal(err)
		}
		c.peer.close()
		if tr := c.wantEnding(Closed, FIN); tr.AfterClose != 1 {
			t.Errorf("%d messages behind the own Close", tr.AfterClose)
		}
		if got, err := io.ReadAll(c.peer.br); len(got) > 0 {
			t.Errorf("%q follows the own Close (%v)", got, err)
		}
	})
}

func TestTheOwnersWaitEndsWithTheConnectionTheLimitAndTheRun(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(c *client)
		want error
		took time.Duration
	}{
		"FIN":            {func(c *client) { c.peer.fin() }, io.EOF, 0},
		"RST":            {func(c *client) { c.peer.rst() }, nil, 0},
		"its limit":      {func(c *client) { c.tap.SetDeadline(c.tb.Now() + 3*time.Second) }, os.ErrDeadlineExceeded, 3 * time.Second},
		"who takes over": {func(c *client) { c.tap.LetGo() }, os.ErrDeadlineExceeded, 0},
		"the run":        {func(c *client) { c.tap.Interrupt() }, os.ErrDeadlineExceeded, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				k := c.awaiting()
				synctest.Wait()
				tc.end(c)
				if err := k.after(tc.took); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.tap.LetGo()
		if err := c.tap.Await(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after LetGo: %v", err)
		}
		c.tap.Interrupt()
		if err := c.tap.Await(nil); !errors.Is(err, ErrInterrupted) {
			t.Errorf("after Interrupt: %v", err)
		}
	})
}

func TestAnOwnersMessageIsAMessageUntilTheConnectionIsClosing(t *testing.T) {
	for name, closes := range map[string]func(c *client){
		"the own Close": func(c *client) {
			if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
				c.Fatal(err)
			}
		},
		"the peer's Close": func(c *client) {
			c.peer.send(closing(1001, ""))
			if err := c.tap.Await(nil); err != nil {
				c.Fatal(err)
			}
		},
		"the peer's FIN": func(c *client) {
			c.peer.fin()
			if err := c.tap.Await(nil); err != io.EOF {
				c.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				if err := c.tap.WriteText([]byte("close 1001 bye"), c.tb.Now()+time.Second); err != nil {
					t.Fatal(err)
				}
				c.peer.want(OpText, "close 1001 bye")
				closes(c)
				if err := c.tap.WriteText([]byte("too late"), c.tb.Now()+time.Second); !errors.Is(err, net.ErrClosed) {
					t.Errorf("behind it: %v", err)
				}
				if tr := c.tap.Trace(); tr.Sent != 1 {
					t.Errorf("%d messages count as sent", tr.Sent)
				}
			})
		})
	}
}

func TestAnOwnersMessageWaitsForRoomUntilItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 512}, opening{})
		k := beside(t, func() error { return c.tap.WriteText(make([]byte, 4096), c.tb.Now()+2*time.Second) })
		if err := k.after(2 * time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPongWaitsForTheWriteInProgressAndIsNotDropped(t *testing.T) {
	long := string(make([]byte, 4096))
	for name, during := range map[string]func(c *client){
		"the write ends":           func(*client) {},
		"the library is let go":    func(c *client) { c.tap.LetGo() },
		"the owner has taken over": func(c *client) { beside(c.T, func() error { return c.tap.Silence(c.tb.Now() + time.Second) }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 512}, opening{})
				k := c.awaiting()
				write := beside(t, func() error { return c.tap.WriteText([]byte(long), c.tb.Now()+time.Minute) })
				synctest.Wait()
				c.peer.send(serverFrame(OpPing, "?"))
				synctest.Wait()
				during(c)
				synctest.Wait()
				if name == "the library is let go" {
					if err := k.after(0); !errors.Is(err, net.ErrClosed) {
						t.Errorf("got %v", err)
					}
					return
				}
				c.peer.want(OpText, long)
				if err := write.wait(); err != nil {
					t.Fatal(err)
				}
				if name == "the write ends" {
					c.peer.want(OpPong, "?")
				}
				c.peer.send(closing(1001, "bye"))
				if err := k.after(0); err != nil {
					t.Fatal(err)
				}
				c.tap.Shut()
				if rest, err := io.ReadAll(c.peer.br); len(rest) > 0 {
					t.Errorf("%q follows (%v)", rest, err)
				}
			})
		})
	}
}
