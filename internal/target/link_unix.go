//go:build unix

package target

import (
	"io"
	"runtime"
	"syscall"
	"unsafe"
)

// tryRead reads without waiting. It returns 0 and no error where nothing has
// arrived.
func tryRead(raw syscall.RawConn, p []byte) (n int, err error) {
	cerr := raw.Control(func(fd uintptr) {
		for {
			n, err = syscall.Read(int(fd), p)
			if err != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return 0, cerr
	case err == syscall.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// peek looks at the socket without waiting and takes no bytes. It returns
// io.EOF where the client's FIN is next, the error where there is one, which it
// takes, and nil else.
func peek(raw syscall.RawConn) (err error) {
	var b [1]byte
	n := 0
	cerr := raw.Control(func(fd uintptr) {
		for {
			n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			if err != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return cerr
	case err == syscall.EAGAIN:
		return nil
	case err == nil && n == 0:
		return io.EOF
	}
	return err
}

// siocOutQ asks Linux for the bytes that the peer has not acknowledged
// (SIOCOUTQ).
const siocOutQ = 0x5411

// outq is the number of those bytes, 0 where the system does not tell.
func outq(raw syscall.RawConn) (n int32) {
	if runtime.GOOS != "linux" {
		return 0
	}
	cerr := raw.Control(func(fd uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, siocOutQ, uintptr(unsafe.Pointer(&n)))
		if errno != 0 {
			n = 0
		}
	})
	if cerr != nil {
		return 0
	}
	return n
}
