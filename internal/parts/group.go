package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/fleet"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/trace"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

const (
	readyLimit = 10 * time.Second // for a process to take its orders
	// headStart is from the word to begin to the beginning, so that each process
	// has heard it by then.
	headStart = 50 * time.Millisecond
	endLimit  = 10 * time.Second // for a process that has told all to end
)

// Options are a run over several processes.
type Options struct {
	// Command starts a process whose Args make it call Work. Name and Line are
	// the Group's to set.
	Command fleet.Command
	Orders  []Orders          // of each process; the first one leads
	Shard   scenario.Shard    // what they carry out together
	Tick    func(runner.Tick) // as in runner.Options; nil for none
	Trace   io.Writer         // gets the lines of all, under one header; nil for none
	Say     func(text string) // tells the user at once
}

// A Group is a run in several processes of this host. Each carries out its shard
// with a runner of its own. What they tell is merged while they run, so that it
// looks like the run of one.
type Group struct {
	opt     Options
	members []*member

	mu     sync.Mutex // held while a line is taken
	begin  time.Time
	merger *merger
	met    bool // the members know when all were full
	fired  bool // the first hook of a drain was launched
	traced bool // the header of the trace is written
	broken error
}

// A member is one process of a group.
type member struct {
	*fleet.Child
	name  string       // in sentences: "process 2 of 3"
	span  *result.Span // whose state has not come yet
	full  *int         // connections open when its population was; nil before
	drain *result.Drain
	sum   *sum
	end   *result.End
	last  *time.Timer // kills one that clings to life behind its end
	died  string      // how it ended before it told its end; "" where it did not
}

// Muster starts the processes and returns when each has its orders. Kill must be
// called where there is no error.
func Muster(ctx context.Context, opt Options) (*Group, error) {
	first := &opt.Orders[0]
	var mix []stats.Entry
	for _, c := range first.Plan.Closes.Mix {
		mix = append(mix, stats.Entry{Name: c.Name, Mode: string(c.Mode)})
	}
	if opt.Tick == nil {
		opt.Tick = func(runner.Tick) {}
	}
	g := &Group{opt: opt, merger: newMerger(len(opt.Orders), first.Plan.Interval, mix, opt.Tick)}
	for i := range opt.Orders {
		m := &member{name: fmt.Sprintf("process %d of %d", i+1, len(opt.Orders))}
		cmd := opt.Command
		cmd.Name, cmd.Line = m.name, func(line []byte) { g.hear(i, line) }
		var err error
		if m.Child, err = cmd.Start(); err != nil {
			g.Kill()
			return nil, err
		}
		g.members = append(g.members, m)
	}
	for i, m := range g.members {
		if err := m.order(ctx, &opt.Orders[i]); err != nil {
			g.Kill()
			return nil, fmt.Errorf("start %s: %w", m.name, err)
		}
	}
	return g, nil
}

// order gives the process its orders.
func (m *member) order(ctx context.Context, o *Orders) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	sent := m.Send(append(text, '\n')) // one that fails says why on its other pipes
	line, err := m.First(ctx, readyLimit)
	if err != nil {
		return err
	}
	var h heard
	if json.Unmarshal(line, &h) != nil || !h.Ready {
		return errors.Join(fmt.Errorf("it does not take its orders%s", m.LastWords()), sent)
	}
	return nil
}

// Kill ends the processes that have not ended.
func (g *Group) Kill() {
	for _, m := range g.members {
		m.Kill()
	}
}

// Processes are the numbers of the processes.
func (g *Group) Processes() []int {
	var all []int
	for _, m := range g.members {
		all = append(all, m.Process().Pid)
	}
	return all
}

// Run lets the processes begin, and returns when all have ended. The end of ctx
// ends the run early and in order, and cut, once closed, what is still open
// then, as in package runner. So do the errors come: a result comes with each.
func (g *Group) Run(ctx context.Context, cut <-chan struct{}) (*Result, error) {
	g.mu.Lock()
	g.begin = time.Now().Add(headStart)
	g.mu.Unlock()
	g.tell(told{Go: &g.begin})
	over := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { g.relay(ctx, cut, over) })
	var ends sync.WaitGroup
	for i, m := range g.members {
		ends.Go(func() {
			<-m.Gone()
			g.leave(i)
		})
	}
	ends.Wait()
	close(over)
	helpers.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.merger.end(time.Since(g.begin))
	return g.result()
}

