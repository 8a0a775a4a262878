package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

// notify ends the peer's TLS session and leaves TCP open.
func (p *peer) notify() {
	p.Helper()
	if err := p.conn.(*tls.Conn).CloseWrite(); err != nil {
		p.Fatalf("the peer sends close_notify: %v", err)
	}
}

// late writes past the TLS session, which has ended.
func (p *peer) late(b []byte) {
	p.Helper()
	p.tcp.SetWriteDeadline(time.Time{})
	if _, err := p.tcp.Write(b); err != nil {
		p.Fatal(err)
	}
}

func TestOverTLSTheEndOfTheSessionIsNotedApartFromTheFIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, openTLS(t))
		closer := c.closing(1000, "done")
		c.peer.wantClose(1000, "done")
		c.peer.send(closing(1000, "done"))
		if err := closer.wait(); err != nil {
			t.Errorf("the library's Close: %v", err)
		}
		owner := c.following(10 * time.Second)
		time.Sleep(time.Second)
		c.peer.notify()
		synctest.Wait()
		if tr := c.wantTrace(Closed, None); tr.Notify != UserInstant(time.Second) {
			t.Errorf("close_notify at %+v, want 1s", tr.Notify)
		}
		c.peer.late(text("late"))
		time.Sleep(400 * time.Millisecond)
		c.peer.fin()
		if err := owner.after(1400 * time.Millisecond); !errors.Is(err, io.EOF) {
			t.Errorf("the owner's reading ended with %v", err)
		}
		if tr := c.wantTrace(Closed, FIN); tr.Notify.At != time.Second || tr.End.At != 1400*time.Millisecond {
			t.Errorf("close_notify at %v, FIN at %v, want 1s, 1.4s", tr.Notify.At, tr.End.At)
		} else if tr.Received != 0 || tr.Rule != NoRule {
			t.Errorf("bytes behind the session were taken for frames: %+v", tr)
		}
	})
}

func TestOverTLSAnEndIsToldByTheSocketBelow(t *testing.T) {
	for _, tc := range []struct {
		name   string
		peer   func(p *peer)
		ending Kind
		errno  syscall.Errno
		notify bool
		cut    bool
	}{
		{"a FIN behind a close_notify", func(p *peer) { p.notify(); p.fin() }, FIN, 0, true, false},
		{"a FIN without a close_notify", func(p *peer) { p.fin() }, FIN, 0, false, false},
		{"a FIN inside a TLS record", func(p *peer) { p.tcp.Write([]byte{23, 3, 3, 0, 99, 1}); p.fin() }, FIN, 0, false, false},
		{"a FIN inside a frame", func(p *peer) { p.send(text("abc")[:3]); p.fin() }, FIN, 0, false, true},
		{"an RST", func(p *peer) { p.rst() }, RST, syscall.ECONNRESET, false, false},
		{"an RST behind a close_notify", func(p *peer) { p.notify(); p.rst() }, RST, syscall.ECONNRESET, true, false},
		{"bytes that are no TLS", func(p *peer) { p.tcp.Write([]byte("HTTP/1.1 500 oops\r\n\r\n")) }, Failed, 0, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, openTLS(t))
				tc.peer(c.peer)
				tr := c.wantEnding(Aborted, tc.ending)
				if tr.Errno != tc.errno || tr.Notify.Set() != tc.notify || tr.Truncated != tc.cut {
					t.Errorf("errno %v, close_notify %t, truncated %t, want %v, %t, %t",
						tr.Errno, tr.Notify.Set(), tr.Truncated, tc.errno, tc.notify, tc.cut)
				}
			})
		})
	}
}

// Servers end the TLS session right behind their Close.
func TestOverTLSAWithheldCloseIsHandedOverAlsoWhenACloseNotifyCameWithIt(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openTLS(t)
				o.withhold, o.client.MaxVersion = true, version
				c := openMem(t, memnet.Options{}, o)
				all := c.peer.hold(func() {
					c.peer.send(text("last word"), closing(1000, "bye"))
					c.peer.notify()
				})
				if _, err := c.peer.tcp.Write(all); err != nil {
					t.Fatal(err)
				}
				c.wantText("last word")
				if err := c.reading().wait(); !errors.Is(err, ErrHandover) {
					t.Errorf("the library's Read ended with %v", err)
				}
				if err := c.tap.WriteClose(1000, "", c.tb.Now()+time.Second); err != nil {
					t.Errorf("the owner's Close: %v", err)
				}
				c.peer.wantClose(1000, "")
				c.peer.fin()
				if tr := c.wantEnding(Closed, FIN); !tr.Notify.Set() {
					t.Error("the close_notify was not noted")
				}
			})
		})
	}
}

