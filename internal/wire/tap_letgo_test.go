package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// The library lets go after its own five seconds; the owner then still sees a
// Close after seven and a FIN after seven and a half.
func TestASilentPeerHoldsTheLibraryForFiveSecondsAndTheOwnerAsLongAsItWill(t *testing.T) {
	for name, besideReader := range map[string]bool{
		"the library reads in its Close":           false,
		"the library's Close is beside its reader": true,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, opening{})
				reader := beside(t, func() error { return nil })
				if besideReader {
					reader = c.reading()
					synctest.Wait()
				}
				closer := c.closing(1000, "done")
				c.peer.wantClose(1000, "done")
				if err := closer.after(5 * time.Second); err == nil {
					t.Error("the library's Close reports a handshake that was none")
				}
				if err := reader.wait(); besideReader && (reader.took != 5*time.Second || err == nil) {
					t.Errorf("the library's Read ended after %v with %v", reader.took, err)
				}
				c.wantTrace(CloseSent, None)

				owner := c.following(time.Minute)
				time.Sleep(2 * time.Second)
				c.peer.send(closing(1001, "late"))
				time.Sleep(500 * time.Millisecond)
				c.peer.fin()
				if err := owner.after(2500 * time.Millisecond); !errors.Is(err, io.EOF) {
					t.Errorf("the owner's reading ended with %v", err)
				}
				tr := c.wantTrace(Closed, FIN)
				if d := tr.PeerClose.At - tr.OwnClose.At; d != 7*time.Second || tr.PeerCode != 1001 || tr.PeerReason != "late" {
					t.Errorf("the peer's Close (%d %q) after %v, want 1001 after 7s", tr.PeerCode, tr.PeerReason, d)
				}
				if d := tr.End.At - tr.OwnClose.At; d != 7500*time.Millisecond {
					t.Errorf("FIN after %v, want 7.5s", d)
				}
			})
		})
	}
}

func TestCloseNowBesideABlockedReadReturnsAtOnceAndLeavesTheSocketToTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		reader := c.reading()
		synctest.Wait()
		began := time.Now()
		if err := c.ws.CloseNow(); err != nil {
			t.Errorf("CloseNow: %v", err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("CloseNow took %v", d)
		}
		if err := reader.after(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the library's Read ended with %v", err)
		}
		if !c.tap.armed.IsZero() {
			t.Error("the read that was woken has left its deadline behind")
		}

		time.Sleep(time.Hour) // nothing closes it by and by
		c.peer.send(text("still here"), closing(1000, ""))
		if err := c.next(time.Second); err != nil {
			t.Fatalf("the owner's read: %v", err)
		}
		if tr := c.wantTrace(CloseReceived, None); tr.Received != 1 {
			t.Errorf("received %d messages, want 1", tr.Received)
		}
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Errorf("the owner's Close: %v", err)
		}
		c.peer.wantClose(1000, "")
		c.peer.close()
		c.wantEnding(Closed, FIN)
	})
}

func TestAWriteStuckOnAFullWindowIsWokenByLettingGo(t *testing.T) {
	for name, letGo := range map[string]func(c *client) error{
		"by the owner":               func(c *client) error { c.tap.LetGo(); return nil },
		"by the library's CloseNow":  func(c *client) error { return c.ws.CloseNow() },
		"by the library's own limit": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 1024}, opening{})
				writer := c.writing(make([]byte, 64<<10))
				synctest.Wait()
				if letGo == nil {
					// The Close waits behind the write for five seconds.
					c.closing(1000, "").after(5 * time.Second)
					writer.after(5 * time.Second)
				} else {
					if err := beside(t, func() error { return letGo(c) }).after(0); err != nil {
						t.Error(err)
					}
					if err := writer.after(0); err == nil {
						t.Error("the library's Write reports success")
					}
				}

				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); !errors.Is(err, errNotAtBoundary) {
					t.Errorf("a Close inside a half frame: %v", err)
				}
				tr := c.wantTrace(Open, None)
				if !tr.OwnCloseLost || tr.OwnClose.Set() || tr.OwnCloseDone {
					t.Errorf("the lost Close reads %+v", tr)
				}
				if err := c.tap.Cut(true); err != nil {
					t.Errorf("the cut: %v", err)
				}
				if tr := c.wantTrace(Aborted, None); !tr.Cut.Set() || !tr.Reset {
					t.Errorf("the cut reads %+v", tr)
				}
				c.peer.wantEnd(syscall.ECONNRESET)
			})
		})
	}
}

