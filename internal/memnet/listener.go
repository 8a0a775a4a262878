package memnet

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// backlog is the most connections that wait for Accept, as Linux's somaxconn.
const backlog = 4096

// Listener accepts connections in memory. It is a net.Listener, so that
// net/http and crypto/tls serve on it.
type Listener struct {
	// Options shape the connections of later Dials. Set them before the
	// first Dial.
	Options Options

	mu      sync.Mutex
	changed *sync.Cond // the queue or closed has changed
	queue   []*Conn    // dialled and not yet accepted
	dialled int
	closed  bool
}

// Listen returns a Listener with its address on 127.0.0.1. Addresses of two
// Listeners are alike: only their own Dial leads to them.
func Listen() *Listener {
	l := new(Listener)
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Dial opens a connection and returns its client end, a *Conn. Like a TCP
// handshake it takes one round trip and does not wait for Accept, unless 4,096
// connections already do. It gives ECONNREFUSED on a closed Listener and the
// error of ctx when that ends first.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	roundTrip := time.NewTimer(max(l.Options.ToServer, 0) + max(l.Options.ToClient, 0))
	defer roundTrip.Stop()
	select {
	case <-ctx.Done():
	case <-roundTrip.C:
	}
	wake := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer wake()

	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil && !l.closed && len(l.queue) >= backlog {
		l.changed.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return nil, l.opError("dial", ctx.Err())
	case l.closed:
		return nil, l.opError("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	const ports = 65536 - clientPort
	client, server := connect(l.Options, clientPort+l.dialled%ports, serverPort)
	l.dialled++
	l.queue = append(l.queue, server)
	l.changed.Broadcast()
	return client, nil
}

// Accept waits for the next connection and returns its server end, a *Conn.
// It gives net.ErrClosed once the Listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, l.opError("accept", net.ErrClosed)
	}
	server := l.queue[0]
	l.queue = l.queue[1:]
	l.changed.Broadcast()
	return server, nil
}

// Close refuses further Dials and resets what was not accepted. Connections
// already accepted live on. A second Close gives net.ErrClosed.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.opError("close", net.ErrClosed)
	}
	l.closed = true
	l.changed.Broadcast()
	for _, server := range l.queue {
		_ = server.SetLinger(0) // neither can fail: nobody else has this end
		_ = server.Close()
	}
	l.queue = nil
	return nil
}

// Addr returns the address the Listener stands for, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return loopback(serverPort) }

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}
