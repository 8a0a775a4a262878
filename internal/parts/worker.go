package parts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/rig"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// errOrphan ends the run of a process that nobody listens to any more.
var errOrphan = errors.New("the process that started this one is gone")

// Work carries out a part of a run, as a process of a Group: in is its standard
// input, out its standard output. It returns when the part has ended and all
// was told. The reading of in goes on behind it, and ends with the process.
func Work(in io.Reader, out io.Writer) error {
	w := &worker{out: &voice{w: out}, begin: make(chan time.Time, 1), met: make(chan met, 1), cut: make(chan struct{})}
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	if err := json.Unmarshal(line, &w.orders); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	go w.listen(lines, end)
	if err := w.out.say(heard{Ready: true}); err != nil {
		return err
	}
	select {
	case begin := <-w.begin:
		time.Sleep(time.Until(begin))
		return w.run(ctx, begin)
	case <-ctx.Done():
		return nil
	}
}

// A worker is one process of a run.
type worker struct {
	orders Orders
	out    *voice
	begin  chan time.Time
	met    chan met
	cut    chan struct{}
}

// listen does what it is told. The end of in ends the run and cuts what is open.
func (w *worker) listen(in *bufio.Reader, end context.CancelCauseFunc) {
	cut := sync.OnceFunc(func() { close(w.cut) })
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			end(errOrphan)
			cut() // nobody is left who could, and no server is waited for
			return
		}
		var t told
		switch err := json.Unmarshal(line, &t); {
		case err != nil:
			end(fmt.Errorf("read what to do: %w", err))
		case t.Go != nil:
			w.begin <- *t.Go
		case t.Met != nil:
			w.met <- *t.Met
		case t.Cut:
			cut()
		default:
			end(errors.New(t.End))
		}
	}
}

// run carries the part out and tells of it.
func (w *worker) run(ctx context.Context, begin time.Time) error {
	o := &w.orders
	head, err := result.NewHeader(o.Run, o.Shard, begin, &o.Told, result.Env{})
	if err != nil {
		return err
	}
	stream, err := result.NewWriter(w.out, head)
	if err != nil {
		return err
	}
	plan := o.Plan
	plan.Target.URL = o.Target
	opt := runner.Options{
		Shard: o.Shard, RunID: o.RunID, Secrets: o.Secrets, Begin: begin, Cut: w.cut,
		Tick: func(t runner.Tick) { w.tick(stream, t) },
	}
	if o.Trace != "" {
		opt.Trace = runner.Trace{To: &traceVoice{to: w.out}, Run: o.Run}
		if opt.Trace.Only, err = runner.ParseTraceFilter(o.Trace); err != nil {
			return err
		}
	}
	entry := w.enterTwice(&opt, head.Mix)
	around, err := w.around()
	if err != nil {
		return err
	}
	stand, err := rig.Begin(ctx, around, &plan, &opt)
	if err != nil {
		return err
	}
	res, err := runner.Run(ctx, plan, opt)
	found := stand.End(ctx, err != nil)
	if res == nil {
		return err
	}
	s := sum{Tally: res.Tally, Stamps: res.Stamps}
	warnings := append(res.Warnings, found.Warnings...)
	if entry != nil {
		limit := books.SettleLimit
		if context.Cause(ctx) == errOrphan {
			limit = 0
		}
		if err := entry.End(limit); err != nil {
			warnings = append(warnings, "own server: "+err.Error())
		}
		s.Pairs = entry.Pairs()
	}
	if none, ok := errors.AsType[*runner.NothingOpenedError](err); ok {
		s.Nothing = newNothing(none)
	} else if err != nil {
		s.Trouble = append(s.Trouble, err.Error())
	}
	if found.Err != nil {
		s.Trouble = append(s.Trouble, found.Err.Error())
	}
	return w.tell(stream, found, s, result.End{
		Complete: res.Total.Connections.Started == res.Total.Connections.Ended, Path: found.Path, Warnings: warnings,
	})
}

// tell tells what the part came to.
func (w *worker) tell(stream *result.Writer, found rig.Findings, s sum, end result.End) error {
	if found.Drain != nil {
		if err := stream.Drain(found.Drain); err != nil {
			return err
		}
	}
	if err := w.out.say(heard{Sum: &s}); err != nil {
		return err
	}
	return stream.End(end)
}

// tick tells of an interval. Who cannot be told is gone, and the end of the
// standard input ends the run.
func (w *worker) tick(stream *result.Writer, t runner.Tick) {
	_ = stream.Interval(result.Interval{Summary: t.Summary, Open: uint64(t.Open), Closing: uint64(t.Closing)})
	_ = w.out.say(heard{State: &state{Left: t.Left, Drain: t.Drain, Last: t.Last}})
}

// An entry is double entry against the own server.
type entry struct {
	*books.Matcher
	*books.Follower
}

// enterTwice begins it, where there is a server that keeps books.
func (w *worker) enterTwice(opt *runner.Options, mix []stats.Entry) *entry {
	if w.orders.Books == "" {
		return nil
	}
	m := books.NewMatcher(opt.RunID, mix)
	opt.Settled = m.Own
	return &entry{m, books.Follow(m, w.orders.Books)}
}

// around is the part as its rig must know it.
func (w *worker) around() (rig.Options, error) {
	o := &w.orders
	opt := rig.Options{
		Plan: &o.Plan, Told: &o.Told, Shard: o.Shard, Secrets: o.Secrets,
		Say:   func(text string) { _ = w.out.say(heard{Say: text}) },
		Quiet: o.Quiet || !o.Leads, Follows: !o.Leads, Meet: w.meet,
	}
	if o.Leads {
		opt.Launched = func() { _ = w.out.say(heard{Fired: true}) }
	}
	if s := o.Server; s != nil {
		p, err := os.FindProcess(s.PID)
		if err != nil {
			return opt, fmt.Errorf("find own server: %w", err)
		}
		opt.Own = &rig.Own{Process: p, Listen: s.Listen, Statz: s.Statz}
	}
	return opt, nil
}

// meet waits for the other processes of a drain.
func (w *worker) meet(ctx context.Context, open int) (all int, at time.Duration, ok bool) {
	if err := w.out.say(heard{Full: &open}); err != nil {
		return 0, 0, false
	}
	select {
	case m := <-w.met:
		return m.Open, m.At, m.OK
	case <-ctx.Done():
		return 0, 0, false
	}
}
