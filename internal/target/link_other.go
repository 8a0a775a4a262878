//go:build !unix

package target

import "syscall"

// tryRead finds nothing: this platform has no read that never waits. An end
// that crosses the own close is then counted as the server's.
func tryRead(syscall.RawConn, []byte) (int, error) { return 0, nil }

// peek finds nothing, for the same reason.
func peek(syscall.RawConn) error { return nil }

// outq is 0: this platform does not tell what is not acknowledged.
func outq(syscall.RawConn) int32 { return 0 }
