package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/need"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/verdict"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// NothingOpenedError ends a run in which no connection ever opened.
type NothingOpenedError struct {
	Tries int
	Last  error // why the last one failed
}

// Error says how many were tried and why the last one failed.
func (e *NothingOpenedError) Error() string {
	return fmt.Sprintf("no connection opened in %d tries; the last one failed: %v", e.Tries, e.Last)
}

// Unwrap returns the last failure.
func (e *NothingOpenedError) Unwrap() error { return e.Last }

var (
	// errDuration ends the opening of connections when the plan's time is over.
	errDuration = errors.New("the plan's duration is over")
	// errEnd ends it when the caller says so.
	errEnd = errors.New("the caller has ended the run")
)

// interruptedDrain bounds the drain of a run that its context ended.
const interruptedDrain = 5 * time.Second

// Run carries a plan out. The plan must be valid, its target's URL and
// expectation resolved.
//
// The end of ctx ends the run early and in order. The result is complete up to
// then, and the error is nil; context.Cause(ctx) is for the caller to judge.
// An error comes with a result where connections were tried: NothingOpenedError
// when none ever opened. Run returns when every goroutine it started has ended.
func Run(ctx context.Context, plan scenario.Plan, opt Options) (*Result, error) {
	hold, stampErr := wire.HoldStamps()
	if hold != nil {
		defer hold.Close()
	}
	e, err := newEngine(&plan, opt)
	if err != nil {
		return nil, err
	}
	res := &Result{Stamps: "kernel", RunID: e.opt.RunID}
	if stampErr != nil || opt.Dial != nil {
		res.Stamps = "user"
	}
	m := newMeter(e)
	e.tracer = newTracer(e, res.Stamps)
	runErr := e.run(ctx, m.run)
	e.tracer.end(e.warn)
	res.Total = m.total
	res.Tally = make(map[string]Tally)
	for mode, t := range e.tally {
		res.Tally[mode] = *t
	}
	if n := m.total.Ended(stats.ToolError); n > 0 {
		e.warn(fmt.Sprintf("%d connections failed on a limit of this process or host (tool_error), so the load was not the planned one; "+
			"emfile: raise ulimit -n or lower load.connections; eaddrnotavail: name more source addresses in target.local_addrs", n))
	}
	if steps := e.tb.Steps(); steps.N > 0 {
		e.warn(stepped(steps))
	}
	res.Warnings = e.warnings
	if runErr == nil {
		runErr = e.verify(m.total)
	}
	return res, runErr
}

// stepped tells of steps of the wall clock.
func stepped(s wire.Steps) string {
	times := fmt.Sprintf("was stepped by %v", s.Largest)
	if s.N > 1 {
		times = fmt.Sprintf("was stepped %d times, by up to %v", s.N, s.Largest)
	}
	return fmt.Sprintf("the wall clock, which the kernel stamps arrivals by, %s; %d arrivals have the user clock", times, s.Doubted)
}

// run is the run between its preparation and its accounts.
func (e *engine) run(ctx context.Context, meter func(stop <-chan struct{})) error {
	open, stopOpening := context.WithCancelCause(ctx)
	defer stopOpening(nil)
	e.hopeless = stopOpening
	dials, stopDials := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDials()
	e.dials = dials

	if e.opt.Clock != nil {
		e.opt.Clock(e.tb.Now)
	}
	var helpers sync.WaitGroup
	for _, s := range e.shards {
		s.climb()
		helpers.Go(func() { s.schedule.run(s.fireAll) })
	}
	stopMeter := make(chan struct{})
	var metering sync.WaitGroup
	metering.Go(func() { meter(stopMeter) })

	if d := e.plan.Load.Duration; d > 0 {
		end := time.AfterFunc(d-e.tb.Now(), func() { stopOpening(errDuration) })
		defer end.Stop()
	}
	cause := e.await(open)
	if cause != nil {
		e.drain(ctx, cause, stopDials)
	}
	e.crew.wait()
	e.crew.end()
	for _, s := range e.shards {
		s.schedule.stop()
	}
	helpers.Wait()
	e.storm.gusts.Wait()
	for _, s := range e.shards {
		s.ramp.stop()
	}
	e.traffic.end()
	e.waves.end()
	close(stopMeter)
	metering.Wait()
	if ne, ok := errors.AsType[*NothingOpenedError](cause); ok {
		return ne
	}
	return nil
}

