package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is one TCP connection, below TLS where there is TLS. It reads with
// the kernel's receive stamp where the platform has one, and notes how the
// connection ended. One goroutine reads at a time.
type socket struct {
	net.Conn
	tb    *Timebase
	stamp *stamper // nil: reads are stamped by the clock of this process

	last    Instant        // arrival of the last bytes read
	end     Event          // FIN, RST or Failed, once seen
	unacked bool           // at the end, or since, own bytes were not yet acknowledged
	pending atomic.Uintptr // the first SO_ERROR taken, an Errno: asking for it, or a write, clears it
	closed  atomic.Bool    // by this end
	finSent atomic.Bool    // by this end, without a close, or tried

	stocked time.Duration // when stock was taken
	stock   int           // bytes that had arrived before, and are still unread

	departing atomic.Bool  // the next write has the own Close in it
	departure atomic.Int64 // the offset just before the system call that began it, 0 for none
}

// kernelFacts is what the kernel says of a socket at its end: the pending
// SO_ERROR, TCP_INFO's state and the bytes not yet acknowledged by the peer's
// kernel (SIOCOUTQ).
type kernelFacts interface {
	KernelState() (soErr syscall.Errno, state uint8, outq int)
}

// An observer is a connection below that wants to hear of the ends that stamped
// reads and the write of the own Close meet, since these pass it by.
type observer interface{ Met(err error) }

// wsaConnReset is what Windows calls ECONNRESET.
const wsaConnReset = syscall.Errno(10054)

// past is a deadline that has expired.
var past = time.Unix(1, 0)

// States of TCP_INFO.
const (
	tcpClose     = 7 // the connection was reset
	tcpCloseWait = 8 // the peer has sent its FIN
)

func newSocket(conn net.Conn, tb *Timebase) *socket {
	return &socket{Conn: conn, tb: tb, stamp: newStamper(conn)}
}

// Read reads once and notes when the last byte arrived. An end of the
// connection is noted as an event and returned as the error.
func (s *socket) Read(p []byte) (int, error) {
	p = s.inStock(p)
	var wall int64
	var n int
	var err error
	if s.stamp == nil {
		n, err = s.Conn.Read(p)
	} else {
		n, wall, err = s.stamp.read(p)
	}
	return n, s.read(n, wall, err)
}

// readAfter is Read, and calls before, where it is not nil, between the wait for
// something to arrive and the read. Without stamps it is Read.
func (s *socket) readAfter(p []byte, before func()) (int, error) {
	if s.stamp == nil || before == nil {
		return s.Read(p)
	}
	n, wall, err := s.stamp.readAfter(s.inStock(p), before)
	return n, s.read(n, wall, err)
}

// read takes note of a read, and gives its error.
func (s *socket) read(n int, wall int64, err error) error {
	if s.stamp != nil {
		s.tell(err)
	}
	err = s.own(err)
	s.note(n, wall, err)
	return err
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	if !s.departing.CompareAndSwap(true, false) {
		n, err := s.Conn.Write(p)
		return n, s.own(err)
	}
	var n int
	var err error
	if s.stamp == nil {
		s.departure.Store(int64(s.tb.Now()))
		n, err = s.Conn.Write(p)
	} else {
		n, err = s.stamp.depart(p, func() { s.departure.Store(int64(s.tb.Now())) })
		s.tell(err)
	}
	return n, s.own(err)
}

// departed is the offset at which the own Close was handed to the kernel, after
// all that this process does to it. It is 0 where that is not known: the write
// failed before, or does not pass through this socket. Call it when the write
// is over.
func (s *socket) departed() time.Duration {
	s.departing.Store(false)
	return time.Duration(s.departure.Load())
}

// tryDepart writes p, which has the own Close in it, without waiting, on a
// socket with stamps. It gives the offset at which p was handed to the kernel.
func (s *socket) tryDepart(p []byte) (at time.Duration, err error) {
	err = s.stamp.tryDepart(p, func() { at = s.tb.Now() })
	s.tell(err)
	return at, s.own(err)
}

// Close implements net.Conn. It ends whatever is inside the socket.
func (s *socket) Close() error {
	s.closed.Store(true)
	return s.Conn.Close()
}

