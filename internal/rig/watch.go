package rig

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

// auto stands for the target itself: the own server, or who listens on the
// target's port on this host.
const auto = "auto"

// At rest, before the load and after it, so many samples are taken this far
// apart, or as far as the plan's interval of samples where that is less.
const (
	restSamples = 5
	restPause   = 200 * time.Millisecond
	restLimit   = time.Second // for the answer of a source
)

// warm is how long memory may grow under a load without being called a leak.
const warm = time.Minute

// A vigil watches the target and this process from before a run to after it.
type vigil struct {
	every, settle time.Duration
	from, to      time.Duration // of the run: where the population is held
	target, self  watched
	say           func(text string)

	mu     sync.Mutex // guards what follows, and the series
	phase  watch.Phase
	closes uint64
	held   result.Held

	stop    context.CancelFunc
	stopped chan struct{}
}

// A watched is a process with what was seen of it.
type watched struct {
	sampler watch.Sampler
	series  watch.Series
}

// newVigil prepares the watch of a plan, nil for one that asks for none.
func newVigil(opt *Options) (*vigil, error) {
	plan := opt.Plan
	if len(plan.Watch.Sources) == 0 {
		return nil, nil
	}
	v := &vigil{every: plan.Watch.Every, settle: plan.Watch.Settle, phase: watch.Before, say: func(string) {}}
	v.from, v.to = level(&plan.Load)
	if !opt.Quiet {
		v.say = opt.Say
	}
	if opt.Own != nil {
		_, port, _ := net.SplitHostPort(opt.Own.Listen)
		v.target.sampler.Port, _ = strconv.Atoi(port)
	} else if port, ok := strings.CutPrefix(plan.Target.SignalTo(&scenario.Hook{}), "port:"); ok {
		v.target.sampler.Port, _ = strconv.Atoi(port)
	}
	var err error
	for _, text := range plan.Watch.Sources {
		texts := []string{text}
		if strings.TrimSpace(text) == auto {
			texts = []string{plan.Target.SignalTo(&scenario.Hook{})}
			if opt.Own != nil {
				texts = []string{"pid:" + strconv.Itoa(opt.Own.Process.Pid), opt.Own.Statz}
				if opt.Own.Several {
					texts[0] = "port:" + strconv.Itoa(v.target.sampler.Port)
				}
			}
		}
		for _, text := range texts {
			s, err := watch.ParseSource(text)
			if err != nil {
				return nil, err
			}
			v.target.sampler.Sources = append(v.target.sampler.Sources, s)
		}
	}
	if v.target.sampler.Roots, err = roots(plan.Target.TLS.CA); err != nil {
		return nil, err
	}
	v.self.sampler.Sources = []watch.Source{watch.Self(opt.Processes...)}
	for _, w := range []*watched{&v.target, &v.self} {
		w.sampler.State, w.series.Warm = v.state, warm
	}
	return v, nil
}

// roots are whom the pages of a target are believed by: those whom the system
// does, and the target's own authority. It is nil without one.
func roots(ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("target.tls.ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a system without any
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(text) // where there is none in it, the target is not believed either
	return pool, nil
}

// level is the part of a run in which the load is to hold its population: from
// when to when, counted from the begin of the run. Outside of it what is held
// follows the population. It is the longest flat stage, and empty for stages of
// which none is flat.
func level(l *scenario.Load) (from, to time.Duration) {
	if len(l.Stages) == 0 {
		return l.Rate.At(uint64(l.Connections - 1)), math.MaxInt64
	}
	var at time.Duration
	before := 0
	for _, s := range l.Stages {
		if s.Connections == before && s.Connections > 0 && s.For > to-from {
			from, to = at, at+s.For
		}
		at, before = at+s.For, s.Connections
	}
	return from, to
}

func (v *vigil) state() (watch.Phase, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.phase, v.closes
}

// before sees both at rest, and begins to sample.
func (v *vigil) before(ctx context.Context) {
	v.target.sampler.Epoch, v.self.sampler.Epoch = time.Now(), time.Now()
	v.rest(ctx)
	v.enter(watch.Ramp)
	ctx, v.stop = context.WithCancel(context.WithoutCancel(ctx))
	v.stopped = make(chan struct{})
	go func() {
		defer close(v.stopped)
		var both sync.WaitGroup
		for _, w := range []*watched{&v.target, &v.self} {
			both.Go(func() { w.sampler.Run(ctx, v.every, func(s watch.Sample) { v.take(w, s) }) })
		}
		both.Wait()
	}()
}

// rest takes the samples of a time without load.
func (v *vigil) rest(ctx context.Context) {
	for i := range restSamples {
		if i > 0 && !pause(ctx, min(restPause, v.every)) {
			return
		}
		for _, w := range []*watched{&v.target, &v.self} {
			v.take(w, w.sampler.Sample(ctx, restLimit))
		}
	}
}

func (v *vigil) enter(p watch.Phase) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.phase = p
}

