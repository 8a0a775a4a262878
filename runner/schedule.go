package runner

import (
	"slices"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/wire"
)

// task is what a schedule fires.
type task uint8

const (
	taskClose   task = iota // the planned close
	taskForward             // a close brought forward because the run ends
	taskPaced               // the next of the paced closes (shape rate)
	taskRamp                // the next start of the ramp
	taskOpen                // the start of a connection in a slot that is free
	taskOn                  // the same, where a stage switches the slot on
	taskOff                 // the close of a connection whose slot a stage switches off
	taskSend                // a message of the traffic
	taskPing
)

// A due is one entry of a schedule.
type due struct {
	at       time.Duration
	task     task
	failures uint8       // taskOpen: in the slot, in a row
	c        *connection // nil for tasks that are no connection's
	n        uint64      // taskRamp, taskOpen, taskOn: index of the connection
}

// A schedule fires entries when they are due, earliest first. It is one
// goroutine and one alarm, however many connections wait on it.
type schedule struct {
	tb    *wire.Timebase
	alarm alarm

	mu     sync.Mutex
	dues   dues
	asleep bool // run waits for the alarm
}

func newSchedule(tb *wire.Timebase, fine bool) *schedule {
	return &schedule{tb: tb, alarm: newAlarm(fine)}
}

// add enters d. It may be called from fire.
func (s *schedule) add(d due) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dues.push(d)
	if s.asleep && s.dues.heap[0] == d {
		s.alarm.reset(max(0, d.at-s.tb.Now()))
	}
}

// run fires what is due, all that is due together at a time, until stop is
// called. fire must not block, nor keep the entries.
func (s *schedule) run(fire func([]due)) {
	var all []due
	for {
		for all = s.next(all[:0]); len(all) > 0; all = s.next(all[:0]) {
			fire(all)
			clear(all)
		}
		if !s.alarm.wait() {
			return
		}
	}
}

func (s *schedule) stop() { s.alarm.stop() }

// next takes out the entries that are due, and appends them to all. If none is,
// the alarm is set for the first.
func (s *schedule) next(all []due) []due {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep = false
	now := s.tb.Now()
	for len(s.dues.heap) > 0 && s.dues.heap[0].at <= now {
		all = append(all, s.dues.pop())
	}
	if len(all) > 0 {
		return all
	}
	if len(s.dues.heap) > 0 {
		s.alarm.reset(s.dues.heap[0].at - now)
	}
	s.asleep = true
	return nil
}

// dues is a heap of entries, the earliest first. Entries of connections that
// ended by themselves stay until they are due, or until they are too many: then
// push drops them, so that the heap is bounded by what is alive.
type dues struct {
	heap  []due
	limit int // length at which to look for entries of the dead
}

// minLimit keeps small heaps from being searched.
const minLimit = 1024

func (h *dues) push(d due) {
	if len(h.heap) >= max(h.limit, minLimit) {
		h.heap = slices.DeleteFunc(h.heap, func(d due) bool { return d.c != nil && d.c.settled.Load() })
		for i := len(h.heap)/2 - 1; i >= 0; i-- {
			h.down(i)
		}
		h.limit = 2 * len(h.heap)
	}
	h.heap = append(h.heap, d)
	for i := len(h.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if h.heap[parent].at <= h.heap[i].at {
			return
		}
		h.heap[parent], h.heap[i] = h.heap[i], h.heap[parent]
		i = parent
	}
}

// pop takes out the earliest entry. The heap must not be empty.
func (h *dues) pop() due {
	d, last := h.heap[0], len(h.heap)-1
	h.heap[0], h.heap[last] = h.heap[last], due{}
	h.heap = h.heap[:last]
	h.down(0)
	return d
}

func (h *dues) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.heap); child++ {
			if h.heap[child].at < h.heap[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		h.heap[i], h.heap[least] = h.heap[least], h.heap[i]
		i = least
	}
}