// tell tells all processes. One that is gone is noticed elsewhere.
func (g *Group) tell(t told) {
	line, err := json.Marshal(t)
	if err != nil {
		panic("parts: a line that has no text: " + err.Error()) // none has a field that can fail
	}
	for _, m := range g.members {
		_ = m.Send(append(line, '\n'))
	}
}

// relay passes on that the run is to end.
func (g *Group) relay(ctx context.Context, cut <-chan struct{}, over <-chan struct{}) {
	for done := ctx.Done(); ; {
		select {
		case <-done:
			g.tell(told{End: context.Cause(ctx).Error()})
			done = nil
		case <-cut:
			g.tell(told{Cut: true})
			cut = nil
		case <-over:
			return
		}
	}
}

// hear takes a line of a process.
func (g *Group) hear(i int, line []byte) {
	if line[len(line)-1] != '\n' {
		return // the process died in the middle of it
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if line[0] == traceMark {
		g.trace(line[1:])
		return
	}
	var h heard
	m := g.members[i]
	if err := json.Unmarshal(line, &h); err != nil {
		g.fail(m, err)
		return
	}
	switch {
	case h.Interval != nil:
		m.span = h.Interval
	case h.State != nil && m.span != nil:
		g.fail(m, g.merger.add(i, m.span, *h.State))
		m.span = nil
	case h.Full != nil:
		m.full = h.Full
		g.meet()
	case h.Fired:
		g.fired = true
	case h.Say != "":
		g.opt.Say(h.Say)
	case h.Drain != nil:
		m.drain = h.Drain
	case h.Sum != nil:
		m.sum = h.Sum
	case h.End != nil:
		m.end = h.End
		m.last = time.AfterFunc(endLimit, func() { _ = m.Process().Kill() })
		m.Release()
		g.meet()
	}
}

// fail takes note of a line that says nothing. The process is of no use then:
// what comes behind would not add up.
func (g *Group) fail(m *member, err error) {
	if err == nil || g.broken != nil {
		return
	}
	g.broken = fmt.Errorf("%s: what it tells cannot be read: %w", m.name, err)
	_ = m.Process().Kill() // who waits for its end notices
}

// leave takes note of the end of a process.
func (g *Group) leave(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[i]
	if m.last != nil {
		m.last.Stop()
	}
	if m.end == nil || m.sum == nil {
		if m.died = "exit status 0"; m.Err() != nil {
			m.died = m.Err().Error()
		}
		m.died += m.LastWords()
		g.opt.Say(fmt.Sprintf("warning: %s died (%s): the others go on, and its finished intervals count", m.name, m.died))
	}
	g.fail(m, g.merger.leave(i))
	g.meet()
	if i == 0 && m.died != "" && !g.fired && len(g.opt.Orders[0].Plan.Drain.Hooks) > 0 {
		g.tell(told{End: leaderless}) // the others would wait for what a hook does that never comes
	}
}

// leaderless is the fault of a drain whose first process died.
const leaderless = "the process that was to fire the hooks died"

// meet tells the processes of a drain when all of them are full, or that one
// never will be.
func (g *Group) meet() {
	if g.met {
		return
	}
	if all, ok := g.meeting(); ok {
		g.met = true
		g.tell(told{Met: &all})
	}
}

// meeting says what they are to be told, false as long as that is nothing. A
// process that died is not waited for, unless it was to fire.
func (g *Group) meeting() (all met, ok bool) {
	all = met{OK: true, At: max(0, time.Since(g.begin))}
	anybody, waiting := false, false
	for i, m := range g.members {
		switch {
		case m.died == "" && m.end == nil && m.full != nil:
			all.Open += *m.full
			anybody = true
		case m.died == "" && m.end == nil:
			waiting = true
		case m.died == "" || i == 0:
			all.OK = false
		}
	}
	return all, anybody && !(waiting && all.OK)
}

// trace takes a line of a trace. All headers say the same but for the shard.
func (g *Group) trace(line []byte) {
	var head trace.Header
	switch isHead := json.Unmarshal(line, &head) == nil && head.Schema > 0; {
	case isHead && g.traced:
		return
	case isHead:
		g.traced = true
		head.Shard = g.opt.Shard.String()
		text, err := json.Marshal(head)
		if err != nil {
			return // it has no field that can fail
		}
		line = append(text, '\n')
	}
	_, _ = g.opt.Trace.Write(line) // the writer tells of its failure itself
}
