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
	resets atomic.Bool   // Close will send an RST
	first  atomic.Uint32 // an ending
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.met(err)
	return n, err
}

// Write implements net.Conn.
func (l *link) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.met(err)
	return n, err
}

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

// met notes what err says of the client's end.
func (l *link) met(err error) {
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

// maxLook bounds the reads of look: a client that sends without pause must not
// keep the connection open.
const maxLook = 64

// look takes what has arrived out of the socket without waiting. A FIN or RST
// that is already here came before the close that follows; and closing a
// socket with unread bytes would send an RST in place of the FIN (RFC 2525
// section 2.17). Those bytes are lost: only a close may follow.
func (l *link) look() {
	sc, ok := l.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 512)
	for range maxLook {
		n, err := tryRead(raw, buf)
		l.met(err)
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
