package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// ErrHandover ends the library's read where the peer's Close begins, on a Tap
// that withholds it.
var ErrHandover = errors.New("wire: the peer's Close is the owner's to answer")

// ErrEngage ends Await where the peer has sent what is the library's to read.
var ErrEngage = errors.New("wire: the peer's message is the library's to read")

// ErrInterrupted ends the owner's waits after Interrupt.
var ErrInterrupted = errors.New("wire: interrupted")

// A Tap stands between a protocol library and the socket. To the library it is
// an io.ReadWriteCloser; to the owner of the connection it is the connection's
// end. It passes bytes through unaltered and keeps the Teardown.
//
// The library may read and write from two goroutines. Next, TakeStock, Cut,
// Vanish, Confirm and Shut belong to the one goroutine that owns the connection,
// after the library's last read has returned. What the owner writes may come from another
// goroutine, while the library still reads.
type Tap struct {
	conn net.Conn // plain text: sock, or the tls.Conn above it
	sock *socket
	tb   *Timebase

	mu       sync.Mutex
	idle     sync.Cond // a write has ended
	td       Teardown
	in, out  decoder
	pre      []byte // read with the response, not yet passed on
	preAt    Instant
	first    [32]byte // what Await reads into: a Close is small
	aside    bool     // the reads of conn do not pass through sock
	withhold bool     // the peer's Close is kept from the library
	handed   bool     // it has come: the library reads no more

	letGo       bool // the library is refused from now on
	owned       bool // the owner reads: the library's reads are refused
	silenced    bool // the library may end the frame it stands inside, no more
	outOwned    bool // the owner writes: the library's writes are refused
	interrupted bool // the owner's waits are refused from now on
	inRead      bool // a read of the library is inside the socket
	inNext      bool // a read of the owner is inside the socket
	inWrite     bool // a write is inside the socket
	wokenRead   bool // the library's read had its deadline moved to the past
	wokenWrite  bool
	halfFrame   bool // a failed write left the outgoing stream inside a frame

	deadline time.Time // of the library's reads, zero for none
	armed    time.Time // the read deadline now set on the socket
}

// TapOptions say how a Tap treats its connection. The zero value is a client's
// with nothing withheld.
type TapOptions struct {
	Server   bool   // this end is the server: the peer's frames must be masked
	Withhold bool   // keep the peer's Close from the library
	Read     []byte // bytes of the peer already read; copied
}

// NewTap returns a Tap on a plain connection. TLS connections are tapped by a
// Handshake.
func NewTap(conn net.Conn, tb *Timebase, opt TapOptions) *Tap {
	sock := newSocket(conn, tb)
	return newTap(sock, sock, opt)
}

// NewTLSTap returns a Tap on the server's end of a TLS connection whose
// handshake is done. Its times are the clock of this process. A close_notify
// that is read when the FIN has arrived, too, counts as the FIN alone.
func NewTLSTap(conn *tls.Conn, tb *Timebase, opt TapOptions) *Tap {
	t := newTap(conn, newSocket(conn.NetConn(), tb), opt)
	t.aside = true
	return t
}

func newTap(conn net.Conn, sock *socket, opt TapOptions) *Tap {
	t := &Tap{conn: conn, sock: sock, tb: sock.tb, withhold: opt.Withhold}
	t.idle.L = &t.mu
	t.in.masked, t.out.masked = opt.Server, !opt.Server
	if len(opt.Read) > 0 {
		t.pre = append([]byte(nil), opt.Read...)
		t.preAt = sock.last
		if !t.preAt.Set() {
			t.preAt = UserInstant(t.tb.Now())
		}
	}
	return t
}

// ExpectEcho makes the Tap judge the marks of arriving messages. Call it
// before the first read.
func (t *Tap) ExpectEcho(run uint32, n uint64) { t.td.ExpectEcho(run, n) }

// Trace returns the trace so far.
func (t *Tap) Trace() Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.td.Trace
}

