package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/store"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// An output is where the stream of a run goes while it runs: the file of --out,
// and a copy that the rules judge and the document of --json is made of. Without either it is a
// place that keeps nothing.
type output struct {
	name   string       // of the file, "" without one
	place  *store.File  // nil without one
	file   *result.File // the stream in it; nil without one
	kept   bool         // there is a result to keep
	failed error        // why the stream is not whole
	copy   *os.File     // nil without --json and rules
	torn   error        // why the copy is not whole
	stream *result.Thinner
	say    func(text string) // tells the user at once
}

// outFlags say where a result stream goes.
type outFlags struct {
	out   string
	force bool
}

// openOutput makes the file before anything else is opened. A result is the
// work of hours, so a file that exists is only written over when told to, and
// not before the run begins. keep makes the copy.
func (a *app) openOutput(cmd *cobra.Command, f outFlags, keep bool, say func(text string)) (*output, error) {
	o := &output{name: f.out, say: say}
	var err error
	switch f.out {
	case "":
	case "-":
		o.name, o.place = "standard output", store.Borrow(a.stdout)
	default:
		if err := refuseTail(cmd, f); err != nil {
			return nil, err
		}
		if o.place, err = create(cmd, "--out", f.out, f.force, store.Stream); err != nil {
			return nil, err
		}
	}
	if o.place != nil {
		o.file = result.NewFile(o.name, o.place, say)
	}
	if keep {
		if o.copy, err = os.CreateTemp("", "wsload-*.jsonl"); err != nil {
			o.discard()
			return nil, failed(fmt.Errorf("keep the intervals of the run: %w", err), "set TMPDIR to a folder with room")
		}
		_ = os.Remove(o.copy.Name()) // while it is open, where the system can: nothing stays behind then
	}
	return o, nil
}

// refuseTail refuses a name whose tail is there: it may be all that is left of a
// run that was killed, and nobody has asked to write over it.
func refuseTail(cmd *cobra.Command, f outFlags) error {
	tail := result.TailName(f.out)
	if _, err := os.Lstat(tail); err != nil || f.force {
		return nil // whatever else is wrong there will be told of the file itself
	}
	return usage(cmd, fmt.Errorf("--out: %s exists: it belongs to a run that was killed", tail), "choose another name, or write over it with --force")
}

// create makes the file that a flag names, as a store.Stream or a store.Whole.
func create(cmd *cobra.Command, flag, name string, force bool, kind func(string, bool) (*store.File, error)) (*store.File, error) {
	f, err := kind(name, force)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage(cmd, fmt.Errorf("%s: %s exists", flag, name), "choose another name, or write over it with --force")
	}
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %w", flag, err), "name a file in a folder that exists and can be written to")
	}
	return f, nil
}

// begin writes the header.
func (o *output) begin(head result.Header) {
	if o.file == nil && o.copy == nil {
		return
	}
	var keep func(line []byte)
	if o.file != nil {
		keep = o.file.Keep
		if o.failed = o.empty(); o.failed != nil {
			return
		}
	}
	w, err := result.NewWriter(o, head)
	if err != nil {
		o.failed = err
		return
	}
	o.stream = result.NewThinner(w, head.Interval, keep)
}

// empty makes room for the stream where another one was.
func (o *output) empty() error {
	if _, borrowed := o.place.Stat(); borrowed != nil {
		return nil
	}
	err := o.place.Begin()
	if gone := os.Remove(result.TailName(o.name)); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("write result to %s: %w", o.name, err)
	}
	return nil
}

// Write gives a line to the file and the copy. Where one fails the run goes on
// without it: what has been measured is still reported.
func (o *output) Write(p []byte) (int, error) {
	if o.file != nil {
		o.file.Write(p)
	}
	if o.copy != nil && o.torn == nil {
		if _, err := o.copy.Write(p); err != nil {
			o.torn = fmt.Errorf("keep the intervals of the run: %w", err)
			o.say("warning: the run goes on; its rules cannot be judged, and its document will have no intervals: " + err.Error())
		}
	}
	return len(p), nil
}

// interval writes the next interval.
func (o *output) interval(iv result.Interval) {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.Interval(iv)
	}
}

// trouble is why what was asked for is not whole, as things stand.
func (o *output) trouble() error {
	var err error
	if o.file != nil {
		err = o.file.Err()
	}
	return errors.Join(err, o.failed, o.torn)
}

// drain writes what a deploy did.
func (o *output) drain(d *result.Drain) {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.Drain(d)
	}
}

// end writes the last line and closes the file. The error is why what was
// asked for is not whole.
func (o *output) end(e result.End) error {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.End(e)
	}
	if o.file != nil {
		o.file.End()
	}
	return o.trouble()
}

// document is the whole run: from the copy with all intervals, without one
// with the total alone.
func (o *output) document(head result.Header, total *stats.Summary, e result.End) (*result.Document, error) {
	if o.copy == nil || o.torn != nil || o.failed != nil {
		return result.NewDocument(head, result.Interval{Summary: total}, e), nil
	}
	if _, err := o.copy.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return result.Read(o.copy)
}

// discard closes and removes what is of no use: the copy, and a file that was
// made here for a run that never was.
func (o *output) discard() {
	switch {
	case o.place == nil:
	case o.kept:
		o.place.Close() // a second time after end, which does no harm
	default:
		o.place.Discard()
	}
	if o.copy != nil {
		o.copy.Close()
		os.Remove(o.copy.Name())
	}
}

