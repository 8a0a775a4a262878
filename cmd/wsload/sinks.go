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
	name   string      // of the file, "" without one
	file   *store.File // nil without one
	kept   bool        // there is a result to keep
	broken error       // why the file is not whole
	failed error       // why the stream is not
	copy   *os.File    // nil without --json and rules
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
	name := f.out
	o := &output{name: name, say: say}
	var err error
	switch name {
	case "":
	case "-":
		o.name, o.file = "standard output", store.Borrow(a.stdout)
	default:
		if o.file, err = create(cmd, "--out", name, f.force, store.Stream); err != nil {
			return nil, err
		}
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
	if o.file != nil {
		if err := o.file.Begin(); err != nil {
			o.broken = fmt.Errorf("write result to %s: %w", o.name, err)
		}
	}
	w, err := result.NewWriter(o, head)
	if err != nil {
		o.failed = err
		return
	}
	o.stream = result.NewThinner(w, head.Interval)
}

// Write gives a line to the file and the copy. A file that fails is given up,
// and the run goes on: what has been measured is still reported.
func (o *output) Write(p []byte) (int, error) {
	if o.file != nil && o.broken == nil {
		if _, err := o.file.Write(p); err != nil {
			o.broken = fmt.Errorf("write result to %s: %w", o.name, err)
			o.say("warning: the run goes on without its result file: " + err.Error())
		}
	}
	if o.copy != nil {
		return o.copy.Write(p)
	}
	return len(p), nil
}

// interval writes the next interval.
func (o *output) interval(iv result.Interval) {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.Interval(iv)
	}
}

// end writes the last line and closes the file. The error is why what was
// asked for is not whole.
func (o *output) end(e result.End) error {
	if o.stream != nil && o.failed == nil {
		o.failed = o.stream.End(e)
	}
	if o.file != nil {
		if err := o.file.Close(); err != nil && o.broken == nil {
			o.broken = fmt.Errorf("write result to %s: %w", o.name, err)
		}
	}
	return errors.Join(o.broken, o.failed)
}

// document is the whole run: from the copy with all intervals, without one
// with the total alone.
func (o *output) document(head result.Header, total *stats.Summary, e result.End) (*result.Document, error) {
	if o.copy == nil {
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
	case o.file == nil:
	case o.kept:
		o.file.Close() // a second time after end, which does no harm
	default:
		o.file.Discard()
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

// options says what is to be traced, in a run that begins now.
func (t *traceFile) options(only runner.TraceFilter, run string) runner.Trace {
	if t == nil {
		return runner.Trace{}
	}
	if err := t.file.Begin(); err != nil {
		t.broken = fmt.Errorf("write trace to %s: %w", t.name, err)
	}
	return runner.Trace{To: t, Only: only, Run: run}
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

// files are what a gate writes beside its standard output.
type files struct {
	out  *store.File // of the verdict; nil for none
	all  []*store.File
	kept bool // there is something in them to keep
}

// open makes a file: a store.Stream or a store.Whole.
func (fs *files) open(cmd *cobra.Command, flag, name string, force bool, kind func(string, bool) (*store.File, error)) (*store.File, error) {
	f, err := create(cmd, flag, name, force, kind)
	if err == nil {
		fs.all = append(fs.all, f)
	}
	return f, err
}

// begin empties what is to be written over. From here on all is kept.
func (fs *files) begin() error {
	fs.kept = true
	for _, f := range fs.all {
		if err := f.Begin(); err != nil {
			return err
		}
	}
	return nil
}

// end writes the verdict and closes what is open.
func (fs *files) end(text []byte) error {
	var errs []error
	if fs.out != nil {
		_, err := fs.out.Write(text)
		errs = append(errs, err)
	}
	for _, f := range fs.all {
		errs = append(errs, f.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("store what was found: %w", err)
	}
	return nil
}

// discard closes what is open. What was made for a gate that never was is
// removed, and so is a verdict that was not written.
func (fs *files) discard() {
	for _, f := range fs.all {
		if fs.kept {
			f.Close() // a second time after end, which does no harm
		} else {
			f.Discard()
		}
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
	plan, lasts := &j.plan, "each opened once"
	if plan.Load.Duration > 0 {
		lasts = "for " + plan.Load.Duration.String()
	}
	rate := plan.Load.Rate.String()
	if plan.Load.Rate == 0 {
		rate = "an unlimited rate"
	}
	where := "own server " + j.target
	if !j.own {
		redacted := plan.Redacted()
		where = redacted.Target.URL
	}
	p.say(fmt.Sprintf("%s: %s at %s, %s; seed %d", where, gate.Number(j.shard.Size(plan.Load.Connections), "connection"), rate, lasts, plan.Seed))
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
