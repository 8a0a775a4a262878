package wire

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

// errNotAtBoundary refuses an own frame where it would fall inside another.
var errNotAtBoundary = errors.New("wire: the outgoing stream stands inside a frame")

// errHalfClosed refuses an own frame behind the own FIN.
var errHalfClosed = errors.New("wire: this end has sent its FIN")

// Silence makes the outgoing stream the owner's, while the library may still
// read: from now on the library's writes are refused with net.ErrClosed, but for
// the rest of a frame that it stands inside. Silence waits for that rest and for
// a write in progress, until the offset limit at most. It fails with
// os.ErrDeadlineExceeded, with ErrInterrupted, or with errNotAtBoundary where the
// library has left half a frame behind that nobody will end. Also then the
// library begins no other frame.
//
// A library that must answer a ping cannot: its read may end with the refusal.
func (t *Tap) Silence(limit time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.silence(limit)
}

// silence is entered and left with the mutex held. When it returns nil no write
// is in progress, and none begins but by the owner.
func (t *Tap) silence(limit time.Duration) error {
	t.silenced, t.td.Trace.Silenced = true, true
	t.idle.Broadcast() // a write of the library that waits for its turn has none
	var timer *time.Timer
	for {
		switch whole := t.out.boundary() && !t.halfFrame; {
		case t.interrupted:
			return ErrInterrupted
		case t.inWrite:
		case whole:
			t.outOwned = true
			return nil
		case t.halfFrame, t.letGo, t.outOwned:
			return errNotAtBoundary
		}
		left := limit - t.tb.Now()
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		if timer == nil {
			timer = time.AfterFunc(left, func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.idle.Broadcast()
			})
			defer timer.Stop()
		}
		t.idle.Wait()
	}
}

// refused reports whether the library may write no more. What it writes inside
// a frame ends that frame: it never mixes two.
func (t *Tap) refused() bool {
	return t.letGo || t.outOwned || t.over() || t.silenced && t.out.boundary()
}

// over reports whether the peer has ended the connection without a Close: it
// listens to no frame that begins now, least of all to a Close, which would
// then count as one that the peer has not answered.
func (t *Tap) over() bool {
	tr := &t.td.Trace
	return tr.Ending != None && !tr.PeerClose.Set() && t.out.boundary()
}

// WriteClose silences the library and writes an own Close frame, until the
// offset limit at most. Where a failed write left half a frame behind nothing
// can be said any more, and the error says so; the Close then counts as lost, as
// it does behind the own FIN or when the limit passes. After an own Close it is
// net.ErrClosed, and nothing is written (RFC 6455 section 5.5.1), and also where
// the peer has ended the connection without a Close. Interrupt ends
// it with ErrInterrupted.
func (t *Tap) WriteClose(code int, reason string, limit time.Duration) error {
	payload := AppendClosePayload(make([]byte, 0, 2+len(reason)), code, reason)
	return t.say(t.ownFrame(OpClose, payload), limit, true, func(p []byte) { t.announce(p) })
}

// TryClose does what WriteClose does where that needs no wait: on a plain
// connection of the kernel's that has room, with no write in progress. Otherwise
// done is false, and nothing is changed or written.
func (t *Tap) TryClose(code int, reason string) (done bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := &t.td.Trace
	switch {
	case t.conn != net.Conn(t.sock) || t.sock.stamp == nil:
		return false, nil
	case t.inWrite, t.interrupted, t.halfFrame, tr.HalfClose.Set(), !t.out.boundary():
		return false, nil
	case tr.OwnClose.Set(), t.over():
		return true, net.ErrClosed
	}
	frame := t.ownFrame(OpClose, AppendClosePayload(make([]byte, 0, 2+len(reason)), code, reason))
	at, err := t.sock.tryDepart(frame)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	// With the mutex held since before the write, what it brings about is not
	// yet read: so it can be noted behind it. That spares it the decoder.
	t.silenced, t.td.Trace.Silenced, t.outOwned, t.out.closed = true, true, true, true
	t.td.Step(Event{Kind: Close, Dir: Out, Code: code, At: UserInstant(at), Seen: at})
	t.closed(0, err)
	return true, err
}

