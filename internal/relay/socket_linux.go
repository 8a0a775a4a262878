package relay

import (
	"net"
	"syscall"
	"unsafe"
)

const (
	siocInQ    = 0x541B // SIOCINQ: bytes that arrived and were not read
	bindNoPort = 24     // IP_BIND_ADDRESS_NO_PORT
	tcpClose   = 7      // TCP_INFO's state of a connection that was reset, or has sent and got its FIN
)

// bindLater lets the kernel choose the port with the destination in mind: one
// port then serves many destinations.
func bindLater(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		// An old kernel without the option still binds, with fewer ports.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindNoPort, 1)
	})
}

// facts gives the state of a connection by Linux's numbers and, on one that is
// closed, its pending error, which that takes.
func facts(conn net.Conn) (state uint8, soErr syscall.Errno) {
	if k, ok := conn.(kernelState); ok {
		soErr, state, _ = k.KernelState()
		return state, soErr
	}
	control(conn, func(fd int) {
		// The kernel fills as much of struct tcp_info as asked for; the state
		// is its first byte.
		if info, err := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO); err == nil {
			state = info[0]
		}
		if state != tcpClose {
			return
		}
		if v, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil {
			soErr = syscall.Errno(v)
		}
	})
	return state, soErr
}

// wasReset reports whether an RST has come, read or not. Once both ends have
// sent their FIN the state alone does not tell.
func wasReset(conn net.Conn, finSent bool) bool {
	state, soErr := facts(conn)
	return state == tcpClose && (!finSent || soErr != 0)
}

// unread is how many bytes have arrived that nobody has read.
func unread(conn net.Conn) (n int) {
	if u, ok := conn.(interface{ Unread() int }); ok {
		return u.Unread()
	}
	control(conn, func(fd int) {
		var q int32
		_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), siocInQ, uintptr(unsafe.Pointer(&q)))
		if errno == 0 {
			n = int(q)
		}
	})
	return n
}

// control calls f with the socket of a connection that is open.
func control(conn net.Conn, f func(fd int)) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // a closed one has no facts
}

// kernelState is what a network in memory tells in place of a kernel.
type kernelState interface {
	KernelState() (soErr syscall.Errno, state uint8, outq int)
}
