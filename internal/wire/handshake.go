package wire

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Request is an opening handshake's request (RFC 6455 section 4.1), written
// once and sent for many connections: only its key is drawn anew each time.
type Request struct {
	secure  bool
	addr    string // host:port to dial
	name    string // of the server, for TLS
	head    []byte // the request up to the value of its key
	key     string // a library's; "" for one that is drawn
	offered string // subprotocols
}

// NewRequest makes the request for a ws:// or wss:// URL. host is the Host
// header, "" for the URL's. Of the header, names should be canonical; what the
// handshake itself sets is not to be in it.
func NewRequest(rawURL, host string, header http.Header, subprotocols []string) (*Request, *OpenError) {
	u, err := url.Parse(rawURL)
	if err == nil && u.Host == "" {
		err = fmt.Errorf("%s names no host", u.Redacted())
	}
	if err != nil {
		return nil, &OpenError{Reason: "upgrade", Err: err}
	}
	lines := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	if len(subprotocols) > 0 {
		lines["Sec-Websocket-Protocol"] = []string{strings.Join(subprotocols, ",")}
	}
	for name, values := range header {
		if lines[name] == nil && name != "Sec-Websocket-Key" {
			lines[name] = values
		}
	}
	if password, _ := u.User.Password(); u.User != nil && lines.Get("Authorization") == "" {
		lines.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	return newRequest(u, host, lines), nil
}

// requestOf is the request of a client library.
func requestOf(req *http.Request) *Request {
	lines := req.Header.Clone()
	delete(lines, "Sec-Websocket-Key")
	r := newRequest(req.URL, req.Host, lines)
	r.key = first(req.Header["Sec-Websocket-Key"])
	return r
}

func newRequest(u *url.URL, host string, lines http.Header) *Request {
	r := &Request{secure: u.Scheme == "wss" || u.Scheme == "https", name: u.Hostname(), offered: first(lines["Sec-Websocket-Protocol"])}
	port := u.Port()
	switch {
	case port != "":
	case r.secure:
		port = "443"
	default:
		port = "80"
	}
	r.addr = net.JoinHostPort(r.name, port)
	if host == "" {
		host = strings.TrimSuffix(u.Host, ":")
	}
	r.head = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), newlines.Replace(host))
	var names []string
	for name := range lines {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range lines[name] {
			r.head = fmt.Appendf(r.head, "%s: %s\r\n", name, newlines.Replace(value))
		}
	}
	r.head = append(r.head, keyName...)
	return r
}

// newlines keeps a value from ending its line.
var newlines = strings.NewReplacer("\r", " ", "\n", " ")

const keyName = "Sec-WebSocket-Key: "

// With is the request with one more header line, for a single connection.
func (r *Request) With(name, value string) *Request {
	with := *r
	with.head = make([]byte, 0, len(r.head)+len(name)+len(value)+4)
	with.head = append(with.head, r.head[:len(r.head)-len(keyName)]...)
	with.head = append(with.head, name...)
	with.head = append(with.head, ": "...)
	with.head = append(with.head, newlines.Replace(value)...)
	with.head = append(with.head, "\r\n"+keyName...)
	return &with
}

// appendTo writes the request with its key.
func (r *Request) appendTo(dst []byte) (text, key []byte) {
	dst = append(dst, r.head...)
	from := len(dst)
	if r.key != "" {
		dst = append(dst, r.key...)
	} else {
		var nonce [16]byte
		binary.LittleEndian.PutUint64(nonce[:8], rand.Uint64())
		binary.LittleEndian.PutUint64(nonce[8:], rand.Uint64())
		dst = base64.StdEncoding.AppendEncode(dst, nonce[:])
	}
	to := len(dst)
	dst = append(dst, "\r\n\r\n"...)
	return dst, dst[from:to]
}

// Accept is the Sec-WebSocket-Accept value that answers key (RFC 6455 section
// 4.2.2).
func Accept(key string) string {
	accept := acceptOf([]byte(key))
	return string(accept[:])
}

