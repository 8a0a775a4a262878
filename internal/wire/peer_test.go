package wire

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// far is the peer's end of a TCP connection, in memory or of the kernel.
type far interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// A peer plays the other side of one connection by hand. It parses frames by
// code of its own, so that the decoder is not judged by itself.
type peer struct {
	*testing.T
	tcp  far
	path *path    // above tcp, where there is TLS
	conn net.Conn // tcp, or the TLS session above it
	br   *bufio.Reader
}

func newPeer(t *testing.T, tcp far) *peer {
	t.Cleanup(func() { tcp.Close() })
	return &peer{T: t, tcp: tcp, conn: tcp, br: bufio.NewReader(tcp)}
}

// secure has the TLS handshake, as the server.
func (p *peer) secure(cfg *tls.Config) error {
	return p.shake(tls.Server(p.below(), cfg))
}

// trust has the TLS handshake, as the client.
func (p *peer) trust(cfg *tls.Config) error {
	return p.shake(tls.Client(p.below(), cfg))
}

func (p *peer) below() net.Conn {
	p.path = &path{Conn: p.tcp}
	return p.path
}

func (p *peer) shake(conn *tls.Conn) error {
	p.conn, p.br = conn, bufio.NewReader(conn)
	return conn.Handshake()
}

// A path lies below the peer's TLS session and can keep what is written.
type path struct {
	net.Conn
	keep bool
	kept []byte
}

func (c *path) Write(p []byte) (int, error) {
	if !c.keep {
		return c.Conn.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

// hold returns what TLS makes of what f sends, instead of sending it.
func (p *peer) hold(f func()) []byte {
	p.Helper()
	p.path.keep, p.path.kept = true, nil
	f()
	p.path.keep = false
	if err := p.tcp.SetWriteDeadline(time.Time{}); err != nil { // CloseWrite ends all writes
		p.Fatal(err)
	}
	return p.path.kept
}

// request reads the upgrade request.
func (p *peer) request() *http.Request {
	p.Helper()
	req, err := http.ReadRequest(p.br)
	if err != nil {
		p.Fatalf("the peer reads the request: %v", err)
	}
	return req
}

// upgrade answers the upgrade request, with behind in the same write.
func (p *peer) upgrade(behind []byte) *http.Request {
	p.Helper()
	req := p.request()
	p.send([]byte(switching(Accept(req.Header.Get("Sec-WebSocket-Key")))), behind)
	return req
}

// switching is a valid 101, with the value of its Accept header.
func switching(accept string, more ...string) string {
	s := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, line := range more {
		s += line + "\r\n"
	}
	return s + "Sec-WebSocket-Accept: " + accept + "\r\n\r\n"
}

// send writes all pieces at once.
func (p *peer) send(pieces ...[]byte) {
	p.Helper()
	var all []byte
	for _, b := range pieces {
		all = append(all, b...)
	}
	if _, err := p.conn.Write(all); err != nil {
		p.Fatalf("the peer sends: %v", err)
	}
}

func (p *peer) fin() {
	p.Helper()
	if err := p.tcp.CloseWrite(); err != nil {
		p.Fatalf("the peer sends FIN: %v", err)
	}
}

func (p *peer) rst() {
	p.Helper()
	if err := errors.Join(p.tcp.SetLinger(0), p.tcp.Close()); err != nil {
		p.Fatalf("the peer sends RST: %v", err)
	}
}

func (p *peer) close() {
	p.Helper()
	if err := p.tcp.Close(); err != nil {
		p.Fatalf("the peer closes: %v", err)
	}
}

// frame is a frame as the peer read it.
type frame struct {
	op          Opcode
	fin, masked bool
	payload     string
}

func (f frame) String() string {
	return fmt.Sprintf("{op %#x, fin %t, masked %t, %d bytes %.40q}", uint8(f.op), f.fin, f.masked, len(f.payload), f.payload)
}

// read reads one frame.
func (p *peer) read() (frame, error) {
	var h [2]byte
	if _, err := io.ReadFull(p.br, h[:]); err != nil {
		return frame{}, err
	}
	f := frame{op: Opcode(h[0] & 0x0F), fin: h[0]&0x80 != 0, masked: h[1]&0x80 != 0}
	size := uint64(h[1] & 0x7F)
	for i, wide := range []int{2, 8} {
		if size != uint64(126+i) {
			continue
		}
		ext := make([]byte, 8)
		if _, err := io.ReadFull(p.br, ext[8-wide:]); err != nil {
			return f, err
		}
		size = binary.BigEndian.Uint64(ext)
		break
	}
	var key [4]byte
	if f.masked {
		if _, err := io.ReadFull(p.br, key[:]); err != nil {
			return f, err
		}
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(p.br, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	f.payload = string(payload)
	return f, err
}

// want reads one frame and compares it.
func (p *peer) want(op Opcode, payload string) {
	p.Helper()
	got, err := p.read()
	if want := (frame{op: op, fin: true, masked: true, payload: payload}); err != nil || got != want {
		p.Fatalf("the peer read %v, %v, want %v", got, err, want)
	}
}

func (p *peer) wantClose(code int, reason string) {
	p.Helper()
	p.want(OpClose, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// wantEnd reads what is left and checks how it ends: io.EOF for a FIN, or an
// errno.
func (p *peer) wantEnd(want error) {
	p.Helper()
	if _, err := io.Copy(io.Discard, p.br); !errors.Is(err, want) && (err != nil || want != io.EOF) {
		p.Fatalf("the peer's reading ended with %v, want %v", err, want)
	}
}

// The frames a server sends.

func text(s string) []byte { return serverFrame(OpText, s) }

func closing(code int, reason string) []byte {
	return serverFrame(OpClose, string(AppendClosePayload(nil, code, reason)))
}

func serverFrame(op Opcode, payload string) []byte {
	return AppendFrame(nil, op, []byte(payload), false, [4]byte{})
}

// fragment is a frame without FIN.
func fragment(op Opcode, payload string) []byte {
	f := serverFrame(op, payload)
	f[0] &^= bitFin
	return f
}

// A call is an operation that runs beside the test.
type call struct {
	*testing.T
	began time.Time
	took  time.Duration
	err   error
	done  chan struct{}
}

// beside starts f.
func beside(t *testing.T, f func() error) *call {
	k := &call{T: t, began: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(k.done)
		k.err = f()
		k.took = time.Since(k.began)
	}()
	return k
}

// wait returns what the operation returned.
func (k *call) wait() error {
	k.Helper()
	select {
	case <-k.done:
	case <-time.After(time.Minute):
		k.Fatal("still not back after a minute")
	}
	return k.err
}

// after returns what the operation returned, and fails where it did not take
// the given time exactly: that of a bubble.
func (k *call) after(want time.Duration) error {
	k.Helper()
	err := k.wait()
	if k.took != want {
		k.Fatalf("it took %v, want %v (it returned %v)", k.took, want, err)
	}
	return err
}
