//go:build !linux

package proc

import (
	"errors"
	"fmt"
)

// SocketsOn fails on this platform: the sockets on a port are unknown.
func SocketsOn(port int) (Sockets, error) {
	return Sockets{}, fmt.Errorf("count sockets on port %d: %w (only Linux tells them)", port, errors.ErrUnsupported)
}
