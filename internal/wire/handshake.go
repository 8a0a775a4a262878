package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Handshake opens one connection. It is an http.RoundTripper for a single
// request, the upgrade: one dial, no pool, no redirects. Only a valid 101
// reaches the caller, with the Tap as its body; anything else is an OpenError
// and a closed socket.
type Handshake struct {
	Dialer   *Dialer
	Local    netip.Addr // source address; the kernel's choice when not valid
	Withhold bool       // the Tap keeps the peer's Close from the library

	Begun     time.Duration // dial begun
	Connected Instant       // TCP connected
	Secured   Instant       // TLS handshake done
	Asked     Instant       // request handed to write
	Answered  Instant       // response arrived

	Tap *Tap // after a valid 101
}

// RoundTrip implements http.RoundTripper.
func (h *Handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	h.Begun = h.Dialer.Timebase.Now()
	sock, conn, err := h.connect(req)
	if err != nil {
		return nil, err
	}
	resp, rest, err := h.upgrade(req, sock, conn)
	if err != nil {
		sock.Close()
		return nil, err
	}
	h.Tap = newTap(conn, sock, TapOptions{Withhold: h.Withhold, Read: rest})
	resp.Body = h.Tap
	return resp, nil
}

// connect dials and, for wss, secures the connection, both within the limit.
func (h *Handshake) connect(req *http.Request) (*socket, net.Conn, error) {
	ctx, cancel := context.WithTimeout(req.Context(), h.Dialer.Connect)
	defer cancel()
	addr := h.Dialer.ConnectTo
	if addr == "" {
		addr = hostPort(req.URL)
	}
	tcp, err := h.Dialer.dial(ctx, addr, h.Local)
	if err != nil {
		return nil, nil, openError("connect", err)
	}
	h.Connected = UserInstant(h.Dialer.Timebase.Now())
	sock := newSocket(tcp, h.Dialer.Timebase)
	if req.URL.Scheme != "https" {
		return sock, sock, nil
	}
	conn := tls.Client(sock, h.tlsConfig(req.URL))
	if err := conn.HandshakeContext(ctx); err != nil {
		sock.Close()
		return nil, nil, openError("tls", err)
	}
	h.Secured = UserInstant(h.Dialer.Timebase.Now())
	return sock, conn, nil
}

func (h *Handshake) tlsConfig(u *url.URL) *tls.Config {
	cfg := h.Dialer.TLS
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = u.Hostname()
	}
	return cfg
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// readers holds the buffers responses are read through.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// upgrade sends the request and judges the response. rest is what the peer
// sent behind it.
func (h *Handshake) upgrade(req *http.Request, sock *socket, conn net.Conn) (_ *http.Response, rest []byte, err error) {
	tb := h.Dialer.Timebase
	conn.SetDeadline(tb.Time(tb.Now() + h.Dialer.Upgrade))
	stop := context.AfterFunc(req.Context(), func() { conn.SetDeadline(past) })
	defer func() {
		if !stop() && err == nil {
			err = openError("upgrade", context.Cause(req.Context()))
		}
		if err == nil {
			err = conn.SetDeadline(time.Time{})
		}
		if err != nil && req.Context().Err() != nil {
			err = &OpenError{Reason: "interrupted", Err: err}
		}
	}()
	h.Asked = UserInstant(tb.Now())
	if _, err := conn.Write(request(req)); err != nil {
		return nil, nil, openError("upgrade", err)
	}
	br := readers.Get().(*bufio.Reader)
	defer func() {
		br.Reset(nil)
		readers.Put(br)
	}()
	br.Reset(conn)
	resp, err := http.ReadResponse(br, req)
	h.Answered = sock.last
	if err != nil {
		return nil, nil, responseError(err)
	}
	if err := judge(req, resp); err != nil {
		return nil, nil, err
	}
	rest, _ = br.Peek(br.Buffered())
	return resp, bytes.Clone(rest), nil
}

// request renders the upgrade request.
func request(req *http.Request) []byte {
	var b bytes.Buffer
	b.Grow(512)
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", req.URL.RequestURI(), host)
	req.Header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// responseError names what was wrong with bytes that are no response.
func responseError(err error) *OpenError {
	oe := openError("upgrade", err)
	if oe.Reason != "upgrade" {
		return oe
	}
	oe.Reason = "malformed"
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		oe.Reason = "eof"
	}
	return oe
}

// judge applies RFC 6455 section 4.1: what a client must check of the response
// before the connection is a WebSocket.
func judge(req *http.Request, resp *http.Response) error {
	refuse := func(reason, format string, args ...any) error {
		return &OpenError{Reason: reason, Err: fmt.Errorf(format, args...)}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return refuse(statusReason(resp.StatusCode), "the server answered %s instead of 101: %q", resp.Status, body)
	}
	if !hasToken(resp.Header, "Upgrade", "websocket") {
		return refuse("bad-upgrade", "the Upgrade header is %q, not websocket", resp.Header.Get("Upgrade"))
	}
	if !hasToken(resp.Header, "Connection", "upgrade") {
		return refuse("bad-connection", "the Connection header is %q, without upgrade", resp.Header.Get("Connection"))
	}
	if got, want := resp.Header.Get("Sec-WebSocket-Accept"), Accept(req.Header.Get("Sec-WebSocket-Key")); got != want {
		return refuse("bad-accept", "the Sec-WebSocket-Accept header is %q, not %q", got, want)
	}
	if ext := resp.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		return refuse("bad-extension", "the server chose extension %q; none was offered", ext)
	}
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "" && !hasToken(req.Header, "Sec-WebSocket-Protocol", got) {
		return refuse("bad-subprotocol", "the server chose subprotocol %q; it was not offered", got)
	}
	return nil
}

func hasToken(h http.Header, key, token string) bool {
	for _, line := range h.Values(key) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// Accept is the Sec-WebSocket-Accept value that answers key (RFC 6455 section
// 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
