package runner

import (
	"context"
	"sync"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// A shard is a part of the slots of this process: its own recorder and its own
// schedule, so that shards do not meet on a lock.
type shard struct {
	e        *engine
	rec      *stats.Recorder
	schedule *schedule

	mu   sync.Mutex
	live map[*connection]struct{}
}

// fire does what is due on a connection.
func (s *shard) fire(d due) {
	switch d.task {
	case taskClose:
		if s.e.plan.Closes.Shape.Kind() == scenario.ShapeRate {
			s.e.paced.eligible(d)
			return
		}
		d.c.beginClose(d.at, false)
	case taskForward:
		d.c.beginClose(d.at, true)
	case taskPaced:
		s.e.paced.tick(d.at)
	case taskSend, taskPing:
		s.e.traffic.due(d)
	}
}

// launch starts the life of a connection that is due.
func (s *shard) launch(ctx context.Context, lc scenario.Lifecycle, at time.Duration) {
	c := &connection{shard: s, lc: lc, due: at, plan: &s.e.plan.Closes.Mix[lc.Entry]}
	s.mu.Lock()
	s.live[c] = struct{}{}
	s.mu.Unlock()
	s.rec.Started()
	s.e.crew.do(func() {
		c.live(ctx)
		s.mu.Lock()
		delete(s.live, c)
		s.mu.Unlock()
		s.e.freed(lc)
	})
}

// each calls f for every connection that has not settled.
func (s *shard) each(f func(*connection)) {
	s.mu.Lock()
	all := make([]*connection, 0, len(s.live))
	for c := range s.live {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		f(c)
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
