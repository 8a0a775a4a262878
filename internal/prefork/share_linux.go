package prefork

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// reusePort is SO_REUSEPORT, on all processors that Go knows but MIPS.
const reusePort = 15

// share makes n sockets that listen on addr, and says where that is. The files
// are not in the poller of this process, which never accepts: each new
// connection would wake it.
func share(addr string, n int) (at net.Addr, files []*os.File, err error) {
	// A port that other processes share already would be shared with them. Who
	// wants it for themselves is told.
	alone, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	at = alone.Addr()
	if err := alone.Close(); err != nil {
		return nil, nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = os.NewSyscallError("setsockopt SO_REUSEPORT", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1))
		})
		return errors.Join(err, failed)
	}}
	for range n {
		f, err := listening(config, at.String())
		if err != nil {
			closeAll(files)
			return nil, nil, err
		}
		files = append(files, f)
	}
	return at, files, nil
}

// listening makes one of the sockets.
func listening(config net.ListenConfig, addr string) (*os.File, error) {
	ln, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		return nil, err
	}
	var f *os.File
	var failed error
	err = raw.Control(func(fd uintptr) { f, failed = duplicate(int(fd)) })
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("share %s: %w", addr, err)
	}
	return f, nil
}

// duplicate makes a file of a socket that is about to be closed. As the socket
// blocks then, the poller stays away from it.
func duplicate(socket int) (*os.File, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(socket)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}
