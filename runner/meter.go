package runner

import (
	"time"

	"github.com/wsload/wsload/stats"
)

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
