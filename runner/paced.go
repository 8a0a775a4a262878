package runner

import (
	"sync"
	"time"

	"github.com/wsload/wsload/scenario"
)

// paced is the queue of closes of the shape rate: connections whose hold is
// over leave it at a fixed pace, the one that opened first before the others.
type paced struct {
	schedule *schedule // fires the ticks
	rate     scenario.Rate

	mu    sync.Mutex
	queue dues // by the time of opening
	from  time.Duration
	k     uint64 // ticks since from
	armed bool
}

func newPaced(s *schedule, rate scenario.Rate) *paced {
	return &paced{schedule: s, rate: rate}
}

// eligible enters a connection whose hold is over.
func (p *paced) eligible(d due) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.push(due{at: d.c.opened, c: d.c})
	if p.armed {
		return
	}
	p.armed = true
	// After a pause the pace begins anew: what lapsed is not made up for.
	if next := p.from + p.rate.At(p.k); p.k == 0 || d.at > next {
		p.from, p.k = d.at, 0
	}
	p.arm()
}

func (p *paced) arm() {
	p.schedule.add(due{at: p.from + p.rate.At(p.k), task: taskPaced})
	p.k++
}

// tick closes the oldest connection that is still open. A connection that
// ended by itself costs no tick.
func (p *paced) tick(at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if len(p.queue) == 0 {
			p.armed = false
			return
		}
		if p.queue.pop().c.beginClose(at, false) {
			p.arm()
			return
		}
	}
}
