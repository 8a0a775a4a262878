package runner

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	tfdNonblock    = syscall.O_NONBLOCK
	tfdCloexec     = syscall.O_CLOEXEC
)

// fineAlarm is an alarm over a timerfd: the network poller waits for it as for
// a socket, to the microsecond and without holding a thread.
func fineAlarm() (*alarm, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, tfdNonblock|tfdCloexec, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("timerfd_create", errno)
	}
	f := os.NewFile(fd, "timerfd")
	c, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var expirations [8]byte
		for {
			if _, err := f.Read(expirations[:]); err != nil {
				return
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}()
	return &alarm{
		C:     c,
		reset: func(d time.Duration) { setTimerfd(fd, d) },
		stop: func() {
			f.Close()
			<-ended
		},
	}, nil
}

// setTimerfd sets the timer to fire once after d. A time of 0 would disarm it.
func setTimerfd(fd uintptr, d time.Duration) {
	spec := struct{ interval, value syscall.Timespec }{value: syscall.NsecToTimespec(int64(max(d, 1)))}
	// It fails only for a descriptor that is not a timer.
	_, _, _ = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}
