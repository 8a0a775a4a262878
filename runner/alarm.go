package runner

import "time"

// An alarm fires once after each reset. Several resets may fire once.
type alarm struct {
	C     <-chan struct{}
	reset func(d time.Duration)
	stop  func()
}

// newAlarm returns an alarm that is not set. A fine one is as exact as the
// kernel's timers where the platform has a way to wait for them; the runtime's
// own timers are late by up to a millisecond in an idle process.
func newAlarm(fine bool) *alarm {
	if fine {
		if a, err := fineAlarm(); err == nil {
			return a
		}
	}
	c := make(chan struct{}, 1)
	timer := time.AfterFunc(time.Hour, func() {
		select {
		case c <- struct{}{}:
		default:
		}
	})
	timer.Stop()
	return &alarm{
		C:     c,
		reset: func(d time.Duration) { timer.Reset(d) },
		stop:  func() { timer.Stop() },
	}
}
