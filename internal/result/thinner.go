package result

import (
	"time"

	"github.com/wsload/wsload/stats"
)

// A Thinner stands in front of a Writer and keeps the stream of a long run
// short: the older the run or the larger its stream, the more time a line
// covers.
//
//	a line covers     from                      or once the stream has
//	the interval      the beginning
//	10 s              10 minutes                10 MiB
//	60 s              an hour                   20 MiB
//	10 minutes                                  32 MiB
//	an hour                                     40 MiB
//
// A plan's interval that is longer stands. Lines end at multiples of what they
// cover, so the lines of shards that started together can be merged. Nothing is
// lost but the finer division of time.
//
// What is held back for a longer line is kept in the tail, so that a run that is
// killed loses the interval in progress and no more.
type Thinner struct {
	w        *Writer
	interval time.Duration
	keep     func(line []byte)
	pending  Interval // Summary is nil until the first interval that is held back
	held     bool     // pending has something in it
}

// NewThinner returns a Thinner for a plan's interval. keep stores the line of
// the tail in the place of the one before; what goes wrong with that is its own
// business, since the stream will have the same numbers. nil keeps no tail: a
// run that is killed then loses what is held back, a line's time at most.
func NewThinner(w *Writer, interval time.Duration, keep func(line []byte)) *Thinner {
	return &Thinner{w: w, interval: interval, keep: keep}
}

// Interval takes the next interval, and writes a line when one is full. It
// keeps nothing of the Summary.
func (t *Thinner) Interval(iv Interval) error {
	from := iv.Summary.From
	if t.held {
		from = t.pending.Summary.From
	}
	full := iv.Summary.To+t.interval/2 >= t.lineEnd(from)
	if full && !t.held {
		return t.w.Interval(iv)
	}
	if t.pending.Summary == nil {
		t.pending.Summary = stats.NewSummary(iv.Summary.Entries)
	}
	t.pending.Summary.Merge(iv.Summary)
	t.pending.Open, t.pending.Closing, t.pending.Held = iv.Open, iv.Closing, iv.Held
	t.held = true
	if full {
		return t.flush()
	}
	if t.keep == nil {
		return nil
	}
	line, err := t.w.tail(t.pending)
	if err == nil {
		t.keep(line)
	}
	return err
}

// Flush writes what was held back.
func (t *Thinner) Flush() error {
	if !t.held {
		return nil
	}
	return t.flush()
}

// Drain writes what was held back and then what a deploy did.
func (t *Thinner) Drain(d *Drain) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.w.Drain(d)
}

// End writes what was held back and then the last line.
func (t *Thinner) End(e End) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.w.End(e)
}

// flush leaves the tail as it is: a reader sees that the stream goes beyond it.
// So there is no moment at which neither has the numbers.
func (t *Thinner) flush() error {
	err := t.w.Interval(t.pending)
	t.pending.Summary.Reset()
	t.held = false
	return err
}

// lineEnd returns where the line that begins at from ends. Ticks come a little
// late, so a beginning counts as the nearest multiple of the interval.
func (t *Thinner) lineEnd(from time.Duration) time.Duration {
	from = from.Round(t.interval)
	width := max(t.interval, lineWidth(from, t.w.size))
	return from - from%width + width
}

// lineWidth is the time that a line covers.
func lineWidth(from time.Duration, size int64) time.Duration {
	switch {
	case size >= 40<<20:
		return time.Hour
	case size >= 32<<20:
		return 10 * time.Minute
	case size >= 20<<20 || from >= time.Hour:
		return time.Minute
	case size >= 10<<20 || from >= 10*time.Minute:
		return 10 * time.Second
	}
	return 0
}
