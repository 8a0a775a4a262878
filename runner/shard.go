package runner

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// A shard is a part of the slots of this process: its own recorder and its own
// schedule, so that shards do not meet on a lock.
type shard struct {
	e        *engine
	rec      *stats.Recorder
	schedule *schedule
	ramp     ramp

	mu    sync.Mutex
	alive map[*connection]struct{}
}

// fireAll does what is due together. The closes of a storm are taken by
// goroutines of their own.
func (s *shard) fireAll(all []due) {
	var closes []due
	for _, d := range all {
		if len(all) > calm && (d.task == taskClose || d.task == taskForward || d.task == taskOff) {
			closes = append(closes, d)
		} else {
			s.fire(d)
		}
	}
	if len(closes) == 0 {
		return
	}
	storm := &s.e.storm
	storm.rises(len(closes))
	next := new(atomic.Int64)
	for range (len(closes) + gust - 1) / gust {
		storm.gusts.Go(func() {
			for range gust {
				k := next.Add(1) - 1
				if k >= int64(len(closes)) {
					return
				}
				s.fire(closes[k])
				storm.falls()
			}
		})
	}
}

// fire does what is due on a connection.
func (s *shard) fire(d due) {
	switch d.task {
	case taskClose:
		if s.e.plan.Closes.Shape.Kind() == value.ShapeRate {
			s.e.paced.eligible(d)
			return
		}
		d.c.beginClose(d.at, false)
	case taskForward:
		d.c.beginClose(d.at, true)
	case taskPaced:
		s.e.paced.tick(d.at)
	case taskRamp:
		s.ramped(d)
	case taskOpen:
		s.launch(d)
	case taskOn:
		s.staged(d)
	case taskOff:
		d.c.beginClose(d.at, false)
	case taskSend, taskPing:
		s.e.traffic.due(d)
	}
}

// launch starts the life of a connection that is due, unless the run is over.
func (s *shard) launch(d due) {
	s.e.gate.Lock()
	defer s.e.gate.Unlock()
	if s.e.over.Load() {
		return
	}
	c := s.begin(d)
	s.e.crew.do(func() {
		for c := c; c != nil; {
			c = s.live(c)
		}
	})
}

// begin makes the connection that lives next.
func (s *shard) begin(d due) *connection {
	lc := s.e.plan.Lifecycle(d.n)
	c := &connection{shard: s, lc: lc, due: d.at, failures: d.failures, plan: &s.e.plan.Closes.Mix[lc.Entry]}
	s.mu.Lock()
	s.alive[c] = struct{}{}
	s.mu.Unlock()
	s.rec.Started()
	return c
}

// live lives a connection's life and returns the one that follows in its slot
// where that is due at once.
func (s *shard) live(c *connection) *connection {
	c.live(s.e.dials)
	s.mu.Lock()
	delete(s.alive, c)
	s.mu.Unlock()
	e := s.e
	if e.plan.Load.Duration == 0 {
		if e.left.Add(-1) == 0 {
			close(e.finished)
		}
		return nil
	}
	now := e.tb.Now()
	d := e.follow(c, now)
	e.gate.Lock() // what begins before over is set is seen by the drain
	defer e.gate.Unlock()
	if e.over.Load() || d.at >= e.plan.Load.Duration {
		return nil
	}
	if d.at > now {
		s.schedule.add(d)
		return nil
	}
	return s.begin(d)
}

// each calls f for every connection that has not settled.
func (s *shard) each(f func(*connection)) {
	s.mu.Lock()
	all := make([]*connection, 0, len(s.alive))
	for c := range s.alive {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		f(c)
	}
}

const (
	// calm is how many entries may be due together and make no storm.
	calm = 8
	// gust is how many closes of a storm one goroutine takes, each the next of
	// all: so few that Go's scheduler does not end its slice of time, which would
	// leave a close behind all who have got their answer meanwhile.
	gust = 64
)

// longest bounds how long answers are left unread: a server must not run out of
// patience because of it.
const longest = 250 * time.Millisecond

// A storm is closes that are due together. Until all of them have begun, nobody
// reads the answer to one, for a while: that would take the processor from those
// that are still to come. The kernel dates the answers meanwhile, and read_lag
// tells how long they waited.
type storm struct {
	gusts sync.WaitGroup
	blows atomic.Bool  // answers are left unread
	left  atomic.Int64 // closes that have not begun

	mu   sync.Mutex
	over chan struct{} // closed and gone when it does not blow
	end  *time.Timer
}

func (s *storm) rises(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left.Add(int64(n)); s.over == nil {
		s.over, s.end = make(chan struct{}), time.AfterFunc(longest, s.lulls)
		s.blows.Store(true)
	}
}

// falls is told of each close that has begun.
func (s *storm) falls() {
	if s.left.Add(-1) == 0 {
		s.lulls()
	}
}

// lulls lets the answers be read.
func (s *storm) lulls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		s.blows.Store(false)
		s.end.Stop()
		close(s.over)
		s.over = nil
	}
}

// wait waits until answers may be read.
func (s *storm) wait() {
	if !s.blows.Load() {
		return
	}
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if over != nil {
		<-over
	}
}

// A meter turns what the shards record into interval summaries and a total. It
// alone merges, off the paths that are measured.
type meter struct {
	e                      *engine
	total, interval, spare *stats.Summary
	from                   time.Duration
}

func newMeter(e *engine) *meter {
	mix := entries(e.plan)
	return &meter{
		e: e, total: stats.NewSummary(mix), interval: stats.NewSummary(mix), spare: stats.NewSummary(mix),
	}
}

// run closes an interval at each tick, and the last one at the end.
func (m *meter) run(stop <-chan struct{}) {
	ticker := time.NewTicker(m.e.plan.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			m.tick(true)
			return
		case <-ticker.C:
			m.tick(false)
		}
	}
}

// tick flips every shard's recorder into the interval's summary.
func (m *meter) tick(last bool) {
	e := m.e
	e.tb.Sync()
	m.interval.Reset()
	for _, s := range e.shards {
		part := s.rec.Flip(m.spare)
		m.interval.Merge(part)
		part.Reset()
		m.spare = part
	}
	now := e.tb.Now()
	m.interval.From, m.interval.To = m.from, now
	m.from = now
	m.total.Merge(m.interval)
	if e.opt.Tick == nil {
		return
	}
	t := Tick{Summary: m.interval, Last: last, Drain: e.over.Load()}
	t.Open, t.Closing = int(e.shards[0].rec.Open()), int(e.closing.Load())
	if d := e.plan.Load.Duration; d > now && !t.Drain {
		t.Left = d - now
	}
	e.opt.Tick(t)
}

// A crew runs jobs, each on a goroutine of its own. A goroutine whose job has
// ended takes the next one: under churn the stacks that the client library
// needs are grown once and not once a connection.
type crew struct {
	hands chan func() // unbuffered: only who waits for a job gets one
	jobs  sync.WaitGroup
	all   sync.WaitGroup
}

func newCrew() *crew { return &crew{hands: make(chan func())} }

// do runs job. It never waits.
func (c *crew) do(job func()) {
	c.jobs.Add(1)
	select {
	case c.hands <- job:
	default:
		c.all.Go(func() { c.serve(job) })
	}
}

func (c *crew) serve(job func()) {
	for ok := true; ok; job, ok = <-c.hands {
		job()
		c.jobs.Done()
	}
}

// wait waits until every job has ended, those begun meanwhile included.
func (c *crew) wait() { c.jobs.Wait() }

// end sends everybody home. No job may be under way, and none may follow.
func (c *crew) end() {
	close(c.hands)
	c.all.Wait()
}
