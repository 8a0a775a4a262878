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

// Holders fails on this platform: who listens on a port is unknown.
func Holders(port int) ([]int, error) {
	return nil, fmt.Errorf("find who listens on port %d: %w (only Linux tells it; give an address with metrics of the server)",
		port, errors.ErrUnsupported)
}
