package memnet

import (
	"syscall"
	"time"
)

// States of a TCP connection by Linux's numbers (include/net/tcp_states.h).
const (
	stateEstablished = 1
	stateFinWait1    = 4
	stateFinWait2    = 5
	stateClose       = 7
	stateCloseWait   = 8
	stateLastAck     = 9
	stateClosing     = 11
)

// A segment is a piece of the queue that arrives at one time: n bytes, or FIN.
type segment struct {
	due time.Time
	n   int
	fin bool
}

// KernelState reads what a program can ask a Linux kernel about its socket.
//
// soErr is SO_ERROR and is taken by the call: ECONNRESET after an RST no read
// or write has reported yet, EPIPE after an RST that came behind the peer's
// FIN, else 0. state is TCP_INFO's state by Linux's numbers: 1 established,
// 4 and 5 own FIN sent and acknowledged, 7 closed, 8 peer's FIN arrived, 9 both
// sent and the own, later one not acknowledged, 11 the same with the peer's
// later. outq is SIOCOUTQ: what has not arrived at the peer, FIN counting as
// one byte. On an end that was closed it describes what the kernel would hold.
func (c *Conn) KernelState() (soErr syscall.Errno, state uint8, outq int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	outq = c.out.Len()
	if c.finSent && !c.finAcked && !c.dead {
		outq++
	}
	return c.takePending(), c.state(), outq
}

// Unread is SIOCINQ: the bytes that have arrived and were not read.
func (c *Conn) Unread() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	return c.in.Len()
}

func (c *Conn) state() uint8 {
	switch {
	case c.dead, c.finAcked && c.finSeen:
		return stateClose
	case c.finSeen && !c.finSent:
		return stateCloseWait
	case c.finSeen && c.replied:
		return stateLastAck
	case c.finSeen:
		return stateClosing
	case c.finAcked:
		return stateFinWait2
	case c.finSent:
		return stateFinWait1
	}
	return stateEstablished
}

// send queues as much of b as window and send buffer have room for.
func (c *Conn) send(b []byte) int {
	room := c.peer.window + c.sendBuffer - c.peer.in.Len() - c.out.Len()
	n := min(len(b), max(room, 0))
	if n == 0 {
		return 0
	}
	c.out.Write(b[:n])
	c.flight = append(c.flight, segment{due: time.Now().Add(c.delay), n: n})
	c.advance()
	return n
}

func (c *Conn) sendFIN() {
	if c.finSent {
		return
	}
	c.finSent, c.replied = true, c.finSeen
	c.flight = append(c.flight, segment{due: time.Now().Add(c.delay), fin: true})
	c.changed.Broadcast() // a blocked write fails
}

// abort ends this end with an RST and forgets what has not arrived.
func (c *Conn) abort() {
	c.forget()
	c.reset()
}

// reset sends an RST behind what is under way.
func (c *Conn) reset() {
	c.dead, c.rst = true, true
	c.rstDue = time.Now().Add(c.delay)
}

func (c *Conn) forget() {
	c.out.Reset()
	c.flight = nil
}

// advance lets everything arrive that is due, both ways and in the order of
// time, and sets the timers for what comes later. The caller holds mu.
func (c *Conn) advance() {
	now := time.Now()
	for {
		from, due := c.next()
		if from == nil || due.After(now) {
			break
		}
		from.arrive()
	}
	c.arm(now)
	c.peer.arm(now)
}

// next returns the end whose queue has the earliest arrival, nil for none.
func (c *Conn) next() (*Conn, time.Time) {
	own, ok := c.head()
	other, also := c.peer.head()
	switch {
	case ok && also && other.Before(own), !ok && also:
		return c.peer, other
	case ok:
		return c, own
	}
	return nil, time.Time{}
}

// head returns when the next thing from c arrives at the peer; false if
// nothing can, because nothing is under way or the window is full.
func (c *Conn) head() (time.Time, bool) {
	if c.accepts() {
		return c.flight[0].due, true
	}
	return c.rstDue, c.rst
}

// accepts reports whether the peer can take the oldest segment.
func (c *Conn) accepts() bool {
	p := c.peer
	if len(c.flight) == 0 || p.dead {
		return false // a dead end acknowledges nothing: its RST is under way
	}
	return c.flight[0].fin || p.closed || p.in.Len() < p.window
}

// arrive moves the next thing from c's queue to the peer.
func (c *Conn) arrive() {
	p := c.peer
	switch {
	case !c.accepts():
		c.rst = false
		p.onReset()
	case c.flight[0].fin:
		p.finSeen, c.finAcked = true, true
		c.flight = c.flight[1:]
	case p.closed:
		p.reset() // RFC 1122, section 4.2.2.13: data nobody will read
	default:
		first := &c.flight[0]
		n := min(first.n, p.window-p.in.Len())
		p.in.Write(c.out.Next(n))
		if first.n -= n; first.n == 0 {
			c.flight = c.flight[1:]
		}
	}
	c.changed.Broadcast()
	p.changed.Broadcast()
}

// onReset is the arrival of an RST.
func (c *Conn) onReset() {
	state := c.state()
	if state == stateClose {
		return
	}
	c.pending = syscall.ECONNRESET
	if state == stateCloseWait {
		c.pending = syscall.EPIPE
	}
	c.dead = true
	c.forget()
	c.peer.forget()
}

// arm sets the timer for c's next arrival after now.
func (c *Conn) arm(now time.Time) {
	due, ok := c.head()
	if !ok {
		return
	}
	if c.timer != nil {
		c.timer.Reset(due.Sub(now))
		return
	}
	c.timer = time.AfterFunc(due.Sub(now), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.advance()
	})
}
