package runner

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/mark"
)

// maxSenders bounds the workers that send. A worker is held up as long as a
// connection's write is; where all are, messages are skipped and counted.
const maxSenders = 64

// traffic sends the messages and pings of held connections. Connections do not
// have a goroutine for it: the schedules say what is due, a few workers write.
type traffic struct {
	e     *engine
	queue chan due
	wg    sync.WaitGroup

	mu      sync.Mutex
	workers int
	pending int // queued or being written
}

func newTraffic(e *engine) *traffic {
	return &traffic{e: e, queue: make(chan due, 4096)}
}

// begin schedules a connection's first message and ping. Connections are
// spread over the period by the golden ratio, so that neither those of a ramp
// nor those of a storm send together.
func (t *traffic) begin(c *connection) {
	_, phase := math.Modf(float64(c.lc.N) * math.Phi)
	plan := &t.e.plan.Traffic
	if plan.Every > 0 {
		at := c.opened + time.Duration(phase*float64(plan.Every))
		c.shard.schedule.add(due{at: at, task: taskSend, c: c})
	}
	if plan.Ping > 0 {
		at := c.opened + time.Duration(phase*float64(plan.Ping))
		c.shard.schedule.add(due{at: at, task: taskPing, c: c})
	}
}

// due hands a message or ping to a worker and schedules the next one.
func (t *traffic) due(d due) {
	c := d.c
	c.mu.Lock()
	gone := c.stage != held
	c.mu.Unlock()
	if gone {
		return
	}
	next := d
	if d.task == taskPing {
		next.at += t.e.plan.Traffic.Ping
	} else {
		next.at += t.e.plan.Traffic.Every
	}
	c.shard.schedule.add(next)
	if d.task == taskSend && c.sending.Swap(true) {
		c.skipped.Add(1)
		return
	}
	t.hand(d)
}

// hand gives what is due to a worker, a new one where all are busy and the
// bound allows. Where even the queue is full, a message is skipped.
func (t *traffic) hand(d due) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.queue <- d:
	default:
		if d.task == taskSend {
			d.c.skipped.Add(1)
			d.c.sending.Store(false)
		}
		return
	}
	t.pending++
	if t.pending > t.workers && t.workers < maxSenders {
		t.workers++
		t.wg.Go(t.work)
	}
}

// work sends what is queued until the queue is closed.
func (t *traffic) work() {
	var buf []byte
	for d := range t.queue {
		if d.task == taskPing {
			d.c.tap.Ping()
		} else {
			buf = d.c.send(buf[:0])
			d.c.sending.Store(false)
		}
		t.mu.Lock()
		t.pending--
		t.mu.Unlock()
	}
}

// send writes the connection's next message: its mark, then filling.
func (c *connection) send(buf []byte) []byte {
	e := c.shard.e
	buf = mark.Mark{Run: e.opt.RunID, N: c.lc.N, Seq: c.seq}.Append(buf)
	for len(buf) < e.plan.Traffic.Size {
		buf = append(buf, '.')
	}
	err := c.lib.Write(context.Background(), websocket.MessageText, buf)
	if err == nil {
		c.seq++
	}
	c.refuse(err)
	return buf
}

// end lets the workers go. Every connection has settled, so none is held up.
func (t *traffic) end() {
	close(t.queue)
	t.wg.Wait()
}
