//go:build !linux

package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// stamper exists on Linux alone: elsewhere every stamp is the clock of this
// process and results say so.
type stamper struct{}

func newStamper(net.Conn) *stamper { return nil }

func (*stamper) read([]byte) (int, int64, error)    { return 0, 0, errors.ErrUnsupported }
func (*stamper) tryRead([]byte) (int, int64, error) { return 0, 0, errors.ErrUnsupported }
func (*stamper) readAfter([]byte, func()) (int, int64, error) {
	return 0, 0, errors.ErrUnsupported
}
func (*stamper) depart([]byte, func()) (int, error) { return 0, errors.ErrUnsupported }
func (*stamper) tryDepart([]byte, func()) error     { return errors.ErrUnsupported }
func (*stamper) acknowledge()                       {}
func (*stamper) facts() (syscall.Errno, uint8, int) { return 0, 0, 0 }
func (*stamper) unread() int                        { return 0 }

func repair(net.Conn) error { return errors.ErrUnsupported }

// CanVanish reports that this platform cannot end connections without a sound.
func CanVanish() error {
	return fmt.Errorf("end a connection without a sound: %w: Linux is needed", errors.ErrUnsupported)
}

// HoldStamps reports that this platform has no kernel receive stamps.
func HoldStamps() (io.Closer, error) {
	return nil, fmt.Errorf("kernel receive stamps: %w", errors.ErrUnsupported)
}

// ProbeStamps fails as HoldStamps does.
func ProbeStamps() (late time.Duration, err error) {
	_, err = HoldStamps()
	return 0, err
}

func controlDial(_, _ string, _ syscall.RawConn) error { return nil }
