package main

import "syscall"

// latePort leaves the choice of a port to connect, which knows the destination,
// as for an address that the kernel chooses (IP_BIND_ADDRESS_NO_PORT).
func latePort(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, 24, 1) // without it there are fewer ports
	})
}