// await waits for the end of the opening and returns its cause; where each
// connection lives once, for the last to settle, and then the cause is nil.
func (e *engine) await(open context.Context) error {
	select {
	case <-e.finished:
		return nil
	case <-open.Done():
		return context.Cause(open)
	case <-e.opt.End:
		return errEnd
	}
}

// drain closes what is open, and cuts what is still open at the limit. The end
// of ctx, before or during the drain, leaves it interruptedDrain at most.
func (e *engine) drain(ctx context.Context, cause error, stopDials func()) {
	e.gate.Lock()
	e.over.Store(true)
	e.gate.Unlock()
	limit := e.plan.Limits.Drain
	done := ctx.Done()
	if ctx.Err() != nil {
		limit, done = min(limit, interruptedDrain), nil
	}
	if !errors.Is(cause, errDuration) || e.plan.Closes.Shape.Kind() != value.ShapeAtEnd {
		e.forward(limit)
	}
	settled := make(chan struct{})
	go func() {
		e.crew.wait()
		close(settled)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for waiting := true; waiting; {
		select {
		case <-settled:
			return
		case <-done:
			limit, done = min(limit, interruptedDrain), nil
			timer.Reset(limit)
			e.forward(limit)
		case <-timer.C:
			e.warn(fmt.Sprintf("the drain's limit of %v ran out; what was still open was cut and counted as interrupted", limit))
			waiting = false
		case <-e.opt.Cut:
			waiting = false
		}
	}
	stopDials()
	for _, s := range e.shards {
		s.each((*connection).interrupt)
	}
	<-settled
}

// forward brings the planned closes of all that is open forward, oldest first:
// at the rate of the load, or faster where half of the drain would not do, or
// all at once where the plan closes all at once.
func (e *engine) forward(drain time.Duration) {
	now := e.tb.Now()
	var all []*connection
	for _, s := range e.shards {
		s.each(func(c *connection) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.stage == held && c.off > now { // else its slot's end closes it
				all = append(all, c)
			}
		})
	}
	slices.SortFunc(all, func(a, b *connection) int { return cmp.Compare(a.opened, b.opened) })
	rate := e.share(e.plan.Load.Rate)
	if need := value.Rate(float64(len(all)) / (drain.Seconds() / 2)); rate > 0 && need > rate {
		rate = need
	}
	if e.plan.Closes.Shape.Kind() == value.ShapeAtEnd {
		rate = 0
	}
	for k, c := range all {
		c.shard.schedule.add(due{at: now + rate.At(uint64(k)), task: taskForward, c: c})
	}
}

// verify checks what must hold of every run.
func (e *engine) verify(total *stats.Summary) error {
	if err := total.Conserved(); err != nil {
		return err
	}
	if total.Connections.Started > 0 && total.Connections.Opened == 0 && total.Ended(stats.Interrupted) < total.Connections.Started {
		return &NothingOpenedError{Tries: int(e.failed.Load()), Last: e.failure}
	}
	return nil
}

// An engine is one run under way.
type engine struct {
	plan   *scenario.Plan
	opt    Options
	tb     *wire.Timebase
	dialer *wire.Dialer

	base    []request // by entry of the mix
	sources []netip.Addr
	echo    bool
	slots   int // of this process' shard

	shards  []*shard
	paced   *paced
	traffic *traffic
	waves   *waves
	tracer  *tracer // nil: nothing is traced
	crew    *crew   // connections and their closers
	refill  refill
	storm   storm
	lull    func() // waits for the end of a storm

	left     atomic.Int64    // slots whose connection has not settled, where each lives once
	finished chan struct{}   // closed when left is 0
	dials    context.Context // ends opening dialogues

	gate sync.Mutex  // launches and the setting of over exclude each other
	over atomic.Bool // nothing new opens any more

	opened   atomic.Int64
	failed   atomic.Int64
	closing  atomic.Int64
	hopeless context.CancelCauseFunc

	hidden *strings.Replacer // secrets, in texts from the peer

	mu       sync.Mutex
	tally    map[string]*Tally
	warnings []string
	failure  error // why the last opening failed
}

