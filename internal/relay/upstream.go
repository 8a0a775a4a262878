package relay

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// An upstream opens connections to the server.
type upstream struct {
	addr  string
	limit time.Duration
}

// dial opens one on behalf of a client.
func (u upstream) dial(ctx context.Context, client net.Addr) (tcpConn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.limit)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	if source := u.source(client); source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
		d.Control = bindLater
	}
	conn, err := d.DialContext(ctx, "tcp", u.addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// source is the address from which a client's connection goes on. Over loopback
// it is the client's own: a client that takes its source addresses in turn, to
// have enough ports, then has enough of them behind the relay, too. Elsewhere
// the kernel chooses.
func (u upstream) source(client net.Addr) netip.Addr {
	to, err := netip.ParseAddrPort(u.addr)
	if err != nil || !to.Addr().Is4() || !to.Addr().IsLoopback() {
		return netip.Addr{}
	}
	from, ok := client.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	if a := from.AddrPort().Addr().Unmap(); a.Is4() && a.IsLoopback() {
		return a
	}
	return netip.Addr{}
}
