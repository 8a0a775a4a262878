package parts

import (
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// mostLate is how many intervals a part may be behind the others before they go
// on without it. What it tells later goes into the interval that is next then.
const mostLate = 3

// A merger makes one run's intervals of those of its parts. They belong together
// by their place on the grid of the plan's interval. It is not safe for
// concurrent use.
type merger struct {
	interval time.Duration
	tick     func(runner.Tick)
	total    *stats.Summary
	sum      *stats.Summary // of the interval that is made
	parts    []part
	at       time.Duration // end of the last interval
	done     bool          // the run's last interval is made
}

// A part is a process of the run, as far as it told.
type part struct {
	queue         []piece // what was told and is in no interval yet
	cell          int64   // of the newest piece
	over          bool    // it tells no more
	drain         bool    // as of the newest piece that is in an interval
	left          time.Duration
	open, closing uint64
}

// A piece is an interval of a part.
type piece struct {
	cell int64 // its end on the grid
	span *result.Span
	state
}

func newMerger(n int, interval time.Duration, mix []stats.Entry, tick func(runner.Tick)) *merger {
	return &merger{
		interval: interval, tick: tick, total: stats.NewSummary(mix), sum: stats.NewSummary(mix), parts: make([]part, n),
	}
}

// add takes the next interval of a part.
func (m *merger) add(i int, span *result.Span, s state) error {
	p := &m.parts[i]
	cell := int64(span.To.Round(m.interval) / m.interval)
	if s.Last { // which ends somewhere on the way to the next place of the grid
		cell = max(int64((span.To+m.interval-1)/m.interval), p.cell+1)
	}
	p.cell = max(p.cell, cell)
	p.queue = append(p.queue, piece{cell: p.cell, span: span, state: s})
	p.over = p.over || s.Last
	return m.advance()
}

// leave takes note of the end of a part's process. Where it has not told its
// last interval, what it held is gone with it.
func (m *merger) leave(i int) error {
	if p := &m.parts[i]; !p.over {
		p.over, p.open, p.closing = true, 0, 0
		for k := range p.queue {
			p.queue[k].span.Connections.Open, p.queue[k].span.Connections.Closing = 0, 0
		}
		return m.advance()
	}
	return nil
}

// advance makes every interval that is due.
func (m *merger) advance() error {
	for {
		cell, newest, due := int64(math.MaxInt64), int64(0), true
		for i := range m.parts {
			p := &m.parts[i]
			newest = max(newest, p.cell)
			if len(p.queue) > 0 {
				cell = min(cell, p.queue[0].cell)
			}
		}
		for i := range m.parts {
			p := &m.parts[i]
			due = due && (p.over || p.cell >= cell || newest-cell >= mostLate)
		}
		if cell == math.MaxInt64 || !due {
			return nil
		}
		if err := m.make(cell); err != nil {
			return err
		}
	}
}

// make makes the interval that ends at a place of the grid.
func (m *merger) make(cell int64) error {
	m.sum.Reset()
	t := runner.Tick{Summary: m.sum, Last: true}
	draining, working := false, false
	for i := range m.parts {
		p := &m.parts[i]
		for len(p.queue) > 0 && p.queue[0].cell <= cell {
			next := p.queue[0]
			p.queue = p.queue[1:]
			if err := next.span.AddTo(m.sum); err != nil {
				return fmt.Errorf("read an interval of part %d: %w", i+1, err)
			}
			p.open, p.closing = next.span.Connections.Open, next.span.Connections.Closing
			p.left, p.drain = next.Left, next.Drain
		}
		t.Open += int(p.open)
		t.Closing += int(p.closing)
		draining = draining || p.drain
		if !p.over || len(p.queue) > 0 {
			t.Last = false
			t.Left = max(t.Left, p.left)
			working = working || !p.drain
		}
	}
	t.Drain = draining && !working
	m.give(t, m.sum.To)
	return nil
}

// give passes an interval on that ends at an offset of the run.
func (m *merger) give(t runner.Tick, to time.Duration) {
	m.sum.From, m.sum.To = m.at, max(m.at, to)
	m.at, m.done = m.sum.To, t.Last
	m.total.Merge(m.sum)
	m.tick(t)
}

// end makes the run's last interval where the parts left before they told
// theirs.
func (m *merger) end(now time.Duration) {
	if !m.done {
		m.sum.Reset()
		m.give(runner.Tick{Summary: m.sum, Last: true}, now)
	}
}
