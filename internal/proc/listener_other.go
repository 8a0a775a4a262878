//go:build !linux

package proc

import (
	"errors"
	"fmt"
)

// Holders fails on this platform: who listens on a port is unknown.
func Holders(port int) ([]int, error) {
	return nil, fmt.Errorf("find who listens on port %d: %w (only Linux tells it: name the process by its pid, or give a page with its metrics)",
		port, errors.ErrUnsupported)
}

// Listener fails on this platform as Holders does.
func Listener(port int) (pid int, err error) {
	_, err = Holders(port)
	return 0, err
}
