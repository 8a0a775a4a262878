package contest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// errGone ends a slice whose server has.
var errGone = errors.New("the server has ended")

// A Slice is a line of the record: one side's turn.
type Slice struct {
	Pair    int           `json:"pair"`  // from 1
	Order   string        `json:"order"` // of the pair
	Slice   int           `json:"slice"` // of this side in the pair, from 1; 0 for the warm-up
	Side    string        `json:"side"`  // "a" or "b"
	WarmUp  bool          `json:"warm_up"`
	Seed    uint64        `json:"seed"` // of the lifecycles
	Begun   time.Time     `json:"begun"`
	Took    time.Duration `json:"took_ns"`
	Planned uint64        `json:"planned"` // attempts
	// Censored counts attempts that ran out of time in some phase: they have no
	// duration, and are longer than every one that has.
	Censored uint64      `json:"censored"`
	Client   Client      `json:"client"`
	Server   *ServerUse  `json:"server"` // null where the server is not ours, or the system does not tell
	Fault    string      `json:"fault,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	Span     result.Span `json:"span"` // what happened, with all histograms
}

// Client is what the slice cost this process.
type Client struct {
	CPU        time.Duration `json:"cpu_ns"` // 0 where the system does not tell
	Processors int           `json:"processors"`
}

// ServerUse is what the slice cost the server and its children.
type ServerUse struct {
	CPU time.Duration `json:"cpu_ns"` // since the slice before; to 10 ms
	RSS int64         `json:"rss_bytes"`
}

// slice loads one side. A fault becomes the side's; the error is one of the
// tool. Where ctx ends, the slice is not counted.
func (p *pair) slice(ctx context.Context, one *contestant, warmUp bool) error {
	plan := p.opt.Plan
	plan.Seed = p.seed(one.count)
	one.side.aim(&plan.Target, one.host)
	spread(&plan.Target, p.index*(2*p.opt.Blocks+1)+one.count)
	line := Slice{
		Pair: p.index + 1, Order: p.order, Slice: one.count, Side: one.name, WarmUp: warmUp,
		Seed: plan.Seed, Planned: uint64(plan.Load.Connections), Client: Client{Processors: runtime.GOMAXPROCS(0)},
	}
	one.count++

	before, begun := proc.Self().CPU, time.Now()
	res, err := runWhile(ctx, one.host, func(ctx context.Context) (*runner.Result, error) {
		return runner.Run(ctx, plan, runner.Options{Secrets: p.opt.Secrets, Cut: p.opt.Cut})
	})
	line.Begun, line.Took = begun.UTC(), time.Since(begun)
	line.Client.CPU = time.Duration(proc.Self().CPU.N - before.N)
	if res == nil {
		return fmt.Errorf("%s, pair %d: %w", one.name, p.index+1, err)
	}
	if ctx.Err() != nil {
		return nil
	}
	fault, err := faultOf(one.host, res, err)
	if err != nil {
		return fmt.Errorf("%s, pair %d: %w", one.name, p.index+1, err)
	}
	one.fault = p.hidden.Replace(fault)
	for _, w := range res.Warnings {
		p.warn(one.name + ": " + w)
	}
	line.Server, line.Fault, line.Warnings = one.host.use(), one.fault, res.Warnings
	line.Censored = censored(res.Total)
	p.rec.slice(&line, res.Total)
	if !warmUp {
		one.sum.Merge(res.Total)
		one.busy += line.Took
		one.cpu += line.Client.CPU
	}
	return nil
}

// faultOf says what makes a slice worthless, "" for nothing. The error is what of
// the run's own error is not the fault of server or host.
func faultOf(h *host, res *runner.Result, err error) (string, error) {
	if died := h.died(); died != nil {
		return died.Error(), nil // the rest is its consequence
	}
	if nothing, ok := errors.AsType[*runner.NothingOpenedError](err); ok {
		return nothing.Error(), nil
	}
	if n := res.Total.Ended(stats.ToolError); n > 0 && err == nil {
		return fmt.Sprintf("%d connections failed on a limit of this process or host (tool_error), so the load was not the planned one", n), nil
	}
	return "", err
}

// runWhile runs a slice as long as the server lives.
func runWhile(ctx context.Context, h *host, run func(context.Context) (*runner.Result, error)) (*runner.Result, error) {
	ctx, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-h.gone():
			end(errGone)
		case <-ctx.Done():
		}
	}()
	res, err := run(ctx)
	end(nil)
	<-watched
	return res, err
}

// use is what the server has used since the last look.
func (h *host) use() *ServerUse {
	if h.server == nil {
		return nil
	}
	now := h.server.Usage()
	if !now.CPU.OK {
		return nil
	}
	u := &ServerUse{CPU: time.Duration(now.CPU.N - h.cpu.N), RSS: now.RSS.N}
	h.cpu = now.CPU
	return u
}

func censored(s *stats.Summary) uint64 {
	return s.Ended(stats.CloseTimeout) + s.Ended(stats.NoClose) + s.Ended(stats.CleanNoFIN)
}

// share is the part of this process' processors that a time of work is.
func share(work, wall time.Duration) float64 {
	return float64(work) / (float64(wall) * float64(runtime.GOMAXPROCS(0)))
}