// own makes every error that follows the own close net.ErrClosed: a file and a
// TCP connection have errors of their own for it.
func (s *socket) own(err error) error {
	if err != nil && s.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// tryRead reads what has already arrived and never waits: without data it
// returns os.ErrDeadlineExceeded.
func (s *socket) tryRead(p []byte) (int, error) {
	if s.stamp == nil {
		s.Conn.SetReadDeadline(s.tb.Time(s.tb.Now() + time.Millisecond))
		return s.Read(p)
	}
	n, wall, err := s.stamp.tryRead(s.inStock(p))
	return n, s.read(n, wall, err)
}

// takeStock notes what has arrived that nobody has read: none of it is dated
// later than now, neither by the clock of a late read nor by the kernel, which
// joins unread bytes with a FIN behind them and gives them its stamp
// (tcp_try_coalesce). It reports whether the peer has ended the connection, and
// false where the platform cannot say.
func (s *socket) takeStock() (ended bool) {
	_, state, _, _ := s.facts()
	s.stock, s.stocked = s.unread(), s.tb.Now()
	return state == tcpClose || state == tcpCloseWait
}

// inStock is the part of p that a read may fill without mixing what has been in
// stock with what came later.
func (s *socket) inStock(p []byte) []byte {
	if s.stock > 0 {
		return p[:min(len(p), s.stock)]
	}
	return p
}

// tell passes on how a stamped read, or the write of the own Close, failed.
func (s *socket) tell(err error) {
	if o, ok := s.Conn.(observer); ok && err != nil {
		o.Met(err)
	}
}

func (s *socket) note(n int, wall int64, err error) {
	if n > 0 {
		if wall != 0 {
			s.last = s.tb.arrival(wall)
		} else {
			s.last = UserInstant(s.tb.Now())
		}
		if s.stock > 0 {
			s.stock -= n
			if s.last.At >= s.stocked {
				s.last = UserInstant(s.stocked - 1)
			}
		}
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || s.end.Kind != None {
		return
	}
	s.end, s.unacked = s.ending(err)
	now := s.tb.Now()
	s.end.At, s.end.Seen = UserInstant(now), now
}

// infer notes the end of the connection by the error of a TLS session that
// reads past this socket.
func (s *socket) infer(err error) {
	switch {
	case s.end.Kind != None:
		return
	case errors.Is(err, io.EOF):
		// A close_notify, or a FIN between two records: the next read tells.
		var b [1]byte
		s.tryRead(b[:])
		return
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = io.EOF
	}
	s.note(0, 0, err)
}

// ending tells a FIN from an RST. A reset that follows a FIN also reads as an
// end of file; only the pending error (EPIPE) or the connection's state still
// show it. unacked says that own bytes are still under way behind a FIN.
func (s *socket) ending(err error) (ev Event, unacked bool) {
	if !errors.Is(err, io.EOF) {
		errno, _ := errors.AsType[syscall.Errno](err)
		if errno == syscall.ECONNRESET || errno == syscall.EPIPE || errno == wsaConnReset {
			return Event{Kind: RST, Errno: errno}, false
		}
		return Event{Kind: Failed, Errno: errno}, false
	}
	soErr, state, outq, ok := s.facts()
	if ok && s.wasReset(soErr, state) {
		return Event{Kind: RST, Errno: soErr, AfterFIN: soErr == syscall.EPIPE}, false
	}
	return Event{Kind: FIN}, ok && outq > 0
}

// wasReset reports whether the facts of a connection whose end was read say that
// it was reset. Once both ends have sent their FIN its state is the same without
// an RST: the kernel keeps the rest of it elsewhere (TIME_WAIT).
func (s *socket) wasReset(soErr syscall.Errno, state uint8) bool {
	finSent := s.finSent.Load()
	if h, ok := s.Conn.(interface{ HalfClosed() bool }); ok {
		finSent = finSent || h.HalfClosed()
	}
	return soErr == syscall.EPIPE || soErr == syscall.ECONNRESET || state == tcpClose && !finSent
}

func (s *socket) facts() (soErr syscall.Errno, state uint8, outq int, ok bool) {
	if s.stamp != nil {
		soErr, state, outq = s.stamp.facts()
	} else if k, has := s.Conn.(kernelFacts); has {
		soErr, state, outq = k.KernelState()
	} else {
		return 0, 0, 0, false
	}
	if soErr != 0 {
		s.pending.CompareAndSwap(0, uintptr(soErr))
	}
	return syscall.Errno(s.pending.Load()), state, outq, true
}

// took notes that a write has failed with err: it has taken the pending error.
func (s *socket) took(err error) {
	errno, _ := errors.AsType[syscall.Errno](err)
	if errno == syscall.ECONNRESET || errno == syscall.EPIPE {
		s.pending.CompareAndSwap(0, uintptr(errno))
	}
}

// unread is how many bytes have arrived that nobody has read, 0 also where the
// platform cannot say.
func (s *socket) unread() int {
	if s.stamp != nil {
		return s.stamp.unread()
	}
	if u, ok := s.Conn.(interface{ Unread() int }); ok {
		return u.Unread()
	}
	return 0
}

// reset makes the coming Close send an RST (SO_LINGER with a time of 0).
func (s *socket) reset() error {
	l, ok := s.Conn.(interface{ SetLinger(sec int) error })
	if !ok {
		return errors.ErrUnsupported
	}
	return l.SetLinger(0)
}

// closeWrite sends this end's FIN; reading goes on.
func (s *socket) closeWrite() error {
	c, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	s.finSent.Store(true) // before the peer can know
	return s.own(c.CloseWrite())
}

// vanish closes the socket and sends nothing.
func (s *socket) vanish() error {
	if v, ok := s.Conn.(interface{ Vanish() }); ok {
		s.closed.Store(true)
		v.Vanish()
		return nil
	}
	if err := repair(s.Conn); err != nil {
		return err
	}
	return s.Close()
}
