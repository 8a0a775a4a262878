package target

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// An ending says which end finished a TCP connection first, and how.
type ending uint32

const (
	unended ending = iota
	clientFIN
	clientRST
	serverFIN
	serverRST
	failed // neither: TCP gave up, or the host did
)

// A link is one accepted connection, below TLS. It passes everything through
// and remembers how the connection ended: the first end that any read or write
// meets, whoever made the call, or the own close. An error reported once and
// taken by net/http or by a failing write is lost to whoever looks later;
// here it is not.
type link struct {
	net.Conn
	stamped bool          // a Tap reads past it, with the kernel's receive stamps
	halved  atomic.Bool   // the FIN was sent without a close
	resets  atomic.Bool   // Close will send an RST
	first   atomic.Uint32 // an ending
}

// NetConn is what is below, for reads that get stamps; nil where those are not
// wanted.
func (l *link) NetConn() net.Conn {
	if !l.stamped {
		return nil
	}
	return l.Conn
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.Met(err)
	return n, err
}

// Write implements net.Conn.
func (l *link) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.Met(err)
	return n, err
}

// CloseWrite sends the FIN and leaves the other direction open. A FIN or RST
// that is already here came before it.
func (l *link) CloseWrite() error {
	half, ok := l.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if raw := l.raw(); raw != nil {
		l.Met(peek(raw))
	}
	l.end(serverFIN)
	l.halved.Store(true)
	return half.CloseWrite()
}

// HalfClosed reports whether CloseWrite was called.
func (l *link) HalfClosed() bool { return l.halved.Load() }

// Close implements net.Conn.
func (l *link) Close() error {
	if l.resets.Load() {
		l.end(serverRST)
	} else {
		l.end(serverFIN)
	}
	return l.Conn.Close()
}

// SetLinger makes the coming Close send an RST for 0, a FIN for anything else.
func (l *link) SetLinger(sec int) error {
	conn, ok := l.Conn.(interface{ SetLinger(sec int) error })
	if !ok {
		return errors.ErrUnsupported
	}
	err := conn.SetLinger(sec)
	l.resets.Store(sec == 0 && err == nil)
	return err
}

// end notes how the connection ended, unless it had already.
func (l *link) end(by ending) { l.first.CompareAndSwap(uint32(unended), uint32(by)) }

// ending is how the connection ended so far.
func (l *link) ending() ending { return ending(l.first.Load()) }

// wsaConnReset is what Windows calls ECONNRESET.
const wsaConnReset = syscall.Errno(10054)

// Met notes what err, of a read or a write, says of the client's end.
func (l *link) Met(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return
	}
	errno, _ := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, io.EOF):
		l.end(clientFIN)
	case errno == syscall.ECONNRESET, errno == wsaConnReset:
		l.end(clientRST)
	case errno == syscall.EPIPE:
		// Only an RST that came behind a FIN reports itself so. One that came
		// without has been noted as ECONNRESET before.
		l.end(clientFIN)
	default:
		l.end(failed)
	}
}

// raw is the socket, nil where there is none.
func (l *link) raw() syscall.RawConn {
	sc, ok := l.Conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// unacked reports whether bytes of the server have not reached the client's
// kernel, as far as this platform tells.
func (l *link) unacked() bool {
	if k, ok := l.Conn.(kernelState); ok {
		_, _, outq := k.KernelState()
		return outq > 0
	}
	raw := l.raw()
	return raw != nil && outq(raw) > 0
}

// kernelState is what a network in memory tells in place of a kernel: the
// pending error, the state of TCP and the bytes that are not acknowledged.
type kernelState interface {
	KernelState() (soErr syscall.Errno, state uint8, outq int)
}

// maxLook bounds the reads of look: a client that sends without pause must not
// keep the connection open.
const maxLook = 64

// look takes what has arrived out of the socket without waiting. A FIN or RST
// that is already here came before the close that follows; and closing a
// socket with unread bytes would send an RST in place of the FIN (RFC 2525
// section 2.17). Those bytes are lost: only a close may follow.
func (l *link) look() {
	raw := l.raw()
	if raw == nil {
		return
	}
	buf := make([]byte, 512)
	for range maxLook {
		n, err := tryRead(raw, buf)
		l.Met(err)
		if n == 0 || err != nil {
			return
		}
	}
}

// cut ends the connection by FIN. It wakes whoever reads or writes and never
// waits.
func (l *link) cut() {
	l.look()
	// What fails here is the end of a socket that has already gone.
	_ = l.Close()
}
