package wire

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// errNotAtBoundary refuses an own frame where it would fall inside another.
var errNotAtBoundary = errors.New("wire: the outgoing stream stands inside a frame")

// WriteClose writes an own Close frame, until the offset limit at most. The
// library must have been let go. Where a failed write left half a frame behind
// nothing can be said any more, and the error says so. Interrupt ends it with
// ErrInterrupted.
func (t *Tap) WriteClose(code int, reason string, limit time.Duration) error {
	payload := AppendClosePayload(make([]byte, 0, 2+len(reason)), code, reason)
	t.mu.Lock()
	for t.inWrite {
		t.idle.Wait()
	}
	if t.interrupted {
		t.mu.Unlock()
		return ErrInterrupted
	}
	if t.halfFrame || !t.out.boundary() {
		now := t.tb.Now()
		t.td.Step(Event{Kind: CloseFailed, Dir: Out, At: UserInstant(now), Seen: now})
		t.mu.Unlock()
		return errNotAtBoundary
	}
	t.conn.SetWriteDeadline(t.tb.Time(limit))
	_, err := t.write(t.ownFrame(OpClose, payload))
	if err != nil && t.stopped() {
		return ErrInterrupted
	}
	return err
}

// stopped reports whether the owner's waits are to end.
func (t *Tap) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.interrupted
}

// Ping writes a ping, unless a write is in progress or the library stands
// inside a frame: a ping that would have to wait for another frame is not sent.
// It may wait for room in the socket, until the library is let go. It reports
// whether the ping was written.
func (t *Tap) Ping() bool {
	t.mu.Lock()
	tr := &t.td.Trace
	if t.letGo || t.inWrite || t.halfFrame || !t.out.boundary() || tr.OwnClose.Set() || tr.PeerClose.Set() {
		t.mu.Unlock()
		return false
	}
	_, err := t.write(t.ownFrame(OpPing, nil))
	return err == nil
}

func (t *Tap) ownFrame(op Opcode, payload []byte) []byte {
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return AppendFrame(nil, op, payload, t.out.masked, key)
}

// Cut ends the connection without a Close. With reset it sends an RST (linger
// 0); otherwise a FIN, for which it first takes what has arrived out of the
// socket, since closing with unread bytes sends an RST (RFC 2525 section
// 2.17). Over TLS no close_notify is sent: this is what a process's death
// looks like.
func (t *Tap) Cut(reset bool) error {
	var err error
	if reset {
		err = t.sock.reset()
	} else {
		t.drain()
	}
	t.mu.Lock()
	now := t.tb.Now()
	t.td.Step(Event{Kind: Cut, Dir: Out, At: UserInstant(now), Seen: now})
	t.td.Trace.Reset = reset && err == nil
	t.mu.Unlock()
	return errors.Join(err, t.sock.Close())
}

// maxDrain bounds the reads of a drain: a peer that sends without pause must
// not keep the connection open.
const maxDrain = 64

func (t *Tap) drain() {
	var buf [2048]byte
	plain := t.conn == net.Conn(t.sock)
	for range maxDrain {
		n, err := t.sock.tryRead(buf[:])
		t.mu.Lock()
		if plain {
			t.observe(buf[:n], t.sock.last)
		}
		if err != nil {
			t.ended(err)
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// discard takes what has arrived out of the socket unseen: closing with unread
// bytes would send an RST.
func (t *Tap) discard() {
	if t.sock.stamp == nil {
		return // a look without waiting is not to be had
	}
	var buf [2048]byte
	for range maxDrain {
		if _, err := t.sock.tryRead(buf[:]); err != nil {
			return
		}
	}
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
		if state == tcpClose || soErr != 0 {
			t.mu.Lock()
			now := t.tb.Now()
			t.td.Trace.Ending, t.td.Trace.Errno = RST, soErr
			t.td.Trace.End = UserInstant(now)
			if t.td.log != nil {
				t.td.log.add(Event{Kind: RST, At: UserInstant(now), Seen: now, Errno: soErr})
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
	if !ended {
		t.discard()
	}
	if c, ok := t.conn.(*tls.Conn); ok && polite {
		return c.Close()
	}
	return t.sock.Close()
}
