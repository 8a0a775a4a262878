package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	soTimestampNS = 35     // SO_TIMESTAMPNS and SCM_TIMESTAMPNS
	siocOutQ      = 0x5411 // SIOCOUTQ: bytes not yet acknowledged by the peer
	siocInQ       = 0x541B // SIOCINQ: bytes that arrived and were not read
	tcpRepair     = 19     // TCP_REPAIR
	bindNoPort    = 24     // IP_BIND_ADDRESS_NO_PORT
)

// stamper reads a TCP socket by recvmsg, so that each read carries the time at
// which the kernel received its last byte. Its buffers are part of it: a read
// allocates nothing. It is used by one goroutine at a time.
type stamper struct {
	raw  syscall.RawConn
	recv func(fd uintptr) bool
	look func(fd uintptr) bool // recv, at the first call alone

	p      []byte
	looked bool
	n      int
	wall   int64 // ns since the epoch, 0 for none
	err    error

	msg syscall.Msghdr
	iov syscall.Iovec
	oob [64]byte
}

// newStamper switches the kernel's receive stamps on for a TCP connection, or
// for the one that a NetConn method names. It returns nil for every other kind
// of connection.
func newStamper(conn net.Conn) *stamper {
	var raw syscall.RawConn
	switch conn := conn.(type) {
	case *fileConn:
		raw = conn.raw
	case *net.TCPConn:
		var err error
		if raw, err = conn.SyscallConn(); err != nil {
			return nil
		}
	case interface{ NetConn() net.Conn }:
		return newStamper(conn.NetConn())
	default:
		return nil
	}
	s := &stamper{raw: raw}
	s.recv = s.recvmsg
	s.look = func(fd uintptr) bool {
		if s.looked {
			return true
		}
		s.looked = true
		return s.recvmsg(fd)
	}
	on := false
	cerr := raw.Control(func(fd uintptr) {
		on = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soTimestampNS, 1) == nil
	})
	if cerr != nil || !on {
		return nil
	}
	return s
}

func (s *stamper) read(p []byte) (int, int64, error) {
	s.p = p
	err := s.raw.Read(s.recv)
	return s.result(err)
}

// readAfter is read, and calls before between the wait, if there is one, and the
// read.
func (s *stamper) readAfter(p []byte, before func()) (int, int64, error) {
	s.p, s.looked = p, false
	err := s.raw.Read(s.look)
	if err == nil && s.n == 0 && s.err == nil {
		before()
		return s.read(p)
	}
	return s.result(err)
}

// tryRead reads without waiting and without regard to deadlines.
func (s *stamper) tryRead(p []byte) (int, int64, error) {
	s.p = p
	ready := false
	err := s.raw.Control(func(fd uintptr) { ready = s.recvmsg(fd) })
	if err == nil && !ready {
		err = os.ErrDeadlineExceeded
	}
	return s.result(err)
}

// depart writes p, which holds the own Close. It calls leaving just before the
// first system call that does. Unlike the reads it may be called beside them.
//
// What comes back is the peer's Close, and often its FIN some 10 µs later. Where
// the Close is still unread then, the kernel appends the FIN to it in the
// receive queue (tcp_try_coalesce), and the bytes get the FIN's stamp. It appends
// nothing to a packet whose data is shared. Over loopback the sender's queue for
// retransmission shares it until the acknowledgement. So that is delayed
// (TCP_QUICKACK 0), as the kernel does by itself for a client that answers
// within 40 ms. An acknowledgement that was late makes the kernel end that
// mode, so once per connection would not do.
func (s *stamper) depart(p []byte, leaving func()) (n int, err error) {
	cerr := s.raw.Write(func(fd uintptr) bool {
		if leaving != nil {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 0)
			leaving()
			leaving = nil
		}
		for n < len(p) {
			m, errno := syscall.Write(int(fd), p[n:])
			switch {
			case errno == syscall.EINTR:
				continue
			case errno == syscall.EAGAIN:
				return false
			case errno != nil:
				err = os.NewSyscallError("write", errno)
				return true
			}
			n += m
		}
		return true
	})
	return n, cmpErr(err, cerr)
}

// tryDepart is a depart that does not wait: without room for anything it fails
// with os.ErrDeadlineExceeded, and with io.ErrShortWrite where there was room for
// a part.
func (s *stamper) tryDepart(p []byte, leaving func()) error {
	var err error
	cerr := s.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 0)
		leaving()
		// Go's scheduler is not told of the call, which does not wait: it would give
		// the processor away, and in a storm this goroutine had to queue for one
		// behind all that have got their answer.
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch {
		case errno == syscall.EAGAIN, errno == syscall.EINTR:
			err = os.ErrDeadlineExceeded
		case errno != 0:
			err = os.NewSyscallError("write", errno)
		case int(n) < len(p):
			err = io.ErrShortWrite
		}
	})
	return cmpErr(err, cerr)
}

// acknowledge sends an acknowledgement that depart delays, and delays the next.
func (s *stamper) acknowledge() {
	s.raw.Control(func(fd uintptr) {
		for _, v := range [...]int{1, 0} {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, v)
		}
	})
}

func (s *stamper) result(err error) (int, int64, error) {
	n, wall := s.n, s.wall
	if err == nil {
		err = s.err
	} else {
		n = 0
	}
	s.p, s.n, s.wall, s.err = nil, 0, 0, nil
	return n, wall, err
}