func TestOverTLSTheLibraryIsWokenAndTheOwnerReadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, openTLS(t))
		reader := c.reading()
		// Half a TLS record is in when the read is woken: nothing of it is lost.
		record := c.peer.hold(func() { c.peer.send(closing(1000, "bye")) })
		if _, err := c.peer.tcp.Write(record[:7]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.ws.CloseNow(); err != nil {
			t.Error(err)
		}
		reader.after(0)
		owner := beside(t, func() error { return c.next(time.Minute) })
		time.Sleep(time.Second)
		if _, err := c.peer.tcp.Write(record[7:]); err != nil {
			t.Fatal(err)
		}
		if err := owner.after(time.Second); err != nil {
			t.Errorf("the owner's read: %v", err)
		}
		c.wantTrace(CloseReceived, None)
	})
}

func TestOverTLSOnlyAConnectionThatIsClosedEndsItsSession(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(c *client) // with a Close handshake behind
		want bool            // a close_notify is sent
	}{
		"a closed one":  {func(c *client) { c.tap.Shut() }, true},
		"a cut one":     {func(c *client) { c.tap.Cut(false); c.tap.Shut() }, false},
		"one after RST": {func(c *client) { c.peer.tcp.SetLinger(0); c.peer.close(); c.follow(time.Second); c.tap.Shut() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openMem(t, memnet.Options{}, openTLS(t))
				closer := c.closing(1000, "")
				c.peer.wantClose(1000, "")
				c.peer.send(closing(1000, ""))
				closer.wait()
				tc.end(c)
				c.wantClosed()
				rest, _ := io.ReadAll(c.peer.tcp)
				if (len(rest) > 0) != tc.want {
					t.Errorf("behind the Close came %d bytes", len(rest))
				}
			})
		})
	}
	t.Run("an open one does not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := openMem(t, memnet.Options{}, openTLS(t))
			c.tap.Shut()
			if rest, err := io.ReadAll(c.peer.tcp); len(rest) > 0 || err != nil {
				t.Errorf("%d bytes came, %v", len(rest), err)
			}
		})
	})
}

func (c *client) wantClosed() {
	c.Helper()
	if tr := c.tap.Trace(); tr.State != Closed {
		c.Errorf("state %v, want Closed", tr.State)
	}
}

// The server's end is a tls.Conn that somebody else made: the socket below is
// out of the way of its reads.
func TestTheServersEndOverTLSSeesTheTeardown(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	ours := AppendFrame(nil, OpText, []byte("hello"), true, key)
	bye := AppendFrame(ours, OpClose, AppendClosePayload(nil, 1000, "bye"), true, key)
	for _, tc := range []struct {
		name   string
		client func(p *peer) // the TLS client, played by hand
		closed bool          // behind a message and a Close
		ending Kind
		notify bool
		cut    bool
	}{
		{"a Close and a FIN behind a close_notify",
			func(p *peer) { p.send(bye); p.notify(); time.Sleep(time.Second); p.fin() }, true, FIN, true, false},
		{"a FIN without anything", func(p *peer) { p.fin() }, false, FIN, false, false},
		{"a FIN inside a frame", func(p *peer) { p.send(ours[:3]); p.fin() }, false, FIN, false, true},
		{"a FIN inside a TLS record", func(p *peer) { p.tcp.Write(p.hold(func() { p.send(ours) })[:9]); p.fin() }, false, FIN, false, false},
		{"an RST", func(p *peer) { p.rst() }, false, RST, false, false},
		{"an RST behind a message", func(p *peer) { p.send(ours); time.Sleep(time.Second); p.rst() }, false, RST, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tap, p := serveTLS(t)
				playing := beside(t, func() error { tc.client(p); return nil })
				var buf [1024]byte
				err := tap.Next(buf[:], tap.tb.Now()+time.Minute)
				for err == nil {
					err = tap.Next(buf[:], tap.tb.Now()+time.Minute)
				}
				playing.wait()
				tr := tap.Trace()
				if !errors.Is(err, io.EOF) || tr.State != Aborted || tr.Ending != tc.ending || tr.Notify.Set() != tc.notify || tr.Truncated != tc.cut {
					t.Errorf("ended with %v, %+v", err, tr)
				}
				if tc.closed && (!tr.PeerClose.Set() || tr.PeerCode != 1000 || tr.Received != 1) {
					t.Errorf("the Close reads %+v", tr)
				}
			})
		})
	}
}

// serveTLS has a TLS handshake and taps the server's end of it.
func serveTLS(t *testing.T) (*Tap, *peer) {
	t.Helper()
	near, tcp := memnet.Pipe(memnet.Options{})
	cert, pool := identity(t, "peer.test")
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{cert}})
	shaking := beside(t, server.Handshake)
	p := newPeer(t, tcp)
	if err := p.trust(&tls.Config{RootCAs: pool, ServerName: "peer.test"}); err != nil {
		t.Fatal(err)
	}
	if err := shaking.wait(); err != nil {
		t.Fatal(err)
	}
	tap := NewTLSTap(server, NewTimebase(), TapOptions{Server: true})
	t.Cleanup(func() { tap.Shut() })
	return tap, p
}
