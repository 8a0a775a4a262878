package runner

import "time"

// An alarm wakes one goroutine. reset may be called from any goroutine.
type alarm struct {
	wait  func() bool           // blocks until the alarm fires; false once it was stopped
	reset func(d time.Duration) // sets it to fire once after d, in place of what was set
	stop  func()
}

// newAlarm returns an alarm that is not set. A fine one is as exact as the
// kernel's timers where the platform has a way to wait for them; the runtime's
// own timers are late by up to a millisecond in an idle process.
func newAlarm(fine bool) alarm {
	if fine {
		if a, err := fineAlarm(); err == nil {
			return a
		}
	}
	fired, stopped := make(chan struct{}, 1), make(chan struct{})
	timer := time.AfterFunc(time.Hour, func() {
		select {
		case fired <- struct{}{}:
		default:
		}
	})
	timer.Stop()
	return alarm{
		wait: func() bool {
			select {
			case <-fired:
				return true
			case <-stopped:
				return false
			}
		},
		reset: func(d time.Duration) { timer.Reset(d) },
		stop: func() {
			timer.Stop()
			close(stopped)
		},
	}
}
