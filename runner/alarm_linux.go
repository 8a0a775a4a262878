package runner

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

const clockMonotonic = 1

// fineAlarm is an alarm over a timerfd: the network poller waits for it as for
// a socket, to the microsecond and without holding a thread.
func fineAlarm() (alarm, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return alarm{}, os.NewSyscallError("timerfd_create", errno)
	}
	f := os.NewFile(fd, "timerfd")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return alarm{}, err
	}
	return alarm{
		wait: func() bool {
			var expirations [8]byte
			_, err := f.Read(expirations[:])
			return err == nil
		},
		reset: func(d time.Duration) {
			raw.Control(func(fd uintptr) { setTimerfd(fd, d) })
		},
		stop: func() { f.Close() },
	}, nil
}

// setTimerfd sets the timer to fire once after d. A time of 0 would disarm it.
func setTimerfd(fd uintptr, d time.Duration) {
	spec := struct{ interval, value syscall.Timespec }{value: syscall.NsecToTimespec(int64(max(d, 1)))}
	// It fails only for a descriptor that is not a timer.
	_, _, _ = syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}
