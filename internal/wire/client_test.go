package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

// A client is one connection opened by the real library through a Handshake,
// and its peer.
type client struct {
	*testing.T
	tb   *Timebase
	hs   *Handshake
	ws   *websocket.Conn
	tap  *Tap
	peer *peer
	buf  [2048]byte
}

// opening says how a client is opened. The zero value is plain ws, with nothing
// withheld.
type opening struct {
	withhold bool
	behind   []byte // what the peer sends in one write with its 101
	server   *tls.Config
	client   *tls.Config
}

// open has the opening handshake over a connection that exists.
func open(t *testing.T, near net.Conn, tcp far, o opening) *client {
	t.Helper()
	p := newPeer(t, tcp)
	dial := func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
	return openBy(t, &Dialer{Dial: dial}, func() *peer { return p }, o)
}

// openMem opens a client over a network in memory.
func openMem(t *testing.T, path memnet.Options, o opening) *client {
	t.Helper()
	near, far := memnet.Pipe(path)
	return open(t, near, far, o)
}

// openTCP opens a client over loopback, with a socket of the Dialer's own.
func openTCP(t *testing.T, o opening) *client {
	t.Helper()
	l, accept := listen(t)
	return openBy(t, &Dialer{ConnectTo: l.Addr().String()}, accept, o)
}

func openBy(t *testing.T, d *Dialer, accept func() *peer, o opening) *client {
	t.Helper()
	c := &client{T: t, tb: NewTimebase()}
	d.Timebase, d.Connect, d.Upgrade, d.TLS = c.tb, 5*time.Second, 5*time.Second, o.client
	c.hs = &Handshake{Dialer: d, Withhold: o.withhold}
	url := "ws://peer.test/"
	if o.server != nil {
		url = "wss://peer.test/"
	}
	dial := beside(t, func() (err error) {
		c.ws, _, err = websocket.Dial(context.Background(), url, &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: c.hs},
		})
		return err
	})
	c.peer = accept()
	if o.server != nil {
		if err := c.peer.secure(o.server); err != nil {
			t.Fatalf("the peer's TLS handshake: %v", err)
		}
	}
	c.peer.upgrade(o.behind)
	if err := dial.wait(); err != nil {
		t.Fatal(err)
	}
	c.ws.SetReadLimit(-1)
	c.tap = c.hs.Tap
	t.Cleanup(func() {
		c.tap.Shut()
		c.ws.CloseNow()
	})
	return c
}

// tcpPair connects two sockets over loopback.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = a.(*net.TCPConn), b.(*net.TCPConn)
	if err := far.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// The library's operations, beside the test. A context that ends would cut the
// connection, so theirs never does.

func (c *client) reading() *call {
	return beside(c.T, func() error {
		_, _, err := c.ws.Read(context.Background())
		return err
	})
}

func (c *client) writing(p []byte) *call {
	return beside(c.T, func() error {
		return c.ws.Write(context.Background(), websocket.MessageBinary, p)
	})
}

func (c *client) closing(code websocket.StatusCode, reason string) *call {
	return beside(c.T, func() error { return c.ws.Close(code, reason) })
}

// wantText reads one message by the library.
func (c *client) wantText(want string) {
	c.Helper()
	_, got, err := c.ws.Read(context.Background())
	if err != nil || string(got) != want {
		c.Fatalf("the library read %q, %v, want %q", got, err, want)
	}
}

// next reads once as the owner, for at most d.
func (c *client) next(d time.Duration) error { return c.tap.Next(c.buf[:], c.tb.Now()+d) }

// follow reads as the owner to the end, for at most d in all.
func (c *client) follow(d time.Duration) error {
	limit := c.tb.Now() + d
	for {
		if err := c.tap.Next(c.buf[:], limit); err != nil {
			return err
		}
	}
}

// following is follow, beside the test.
func (c *client) following(d time.Duration) *call {
	return beside(c.T, func() error { return c.follow(d) })
}

// wantEnding follows to the end and checks how the connection ended.
func (c *client) wantEnding(state State, ending Kind) Trace {
	c.Helper()
	if err := c.follow(10 * time.Second); !errors.Is(err, io.EOF) {
		c.Fatalf("the owner's reading ended with %v, want EOF", err)
	}
	return c.wantTrace(state, ending)
}

// wantTrace checks the state and how the connection ended, if it did.
func (c *client) wantTrace(state State, ending Kind) Trace {
	c.Helper()
	tr := c.tap.Trace()
	if tr.State != state || tr.Ending != ending {
		c.Fatalf("state %v, ending %d, want %v, %d; %+v", tr.State, tr.Ending, state, ending, tr)
	}
	return tr
}
