//go:build !linux

package prefork

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// share fails: other systems give all connections to one of the sockets, or
// have no such option.
func share(string, int) (at net.Addr, files []*os.File, err error) {
	return nil, nil, fmt.Errorf("share a port between processes: %w: Linux is needed", errors.ErrUnsupported)
}