func acceptOf(key []byte) (accept [28]byte) {
	var room [64]byte
	sum := sha1.Sum(append(append(room[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}

// first is the first of a header's values, "" for none.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// A Handshake opens one connection: one dial, no pool, no redirects. Only a
// valid 101 yields a Tap; anything else is an OpenError and a closed socket.
//
// Open alone makes a connection that its owner speaks on. To a client library a
// Handshake is the http.RoundTripper of its upgrade: it gets the Tap as the body
// of a 101, of the connection that Open has opened or of one that is opened then.
type Handshake struct {
	Dialer   *Dialer
	Local    netip.Addr // source address; the kernel's choice when not valid
	Withhold bool       // the Tap keeps the peer's Close from the library
	Record   int        // events to keep in Log; 0 for no Log

	Begun     time.Duration // dial begun
	Connected Instant       // TCP connected
	Secured   Instant       // TLS handshake done
	Asked     Instant       // request handed to write
	Answered  Instant       // response arrived

	Log      *Log   // from the TCP connection on; read it when the connection has settled
	Tap      *Tap   // after a valid 101
	Protocol string // the subprotocol that the server chose, "" for none

	mu      sync.Mutex
	stopped bool
	stop    func() // ends the wait in progress
}

// Interrupt ends an Open in progress, and one that follows, with the reason
// "interrupted".
func (h *Handshake) Interrupt() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.stop != nil {
		h.stop()
	}
}

// begin names what ends the wait that follows. False: it was interrupted.
func (h *Handshake) begin(stop func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop = stop
	return !h.stopped
}

// end ends the wait that begin named and reports whether it was interrupted.
func (h *Handshake) end() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop = nil
	return h.stopped
}

// Open dials and has the opening handshake.
func (h *Handshake) Open(r *Request) *OpenError {
	h.Begun = h.Dialer.Timebase.Now()
	sock, conn, err := h.connect(r)
	var rest []byte
	if err == nil {
		rest, err = h.upgrade(r, sock, conn)
	}
	if err == nil && h.end() {
		err = context.Canceled
	}
	if err != nil {
		if sock != nil {
			sock.Close()
		}
		return h.fault(err)
	}
	h.Tap = newTap(conn, sock, TapOptions{Withhold: h.Withhold, Read: rest})
	h.Tap.td.log = h.Log
	return nil
}

// RoundTrip implements http.RoundTripper for a client library's upgrade. The
// response is a 101 to its request, with the Tap as its body. Where Open has
// not been called the connection is opened as the request says; its context may
// end that, with the reason "interrupted".
func (h *Handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	if h.Tap == nil {
		ctx := req.Context()
		if ctx.Err() != nil {
			h.Interrupt()
		}
		if ctx.Done() != nil {
			defer context.AfterFunc(ctx, h.Interrupt)()
		}
		if err := h.Open(requestOf(req)); err != nil {
			return nil, err
		}
	}
	header := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Accept": {Accept(first(req.Header["Sec-Websocket-Key"]))},
	}
	if h.Protocol != "" {
		header["Sec-Websocket-Protocol"] = []string{h.Protocol}
	}
	return &http.Response{
		Status: "101 Switching Protocols", StatusCode: http.StatusSwitchingProtocols,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req, Body: h.Tap,
	}, nil
}

// fault is the error of an Open that failed with err.
func (h *Handshake) fault(err error) *OpenError {
	if h.end() {
		return &OpenError{Reason: "interrupted", Err: err}
	}
	return openError("upgrade", err)
}

// connect dials and, for wss, secures the connection, both within the limit.
func (h *Handshake) connect(r *Request) (*socket, net.Conn, error) {
	if h.end() {
		return nil, nil, context.Canceled
	}
	tb := h.Dialer.Timebase
	deadline := tb.Time(h.Begun + h.Dialer.Connect)
	addr := h.Dialer.ConnectTo
	if addr == "" {
		addr = r.addr
	}
	tcp, err := h.dial(context.Background(), addr, deadline)
	if err != nil {
		return nil, nil, openError("connect", err)
	}
	h.Connected = UserInstant(tb.Now())
	if h.Record > 0 {
		h.Log = newLog(tcp, h.Record)
	}
	sock := newSocket(tcp, tb)
	if !r.secure {
		return sock, sock, nil
	}
	conn := tls.Client(sock, h.tlsConfig(r.name))
	sock.SetDeadline(deadline)
	if !h.begin(func() { sock.SetDeadline(past) }) {
		return sock, nil, context.Canceled
	}
	if err := conn.Handshake(); err != nil {
		return sock, nil, openError("tls", err)
	}
	h.Secured = UserInstant(tb.Now())
	return sock, conn, nil
}

func (h *Handshake) tlsConfig(name string) *tls.Config {
	cfg := h.Dialer.TLS
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = name
	}
	return cfg
}
