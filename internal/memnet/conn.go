package memnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultWindow is the receive buffer of an end, in bytes, where Options does
// not set one.
const DefaultWindow = 64 << 10

// Options shape a connection. The zero value is a path without delay between
// two receive buffers of DefaultWindow bytes.
type Options struct {
	// Window is the receive buffer of each end in bytes; 0 means
	// DefaultWindow. Bytes under way count against it.
	Window int

	// SendBuffer is what a sender's kernel takes beyond the peer's window, in
	// bytes. With 0 a write blocks as soon as the window is full; with more, a
	// small write to a stuck peer succeeds and its bytes stay unacknowledged.
	SendBuffer int

	// ToServer and ToClient are the time from a write to its arrival, per
	// direction. Data, FIN and RST take it alike and keep their order.
	ToServer, ToClient time.Duration
}

// Conn is one end of a connection in memory. It is a net.Conn whose errors are
// those of a *net.TCPConn on Linux: *net.OpError around net.ErrClosed,
// os.ErrDeadlineExceeded or a syscall.Errno, and a bare io.EOF.
type Conn struct {
	mu      *sync.Mutex // shared by both ends; guards everything below
	peer    *Conn
	changed *sync.Cond // this end may read, write or must give up
	local   net.Addr
	remote  net.Addr

	in     bytes.Buffer // arrived and not yet read
	window int          // most bytes in may hold

	out        bytes.Buffer // written and not yet arrived
	flight     []segment    // how out is cut, oldest first
	sendBuffer int
	delay      time.Duration
	rst        bool // an RST is under way to the peer
	rstDue     time.Time
	timer      *time.Timer // the next arrival at the peer

	finSent   bool
	finAcked  bool          // the own FIN has arrived at the peer
	finSeen   bool          // the peer's FIN has arrived here
	replied   bool          // the own FIN was sent after the peer's arrived
	dead      bool          // an RST was sent or has arrived
	pending   syscall.Errno // SO_ERROR
	closed    bool
	resetting bool // SetLinger(0)

	reading, writing bool // one Read and one Write at a time, as in package net
	readBy, writeBy  deadline
}

// Pipe returns the two ends of a new connection. Each address is a
// *net.TCPAddr on 127.0.0.1; the ports of the two ends differ.
func Pipe(opts Options) (client, server *Conn) {
	return connect(opts, clientPort, serverPort)
}

const (
	clientPort = 49152 // the first of the dynamic ports, RFC 6335 section 6
	serverPort = 80
)

func connect(opts Options, clientPort, serverPort int) (client, server *Conn) {
	mu := new(sync.Mutex)
	end := func(delay time.Duration, local, remote int) *Conn {
		window := opts.Window
		if window <= 0 {
			window = DefaultWindow
		}
		return &Conn{
			mu: mu, changed: sync.NewCond(mu),
			local: loopback(local), remote: loopback(remote),
			window: window, sendBuffer: max(opts.SendBuffer, 0), delay: max(delay, 0),
		}
	}
	client = end(opts.ToServer, clientPort, serverPort)
	server = end(opts.ToClient, serverPort, clientPort)
	client.peer, server.peer = server, client
	return client, server
}

func loopback(port int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

// Read reads what has arrived. It blocks until there is some, the peer's FIN
// (io.EOF), an RST (ECONNRESET once, then io.EOF), the read deadline or Close.
func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.reading && !c.closed {
		c.changed.Wait()
	}
	if c.closed {
		return 0, c.opError("read", net.ErrClosed)
	}
	if len(b) == 0 {
		return 0, nil
	}
	c.reading = true
	defer c.release(&c.reading)
	for {
		c.advance()
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.readBy.passed: // also with bytes waiting, as in package net
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case c.in.Len() > 0:
			n, _ := c.in.Read(b)
			c.advance() // the window has opened
			c.peer.changed.Broadcast()
			return n, nil
		case c.finSeen:
			return 0, io.EOF
		case c.pending != 0:
			return 0, c.sysError("read", c.takePending())
		case c.dead:
			return 0, io.EOF
		}
		c.changed.Wait()
	}
}

// Write queues b for the peer and returns when all of it is queued. It blocks
// while window and send buffer are full. The count is what was queued, also
// with an error.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing && !c.closed {
		c.changed.Wait()
	}
	c.writing = true
	defer c.release(&c.writing)
	n := 0
	for {
		c.advance()
		switch {
		case c.closed:
			return n, c.opError("write", net.ErrClosed)
		case c.writeBy.passed:
			return n, c.opError("write", os.ErrDeadlineExceeded)
		case c.pending != 0:
			return n, c.sysError("write", c.takePending())
		case c.dead || c.finSent:
			return n, c.sysError("write", syscall.EPIPE)
		}
		sent := c.send(b[n:])
		if n += sent; n == len(b) {
			return n, nil
		}
		if sent == 0 {
			c.changed.Wait() // else what was sent may have brought an answer
		}
	}
}

// Close ends both directions and wakes every blocked call. It sends RST after
// SetLinger(0) or with unread bytes in the receive buffer, else FIN behind what
// is still queued. A second Close gives net.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.advance()
	c.closed = true
	c.readBy.stop()
	c.writeBy.stop()
	c.changed.Broadcast()
	switch state := c.state(); {
	case state == stateClose:
	case c.in.Len() > 0:
		c.abort()
	case c.resetting && state != stateLastAck && state != stateClosing:
		c.abort() // in those two nothing is left to reset: Linux sends none
	default:
		c.sendFIN()
	}
	c.advance()
	return nil
}

// CloseWrite sends FIN behind what is still queued; reading goes on. After an
// RST, or when both FINs have arrived, it gives ENOTCONN.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	if c.state() == stateClose {
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.sendFIN()
	c.advance()
	return nil
}

// Vanish ends this end without a sound, as a pulled cable or a host that died:
// no FIN, no RST. What is under way to the peer still arrives; nothing that the
// peer sends ever does, so it stays unacknowledged. Calls that are blocked wake
// as by Close.
func (c *Conn) Vanish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.advance()
	c.closed, c.dead = true, true
	c.readBy.stop()
	c.writeBy.stop()
	c.changed.Broadcast()
}

// SetLinger chooses what Close sends: RST with 0, FIN with any other value.
// Close never waits.
func (c *Conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.resetting = sec == 0
	return nil
}

// LocalAddr returns the address of this end, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines. See net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readBy, &c.writeBy)
}

// SetReadDeadline sets the deadline of Read: a blocked Read wakes with
// os.ErrDeadlineExceeded when it passes. The zero time means none; a later
// deadline makes the end readable again.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readBy)
}

// SetWriteDeadline sets the deadline of Write: a blocked Write wakes with
// os.ErrDeadlineExceeded when it passes and returns what it had queued.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.writeBy)
}

func (c *Conn) setDeadlines(t time.Time, which ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range which {
		d.set(t, c.changed)
	}
	c.changed.Broadcast()
	return nil
}

// release lets the next Read or Write in. The caller holds mu.
func (c *Conn) release(busy *bool) {
	*busy = false
	c.changed.Broadcast()
}

func (c *Conn) takePending() syscall.Errno {
	err := c.pending
	c.pending = 0
	return err
}

func (c *Conn) sysError(op string, errno syscall.Errno) error {
	return c.opError(op, os.NewSyscallError(op, errno))
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
