package parts

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
)

// A Result is what a run over several processes came to.
type Result struct {
	runner.Result
	Died  []string            // the processes that died, and how; what they held has no outcome
	Drain *result.Drain       // nil without one
	Path  *result.Path        // nil where it had no faults
	Pairs *result.LedgerPairs // nil without double entry
}

// result adds up what the processes told. The error is that of the run.
func (g *Group) result() (*Result, error) {
	r := &Result{Result: runner.Result{Total: g.merger.total, Tally: make(map[string]runner.Tally), Stamps: "kernel"}}
	var trouble []error
	var empty []*nothing
	said := make(map[string][]string) // who says a warning
	var order []string
	ended := 0
	for _, m := range g.members {
		if m.died != "" {
			r.Died = append(r.Died, fmt.Sprintf("%s died (%s)", m.name, m.died))
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s died (%s): what it had open has no outcome, and the rest of its share of the load is missing", m.name, m.died))
			continue
		}
		ended++
		addTally(r.Tally, m.sum.Tally)
		if m.sum.Stamps != "kernel" {
			r.Stamps = m.sum.Stamps
		}
		if r.Pairs == nil {
			r.Pairs = m.sum.Pairs
		} else {
			r.Pairs = result.JoinPairs(r.Pairs, m.sum.Pairs)
		}
		r.Path = result.JoinPaths(r.Path, m.end.Path)
		if m.sum.Nothing != nil {
			empty = append(empty, m.sum.Nothing)
		}
		for _, text := range m.sum.Trouble {
			if !slices.ContainsFunc(trouble, func(e error) bool { return e.Error() == text }) {
				trouble = append(trouble, errors.New(text))
			}
		}
		for _, text := range m.end.Warnings {
			if len(said[text]) == 0 {
				order = append(order, text)
			}
			said[text] = append(said[text], m.name)
		}
	}
	for _, text := range order {
		if who := said[text]; len(who) < ended {
			text = strings.Join(who, ", ") + ": " + text
		}
		r.Warnings = append(r.Warnings, text)
	}
	var err error
	if r.Drain, err = g.drain(); err != nil {
		trouble = append(trouble, err)
	}
	if g.broken != nil {
		trouble = append(trouble, g.broken)
	}
	if ended == 0 {
		return r, errors.Join(append([]error{errors.New("all processes of the run died: " + strings.Join(r.Died, "; "))}, trouble...)...)
	}
	none := nothingOpened(empty)
	if none != nil && r.Total.Connections.Opened > 0 { // as in one process, where some are turned away
		r.Warnings = append(r.Warnings, fmt.Sprintf("in %d of %d processes %v", len(empty), len(g.members), none))
		none = nil
	}
	return r, errors.Join(append(trouble, none, r.Total.Conserved())...)
}

// nothingOpened makes one error of those of the processes in which no connection
// opened, nil for none.
func nothingOpened(empty []*nothing) error {
	if len(empty) == 0 {
		return nil
	}
	n := empty[0]
	last := error(&wire.OpenError{Reason: n.Reason, Tool: n.Tool, Err: errors.New(n.Text)})
	if n.Reason == "" {
		last = errors.New(n.Text)
	}
	e := &runner.NothingOpenedError{Last: last}
	for _, n := range empty {
		e.Tries += n.Tries
	}
	return e
}

// drain adds up what a deploy did. Where the hook was not launched, nothing
// came of it in the other processes either, whatever they counted from the
// moment for which it was planned.
func (g *Group) drain() (*result.Drain, error) {
	var all []*result.Drain
	lead := g.members[0].drain
	for i, m := range g.members {
		d := m.drain
		if d == nil {
			continue
		}
		switch {
		case lead == nil && !g.fired:
			d = unlaunched(d)
		case i > 0 && lead != nil && lead.Took == nil:
			d = unlaunched(d)
			d.Lost, d.Herd = lead.Lost, lead.Herd
		}
		all = append(all, d)
	}
	joined, err := result.JoinDrains(all)
	if joined != nil && lead == nil && joined.Fault == "" {
		joined.Fault = leaderless
	}
	return joined, err
}

// unlaunched is what a process reports of a drain without a first hook.
func unlaunched(d *result.Drain) *result.Drain {
	blank := &result.Drain{
		Population: d.Population, Before: d.Before, Fault: d.Fault, Codes: map[string]uint64{}, Classes: map[string]uint64{},
	}
	for _, h := range d.Hooks {
		blank.Hooks = append(blank.Hooks, result.DrainHook{What: h.What})
	}
	return blank
}

// addTally adds the tallies of a process.
func addTally(sum, other map[string]runner.Tally) {
	for mode, its := range other {
		t := sum[mode]
		t.Opened += its.Opened
		t.CloseSent += its.CloseSent
		t.CloseReceived += its.CloseReceived
		if t.Ended == nil {
			t.Ended = make(map[string]uint64)
		}
		for how, n := range its.Ended {
			t.Ended[how] += n
		}
		sum[mode] = t
	}
}