// take keeps a sample.
func (v *vigil) take(w *watched, s watch.Sample) {
	text, err := json.Marshal(s)
	v.mu.Lock()
	defer v.mu.Unlock()
	w.series.Add(s)
	if err != nil {
		return
	}
	if w == &v.self {
		v.held.Self = text
	} else {
		v.held.Target = text
	}
}

// tick takes note of the run's progress.
func (v *vigil) tick(t *runner.Tick) *result.Held {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closes += t.Summary.Connections.Ended
	switch {
	case t.Drain || t.Last:
		v.phase = watch.Settle
	case t.Summary.To >= v.from && t.Summary.To < v.to:
		v.phase = watch.Load
	default:
		v.phase = watch.Ramp
	}
	held := v.held
	return &held
}

// end lets the target settle, looks once more and reports. Where the run has
// failed nothing is waited for.
func (v *vigil) end(ctx context.Context, failed bool, f *Findings) {
	v.enter(watch.Settle)
	if failed {
		over, cancel := context.WithCancel(ctx)
		cancel()
		ctx = over
	} else if v.settle >= time.Second {
		v.say(fmt.Sprintf("watch: all is closed, and the target has %v to settle", v.settle))
	}
	settled := pause(ctx, v.settle)
	v.leave()
	if settled {
		v.enter(watch.After)
		debug.FreeOSMemory() // what this process keeps for another load is no leak
		v.rest(ctx)
	} else {
		f.Warnings = append(f.Warnings, "the wait for the target to settle was cut short, so nobody looked whether it gave back what it held")
	}
	v.target.sampler.Close()
	v.self.sampler.Close()
	target := v.target.series.Report()
	w, err := findings(target, v.self.series.Report(), "")
	f.note(err)
	f.Watch, f.Warnings = w, append(f.Warnings, doubts(target)...)
}

// findings are what target and tool held, as they are stored. aside is added to
// what each figure rests on.
func findings(target, self watch.Report, aside string) (*result.Watch, error) {
	w := &result.Watch{Figures: map[string]result.Figure{}}
	var err error
	if w.Target, err = json.Marshal(target); err == nil {
		w.Self, err = json.Marshal(self)
	}
	figures(w.Figures, "", target, aside)
	figures(w.Figures, "self.", self, aside)
	return w, err
}

// leave ends the sampling.
func (v *vigil) leave() {
	v.stop()
	<-v.stopped
}

// doubts are what a reader of the result must not miss.
func doubts(target watch.Report) (warnings []string) {
	if 2*target.Failed > target.Samples {
		warnings = append(warnings, fmt.Sprintf("watch: in %d of %d samples a source did not answer (%s)", target.Failed, target.Samples, target.Err))
	}
	if target.Restarts > 0 {
		warnings = append(warnings, fmt.Sprintf("watch: the target restarted (%d times); its leaks are judged from the last start on", target.Restarts))
	}
	for _, line := range target.Lines(math.MaxInt32) {
		if strings.HasPrefix(line, "LEAK") {
			warnings = append(warnings, "watch: "+line)
		}
	}
	return warnings
}

// figures adds what rules may ask for.
func figures(all map[string]result.Figure, whose string, r watch.Report, aside string) {
	for name, value := range r.Values() {
		if whose != "" && !value.Known {
			continue // this process has no port whose sockets are counted
		}
		f := result.Figure{Basis: fmt.Sprintf("%s; %d samples, %d connections ended%s", value.Reason, r.Samples, r.Closes, aside)}
		if value.Known {
			f.Value, f.Low, f.High = bounded(value.Value), bounded(value.Low), bounded(value.High)
		}
		all[whose+name] = f
	}
}

// bounded is a number that JSON can hold, nil for an infinite one.
func bounded(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}
