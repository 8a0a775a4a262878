package runner

import (
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
	taskSend                // a message of the traffic
	taskPing
)

// A due is one entry of a schedule.
type due struct {
	at   time.Duration
	task task
	c    *connection
}

// A schedule fires entries when they are due, earliest first. It is one
// goroutine and one timer, however many connections wait on it.
type schedule struct {
	tb   *wire.Timebase
	wake chan struct{}

	mu   sync.Mutex
	heap dues
}

func newSchedule(tb *wire.Timebase) *schedule {
	return &schedule{tb: tb, wake: make(chan struct{}, 1)}
}

// add enters d. It may be called from fire.
func (s *schedule) add(d due) {
	s.mu.Lock()
	s.heap.push(d)
	first := s.heap[0] == d
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// run fires what is due until stop is closed. fire must not block.
func (s *schedule) run(stop <-chan struct{}, fire func(due)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		case <-s.wake:
		}
		for {
			d, wait := s.next()
			if wait != 0 {
				timer.Reset(wait)
				break
			}
			fire(d)
		}
	}
}

// idle is how long a schedule without entries sleeps.
const idle = time.Hour

// next takes out the first entry that is due, or says how long to wait.
func (s *schedule) next() (d due, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heap) == 0 {
		return d, idle
	}
	if wait = s.heap[0].at - s.tb.Now(); wait > 0 {
		return d, wait
	}
	return s.heap.pop(), 0
}

// dues is a heap of entries, the earliest first.
type dues []due

func (h *dues) push(d due) {
	*h = append(*h, d)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if q[parent].at <= q[i].at {
			return
		}
		q[parent], q[i] = q[i], q[parent]
		i = parent
	}
}

// pop takes out the earliest entry. The heap must not be empty.
func (h *dues) pop() due {
	q := *h
	d, last := q[0], len(q)-1
	q[0], q[last] = q[last], due{}
	q = q[:last]
	*h = q
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q[child].at < q[least].at {
				least = child
			}
		}
		if least == i {
			return d
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}