// What the decoder of the own frames says is not enough: they are noted before
// they are written.
func TestNoCloseIsWrittenInsideAFrameOfTheLibrary(t *testing.T) {
	for name, begin := range map[string]func(c *client){
		"of which a write is stuck": func(c *client) {
			whole := AppendFrame(nil, OpBinary, make([]byte, 4096), true, [4]byte{})
			beside(c.T, func() error { _, err := c.tap.Write(whole); return err })
			synctest.Wait()
		},
		"of which a part is written": func(c *client) {
			w, err := c.ws.Writer(context.Background(), websocket.MessageBinary)
			if err != nil {
				c.Fatal(err)
			}
			frame := beside(c.T, func() error { _, err := w.Write(make([]byte, 5000)); return err })
			c.peer.br.Peek(1)
			io.CopyN(io.Discard, c.peer.br, 4096)
			if err := frame.after(0); err != nil {
				c.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{Window: 1024}, opening{})
				begin(c)
				c.tap.LetGo()
				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); !errors.Is(err, errNotAtBoundary) {
					t.Errorf("got %v", err)
				}
				if tr := c.wantTrace(Open, None); tr.OwnClose.Set() || !tr.OwnCloseLost {
					t.Errorf("the lost Close reads %+v", tr)
				}
			})
		})
	}
}

func TestALateCloseOfTheLibraryDoesNotWakeTheOwnersWaitForTheFIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{withhold: true})
		c.peer.send(closing(1000, ""))
		if err := c.reading().after(0); !errors.Is(err, ErrHandover) {
			t.Fatalf("the library's Read ended with %v", err)
		}
		if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
			t.Fatal(err)
		}
		owner := c.following(10 * time.Second)
		for range 3 {
			time.Sleep(time.Second)
			c.ws.CloseNow()
			c.tap.Close()
		}
		c.peer.wantClose(1000, "")
		c.peer.close()
		if err := owner.after(3 * time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("the wait for the FIN ended with %v", err)
		}
		c.wantTrace(Closed, FIN)
	})
}

func TestALateCloseOfTheLibraryDoesNotSpoilTheOwnersClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 1000}, opening{})
		full := make([]byte, 1000-8) // with its header the whole window
		if err := c.writing(full).after(0); err != nil {
			t.Fatal(err)
		}
		if err := c.ws.CloseNow(); err != nil {
			t.Fatal(err)
		}
		owner := beside(t, func() error { return c.tap.WriteClose(1000, "", c.tb.Now()+10*time.Second) })
		time.Sleep(time.Second)
		c.tap.Close()
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

func TestTheLibraryIsRefusedOnceLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.tap.LetGo()
		c.peer.send(text("too late"))
		if n, err := c.tap.Read(c.buf[:]); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := c.tap.Write([]byte{1}); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if err := c.next(0); err != nil {
			t.Errorf("the owner's read: %v", err)
		}
	})
}

func TestTheLibraryIsRefusedOnceTheOwnerReads(t *testing.T) {
	for name, o := range map[string]opening{
		"from the socket":          {},
		"what came behind the 101": {behind: text("behind")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, o)
				c.peer.send(text("more"))
				if err := c.next(time.Second); err != nil {
					t.Fatalf("the owner's read: %v", err)
				}
				if n, err := c.tap.Read(c.buf[:]); n != 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read: %d, %v", n, err)
				}
			})
		})
	}
}

// A write that waits for another one's end gives up when the library is let
// go, and writes nothing.
func TestAWriteBehindAStuckWriteGivesUpWhenTheLibraryIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 512}, opening{})
		first := beside(t, func() error { _, err := c.tap.Write(make([]byte, 4096)); return err })
		synctest.Wait()
		second := beside(t, func() error { _, err := c.tap.Write([]byte{1}); return err })
		synctest.Wait()
		c.tap.LetGo()
		if err := first.after(0); err == nil {
			t.Error("the stuck write reports success")
		}
		if err := second.after(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the write behind it: %v", err)
		}
	})
}

func TestTheLibraryCanReadOnAfterItsWriteWasStuckForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{Window: 1024}, opening{})
		big := make([]byte, 8<<10)
		writer := c.writing(big)
		time.Sleep(time.Second)
		c.peer.want(OpBinary, string(big))
		c.peer.send(text("got it"))
		if err := writer.after(time.Second); err != nil {
			t.Error(err)
		}
		c.wantText("got it")
		if err := c.ws.Write(context.Background(), 1, []byte("again")); err != nil {
			t.Error(err)
		}
		c.peer.want(OpText, "again")
	})
}
