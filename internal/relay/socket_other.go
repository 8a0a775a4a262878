//go:build !linux

package relay

import (
	"net"
	"syscall"
)

func bindLater(_, _ string, _ syscall.RawConn) error { return nil }

// wasReset is false: this platform has no such question. An RST that meets a
// read and a write at the same moment may be passed on as a FIN, and one that
// comes while a write waits for room is seen when that ends.
func wasReset(net.Conn, bool) bool { return false }

// unread is 0: what waited at the end of a stall is not counted here.
func unread(net.Conn) int { return 0 }