// WriteBadClose silences the library and writes bytes that stand for the own
// Close, whatever they are, as one with this status code. Its errors are those
// of WriteClose.
func (t *Tap) WriteBadClose(p []byte, code int, limit time.Duration) error {
	return t.say(p, limit, true, func(p []byte) {
		now := t.tb.Now()
		t.td.Step(Event{Kind: Close, Dir: Out, Code: code, At: UserInstant(now), Seen: now})
		t.declare(p)
	})
}

// WriteRaw silences the library and writes bytes that are no proper frames and
// no Close: a frame that breaks a rule, or a part of one. Behind a part nothing
// but the end of the connection may follow, and own frames are refused. Its
// errors are those of WriteClose.
func (t *Tap) WriteRaw(p []byte, limit time.Duration) error {
	return t.say(p, limit, false, t.declare)
}

// say silences the library and writes p for the owner. note feeds p to the
// Teardown just before it is handed to the socket; closing says that p stands
// for the own Close.
func (t *Tap) say(p []byte, limit time.Duration, closing bool, note func([]byte)) error {
	t.mu.Lock()
	err := t.silence(limit)
	switch {
	case err != nil:
	case t.td.Trace.HalfClose.Set():
		err = errHalfClosed
	case t.td.Trace.OwnClose.Set(), t.over():
		t.mu.Unlock()
		return net.ErrClosed
	}
	if err != nil {
		if closing && err != ErrInterrupted && !t.td.Trace.OwnClose.Set() {
			now := t.tb.Now()
			t.td.Step(Event{Kind: CloseFailed, Dir: Out, At: UserInstant(now), Seen: now})
		}
		t.mu.Unlock()
		return err
	}
	t.conn.SetWriteDeadline(t.tb.Time(limit))
	note(p)
	_, err = t.write(p, closing)
	if err != nil && t.stopped() {
		return ErrInterrupted
	}
	return err
}

// acknowledge is called when n bytes were read. Behind the own Close, until the
// peer's, it makes up for the acknowledgement that depart delays: a server that
// may not send a small segment before the one ahead of it is acknowledged
// (Nagle, RFC 896) must not have to wait for it.
func (t *Tap) acknowledge(n int) {
	tr := &t.td.Trace
	plain := t.conn == net.Conn(t.sock)
	// Behind a Close comes the FIN, which nothing holds back; over TLS a
	// close_notify is before it.
	if n > 0 && t.sock.stamp != nil && tr.OwnClose.Set() && !(plain && tr.PeerClose.Set()) {
		t.sock.stamp.acknowledge()
	}
}

// stopped reports whether the owner's waits are to end.
func (t *Tap) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.interrupted
}

// WriteText writes a text message for the owner as long as no library has been
// engaged, and waits for room for it, until the offset limit at most. Once the
// connection is being closed, by either end, it is net.ErrClosed, and nothing is
// written; Interrupt ends it with ErrInterrupted.
func (t *Tap) WriteText(p []byte, limit time.Duration) error {
	t.mu.Lock()
	for t.inWrite && !t.refused() { // an answer to a ping
		t.idle.Wait()
	}
	if tr := &t.td.Trace; t.refused() || tr.OwnClose.Set() || tr.PeerClose.Set() {
		t.mu.Unlock()
		return net.ErrClosed
	}
	t.conn.SetWriteDeadline(t.tb.Time(limit))
	frame := t.ownFrame(OpText, p)
	t.announce(frame)
	_, err := t.write(frame, false)
	if err != nil && t.stopped() {
		return ErrInterrupted
	}
	return err
}

// Ping writes a ping, unless a write is in progress or the library stands
// inside a frame: a ping that would have to wait for another frame is not sent.
// Nor is it sent on a connection that is being closed, by either end. It may
// wait for room in the socket, until the library is let go. It reports whether
// the ping was written.
func (t *Tap) Ping() bool {
	t.mu.Lock()
	tr := &t.td.Trace
	if t.letGo || t.silenced || t.inWrite || t.halfFrame || !t.out.boundary() || tr.OwnClose.Set() || tr.PeerClose.Set() {
		t.mu.Unlock()
		return false
	}
	frame := t.ownFrame(OpPing, nil)
	t.announce(frame)
	_, err := t.write(frame, false)
	return err == nil
}

func (t *Tap) ownFrame(op Opcode, payload []byte) []byte {
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return AppendFrame(nil, op, payload, t.out.masked, key)
}

