package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Next reads for the owner: from now on the library's reads are refused. It
// waits, until the offset limit at most, for bytes of the peer and feeds
// them to the Teardown. It returns nil when bytes came, io.EOF or the socket's
// error when the connection has ended, os.ErrDeadlineExceeded at the limit and
// ErrInterrupted. At the limit it looks once more at what has already arrived:
// a busy process is late, the kernel's stamps are not.
func (t *Tap) Next(buf []byte, limit time.Duration) error {
	t.mu.Lock()
	switch {
	case t.interrupted:
		t.mu.Unlock()
		return ErrInterrupted
	case len(t.pre) > 0:
		t.owned = true
		t.observe(t.pre, t.preAt)
		t.pre = nil
		t.mu.Unlock()
		return nil
	}
	t.owned = true
	for t.inRead { // of the library, in another call than the one that has failed
		if !t.wokenRead {
			t.wokenRead = true
			t.arm(past)
		}
		t.idle.Wait()
	}
	if t.interrupted {
		t.mu.Unlock()
		return ErrInterrupted
	}
	t.inNext = true
	t.arm(t.tb.Time(limit))
	conn := t.conn
	if t.td.Trace.Notify.Set() {
		conn = t.sock // TLS has nothing more to say; the FIN is still to come
	}
	t.mu.Unlock()

	n, err := conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) && n == 0 {
		n, err = t.lastLook(conn, buf)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	t.inNext = false
	if conn == t.conn {
		t.observe(buf[:n], t.sock.last)
	}
	if err != nil {
		t.ended(err)
	}
	switch {
	case t.td.Trace.Ending != None:
		return io.EOF
	case t.interrupted:
		return ErrInterrupted
	case errors.Is(err, io.EOF) || n > 0:
		return nil // a close_notify, or bytes
	}
	return err
}

// lastLook reads what has arrived, without waiting where that can be had: TLS
// and plain reads need a deadline in the future.
func (t *Tap) lastLook(conn net.Conn, buf []byte) (int, error) {
	if conn == net.Conn(t.sock) && t.sock.stamp != nil {
		return t.sock.tryRead(buf)
	}
	t.mu.Lock()
	t.arm(t.tb.Time(t.tb.Now() + time.Millisecond))
	t.mu.Unlock()
	return conn.Read(buf)
}

// Cut ends the connection without a Close. With reset it sends an RST (linger
// 0); otherwise a FIN, for which it first takes what has arrived out of the
// socket, since closing with unread bytes sends an RST (RFC 2525 section
// 2.17). A peer that sends faster than they can be taken out gets the RST all
// the same, and the Trace says so. Over TLS no close_notify is sent: this is what
// a process's death looks like.
func (t *Tap) Cut(reset bool) error {
	var err error
	var unread bool
	if reset {
		unread = t.sock.unread() > 0
		err = t.sock.reset()
		reset = err == nil
	} else {
		unread, reset = t.drain()
	}
	t.mu.Lock()
	now := t.tb.Now()
	t.td.Step(Event{Kind: Cut, Dir: Out, At: UserInstant(now), Seen: now})
	t.td.Trace.Reset, t.td.Trace.Unread = reset, unread
	t.mu.Unlock()
	return errors.Join(err, t.sock.Close())
}

// Vanish ends the connection and sends nothing at all, neither FIN nor RST nor
// what has not left yet. To the peer this is a cable that was pulled, until it
// sends: then this host says that it knows of no such connection (an RST). The
// error says why it cannot be done (see CanVanish); the connection is then as it
// was.
func (t *Tap) Vanish() error {
	if err := t.sock.vanish(); err != nil {
		return err
	}
	t.mu.Lock()
	now := t.tb.Now()
	t.td.Step(Event{Kind: Cut, Dir: Out, At: UserInstant(now), Seen: now})
	t.td.Trace.Silent = true
	t.mu.Unlock()
	return nil
}

// maxDrain bounds the reads of a drain: a peer that sends without pause must
// not keep the connection open.
const maxDrain = 64

// drain takes what has arrived out of the socket. It reports whether there was
// any, and whether there is more than it took.
func (t *Tap) drain() (found, more bool) {
	var buf [2048]byte
	plain := t.conn == net.Conn(t.sock)
	for range maxDrain {
		n, err := t.sock.tryRead(buf[:])
		found = found || n > 0
		t.mu.Lock()
		if plain {
			t.observe(buf[:n], t.sock.last)
		}
		if err != nil {
			t.ended(err)
		}
		t.mu.Unlock()
		if err != nil {
			return found, false
		}
	}
	return found, t.sock.unread() > 0
}

// discard takes what has arrived out of the socket unseen: closing with unread
// bytes would send an RST. It reports whether there was any.
func (t *Tap) discard() (found bool) {
	var buf [2048]byte
	for range maxDrain {
		if t.sock.unread() == 0 {
			return found // a read might wait
		}
		found = true
		if _, err := t.sock.tryRead(buf[:]); err != nil {
			return found
		}
	}
	return found
}

// Confirm makes sure of a FIN that was read while own bytes were still under
// way, until the offset limit or Interrupt: either the peer's kernel acknowledges
// them, or its answer is an RST, which then counts as the connection's end.
func (t *Tap) Confirm(limit time.Duration) {
	t.mu.Lock()
	wait := t.sock.unacked && t.td.Trace.Ending == FIN
	t.mu.Unlock()
	if !wait {
		return
	}
	for pause := 50 * time.Microsecond; t.tb.Now() < limit && !t.stopped(); pause = min(2*pause, 5*time.Millisecond) {
		soErr, state, outq, _ := t.sock.facts()
		if soErr != 0 || t.sock.wasReset(soErr, state) {
			t.mu.Lock()
			now := t.tb.Now()
			t.td.Trace.Ending, t.td.Trace.Errno, t.td.Trace.AfterFIN = RST, soErr, true
			t.td.Trace.End = UserInstant(now)
			if t.td.log != nil {
				t.td.log.add(Event{Kind: RST, At: UserInstant(now), Seen: now, Errno: soErr, AfterFIN: true})
			}
			t.mu.Unlock()
			return
		}
		if outq == 0 {
			return
		}
		time.Sleep(pause)
	}
}

// TakeStock says that the owner has read nothing for a while: what has arrived
// by now counts as here before anything that this end does next, however late
// it is read. It reports whether the peer has ended the connection, behind all
// that is unread; false where the platform cannot say.
func (t *Tap) TakeStock() (ended bool) { return t.sock.takeStock() }

// Unsent reports whether bytes of this end were never acknowledged by the
// peer's kernel (SIOCOUTQ). False also where the platform cannot say.
func (t *Tap) Unsent() bool {
	_, _, outq, _ := t.sock.facts()
	return outq > 0
}

// Shut closes the socket. A TLS session that ended well is closed with a
// close_notify first (RFC 6455 section 7.1.1).
func (t *Tap) Shut() error {
	t.mu.Lock()
	tr := &t.td.Trace
	if !tr.Shut.Set() {
		tr.Shut = UserInstant(t.tb.Now())
	}
	ended := tr.Ending != None
	polite := tr.State == Closed && tr.Ending != RST && !t.halfFrame
	t.letGo = true
	t.wake()
	t.mu.Unlock()
	if !ended && t.discard() {
		t.mu.Lock()
		t.td.Trace.Unread = true
		t.mu.Unlock()
	}
	if c, ok := t.conn.(*tls.Conn); ok && polite {
		return c.Close()
	}
	return t.sock.Close()
}
