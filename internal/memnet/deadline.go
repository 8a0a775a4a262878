package memnet

import (
	"sync"
	"time"
)

// deadline is one direction's deadline. Its fields are guarded by the lock of
// the cond it was set with.
type deadline struct {
	passed bool
	timer  *time.Timer
	round  int // tells a timer that fired late from the current one
}

// set replaces the deadline and makes waiters on changed look when it passes.
// The caller holds changed.L.
func (d *deadline) set(t time.Time, changed *sync.Cond) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		return
	}
	round := d.round
	d.timer = time.AfterFunc(wait, func() {
		changed.L.Lock()
		defer changed.L.Unlock()
		if d.round == round {
			d.passed = true
			changed.Broadcast()
		}
	})
}

func (d *deadline) stop() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
	}
}
