package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// opening opens url by the library, beside the test. What opens is ended at
// once: only how it opened matters.
func (h *Handshake) opening(t *testing.T, ctx context.Context, url string) *call {
	return beside(t, func() error {
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: h},
		})
		if err != nil {
			return err
		}
		ws.CloseNow()
		return h.Tap.Shut()
	})
}

// wantRefusal checks the reason for which no connection came about.
func (k *call) wantRefusal(reason string, tool bool, text string) {
	k.Helper()
	err := k.wait()
	oe, ok := errors.AsType[*OpenError](err)
	if !ok {
		k.Fatalf("got %v, want an OpenError", err)
	}
	if oe.Reason != reason || oe.Tool != tool || !strings.Contains(oe.Error(), text) {
		k.Errorf("got %q (tool %t) %q, want %q (tool %t) %q", oe.Reason, oe.Tool, oe.Error(), reason, tool, text)
	}
	if !strings.HasPrefix(oe.Error(), reason+": ") || errors.Unwrap(oe) == nil {
		k.Errorf("the error reads %q", oe.Error())
	}
}

// dialer is a Dialer with limits of its own for each step.
func dialer() *Dialer {
	return &Dialer{Timebase: NewTimebase(), Connect: 2 * time.Second, Upgrade: upgradeLimit}
}

func TestAFailedDialSaysWhyAndWhoseFaultItIs(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason string
		tool   bool
	}{
		{syscall.ECONNREFUSED, "refused", false},
		{syscall.ECONNRESET, "reset", false},
		{syscall.EHOSTUNREACH, "unreachable", false},
		{syscall.ENETUNREACH, "unreachable", false},
		{syscall.ETIMEDOUT, "timeout", false},
		{syscall.EMFILE, "emfile", true},
		{syscall.ENFILE, "emfile", true},
		{syscall.EADDRNOTAVAIL, "eaddrnotavail", true},
		{syscall.EADDRINUSE, "eaddrnotavail", true},
		{syscall.ENOBUFS, "enobufs", true},
		{syscall.ENOMEM, "enobufs", true},
		{&net.DNSError{Err: "no such host", Name: "peer.test", IsNotFound: true}, "dns", false},
		{&net.DNSError{Err: "i/o timeout", Name: "peer.test", IsTimeout: true}, "timeout", false},
		{os.ErrDeadlineExceeded, "timeout", false},
		{errors.New("something else"), "connect", false},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			h := &Handshake{Dialer: dialer()}
			h.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: tc.err}
			}
			k := h.opening(t, t.Context(), "ws://peer.test/")
			k.wantRefusal(tc.reason, tc.tool, tc.err.Error())
			if h.Connected.Set() {
				t.Error("it counts as connected")
			}
		})
	}
}

func TestAPortNobodyListensOnIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	h := &Handshake{Dialer: dialer()}
	h.opening(t, t.Context(), "ws://"+l.Addr().String()).wantRefusal("refused", false, "connection refused")
}

func TestADialThatNeverEndsIsEndedByItsLimitOrByTheRun(t *testing.T) {
	for name, tc := range map[string]struct {
		cancel time.Duration
		reason string
		took   time.Duration
	}{
		"by its limit": {0, "timeout", 2 * time.Second},
		"by the run":   {time.Second, "interrupted", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Handshake{Dialer: dialer()}
				h.Dialer.Dial = func(ctx context.Context, _ string, _ netip.Addr) (net.Conn, error) {
					<-ctx.Done()
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
				}
				k := h.opening(t, ending(t, tc.cancel), "ws://peer.test/")
				k.wantRefusal(tc.reason, false, "context")
				k.after(tc.took)
			})
		})
	}
}

// ending is a context that is cancelled after d; never for 0.
func ending(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if d > 0 {
		time.AfterFunc(d, cancel)
	}
	return ctx
}

// silent dials a peer that says nothing.
func silent(t *testing.T) (*Handshake, *memnet.Conn) {
	near, far := memnet.Pipe(memnet.Options{})
	newPeer(t, far)
	h := &Handshake{Dialer: dialer()}
	h.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
	return h, near
}