// CloseWrite silences the library and sends this end's FIN, until the offset
// limit at most. Reading goes on, and the socket stays open until Cut or Shut.
// Over TLS a close_notify goes before; without room in the socket it gives up
// at the limit, or after the TLS session's own five seconds. Again CloseWrite
// does nothing. Its errors are those of Silence and of the socket, and
// errors.ErrUnsupported; the Trace then has no HalfClose.
func (t *Tap) CloseWrite(limit time.Duration) error {
	t.mu.Lock()
	err := t.silence(limit)
	if err != nil || t.td.Trace.HalfClose.Set() {
		t.mu.Unlock()
		return err
	}
	now := t.tb.Now()
	t.td.Step(Event{Kind: HalfClosed, Dir: Out, At: UserInstant(now), Seen: now})
	t.inWrite = true
	t.mu.Unlock()

	err = t.endOutput(limit)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.inWrite, t.wokenWrite = false, false // nothing is written behind it: the deadline may stay
	if err != nil {
		t.td.Trace.HalfClose = Instant{}
		if t.interrupted {
			err = ErrInterrupted
		}
	}
	t.idle.Broadcast()
	return err
}

func (t *Tap) endOutput(limit time.Duration) error {
	if c, ok := t.conn.(*tls.Conn); ok {
		// The TLS session sets a deadline of its own, and lifts it behind.
		stop := time.AfterFunc(limit-t.tb.Now(), func() { c.SetWriteDeadline(past) }).Stop
		err := c.CloseWrite()
		stop()
		if err != nil {
			return err
		}
	}
	return t.sock.closeWrite()
}

// write passes p to the socket. It is entered with the mutex held, no write in
// progress and p noted, and leaves it unlocked. closing says that an own Close
// is in p: it is noted before it is handed to the socket because the peer's
// answer may arrive before write returns.
func (t *Tap) write(p []byte, closing bool) (int, error) {
	t.inWrite = true
	t.sock.departing.Store(closing)
	t.mu.Unlock()

	n, err := t.conn.Write(p)

	t.mu.Lock()
	t.inWrite = false
	if t.wokenWrite {
		t.wokenWrite = false
		t.conn.SetWriteDeadline(time.Time{})
	}
	if closing {
		t.closed(t.sock.departed(), err)
	} else {
		t.failed(err)
	}
	t.idle.Broadcast()
	t.mu.Unlock()
	return n, err
}

// closed notes how the write of an own Close ended that was handed to the
// kernel at the offset, 0 where that is not known.
func (t *Tap) closed(at time.Duration, err error) {
	t.failed(err)
	t.td.departed(at)
	kind := CloseDone
	if err != nil {
		kind = CloseFailed
	}
	now := t.tb.Now()
	t.td.Step(Event{Kind: kind, Dir: Out, At: UserInstant(now), Seen: now})
	if err == nil && t.td.Trace.Ending == FIN {
		t.sock.unacked = true // nobody has looked since
	}
}

// failed notes a write that failed.
func (t *Tap) failed(err error) {
	if err != nil {
		t.halfFrame = true
		t.sock.took(err)
	}
}

// announce feeds outgoing frames to the decoder before they are written and
// reports whether a Close is among them.
func (t *Tap) announce(p []byte) (closing bool) {
	return t.outgoing(p, func(kind Kind) bool {
		return kind != Broken // what is broken on the way out is the peer's to judge
	})
}

// declare feeds outgoing bytes to the decoder that may be no frames. What goes
// before the first broken rule, or the Close, counts as ever; what is broken is
// kept in the Log alone.
func (t *Tap) declare(p []byte) {
	sound := true
	t.outgoing(p, func(kind Kind) bool {
		sound = sound && kind != Broken && kind != Close
		return sound || kind == Broken
	})
}

// outgoing passes the events that outgoing bytes make, and that count, to the
// Teardown, and reports whether a Close is among the bytes.
func (t *Tap) outgoing(p []byte, counts func(Kind) bool) (closing bool) {
	now := t.tb.Now()
	for off := 0; ; {
		n, ev, done := t.out.next(p[off:])
		if done {
			return closing
		}
		off += n
		closing = closing || ev.Kind == Close
		if ev.Kind == None || !counts(ev.Kind) {
			continue
		}
		ev.At, ev.Seen, ev.Dir = UserInstant(now), now, Out
		t.td.Step(ev)
	}
}
