package contest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// Options are a contest.
type Options struct {
	A, B Side
	// Plan is what each slice carries out. It must be valid; its duration must
	// be 0 and its expectation resolved. Its seed decides the coin and, with
	// the place of a slice, its lifecycles.
	Plan scenario.Plan
	// Blocks is how often a pair repeats its order, ABBA or BAAB: each side has
	// twice as many slices in it.
	Blocks  int
	Pairs   int      // at most
	Secrets []string // texts that must not appear in what the contest reports, beside those of the plan

	// Pair receives each pair when it is over, and says whether to go on.
	Pair func(trial.Pair) (more bool)
	// Warn receives what may distort the figures, each text once.
	Warn func(text string)
	// Cut, once closed after the end of the context, ends the drain of a slice.
	Cut <-chan struct{}
	// Record gets the slices; nil for none. It is given up where it fails.
	Record io.Writer
	Env    result.Env // for the record
}

// Run carries the contest out. It ends where Pair says so, with the last pair,
// with a pair that has a Fault, and at the end of ctx, which discards the pair
// under way. The error says that the tool failed, or that the record is not
// whole; the pairs that were handed out are good in both cases. When Run
// returns, every process it started has ended.
func Run(ctx context.Context, opt Options) error {
	if opt.Plan.Load.Duration != 0 || opt.Blocks < 1 || opt.Pairs < 1 {
		return errors.New("contest: the plan has a duration, or there are no slices or pairs to run")
	}
	if hold, err := wire.HoldStamps(); err == nil { // else the results say so
		defer hold.Close()
	}
	c := &contest{opt: opt, rec: newRecord(opt), hidden: newHidden(&opt), warned: make(map[string]bool)}
	c.rec.begin(&opt)
	done := 0
	var failure error
	for done < opt.Pairs && ctx.Err() == nil {
		p, err := c.pair(ctx, done)
		if err != nil || p == nil {
			failure = err
			break
		}
		done++
		if !opt.Pair(*p) || p.A.Fault != "" || p.B.Fault != "" {
			break
		}
	}
	cause := "done"
	switch {
	case failure != nil:
		cause = failure.Error()
	case ctx.Err() != nil:
		cause = context.Cause(ctx).Error()
	}
	c.rec.end(done, cause)
	return errors.Join(failure, c.rec.err)
}

// contest is a Run under way.
type contest struct {
	opt    Options
	rec    *record
	hidden *strings.Replacer // secrets, in what servers said
	warned map[string]bool
}

// newHidden takes out what a server may say again of what it was asked with.
func newHidden(opt *Options) *strings.Replacer {
	plan, secrets := opt.Plan, slices.Concat(opt.Secrets, opt.Plan.Secrets())
	for _, side := range []*Side{&opt.A, &opt.B} {
		for _, address := range append([]string{"ws://" + side.Path}, side.URLs...) {
			plan.Target.URL = address
			secrets = append(secrets, plan.Secrets()...)
		}
	}
	return scenario.Hider(secrets)
}

// warn passes a warning on, once.
func (c *contest) warn(text string) {
	const most = 100 // a contest with more has more to worry about
	text = c.hidden.Replace(text)
	if c.opt.Warn == nil || c.warned[text] || len(c.warned) == most {
		return
	}
	c.warned[text] = true
	c.opt.Warn(text)
}

// A pair under way.
type pair struct {
	*contest
	index int // from 0
	order string
	sides [2]*contestant // a and b
}

// A contestant is a side in one pair.
type contestant struct {
	name  string // "a" or "b"
	side  *Side
	host  *host
	count int // slices so far, with the warm-up
	sum   *stats.Summary
	busy  time.Duration // wall time of the counted slices
	cpu   time.Duration // CPU time of this process in them
	fault string
}

// pair runs one pair. It is nil where ctx ended before the pair did.
func (c *contest) pair(ctx context.Context, index int) (*trial.Pair, error) {
	p := &pair{contest: c, index: index, order: trial.Order(c.opt.Plan.Seed, index)}
	p.sides[0], p.sides[1] = p.contestant("a", &c.opt.A), p.contestant("b", &c.opt.B)
	err := p.run(ctx)
	p.stop()
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	enc := new(stats.Encoder)
	return &trial.Pair{Order: p.order, A: p.sides[0].arm(enc), B: p.sides[1].arm(enc)}, nil
}

func (p *pair) contestant(name string, side *Side) *contestant {
	return &contestant{name: name, side: side, sum: stats.NewSummary(entries(&p.opt.Plan))}
}

// side finds the contestant of a letter of the order.
func (p *pair) side(letter rune) *contestant {
	if letter == 'A' {
		return p.sides[0]
	}
	return p.sides[1]
}

// run starts the servers and loads them, until the pair is full or a side has a
// fault. The error is one of the tool.
func (p *pair) run(ctx context.Context) error {
	first, second := p.side(rune(p.order[0])), p.side(rune(p.order[1]))
	for _, one := range []*contestant{first, second} {
		var err error
		if one.host, err = one.side.open(ctx, p.index); err != nil {
			one.fault = p.hidden.Replace(err.Error())
			return nil
		}
	}
	turns := []*contestant{first, second} // warm-up
	for range p.opt.Blocks {
		for _, letter := range p.order {
			turns = append(turns, p.side(letter))
		}
	}
	for i, one := range turns {
		if err := p.slice(ctx, one, i < 2); err != nil {
			return err
		}
		if p.faulty() || ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// faulty looks for servers that have died, whoever's turn it was, and reports
// whether any side has a fault.
func (p *pair) faulty() bool {
	for _, one := range p.sides {
		if err := one.host.died(); err != nil {
			one.fault = p.hidden.Replace(err.Error())
		}
	}
	return p.sides[0].fault != "" || p.sides[1].fault != ""
}

// stop ends both servers at once.
func (p *pair) stop() {
	var stopping sync.WaitGroup
	errs := make([]error, len(p.sides))
	for i, one := range p.sides {
		stopping.Go(func() { errs[i] = one.host.stop() })
	}
	stopping.Wait()
	for i, one := range p.sides {
		if errs[i] != nil && one.fault == "" {
			p.warn(one.name + ": " + errs[i].Error())
		}
	}
}

// arm is what the pair says of the side.
func (o *contestant) arm(enc *stats.Encoder) trial.Arm {
	o.sum.From, o.sum.To = 0, o.busy
	a := trial.Arm{Span: result.NewSpan(o.sum, enc), Fault: o.fault}
	if o.busy > 0 {
		a.CPU = share(o.cpu, o.busy)
	}
	return a
}

// seed is that of the k-th slice of either side in a pair. It is below 2^53, so
// that readers of JSON that know only floats keep it, and not 0.
func (p *pair) seed(k int) uint64 {
	return 1 + rand.NewPCG(^p.opt.Plan.Seed, uint64(p.index)<<32|uint64(k)).Uint64()>>12
}

// entries names the mix of a plan.
func entries(plan *scenario.Plan) []stats.Entry {
	all := make([]stats.Entry, len(plan.Closes.Mix))
	for i, c := range plan.Closes.Mix {
		all[i] = stats.Entry{Name: c.Name, Mode: string(c.Mode)}
	}
	return all
}