func newEngine(plan *scenario.Plan, opt Options) (*engine, error) {
	e := &engine{plan: plan, opt: opt, tb: wire.NewTimebase(), crew: newCrew(), tally: make(map[string]*Tally)}
	if !opt.Begin.IsZero() {
		e.tb = wire.NewTimebaseAt(opt.Begin)
	}
	if e.opt.RunID == 0 {
		e.opt.RunID = rand.Uint32()
	}
	e.echo = plan.Traffic.Expect == scenario.ExpectEcho
	e.slots = opt.Shard.Size(plan.Load.Connections)
	e.left.Store(int64(e.slots))
	e.finished = make(chan struct{})
	e.dialer = &wire.Dialer{
		Timebase: e.tb, Dial: opt.Dial, ConnectTo: plan.Target.ConnectTo,
		Connect: plan.Limits.Dial, Upgrade: plan.Limits.Upgrade,
	}
	e.hidden = scenario.Hider(append(plan.Secrets(), opt.Secrets...))
	var err error
	if e.dialer.TLS, err = tlsConfig(plan.Target.TLS); err != nil {
		return nil, err
	}
	if e.sources, err = need.Sources(plan, opt.Shard, proc.ReadHost()); err != nil {
		return nil, err
	}
	e.prepare()
	e.lull = e.storm.wait
	e.traffic = newTraffic(e)
	e.waves = newWaves(e)
	n := min(runtime.GOMAXPROCS(0), e.slots)
	for i, rec := range stats.NewRecorders(opt.Shard.String(), entries(plan), n) {
		e.shards = append(e.shards, &shard{
			e: e, rec: rec, schedule: newSchedule(e.tb, e.fine()), alive: make(map[*connection]struct{}),
			ramp: newRamp(opt.Shard.Slots(plan.Load.Connections), i, n),
		})
	}
	e.refill.rate = e.share(plan.Load.Rate)
	if len(plan.Load.Stages) == 0 {
		e.refill.from = plan.Load.Rate.At(uint64(plan.Load.Connections - 1))
	}
	e.paced = newPaced(e.shards[0].schedule, e.share(plan.Closes.Shape.Rate()))
	return e, nil
}

// fine reports whether waits are to be exact to the kernel's timers: on the
// real network. A network of the caller's own may have a time of its own too.
func (e *engine) fine() bool { return e.opt.Dial == nil }

// entries names the mix.
func entries(plan *scenario.Plan) []stats.Entry {
	all := make([]stats.Entry, len(plan.Closes.Mix))
	for i, c := range plan.Closes.Mix {
		all[i] = stats.Entry{Name: c.Name, Mode: string(c.Mode)}
	}
	return all
}

// share is this process' part of a rate of the whole plan.
func (e *engine) share(r value.Rate) value.Rate {
	return r * value.Rate(e.slots) / value.Rate(e.plan.Load.Connections)
}

// local is the source address of connection n.
func (e *engine) local(n uint64) netip.Addr {
	if len(e.sources) == 0 {
		return netip.Addr{}
	}
	// Divided by the shards, since theirs are every so-manieth of the slots.
	return e.sources[n/uint64(max(1, e.opt.Shard.Count))%uint64(len(e.sources))]
}

// hopelessAfter is how many openings may fail, with none that succeeded,
// before the run gives up.
const hopelessAfter = 100

// settled takes note of an outcome that has been recorded.
func (e *engine) settled(c *connection, o *stats.Outcome, ev *verdict.Evidence) {
	if o.Opened {
		if ev.Begun {
			e.closing.Add(-1)
		}
		e.count(string(c.plan.Mode), ev)
		return
	}
	if o.Class == stats.Interrupted {
		return
	}
	failed := e.failed.Add(1)
	e.mu.Lock()
	e.failure = e.hide(ev.Open)
	e.mu.Unlock()
	if failed >= hopelessAfter && e.opened.Load() == 0 {
		e.hopeless(&NothingOpenedError{Tries: int(failed), Last: e.hide(ev.Open)})
	}
}

// hide is the error with the secrets taken out of its text.
func (e *engine) hide(err *wire.OpenError) *wire.OpenError {
	return &wire.OpenError{Reason: err.Reason, Tool: err.Tool, Err: errors.New(e.hidden.Replace(err.Err.Error()))}
}

func (e *engine) warn(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warnings = append(e.warnings, text)
}
