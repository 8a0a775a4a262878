package wire

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// fileConn is a TCP connection opened by system calls of our own. It does what
// package net does for a dialled connection, with about half of the calls: it
// asks for no addresses, sets each option once, and a connection over loopback,
// which is established before connect returns, costs no wait in the poller.
type fileConn struct {
	*os.File
	raw    syscall.RawConn
	remote netip.AddrPort
}

// connectTCP begins a connection to remote, from local where that is valid.
// Where the answer is still to come, established waits for it.
func connectTCP(remote netip.AddrPort, local netip.Addr) (c *fileConn, pending bool, err error) {
	fd, err := openSocket(remote, local)
	if err != nil {
		return nil, false, err
	}
	sa := sockaddr(remote)
	err = syscall.Connect(fd, sa)
	if err == syscall.EINPROGRESS || err == syscall.EINTR {
		err = syscall.Connect(fd, sa) // over loopback the answer is already here
	}
	pending = err == syscall.EALREADY || err == syscall.EINTR
	if err != nil && err != syscall.EISCONN && !pending {
		syscall.Close(fd)
		return nil, false, os.NewSyscallError("connect", err)
	}
	f := os.NewFile(uintptr(fd), "tcp")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, false, err
	}
	return &fileConn{File: f, raw: raw, remote: remote}, pending, nil
}

// openSocket makes a socket that is ready to connect.
func openSocket(remote netip.AddrPort, local netip.Addr) (fd int, err error) {
	family := syscall.AF_INET
	if !remote.Addr().Unmap().Is4() {
		family = syscall.AF_INET6
	}
	fd, err = syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	if err == nil && local.IsValid() {
		// An old kernel without the option still binds, with fewer ports.
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindNoPort, 1)
		err = os.NewSyscallError("bind", syscall.Bind(fd, sockaddr(netip.AddrPortFrom(local, 0))))
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(ap netip.AddrPort) syscall.Sockaddr {
	if a := ap.Addr().Unmap(); a.Is4() {
		return &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}
	}
	return &syscall.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
}

// established waits for a connection under way, until the write deadline.
func (c *fileConn) established() error {
	sa := sockaddr(c.remote)
	var result error
	err := c.raw.Write(func(fd uintptr) bool {
		errno, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && errno != 0 {
			err = syscall.Errno(errno)
		}
		if err == nil {
			err = syscall.Connect(int(fd), sa)
		}
		if err == syscall.EALREADY || err == syscall.EINTR || err == syscall.EINPROGRESS {
			return false
		}
		if err != syscall.EISCONN {
			result = os.NewSyscallError("connect", err)
		}
		return true
	})
	return cmpErr(err, result)
}

// LocalAddr implements net.Conn.
func (c *fileConn) LocalAddr() net.Addr {
	var addr net.Addr = &net.TCPAddr{}
	c.raw.Control(func(fd uintptr) {
		sa, err := syscall.Getsockname(int(fd))
		switch sa := sa.(type) {
		case *syscall.SockaddrInet4:
			addr = &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
		case *syscall.SockaddrInet6:
			addr = &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
		}
		_ = err // the zero address stands for one that is not known
	})
	return addr
}

// RemoteAddr implements net.Conn.
func (c *fileConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetLinger does what net.TCPConn's does.
func (c *fileConn) SetLinger(sec int) error {
	linger := syscall.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		linger = syscall.Linger{}
	}
	var err error
	cerr := c.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &linger))
	})
	return cmpErr(cerr, err)
}

// CloseWrite does what net.TCPConn's does.
func (c *fileConn) CloseWrite() error {
	var err error
	cerr := c.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("shutdown", syscall.Shutdown(int(fd), syscall.SHUT_WR))
	})
	return cmpErr(cerr, err)
}

// direct opens the connection by system calls of its own.
func (h *Handshake) direct(remote netip.AddrPort, deadline time.Time) (net.Conn, error) {
	c, pending, err := connectTCP(remote, h.Local)
	if err != nil {
		return nil, err
	}
	if !pending {
		return c, nil
	}
	c.SetWriteDeadline(deadline)
	if h.begin(func() { c.SetWriteDeadline(past) }) {
		err = c.established()
	}
	if h.end() {
		err = context.Canceled
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