func TestAPeerThatSaysNothingIsGivenUpByTheLimitOfTheStepOrByTheRun(t *testing.T) {
	for _, tc := range []struct {
		name      string
		url       string
		cancel    time.Duration
		interrupt time.Duration
		reason    string
		took      time.Duration
	}{
		{"the limit of the connect holds for TLS", "wss://peer.test/", 0, 0, "timeout", 2 * time.Second},
		{"the context ends during the TLS handshake", "wss://peer.test/", time.Second, 0, "interrupted", time.Second},
		{"the TLS handshake is interrupted", "wss://peer.test/", 0, time.Second, "interrupted", time.Second},
		{"the limit of the upgrade", "ws://peer.test/", 0, 0, "timeout", upgradeLimit},
		{"the context ends during the upgrade", "ws://peer.test/", time.Second, 0, "interrupted", time.Second},
		{"the upgrade is interrupted", "ws://peer.test/", 0, time.Second, "interrupted", time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, near := silent(t)
				if tc.interrupt > 0 {
					time.AfterFunc(tc.interrupt, h.Interrupt)
				}
				k := h.opening(t, ending(t, tc.cancel), tc.url)
				k.wantRefusal(tc.reason, false, "")
				k.after(tc.took)
				if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the socket is still open: %v", err)
				}
			})
		})
	}
}

func TestADialInProgressIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handshake{Dialer: dialer()}
		h.Dialer.Dial = func(ctx context.Context, _ string, _ netip.Addr) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		time.AfterFunc(time.Second, h.Interrupt)
		k := h.opening(t, context.Background(), "ws://peer.test/")
		k.wantRefusal("interrupted", false, "")
		k.after(time.Second)
	})
}

func TestARunThatHasEndedDialsNobody(t *testing.T) {
	for name, end := range map[string]func(h *Handshake, cancel func()){
		"its context has ended": func(_ *Handshake, cancel func()) { cancel() },
		"it is interrupted":     func(h *Handshake, _ func()) { h.Interrupt() },
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := &Handshake{Dialer: dialer()}
			end(h, cancel)
			h.opening(t, ctx, "ws://"+l.Addr().String()).wantRefusal("interrupted", false, "")
			l.SetDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("somebody was dialled: %v", err)
			}
		})
	}
}

// Ending the run's context once a connection is open is nothing to it: its
// owner ends it.
func TestARunThatEndsLaterDoesNotTouchAnOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(memnet.Options{})
		h := &Handshake{Dialer: dialer()}
		h.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var ws *websocket.Conn
		dial := beside(t, func() (err error) {
			ws, _, err = websocket.Dial(ctx, "ws://peer.test/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: h}})
			return err
		})
		p := newPeer(t, far)
		p.upgrade(nil)
		if err := dial.wait(); err != nil {
			t.Fatal(err)
		}
		cancel()
		h.Interrupt()
		time.Sleep(time.Second)
		p.send(text("still here"))
		if _, got, err := ws.Read(context.Background()); err != nil || string(got) != "still here" {
			t.Errorf("read %q, %v", got, err)
		}
		ws.CloseNow()
		h.Tap.Shut()
	})
}

func TestTheAddressDialledIsTheURLsOrConnectTo(t *testing.T) {
	for _, tc := range []struct{ url, connectTo, want string }{
		{"ws://peer.test/", "", "peer.test:80"},
		{"wss://peer.test/", "", "peer.test:443"},
		{"ws://peer.test:8080/", "", "peer.test:8080"},
		{"ws://[::1]/", "", "[::1]:80"},
		{"wss://[::1]:8443/", "", "[::1]:8443"},
		{"ws://peer.test/", "127.0.0.1:9000", "127.0.0.1:9000"},
	} {
		h := &Handshake{Dialer: dialer()}
		h.Dialer.ConnectTo = tc.connectTo
		got := ""
		h.Dialer.Dial = func(_ context.Context, addr string, _ netip.Addr) (net.Conn, error) {
			got = addr
			return nil, io.ErrClosedPipe
		}
		h.opening(t, t.Context(), tc.url).wait()
		if got != tc.want {
			t.Errorf("%s with %q: dialled %q, want %q", tc.url, tc.connectTo, got, tc.want)
		}
	}
}

// listen serves one connection by hand, over loopback.
func listen(t *testing.T) (*net.TCPListener, func() *peer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tcp := l.(*net.TCPListener)
	return tcp, func() *peer {
		t.Helper()
		if err := tcp.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		conn, err := tcp.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		return newPeer(t, conn)
	}
}

func TestConnectToKeepsTheHostAndThePath(t *testing.T) {
	l, accept := listen(t)
	h := &Handshake{Dialer: dialer()}
	h.Dialer.ConnectTo = l.Addr().String()
	k := h.opening(t, t.Context(), "ws://shop.example:8080/echo?user=1")
	req := accept().upgrade(nil)
	if err := k.wait(); err != nil {
		t.Fatal(err)
	}
	if req.Host != "shop.example:8080" || req.RequestURI != "/echo?user=1" {
		t.Errorf("the request was for %q at %q", req.RequestURI, req.Host)
	}
}
