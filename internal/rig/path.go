package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/relay"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/scenario"
)

// A path is what carries the faults of a plan.
type path struct {
	steps []scenario.Fault
	relay *relay.Relay     // nil where a Toxiproxy does it
	toxi  *relay.Toxiproxy // nil where the relay does
}

// newPath puts the faults between the run and its target. It is nil for a plan
// without any.
func newPath(ctx context.Context, opt *Options, plan *scenario.Plan) (*path, error) {
	asked := opt.Plan
	if len(asked.Faults.Steps) == 0 {
		return nil, nil
	}
	upstream, err := plan.Target.Address()
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	p := &path{steps: asked.Faults.Steps}
	through := relay.Options{Upstream: upstream, Steps: p.steps, Seed: asked.Seed, Begin: time.Now(), Shard: opt.Shard, Connect: asked.Limits.Dial}
	// The end of the run is in order, and so is that of its path: End ends it.
	ctx = context.WithoutCancel(ctx)
	if api := asked.Faults.Toxiproxy; api != "" {
		if p.toxi, err = relay.StartToxiproxy(ctx, api, through); err != nil {
			return nil, err
		}
		plan.Target.ConnectTo = p.toxi.Addr()
		return p, nil
	}
	if p.relay, err = relay.Start(ctx, through); err != nil {
		return nil, err
	}
	plan.Target.ConnectTo = p.relay.Addr().String()
	return p, nil
}

// end lifts the faults and says what they did.
func (p *path) end(f *Findings) {
	f.Path = &result.Path{Steps: []result.PathStep{}}
	if p.toxi != nil {
		p.endToxiproxy(f)
		return
	}
	stats := p.relay.Stop()
	f.Path.Accepted, f.Path.Refused = &stats.Accepted, &stats.Refused
	for i, s := range stats.Steps {
		f.Path.Steps = append(f.Path.Steps, result.PathStep{What: p.steps[i].String(), Hit: &s.Connections})
		if s.Connections == 0 {
			f.Warnings = append(f.Warnings, fmt.Sprintf("no connection met the fault %s", p.steps[i]))
		}
	}
	if stats.Refused > 0 || stats.Failed > 0 {
		f.Warnings = append(f.Warnings, fmt.Sprintf("the path could not carry %d connections: %s", stats.Refused+stats.Failed, stats.LastError))
	}
}

// endToxiproxy tells of the steps whether they came. Whom they met a Toxiproxy
// does not say.
func (p *path) endToxiproxy(f *Findings) {
	f.note(p.toxi.Stop())
	for i, began := range p.toxi.Began() {
		f.Path.Steps = append(f.Path.Steps, result.PathStep{What: p.steps[i].String()})
		if !began {
			f.Warnings = append(f.Warnings, fmt.Sprintf("the fault %s never came into force", p.steps[i]))
		}
	}
	if name, replaced := p.toxi.Name(); replaced {
		f.Warnings = append(f.Warnings, fmt.Sprintf("the Toxiproxy had a proxy %s already, which was replaced: of a run that was killed, or of one that went on and has lost its path", name))
	}
}