// A traceFile is where --trace goes. The nil one is for a run without.
type traceFile struct {
	name   string
	file   *store.File
	broken error // why it is not whole
	say    func(text string)
}

// openTrace makes the file of --trace as openOutput does that of --out.
func openTrace(cmd *cobra.Command, f *runFlags, say func(text string)) (*traceFile, error) {
	switch f.trace {
	case "":
		return nil, nil
	case "-", f.out:
		return nil, usage(cmd, fmt.Errorf("--trace %s: a trace wants a file of its own", f.trace), "name another file")
	}
	file, err := create(cmd, "--trace", f.trace, f.force, store.Stream)
	if err != nil {
		return nil, err
	}
	return &traceFile{name: f.trace, file: file, say: say}, nil
}

// Write gives lines to the file. After a failure the run goes on without.
func (t *traceFile) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	if err != nil && t.broken == nil {
		t.broken = fmt.Errorf("write trace to %s: %w", t.name, err)
		t.say("warning: the run goes on without its trace: " + err.Error())
	}
	return n, err
}

// options says what is to be traced.
func (t *traceFile) options(only runner.TraceFilter, run string) runner.Trace {
	if t == nil {
		return runner.Trace{}
	}
	return runner.Trace{To: t, Only: only, Run: run}
}

// begin makes room for the trace where another one was.
func (t *traceFile) begin() {
	if t == nil {
		return
	}
	if err := t.file.Begin(); err != nil {
		t.broken = fmt.Errorf("write trace to %s: %w", t.name, err)
	}
}

// end closes the file and returns why it is not whole.
func (t *traceFile) end() error {
	if t == nil {
		return nil
	}
	if err := t.file.Close(); err != nil && t.broken == nil {
		t.broken = fmt.Errorf("write trace to %s: %w", t.name, err)
	}
	return t.broken
}

// discard closes the file, and removes one that was made here for a run that
// never was.
func (t *traceFile) discard(kept bool) {
	if t == nil {
		return
	}
	if kept {
		t.file.Close() // a second time after end, which does no harm
	} else {
		t.file.Discard()
	}
}

// A progress shows on standard error how a run goes on. It owns standard error
// as long as the run lasts: on a terminal a line is rewritten there.
type progress struct {
	app   *app
	quiet bool

	mu                             sync.Mutex
	live                           *report.Live
	shown                          time.Duration // when the last line was shown, from the beginning of the run
	ended, premature, invalidState uint64
}

func (a *app) newProgress(quiet bool) *progress {
	p := &progress{app: a, quiet: quiet}
	var width func() int
	if a.width != nil {
		width = a.width
	}
	p.live = report.NewLive(a.stderr, width)
	return p
}

// say writes a line between those of the progress.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.app.stderr, "wsload: %s\n", harmless(text))
}

// begin tells what is about to happen.
func (p *progress) begin(j *job) {
	if p.quiet {
		return
	}
	plan, lasts := &j.Plan, "each opened once"
	if plan.Load.Duration > 0 {
		lasts = "for " + plan.Load.Duration.String()
	}
	rate := plan.Load.Rate.String()
	if plan.Load.Rate == 0 {
		rate = "an unlimited rate"
	}
	population := gate.Number(j.Shard.Size(plan.Load.Connections), "connection")
	if j.Procs > 1 {
		population += fmt.Sprintf(" in %d processes", j.Procs)
	}
	if n := len(plan.Load.Stages); n > 0 {
		population = fmt.Sprintf("up to %s in %d stages", population, n)
	}
	where := "own server " + j.target
	if !j.Own {
		redacted := plan.Redacted()
		where = redacted.Target.URL
	}
	p.say(fmt.Sprintf("%s: %s at %s, %s; seed %d", where, population, rate, lasts, plan.Seed))
}

// tick shows the state at the end of an interval. A line per second is much
// for the log of a long run, so without a terminal the lines become as rare as
// those of the stream.
func (p *progress) tick(t runner.Tick) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := t.Summary
	p.ended += s.Connections.Ended
	p.premature += s.Premature()
	p.invalidState += s.InvalidState[stats.Race] + s.InvalidState[stats.Echo] + s.InvalidState[stats.Unexplained]
	if p.quiet || p.app.width == nil && !t.Last && s.To < p.shown+pause(s.To) {
		return
	}
	p.shown = s.To
	row := s.Row(stats.CloseHandshake)
	// Who cannot be shown the progress still gets the result.
	_ = p.live.Tick(report.Tick{
		At: s.To, Left: t.Left, Draining: t.Drain && !t.Last,
		Open: uint64(t.Open), Closing: uint64(t.Closing),
		Ended: p.ended, Premature: p.premature, InvalidState: p.invalidState,
		Closes: row.Hist.Count(), CloseP50: row.Hist.Quantile(0.5), CloseP99: row.Hist.Quantile(0.99),
	})
}

// line shows where something other than a run stands.
func (p *progress) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet {
		_ = p.live.Line(text, text)
	}
}

// pause is the least time between two lines of a log.
func pause(at time.Duration) time.Duration {
	switch {
	case at >= time.Hour:
		return time.Minute
	case at >= 10*time.Minute:
		return 10 * time.Second
	}
	return 0
}

// end gives standard error back.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if !p.quiet {
		_ = p.live.Clear()
	}
}
