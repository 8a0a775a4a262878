package memnet_test

import (
	"net"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// tcpEnd is the oracle: a socket on loopback, asked through the kernel.
type tcpEnd struct {
	*net.TCPConn
	t *testing.T
}

func (e tcpEnd) KernelState() (soErr syscall.Errno, state uint8, outq int) {
	e.ask(func(fd uintptr) {
		value, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err != nil {
			e.t.Error("SO_ERROR:", err)
		}
		soErr = syscall.Errno(value)
		var queued int32
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ,
			uintptr(unsafe.Pointer(&queued))); errno != 0 && errno != syscall.EINVAL {
			e.t.Error("SIOCOUTQ:", errno)
		}
		outq = int(queued)
	})
	return soErr, e.tcpState(), outq
}

func (e tcpEnd) Unread() (n int) {
	e.ask(func(fd uintptr) {
		var queued int32
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ,
			uintptr(unsafe.Pointer(&queued))); errno != 0 {
			e.t.Error("SIOCINQ:", errno)
		}
		n = int(queued)
	})
	return n
}

func (e tcpEnd) tcpState() (state uint8) {
	e.ask(func(fd uintptr) {
		var info syscall.TCPInfo
		size := uint32(unsafe.Sizeof(info))
		if _, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
			e.t.Error("TCP_INFO:", errno)
		}
		state = info.State
	})
	return state
}

func (e tcpEnd) ask(question func(fd uintptr)) {
	raw, err := e.SyscallConn()
	if err == nil {
		err = raw.Control(question)
	}
	if err != nil {
		e.t.Error("control:", err)
	}
}

func TestLinuxKeepsTheSameContract(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, row := range contract {
		t.Run(row.name, func(t *testing.T) {
			a, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			b, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			row.run(script{T: t, a: tcpEnd{a.(*net.TCPConn), t}, b: tcpEnd{b.(*net.TCPConn), t}, settle: poll})
		})
	}
}

// poll waits for the kernel: it has no event for what the contract asks.
func poll(until func() bool) {
	if until == nil {
		time.Sleep(5 * time.Millisecond)
		return
	}
	for range 2000 {
		if until() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
