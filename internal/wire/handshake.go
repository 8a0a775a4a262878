package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
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
	Record   int        // events to keep in Log; 0 for no Log

	Begun     time.Duration // dial begun
	Connected Instant       // TCP connected
	Secured   Instant       // TLS handshake done
	Asked     Instant       // request handed to write
	Answered  Instant       // response arrived

	Log *Log // from the TCP connection on; read it when the connection has settled
	Tap *Tap // after a valid 101

	mu      sync.Mutex
	stopped bool
	stop    func() // ends the wait in progress
}

// Interrupt ends a RoundTrip in progress, and one that follows, with the reason
// "interrupted". The end of the request's context does the same, at the cost
// of watching it.
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

// RoundTrip implements http.RoundTripper.
func (h *Handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	if ctx := req.Context(); ctx.Done() != nil {
		defer context.AfterFunc(ctx, h.Interrupt)()
	}
	h.Begun = h.Dialer.Timebase.Now()
	sock, conn, err := h.connect(req)
	var resp *http.Response
	var rest []byte
	if err == nil {
		resp, rest, err = h.upgrade(req, sock, conn)
	}
	if err == nil && h.end() {
		err = context.Canceled
	}
	if err != nil {
		if sock != nil {
			sock.Close()
		}
		return nil, h.fault(err)
	}
	h.Tap = newTap(conn, sock, TapOptions{Withhold: h.Withhold, Read: rest})
	h.Tap.td.log = h.Log
	resp.Body = h.Tap
	return resp, nil
}

// fault is the error of a RoundTrip that failed with err.
func (h *Handshake) fault(err error) error {
	if h.end() {
		return &OpenError{Reason: "interrupted", Err: err}
	}
	return openError("upgrade", err)
}

// connect dials and, for wss, secures the connection, both within the limit.
func (h *Handshake) connect(req *http.Request) (*socket, net.Conn, error) {
	if req.Context().Err() != nil || h.end() {
		return nil, nil, context.Canceled
	}
	tb := h.Dialer.Timebase
	deadline := tb.Time(h.Begun + h.Dialer.Connect)
	addr := h.Dialer.ConnectTo
	if addr == "" {
		addr = hostPort(req.URL)
	}
	tcp, err := h.dial(req.Context(), addr, deadline)
	if err != nil {
		return nil, nil, openError("connect", err)
	}
	h.Connected = UserInstant(tb.Now())
	if h.Record > 0 {
		h.Log = newLog(tcp, h.Record)
	}
	sock := newSocket(tcp, tb)
	if req.URL.Scheme != "https" {
		return sock, sock, nil
	}
	conn := tls.Client(sock, h.tlsConfig(req.URL))
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
