package relay

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/wsload/wsload/scenario"
)

// patience is how long a write may wait for room before it is looked whether
// the end that the bytes come from is still there.
const patience = 200 * time.Millisecond

// quantum is the time for which bytes are taken at once where the bandwidth is
// limited.
const quantum = 20 * time.Millisecond

// An ending is how a direction ends.
type ending uint8

const (
	_   ending = iota
	fin        // no bytes come any more
	rst        // the end that they come from is dead
)

// A flow is one direction of a link: it reads from one side, holds back what
// the path delays, and writes to the other side. It is one goroutine with at
// most one timer, the deadline of its read or that of its sleep.
type flow struct {
	l        *link
	leg      scenario.Leg // LegUp or LegDown
	src, dst *side
	queue    queue
	random   rand.PCG  // jitter
	free     time.Time // when the bandwidth has room again
	armed    time.Time // the deadline of the next read
	patient  time.Time // the deadline of the next write
	over     bool      // src has ended: what is left is in the queue
}

// run carries the bytes until the direction or the link has ended.
func (f *flow) run() {
	defer f.queue.free(&f.l.r.rings)
	buf := f.l.r.chunks.Get().(*[chunkSize]byte)
	defer f.l.r.chunks.Put(buf)
	stalled := uint64(0) // the steps of a stall under way
	for {
		now := time.Now()
		if !f.deliver(now) {
			return
		}
		w := f.l.r.path.at(now, f.leg, f.l.hits)
		if stalled != 0 && w.stalls == 0 {
			f.l.r.path.count(stalled, unread(f.src.conn))
			stalled = 0
		}
		wake := earlier(w.until, f.queue.due())
		switch {
		case f.over:
			if !f.sleep(now, f.queue.due()) {
				return
			}
		case w.stalls != 0:
			stalled = w.stalls
			f.l.count(w.stalls)
			if !f.sleep(now, wake) {
				return
			}
		case w.rate > 0 && now.Before(f.free):
			if !f.sleep(now, earlier(wake, f.free)) {
				return
			}
		case f.queue.room() == 0:
			if !f.sleep(now, wake) {
				return
			}
		default:
			if !f.take(buf[:f.most(w)], w, wake) {
				return
			}
		}
	}
}

// most is how much may be read at once, at least a byte.
func (f *flow) most(w weather) int {
	n := min(chunkSize, f.queue.room())
	if w.rate > 0 {
		n = min(n, max(1, int(int64(w.rate)*int64(quantum)/int64(time.Second))))
	}
	return n
}

// take reads once, until wake at the latest, and passes on what it got or holds
// it back. It returns false where the flow has ended.
func (f *flow) take(p []byte, w weather, wake time.Time) bool {
	if !f.armRead(wake) {
		return !f.l.isCut()
	}
	n, err := f.src.conn.Read(p)
	if n > 0 && !f.accept(p[:n], w) {
		return false
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.armed = time.Unix(1, 0) // whatever it was, it has passed
	case errors.Is(err, net.ErrClosed):
		return false
	default:
		f.endSource(err, w)
	}
	return true
}

// accept takes bytes that were read in some weather.
func (f *flow) accept(p []byte, w weather) bool {
	if w.steps != 0 {
		f.l.r.path.count(w.steps, len(p))
		f.l.count(w.steps)
	}
	now := time.Now()
	if w.rate > 0 {
		if f.free.Before(now) {
			f.free = now
		}
		f.free = f.free.Add(time.Duration(int64(len(p)) * int64(time.Second) / int64(w.rate)))
	}
	if w.latency == 0 && f.queue.empty() {
		_, ok := f.write(p)
		return ok
	}
	f.queue.add(p, f.due(now, w), &f.l.r.rings)
	return true
}

// due is when something leaves that came now, or with what came before it where
// that leaves later.
func (f *flow) due(now time.Time, w weather) time.Time {
	due := now.Add(w.latency)
	if w.jitter > 0 {
		spread := float64(f.random.Uint64()>>11)/(1<<52) - 1 // from -1 to 1
		due = due.Add(time.Duration(spread * float64(w.jitter)))
	}
	return due
}

// endSource puts the end of src behind what is held. A write that has failed
// takes the error of an RST, and a read then gives a plain end.
func (f *flow) endSource(err error, w weather) {
	e := rst
	if errors.Is(err, io.EOF) && !f.src.isDead() {
		e = fin
	}
	f.over = true
	f.queue.addEnding(e, f.due(time.Now(), w))
}

// deliver writes what is due. It returns false where the flow has ended.
func (f *flow) deliver(now time.Time) bool {
	if f.l.isCut() {
		return false
	}
	lifted := f.l.r.path.lifted.Load()
	for !f.queue.empty() && (lifted || !f.queue.due().After(now)) {
		p, e := f.queue.next()
		switch e {
		case fin:
			f.finish()
			return false
		case rst:
			f.l.reset(f.dst)
			return false
		}
		n, ok := f.write(p)
		f.queue.drop(n, &f.l.r.rings)
		if !ok {
			return false
		}
	}
	return true
}

// finish passes a FIN on.
func (f *flow) finish() {
	f.dst.finSent.Store(true)
	if err := f.dst.conn.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		f.l.died(f.dst)
		return
	}
	f.l.finished(f.src)
}

// write writes all of p, or says how much of it before the flow ended.
func (f *flow) write(p []byte) (n int, ok bool) {
	for {
		if !f.armWrite() {
			return n, false
		}
		m, err := f.dst.conn.Write(p[n:])
		n += m
		f.l.r.carried(f.leg).Add(uint64(m))
		switch {
		case err == nil:
			return n, true
		case errors.Is(err, os.ErrDeadlineExceeded):
			f.patient = time.Time{}
			if !f.l.isCut() && f.src.isDead() {
				f.l.reset(f.dst) // what an RST overtakes is lost
				return n, false
			}
		case errors.Is(err, net.ErrClosed):
			return n, false
		default:
			f.l.died(f.dst)
			return n, false
		}
	}
}

// armRead sets the deadline of the next read. It returns false where the link
// was cut, or the faults were lifted, since the deadline was reckoned.
func (f *flow) armRead(wake time.Time) bool {
	if wake.Equal(f.armed) {
		return true
	}
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	if f.l.cut != nil || f.l.lifted && !wake.IsZero() {
		return false
	}
	f.armed = wake
	_ = f.src.conn.SetReadDeadline(wake) // what is closed says so at the read
	return true
}

// armWrite sets the deadline of the next write, unless it is far enough.
func (f *flow) armWrite() bool {
	now := time.Now()
	if f.patient.Sub(now) > patience/2 {
		return true
	}
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	if f.l.cut != nil {
		return false
	}
	f.patient = now.Add(patience)
	_ = f.dst.conn.SetWriteDeadline(f.patient) // what is closed says so at the write
	return true
}

// sleep waits for a moment, the zero one for ever, or until the link is cut or
// the faults are lifted. It returns false where the flow has ended.
func (f *flow) sleep(now, wake time.Time) bool {
	var moment <-chan time.Time
	if !wake.IsZero() {
		timer := time.NewTimer(wake.Sub(now))
		defer timer.Stop()
		moment = timer.C
	}
	select {
	case <-moment:
	case <-f.l.r.stopping:
	case <-f.l.woken:
		return false
	}
	return true
}
