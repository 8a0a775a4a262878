package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// A Dialer opens connections for a run. All its connections share it; it is
// not changed after the first Handshake.
type Dialer struct {
	Timebase *Timebase
	// Dial opens the TCP connection in place of the net package; for tests and
	// for other transports. local is not valid when no source was chosen.
	Dial func(ctx context.Context, addr string, local netip.Addr) (net.Conn, error)
	// ConnectTo is a host:port that is dialled in place of the URL's; the Host
	// header and the TLS name stay.
	ConnectTo string
	TLS       *tls.Config   // for wss; nil for the defaults
	Connect   time.Duration // limit of TCP connect and TLS handshake together
	Upgrade   time.Duration // limit from the request to the response
}

// An OpenError says why no connection came about.
type OpenError struct {
	Reason string // one word of a fixed set, or status-NNN
	Tool   bool   // a limit of this process or host, not the server's doing
	Err    error
}

// Error returns the reason and the cause.
func (e *OpenError) Error() string { return e.Reason + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// dial opens the TCP connection to addr, until the deadline.
func (h *Handshake) dial(ctx context.Context, addr string, deadline time.Time) (net.Conn, error) {
	d := h.Dialer
	if remote, err := netip.ParseAddrPort(addr); err == nil && d.Dial == nil && remote.Addr().Zone() == "" {
		conn, err := h.direct(remote, deadline)
		if !errors.Is(err, errors.ErrUnsupported) {
			return conn, err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if !h.begin(cancel) {
		return nil, context.Canceled
	}
	defer h.end()
	if d.Dial != nil {
		return d.Dial(ctx, addr, h.Local)
	}
	// Keep-alive probes are off: they would hide an idle limit on the way.
	nd := net.Dialer{KeepAlive: -1, KeepAliveConfig: net.KeepAliveConfig{Enable: false}}
	if h.Local.IsValid() {
		nd.LocalAddr = &net.TCPAddr{IP: h.Local.AsSlice()}
		nd.Control = controlDial
	}
	return nd.DialContext(ctx, "tcp", addr)
}

// openError names the reason of an error met while opening.
func openError(stage string, err error) *OpenError {
	if oe, ok := errors.AsType[*OpenError](err); ok {
		return oe
	}
	oe := &OpenError{Reason: stage, Err: fmt.Errorf("%s: %w", stage, err)}
	switch errno, _ := errors.AsType[syscall.Errno](err); errno {
	case syscall.EMFILE, syscall.ENFILE:
		oe.Reason, oe.Tool = "emfile", true
		return oe
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE:
		oe.Reason, oe.Tool = "eaddrnotavail", true
		return oe
	case syscall.ENOBUFS, syscall.ENOMEM:
		oe.Reason, oe.Tool = "enobufs", true
		return oe
	case syscall.ECONNREFUSED:
		oe.Reason = "refused"
		return oe
	case syscall.ECONNRESET, syscall.EPIPE, wsaConnReset:
		oe.Reason = "reset"
		return oe
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		oe.Reason = "unreachable"
		return oe
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		oe.Reason = "dns"
		return oe
	}
	switch {
	case brokenTLS(err):
		oe.Reason = "tls"
	case errors.Is(err, context.Canceled):
		oe.Reason = "interrupted"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		oe.Reason = "timeout"
	}
	return oe
}

// brokenTLS reports whether err is an alert of TLS, the peer's or the own one,
// or bytes that are no TLS. A server that wants a client certificate says so
// only after the client's side of the handshake is done (RFC 8446 section 2).
func brokenTLS(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// status is the reason of an answer that is no 101.
func statusReason(code int) string { return "status-" + strconv.Itoa(code) }