// recvmsg reads once. It returns false when it would block.
func (s *stamper) recvmsg(fd uintptr) bool {
	if len(s.p) == 0 {
		return true
	}
	s.iov = syscall.Iovec{Base: &s.p[0]}
	s.iov.SetLen(len(s.p))
	s.msg = syscall.Msghdr{Iov: &s.iov, Iovlen: 1, Control: &s.oob[0]}
	s.msg.SetControllen(len(s.oob))
	for {
		// The socket does not block, so the scheduler need not be told.
		n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&s.msg)), 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return false
		case errno != 0:
			s.err = os.NewSyscallError("recvmsg", errno)
		case n == 0:
			s.err = io.EOF
		default:
			s.n, s.wall = int(n), s.controlStamp()
		}
		return true
	}
}

// controlStamp finds the stamp in the control message of the last read.
func (s *stamper) controlStamp() int64 {
	if s.msg.Controllen < syscall.SizeofCmsghdr {
		return 0
	}
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&s.oob[0]))
	if h.Level != syscall.SOL_SOCKET || h.Type != soTimestampNS {
		return 0
	}
	ts := (*syscall.Timespec)(unsafe.Pointer(&s.oob[syscall.CmsgLen(0)]))
	return ts.Nano()
}

// facts takes the socket's pending error, which clears it, the state of the
// connection and the bytes in flight. An error is pending only on a connection
// that is closed, and bytes are in flight only on one that is not.
func (s *stamper) facts() (soErr syscall.Errno, state uint8, outq int) {
	s.raw.Control(func(fd uintptr) {
		// The kernel fills as much of struct tcp_info as asked for; the state
		// is its first byte.
		var info [8]byte
		size := uint32(len(info))
		_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			state = info[0]
		}
		if state != tcpClose {
			var q int32
			_, _, errno = syscall.RawSyscall(syscall.SYS_IOCTL, fd, siocOutQ, uintptr(unsafe.Pointer(&q)))
			if errno == 0 {
				outq = int(q)
			}
			return
		}
		if v, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil {
			soErr = syscall.Errno(v)
		}
	})
	return soErr, state, outq
}

// unread is SIOCINQ, 0 on a socket that is closed.
func (s *stamper) unread() (n int) {
	s.raw.Control(func(fd uintptr) {
		var q int32
		_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, siocInQ, uintptr(unsafe.Pointer(&q)))
		if errno == 0 {
			n = int(q)
		}
	})
	return n
}

// repair makes the coming close of a TCP connection send nothing.
func repair(conn net.Conn) error {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt TCP_REPAIR", syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRepair, 1))
	})
	return cmpErr(cerr, err)
}

// CanVanish reports whether this process may end connections without a sound,
// and what it lacks if not.
func CanVanish() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
	if err != nil {
		return fmt.Errorf("end a connection without a sound: %w", os.NewSyscallError("socket", err))
	}
	defer syscall.Close(fd)
	switch err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpRepair, 1); err {
	case nil:
		return nil
	case syscall.EPERM:
		return fmt.Errorf("end a connection without a sound: %w: the capability CAP_NET_ADMIN is needed", err)
	default:
		return fmt.Errorf("end a connection without a sound: %w", os.NewSyscallError("setsockopt TCP_REPAIR", err))
	}
}

// HoldStamps keeps the kernel's receive stamps switched on for as long as the
// returned socket is open. Without it the first stamped socket of a quiet host
// switches them on with a delay, and the last one's end switches them off. The
// error says that this host has none.
func HoldStamps() (io.Closer, error) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	raw, err := pc.(*net.UDPConn).SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soTimestampNS, 1)
		})
		err = cmpErr(err, cerr)
	}
	if err != nil {
		pc.Close()
		return nil, err
	}
	return pc, nil
}

// ProbeStamps measures one stamp: a byte goes over a connection on loopback, and
// late is from the kernel's stamp to the read's return, as read_lag is. The error
// says that this host has no stamps, or none that can be used.
func ProbeStamps() (late time.Duration, err error) {
	held, err := HoldStamps()
	if err != nil {
		return 0, fmt.Errorf("kernel receive stamps: %w", err)
	}
	defer held.Close()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("probe kernel receive stamps: %w", err)
	}
	defer ln.Close()
	const patience = 2 * time.Second // the kernel switches stamps on within milliseconds
	from, err := net.DialTimeout("tcp4", ln.Addr().String(), patience)
	if err != nil {
		return 0, fmt.Errorf("probe kernel receive stamps: %w", err)
	}
	defer from.Close()
	to, err := ln.Accept()
	if err != nil {
		return 0, fmt.Errorf("probe kernel receive stamps: %w", err)
	}
	defer to.Close()
	s := newStamper(to)
	if s == nil {
		return 0, errors.New("kernel receive stamps: this host's sockets have none")
	}
	end := time.Now().Add(patience)
	_ = to.SetDeadline(end) // an open connection takes one
	tb := NewTimebase()
	for one := []byte{0}; time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := from.Write(one); err != nil {
			return 0, fmt.Errorf("probe kernel receive stamps: %w", err)
		}
		_, wall, err := s.read(one)
		if err != nil {
			return 0, fmt.Errorf("probe kernel receive stamps: %w", err)
		}
		if seen := tb.Now(); wall != 0 {
			if at := tb.arrival(wall); at.Source == Kernel {
				return seen - at.At, nil
			}
		}
	}
	return 0, errors.New("kernel receive stamps: no read had one")
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// controlDial lets the kernel choose the source port at connect time, when it
// knows the destination: a bound source address then has its full range of
// ports for each destination.
func controlDial(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// An old kernel without the option still dials, with fewer ports.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindNoPort, 1)
	})
}
