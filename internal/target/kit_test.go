package target_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// A host is a server under test in a bubble.
type host struct {
	*target.Server
	ln     *memnet.Listener
	end    context.CancelFunc
	served chan error
}

// serve runs f beside a Server in a bubble with exact times, ends the server
// and wants it to end well.
func serve(t *testing.T, s *target.Server, f func(t *testing.T, h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond) // a bubble begins on a whole second
		ctx, cancel := context.WithCancel(context.Background())
		h := &host{Server: s, ln: memnet.Listen(), end: cancel, served: make(chan error, 1)}
		go func() { h.served <- s.Serve(ctx, h.ln) }()
		defer func() {
			cancel()
			if err := <-h.served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			wantConserved(t, s.Ledger())
			if open := s.Ledger().Open; open != 0 {
				t.Errorf("%d connections are open after Serve", open)
			}
		}()
		f(t, h)
	})
}

// A client speaks in raw frames.
type client struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
}

// dial opens a TCP connection.
func (h *host) dial(t *testing.T) *client {
	t.Helper()
	conn, err := h.ln.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newClient(t, conn)
}

func newClient(t *testing.T, conn net.Conn) *client {
	return &client{t: t, conn: conn, br: bufio.NewReader(conn)}
}

// open opens a WebSocket on a path; headers are whole lines.
func (h *host) open(t *testing.T, path string, headers ...string) *client {
	t.Helper()
	c := h.dial(t)
	c.upgrade(path, headers...)
	return c
}

// request renders an upgrade request.
func request(path string, headers ...string) []byte {
	lines := append([]string{
		"GET " + path + " HTTP/1.1", "Host: target", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// upgrade wants a 101 with the right answer to its key.
func (c *client) upgrade(path string, headers ...string) http.Header {
	c.t.Helper()
	c.write(request(path, headers...))
	resp := c.response()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("%s: %s", path, resp.Status)
	}
	// The key and its answer are the example of RFC 6455 section 1.3.
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		c.t.Fatalf("%s: Sec-WebSocket-Accept is %q", path, got)
	}
	return resp.Header
}

// get sends a plain request and returns the response with its body.
func (c *client) get(path string) (*http.Response, string) {
	c.t.Helper()
	c.write([]byte("GET " + path + " HTTP/1.1\r\nHost: target\r\n\r\n"))
	resp := c.response()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

func (c *client) response() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

func (c *client) write(p []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// frame renders a client's frame.
func frame(op wire.Opcode, payload string) []byte {
	return wire.AppendFrame(nil, op, []byte(payload), true, [4]byte{0x12, 0x34, 0x56, 0x78})
}

func closeFrame(code int, reason string) []byte {
	return frame(wire.OpClose, string(wire.AppendClosePayload(nil, code, reason)))
}

func (c *client) text(s string) {
	c.t.Helper()
	c.write(frame(wire.OpText, s))
}

func (c *client) sendClose(code int, reason string) {
	c.t.Helper()
	c.write(closeFrame(code, reason))
}

// read reads the server's next frame.
func (c *client) read() (wire.Opcode, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 || head[0]&0x80 == 0 {
		return 0, nil, fmt.Errorf("the server's frame begins % x", head)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var ext [2]byte
		if _, err := io.ReadFull(c.br, ext[:]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(ext[:]))
	case 127:
		var ext [8]byte
		if _, err := io.ReadFull(c.br, ext[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.br, payload)
	return wire.Opcode(head[0] & 0x0F), payload, err
}

// want wants the server's next frame to be this one.
func (c *client) want(op wire.Opcode, payload string) {
	c.t.Helper()
	gotOp, got, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v, want opcode %d, payload %.100q", err, op, payload)
	}
	if gotOp != op || !bytes.Equal(got, []byte(payload)) {
		c.t.Fatalf("got opcode %d, payload %.100q, want %d, %.100q", gotOp, got, op, payload)
	}
}

func (c *client) wantClose(code int, reason string) {
	c.t.Helper()
	c.want(wire.OpClose, string(wire.AppendClosePayload(nil, code, reason)))
}

// maxWait ends a wait for something that never comes. It is longer than any
// time in these tests.
const maxWait = 48 * time.Hour

// wantEOF wants the server's FIN next.
func (c *client) wantEOF() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(maxWait))
	if b, err := c.br.ReadByte(); err != io.EOF {
		c.t.Fatalf("read: %#x, %v, want the server's FIN", b, err)
	}
}

// wantReset wants the server's RST next.
func (c *client) wantReset() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(maxWait))
	if b, err := c.br.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("read: %#x, %v, want the server's RST", b, err)
	}
}

// wantSilence wants nothing to arrive for d.
func (c *client) wantSilence(d time.Duration) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(d))
	b, err := c.br.ReadByte()
	if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
		c.t.Fatalf("read: %#x, %v, want nothing for %s", b, err, d)
	}
	c.conn.SetReadDeadline(time.Time{})
}

// reset ends the connection by RST.
func (c *client) reset() {
	c.t.Helper()
	conn := c.below()
	if err := conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		c.t.Fatal(err)
	}
	conn.Close()
}

// below is the TCP connection.
func (c *client) below() net.Conn {
	if secure, ok := c.conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c.conn
}

// fin ends the client's side of the connection.
func (c *client) fin() {
	c.t.Helper()
	if secure, ok := c.conn.(*tls.Conn); ok {
		secure.CloseWrite()
	}
	if err := c.below().(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// wantElapsed wants exactly d to have passed in the bubble since start.
func wantElapsed(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if got := time.Since(start); got != d {
		t.Errorf("it took %s, want exactly %s", got, d)
	}
}

// wantCounts waits until the server has nothing left to do and wants its
// ledger to hold these modes, and nothing open.
func (h *host) wantCounts(t *testing.T, want map[string]target.Counts) {
	t.Helper()
	synctest.Wait()
	got := h.Ledger()
	if diff := cmp.Diff(want, got.Modes); diff != "" {
		t.Errorf("the ledger differs (-want +got):\n%s", diff)
	}
	if got.Open != 0 {
		t.Errorf("%d connections are open", got.Open)
	}
}

// one is the ledger of a single connection without a mode.
func one(c target.Counts) map[string]target.Counts {
	c.Opened = 1
	return map[string]target.Counts{"none": c}
}

// wantConserved wants every connection opened to be open or ended, once.
func wantConserved(t *testing.T, l target.Ledger) {
	t.Helper()
	var opened, ended uint64
	for _, c := range l.Modes {
		opened += c.Opened
		ended += c.Ended.Total()
	}
	if opened != ended+l.Open {
		t.Errorf("opened %d, ended %d, open %d: they do not add up", opened, ended, l.Open)
	}
}