// Read is the library's.
func (t *Tap) Read(p []byte) (int, error) {
	t.mu.Lock()
	switch {
	case t.letGo, t.owned:
		t.mu.Unlock()
		return 0, net.ErrClosed
	case t.handed:
		t.mu.Unlock()
		return 0, ErrHandover
	case len(t.pre) > 0:
		n := copy(p, t.pre)
		t.pre = t.pre[n:]
		keep := t.observe(p[:n], t.preAt)
		t.mu.Unlock()
		return t.keep(keep, nil)
	}
	t.inRead = true
	t.mu.Unlock()

	n, err := t.conn.Read(p)

	t.mu.Lock()
	t.inRead = false
	if t.wokenRead {
		t.wokenRead = false
		t.arm(t.deadline)
	}
	if t.owned {
		t.idle.Broadcast() // Next waits for its turn
	}
	keep := t.observe(p[:n], t.sock.last)
	if err != nil {
		t.ended(err)
	}
	t.mu.Unlock()
	return t.keep(keep, err)
}

// keep is what a library's read returns that was left n bytes and err. Behind
// a withheld Close the end of the connection is the owner's to see, too.
func (t *Tap) keep(n int, err error) (int, error) {
	switch {
	case !t.handed:
		return n, err
	case n == 0:
		return 0, ErrHandover
	}
	return n, nil
}

// observe feeds arrived bytes to the decoder and returns how many of them the
// library may see.
func (t *Tap) observe(p []byte, at Instant) int {
	keep := len(p)
	for off := 0; ; {
		if t.withhold && !t.handed && off < len(p) && t.in.boundary() && Opcode(p[off]&0x0F) == OpClose {
			t.handed = true
			keep = off
		}
		n, ev, done := t.in.next(p[off:])
		if done {
			t.acknowledge(len(p))
			return keep
		}
		off += n
		if ev.Kind != None {
			ev.At, ev.Seen, ev.Dir = at, t.tb.Now(), In
			if !at.Set() {
				ev.At = UserInstant(ev.Seen)
			}
			t.td.Step(ev)
		}
	}
}

// ended notes the end of the connection, or of its TLS session, after a read
// that failed with err.
func (t *Tap) ended(err error) {
	if t.aside {
		t.sock.infer(err)
	}
	ev := t.sock.end
	if ev.Kind == None {
		if t.conn == net.Conn(t.sock) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		// The TLS session ended or broke, and TCP goes on below it.
		now := t.tb.Now()
		ev = Event{Kind: CloseNotify, At: UserInstant(now), Seen: now}
		if !errors.Is(err, io.EOF) {
			ev.Kind = Failed
		}
	}
	ev.Open = t.in.open()
	t.td.Step(ev)
}

// Write is the library's.
func (t *Tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	for t.inWrite && !t.refused() {
		t.idle.Wait()
	}
	if t.refused() {
		t.mu.Unlock()
		return 0, net.ErrClosed
	}
	return t.write(p, t.announce(p))
}

// Close lets the library go. The library calls it under its own locks, so it
// neither closes the socket nor waits.
func (t *Tap) Close() error {
	t.LetGo()
	return nil
}

// LetGo refuses the library from now on, and wakes it where it is inside the
// socket. Where it is not, no deadline is touched: a late Close must not wake
// the owner's own reads.
func (t *Tap) LetGo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.letGo {
		return // what is inside the socket now is the owner's
	}
	t.letGo = true
	t.wake()
}

// wake moves the deadlines of the library's read and of its write in progress
// to the past; after Interrupt also that of the owner's write.
func (t *Tap) wake() {
	if t.inRead && !t.wokenRead {
		t.wokenRead = true
		t.arm(past)
	}
	if t.inWrite && !t.wokenWrite && (t.interrupted || !t.outOwned) {
		t.wokenWrite = true
		t.conn.SetWriteDeadline(past)
	}
	t.idle.Broadcast()
}

// arm sets the socket's read deadline where it differs.
func (t *Tap) arm(d time.Time) {
	if t.armed != d {
		t.armed = d
		t.conn.SetReadDeadline(d)
	}
}

