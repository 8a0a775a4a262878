package wire

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// atOnce is how long a wait of the owner may still last after it was ended: a
// last look at what has arrived takes a millisecond where there is no kernel to
// ask.
const atOnce = time.Millisecond

func TestInterruptWakesARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		reader := c.reading()
		time.Sleep(time.Second)
		c.tap.Interrupt()
		if err := reader.after(time.Second); err == nil {
			t.Error("the library's Read reports success")
		}
		began := time.Now()
		if err := c.next(time.Hour); err != ErrInterrupted || time.Since(began) != 0 {
			t.Errorf("a Next started later: %v after %v", err, time.Since(began))
		}
	})
}

// The library may still be reading in a call of its own, such as its wait for the
// answer to its Close, when its read for the owner has failed.
func TestNextTakesOverFromAReadInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		var buf [64]byte
		library := beside(t, func() error { _, err := c.tap.Read(buf[:]); return err })
		synctest.Wait()
		owner := beside(t, func() error { return c.next(time.Hour) })
		if err := library.wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the library's read: %v", err)
		}
		c.peer.send(closing(1000, ""))
		if err := owner.wait(); err != nil {
			t.Errorf("the owner's read: %v", err)
		}
		if tr := c.tap.Trace(); !tr.PeerClose.Set() {
			t.Errorf("the Close was not seen: %+v", tr)
		}
	})
}

func TestInterruptWakesAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 512}, opening{})
		writer := c.writing(make([]byte, 64<<10))
		time.Sleep(time.Second)
		c.tap.Interrupt()
		if err := writer.after(time.Second); err == nil {
			t.Error("the library's Write reports success")
		}
	})
}

func TestInterruptEndsANextInProgressAndAllThatFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.tap.LetGo()
		owner := c.following(time.Hour)
		time.Sleep(time.Second)
		c.tap.Interrupt()
		if err := owner.after(time.Second + atOnce); err != ErrInterrupted {
			t.Errorf("the Next in progress: %v", err)
		}
		c.peer.send(text("too late"))
		began := time.Now()
		if err := c.next(time.Hour); err != ErrInterrupted || time.Since(began) != 0 {
			t.Errorf("a Next started later: %v after %v", err, time.Since(began))
		}
		c.wantTrace(Open, None)
	})
}

func TestInterruptEndsTheOwnersClose(t *testing.T) {
	for name, first := range map[string]bool{"in progress": false, "started later": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 1000}, opening{})
				if err := c.writing(make([]byte, 1000-8)).after(0); err != nil {
					t.Fatal(err)
				}
				c.tap.LetGo()
				if first {
					c.tap.Interrupt()
				}
				owner := beside(t, func() error { return c.tap.WriteClose(1000, "", c.tb.Now()+time.Hour) })
				if !first {
					synctest.Wait()
					c.tap.Interrupt()
				}
				if err := owner.after(0); err != ErrInterrupted {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestAnOwnCloseThatFindsNoRoomGivesUpAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 1000}, opening{})
		if err := c.writing(make([]byte, 1000-8)).after(0); err != nil {
			t.Fatal(err)
		}
		c.tap.LetGo()
		owner := beside(t, func() error { return c.tap.WriteClose(1000, "", c.tb.Now()+3*time.Second) })
		if err := owner.after(3 * time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if tr := c.wantTrace(Open, None); !tr.OwnClose.Set() || !tr.OwnCloseLost {
			t.Errorf("the lost Close reads %+v", tr)
		}
	})
}

