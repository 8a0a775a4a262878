package result

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// End is the last line of a stream.
type End struct {
	Complete bool   `json:"complete"` // every started connection has its outcome in the stream
	Cause    string `json:"cause"`    // why the run ended: "done", "signal interrupt", ...
	Verdict  string `json:"verdict"`  // of the gate; "" stands for "none"
	Exit     int    `json:"exit"`     // the exit code
	// Failed is what the rule said that ended the run, as in Document.Rules;
	// empty where none did.
	Failed   json.RawMessage `json:"failed_rule,omitempty"`
	Ledger   *Ledger         `json:"ledger"` // null where the server keeps none
	Watch    *Watch          `json:"watch,omitempty"`
	Path     *Path           `json:"path,omitempty"`
	Warnings []string        `json:"warnings"`
}

// noVerdict is the verdict of a run without a gate.
const noVerdict = "none"

type (
	intervalLine struct {
		Run   string         `json:"run"`
		Shard scenario.Shard `json:"shard"`
		Span
	}
	drainLine struct {
		Run   string         `json:"run"`
		Shard scenario.Shard `json:"shard"`
		Drain
	}
	endLine struct {
		Run   string         `json:"run"`
		Shard scenario.Shard `json:"shard"`
		End
	}
)

// The names of the lines behind the header: each is an object with one field.
const (
	intervalName = "interval"
	tailName     = "tail"
	endName      = "end"
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
	size  int64 // bytes written
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
	return w.line(intervalName, map[string]intervalLine{intervalName: w.interval(iv)})
}

// tail is the line of a tail that holds the interval.
func (w *Writer) tail(iv Interval) ([]byte, error) {
	line, err := json.Marshal(map[string]intervalLine{tailName: w.interval(iv)})
	return append(line, '\n'), err
}

func (w *Writer) interval(iv Interval) intervalLine {
	return intervalLine{Run: w.run, Shard: w.shard, Span: newSpan(iv, &w.enc)}
}

// Drain writes what a deploy did. A stream has one such line at most, before
// its last.
func (w *Writer) Drain(d *Drain) error {
	return w.line("drain", map[string]drainLine{
		"drain": {Run: w.run, Shard: w.shard, Drain: *d},
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
	return w.line(endName, map[string]endLine{endName: {Run: w.run, Shard: w.shard, End: e}})
}

func (w *Writer) line(what string, value any) error {
	if w.err != nil {
		return w.err
	}
	line, err := json.Marshal(value)
	if err == nil {
		var n int
		n, err = w.w.Write(append(line, '\n'))
		w.size += int64(n)
	}
	if err != nil {
		w.err = fmt.Errorf("write %s line of the result: %w", what, err)
	}
	return w.err
}