// SetDeadline bounds the library's reads from now on, the one in progress
// included, by the offset d; 0 for no bound. A read that meets it fails with
// os.ErrDeadlineExceeded, and nothing is closed.
func (t *Tap) SetDeadline(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadline = time.Time{}
	if d != 0 {
		t.deadline = t.tb.Time(d)
	}
	if !t.wokenRead && !t.owned {
		t.arm(t.deadline)
	}
}

// Interrupt lets the library go and ends the owner's waits, the one in
// progress and all that follow, with ErrInterrupted.
func (t *Tap) Interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.letGo, t.interrupted = true, true
	t.wake()
	if t.inNext {
		t.arm(past)
	}
}

// Await reads for the owner as long as no library has been engaged: it waits
// for bytes of the peer that mean something to the owner. A lone ping is
// answered here, behind a write in progress, as the library would, and a lone
// pong is taken note of. Await returns nil when a Close has come, or anything behind an own one, and the
// error that ended the wait otherwise, as Read does. Where the library is needed
// it returns ErrEngage; what has come waits for its Read, or for Next.
//
// before, where it is not nil, is called when something has arrived and is not
// yet read, on a plain connection of the kernel's with stamps.
func (t *Tap) Await(before func()) error {
	for {
		t.mu.Lock()
		switch {
		case t.interrupted:
			t.mu.Unlock()
			return ErrInterrupted
		case t.letGo:
			t.mu.Unlock()
			return net.ErrClosed
		case len(t.pre) > 0:
			pre := t.pre
			t.pre = nil
			again, err := t.awaited(pre, t.preAt)
			if again {
				continue
			}
			return err
		}
		t.inRead = true
		t.mu.Unlock()

		var n int
		var err error
		if t.conn == net.Conn(t.sock) {
			n, err = t.sock.readAfter(t.first[:], before)
		} else {
			n, err = t.conn.Read(t.first[:])
		}

		t.mu.Lock()
		t.inRead = false
		if t.wokenRead {
			t.wokenRead = false
			t.arm(t.deadline)
		}
		if n == 0 {
			if err != nil {
				t.ended(err)
			}
			t.mu.Unlock()
			return err
		}
		again, engage := t.awaited(t.first[:n], t.sock.last)
		if err != nil {
			t.mu.Lock()
			t.ended(err)
			t.mu.Unlock()
			return err
		}
		if !again {
			return engage
		}
	}
}

// awaited decides on what Await has read. It is entered with the mutex held and
// leaves it unlocked.
func (t *Tap) awaited(p []byte, at Instant) (again bool, err error) {
	defer t.mu.Unlock()
	if t.td.Trace.OwnClose.Set() {
		t.observe(p, at)
		return false, nil
	}
	op, body, whole := loneControl(p)
	if !whole || !t.in.boundary() {
		t.pre, t.preAt = append([]byte(nil), p...), at
		return false, ErrEngage
	}
	t.observe(p, at)
	for op == OpPing && t.inWrite && !t.refused() {
		t.idle.Wait()
	}
	if op == OpPing && !t.refused() && t.out.boundary() {
		frame := t.ownFrame(OpPong, body)
		t.announce(frame)
		_, err = t.write(frame, false) // with the mutex unlocked
		t.mu.Lock()
	}
	return op != OpClose, err
}

// loneControl reports whether p is one whole control frame of a server, without
// a fault, and which.
func loneControl(p []byte) (op Opcode, body []byte, ok bool) {
	if len(p) < 2 || p[0]&^0x0F != bitFin || p[1] > MaxControlPayload || len(p) != 2+int(p[1]) {
		return 0, nil, false
	}
	op, body = Opcode(p[0]&0x0F), p[2:]
	switch op {
	case OpPing, OpPong:
		return op, body, true
	case OpClose:
		_, _, rule := parseClosePayload(body)
		return op, body, rule == NoRule
	}
	return op, body, false
}
