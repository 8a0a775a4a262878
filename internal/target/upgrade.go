package target

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/wire"
)

// bufferSize is the size of the library's buffers, in bytes, one each way per
// connection. Longer messages pass in several reads and writes.
const bufferSize = 512

// open makes a session of the request. It returns nil where that fails; the
// client has its answer then, or is gone.
func (u *upgrade) open(r *http.Request) *session {
	lib, err := websocket.Accept(u, r, &websocket.AcceptOptions{
		Subprotocols:       offered(r),
		InsecureSkipVerify: true, // a target for load has no origin to protect
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil
	}
	lib.SetReadLimit(-1)
	u.session.lib = lib
	return u.session
}

// offered is the first subprotocol that the client offers.
func offered(r *http.Request) []string {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				return []string{name}
			}
		}
	}
	return nil
}

// An upgrade is what the library gets as the http.ResponseWriter. It leaves
// refusals to net/http, and writes the 101 itself: only bytes behind it may
// pass through the Tap.
type upgrade struct {
	http.ResponseWriter
	sv      *service
	manners manners
	header  http.Header // of the request

	taken   bool     // from net/http
	session *session // once the 101 is written
}

// WriteHeader implements http.ResponseWriter. The library sends the 101 before
// it takes the connection; here the taking sends it.
func (u *upgrade) WriteHeader(code int) {
	if code != http.StatusSwitchingProtocols && !u.taken {
		u.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter. On a connection that was taken and
// could not be used, there is nobody to tell.
func (u *upgrade) Write(p []byte) (int, error) {
	if u.taken {
		return len(p), nil
	}
	return u.ResponseWriter.Write(p)
}

// Hijack implements http.Hijacker: it takes the connection from net/http,
// writes the 101 and opens the session.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("upgrade: %w", err)
	}
	u.taken = true
	rest, _ := brw.Reader.Peek(brw.Reader.Buffered())
	if err := u.accept(conn); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("upgrade: write the 101: %w", err)
	}
	u.session = u.sv.newSession(conn, rest, u.manners, u.header)
	library := libraryConn{Conn: conn, tap: u.session.tap}
	// The library attaches the reader itself.
	return library, bufio.NewReadWriter(bufio.NewReaderSize(nil, bufferSize), bufio.NewWriterSize(library, bufferSize)), nil
}

// accept writes the 101. A client that does not take it in time is dropped.
func (u *upgrade) accept(conn net.Conn) error {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err := u.Header().Write(&b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	if err := conn.SetWriteDeadline(time.Now().Add(u.sv.replyLimit())); err != nil {
		return err
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// libraryConn is the Tap in the shape of the net.Conn that net/http would give
// to the library.
type libraryConn struct {
	net.Conn
	tap io.ReadWriteCloser
}

// Read implements net.Conn.
func (l libraryConn) Read(p []byte) (int, error) { return l.tap.Read(p) }

// Write implements net.Conn.
func (l libraryConn) Write(p []byte) (int, error) { return l.tap.Write(p) }

// Close implements net.Conn.
func (l libraryConn) Close() error { return l.tap.Close() }

// newSession begins the session of a connection whose 101 is written. rest is
// what the client sent behind its request.
func (sv *service) newSession(conn net.Conn, rest []byte, m manners, header http.Header) *session {
	c := &session{sv: sv, conn: conn, manners: m, opened: sv.tb.Now()}
	c.account, c.n = sv.book.opened(header.Get(ModeHeader))
	if text := header.Get(IDHeader); text != "" && c.id.UnmarshalText([]byte(text)) == nil {
		c.named, c.n = true, c.id.N
	}
	if sv.Record != nil {
		sv.Record.Started()
		sv.Record.Opened()
	}
	opt := wire.TapOptions{Server: true, Withhold: true, Read: rest}
	if secure, ok := conn.(*tls.Conn); ok {
		c.link = secure.NetConn().(*link)
		c.tap = wire.NewTLSTap(secure, sv.tb, opt)
	} else {
		c.link = conn.(*link)
		c.tap = wire.NewTap(conn, sv.tb, opt)
	}
	return c
}