func TestADeadlineEndsTheLibrarysReadAndNothingElse(t *testing.T) {
	for name, during := range map[string]bool{"set before the read": false, "set during the read": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				if !during {
					c.tap.SetDeadline(c.tb.Now() + 2*time.Second)
				}
				reader := c.reading()
				if during {
					synctest.Wait()
					c.tap.SetDeadline(c.tb.Now() + 2*time.Second)
				}
				if err := reader.after(2 * time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("the library's Read ended with %v", err)
				}
				c.wantTrace(Open, None)

				c.tap.SetDeadline(0)
				again := c.reading()
				time.Sleep(time.Hour)
				c.peer.send(text("at last"))
				if err := again.after(time.Hour); err != nil {
					t.Errorf("after the deadline was lifted: %v", err)
				}
				if err := c.ws.Write(context.Background(), websocket.MessageText, []byte("and back")); err != nil {
					t.Error(err)
				}
				c.peer.want(OpText, "and back")
			})
		})
	}
}

func TestADeadlineOfTheLibraryDoesNotEndTheOwnersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.tap.SetDeadline(c.tb.Now() + time.Second)
		c.reading().after(time.Second)
		owner := c.following(time.Minute)
		synctest.Wait()
		c.tap.SetDeadline(c.tb.Now() + 2*time.Second) // by a closer that is late
		time.Sleep(10 * time.Second)
		c.peer.fin()
		if err := owner.after(10 * time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("the owner's reading ended with %v", err)
		}
	})
}

func TestNextGivesUpAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		owner := beside(t, func() error { return c.next(3 * time.Second) })
		if err := owner.after(3*time.Second + atOnce); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		c.wantTrace(Open, None)
	})
}

func TestNextSeesAfterItsLimitWhatHadArrivedBefore(t *testing.T) {
	for name, arrives := range map[string]func(c *client){
		"a Close": func(c *client) { c.peer.send(closing(1000, "")) },
		"a FIN":   func(c *client) { c.peer.fin() },
		"an RST":  func(c *client) { c.peer.rst() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				limit := c.tb.Now() + time.Second
				arrives(c)
				time.Sleep(10 * time.Second) // a busy process
				err := c.tap.Next(c.buf[:], limit)
				tr := c.tap.Trace()
				if errors.Is(err, os.ErrDeadlineExceeded) || !tr.PeerClose.Set() && tr.Ending == None {
					t.Errorf("Next: %v, seen %+v", err, tr)
				}
			})
		})
	}
}

func TestAPingIsSentBetweenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		if !c.tap.Ping() {
			t.Error("the ping was not sent")
		}
		c.peer.want(OpPing, "")
		w, err := c.ws.Writer(context.Background(), websocket.MessageBinary)
		if err != nil {
			t.Fatal(err)
		}
		// More than the library's buffer holds: it stands inside a frame then.
		w.Write(make([]byte, 5000))
		if c.tap.Ping() {
			t.Error("a ping was sent inside a frame")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !c.tap.Ping() {
			t.Error("the ping behind the message was not sent")
		}
		var got []Opcode
		for range 3 {
			f, err := c.peer.read()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.op)
		}
		if got[0] != OpBinary || got[1] != OpContinuation || got[2] != OpPing {
			t.Errorf("the peer read opcodes %v", got)
		}
	})
}

func TestAPingIsSkipped(t *testing.T) {
	for name, before := range map[string]func(c *client){
		"while a write is in progress": func(c *client) { c.writing(make([]byte, 64<<10)); synctest.Wait() },
		"while a write of a whole frame is in progress": func(c *client) {
			whole := AppendFrame(nil, OpBinary, make([]byte, 4096), true, [4]byte{})
			beside(c.T, func() error { _, err := c.tap.Write(whole); return err })
			synctest.Wait()
		},
		"after the own Close": func(c *client) { c.closing(1000, ""); synctest.Wait() },
		"after the peer's Close": func(c *client) {
			c.peer.send(closing(1000, ""))
			c.reading().wait()
		},
		"once the library was let go": func(c *client) { c.tap.LetGo() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 1024}, opening{withhold: true})
				before(c)
				began := time.Now()
				if c.tap.Ping() {
					t.Error("a ping was sent")
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("it took %v", d)
				}
				c.tap.Interrupt()
			})
		})
	}
}
