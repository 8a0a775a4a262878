package result

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// End is the last line of a stream.
type End struct {
	Complete bool     `json:"complete"` // every started connection has its outcome in the stream
	Cause    string   `json:"cause"`    // why the run ended: "done", "signal interrupt", ...
	Verdict  string   `json:"verdict"`  // of the gate; "" stands for "none"
	Exit     int      `json:"exit"`     // the exit code
	Ledger   *Ledger  `json:"ledger"`   // null where the server keeps none
	Warnings []string `json:"warnings"`
}

// noVerdict is the verdict of a run without a gate.
const noVerdict = "none"

type (
	intervalLine struct {
		Run   string         `json:"run"`
		Shard scenario.Shard `json:"shard"`
		Span
	}
	endLine struct {
		Run   string         `json:"run"`
		Shard scenario.Shard `json:"shard"`
		End
	}
)

// A Writer writes the stream of one shard. Each line goes out with one Write
// call, newline included. After a failed Write the Writer writes no more: what
// is on the disk then is torn at its end at most, which Read accepts. A Writer
// is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	run   string
	shard scenario.Shard
	enc   stats.Encoder
	err   error // the first failure
}

// NewWriter writes the header line and returns the Writer for the rest.
func NewWriter(w io.Writer, head Header) (*Writer, error) {
	out := &Writer{w: w, run: head.Run, shard: head.Shard}
	if err := out.line("header", head); err != nil {
		return nil, err
	}
	return out, nil
}

// Interval writes one interval. It keeps nothing of its Summary.
func (w *Writer) Interval(iv Interval) error {
	return w.line("interval", map[string]intervalLine{
		"interval": {Run: w.run, Shard: w.shard, Span: newSpan(iv, &w.enc)},
	})
}

// End writes the last line.
func (w *Writer) End(e End) error {
	if e.Verdict == "" {
		e.Verdict = noVerdict
	}
	if e.Warnings == nil {
		e.Warnings = []string{}
	}
	return w.line("end", map[string]endLine{
		"end": {Run: w.run, Shard: w.shard, End: e},
	})
}

func (w *Writer) line(what string, value any) error {
	if w.err != nil {
		return w.err
	}
	line, err := json.Marshal(value)
	if err == nil {
		_, err = w.w.Write(append(line, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write %s line of the result: %w", what, err)
	}
	return w.err
}

// A Thinner stands in front of a Writer and keeps the stream of a long run
// short: after 10 minutes a line covers 10 s, after an hour 60 s, or the
// plan's interval where that is longer. Lines end at multiples of what they
// cover, so the lines of shards that started together can be merged. Nothing is
// lost but the finer division of time.
type Thinner struct {
	w        *Writer
	interval time.Duration
	pending  Interval // Summary is nil until the first interval that is held back
	held     bool     // pending has something in it
}

// NewThinner returns a Thinner for a plan's interval.
func NewThinner(w *Writer, interval time.Duration) *Thinner {
	return &Thinner{w: w, interval: interval}
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
	t.pending.Open, t.pending.Closing = iv.Open, iv.Closing
	t.held = true
	if full {
		return t.flush()
	}
	return nil
}

// Flush writes what was held back.
func (t *Thinner) Flush() error {
	if !t.held {
		return nil
	}
	return t.flush()
}

// End writes what was held back and then the last line.
func (t *Thinner) End(e End) error {
	if err := t.Flush(); err != nil {
		return err
	}
	return t.w.End(e)
}

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
	width := t.interval
	switch {
	case from >= time.Hour:
		width = max(width, time.Minute)
	case from >= 10*time.Minute:
		width = max(width, 10*time.Second)
	}
	return from - from%width + width
}
