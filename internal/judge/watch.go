package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// lookError is the probability with which the looks at a rule end a run that
// keeps its bound, all of them together.
const lookError = 0.05

// A Watch judges a run while it goes on, and finds the rule that has failed for
// good: a count that is exceeded, at once; any other rule where it fails at a
// look. The first look is when the grace is over, and each one after it at twice
// the time: so there are few, each has twice what the one before had, and the
// k-th may have the part 1/(k(k+1)) of the error, which adds up to all of it
// however many there are.
//
// A Watch keeps what it is told. It reads no file.
type Watch struct {
	run     planned
	mix     []stats.Entry
	counted []rule.Rule
	others  []rule.Rule
	phases  [stats.NumPhases]bool // that a rule asks for
	total   *stats.Summary
	spans   []result.Span // of the run so far, for the rounds; at most 2·maxRounds
	enc     stats.Encoder
	next    time.Duration // of the next look
	looks   int
}

// NewWatch watches the run of a header, by the rules of its plan. It is nil
// where the plan does not ask for that. The error is of a rule in the plan.
func NewWatch(head *result.Header) (*Watch, error) {
	plan := readPlan(head.Plan)
	if !plan.abort {
		return nil, nil
	}
	rules, err := Read(plan.rules, head.Mix)
	if err != nil {
		return nil, fmt.Errorf("watch run %s: %w", head.Run, err)
	}
	w := &Watch{run: plan, mix: head.Mix, total: stats.NewSummary(head.Mix), next: plan.grace}
	for _, r := range rules {
		if r.Counted() {
			w.counted = append(w.counted, r)
		} else {
			w.others = append(w.others, r)
		}
	}
	for p := range w.phases {
		lag := stats.Phase(p) == stats.ReadLag || stats.Phase(p) == stats.CloseLag // by which durations are doubted
		w.phases[p] = lag && len(w.others) > 0 || asked(rules, stats.Phase(p))
	}
	return w, nil
}

// Tick takes the summary of the next interval, of which it keeps nothing. It
// returns what a rule says that has failed for good, nil where none has. The
// error is of histograms that cannot be read back; nothing is found after it.
func (w *Watch) Tick(s *stats.Summary) (*rule.Result, error) {
	part := w.needed(s)
	w.total.Merge(part)
	if len(w.others) > 0 {
		if err := w.keep(result.NewSpan(part, &w.enc)); err != nil {
			return nil, err
		}
	}
	now := rule.Run{Total: w.total, Close: w.run.close, FIN: w.run.fin, Echo: w.run.echo}
	for _, r := range w.counted {
		if got, broken := r.Broken(now); broken {
			return told(got, s.To), nil
		}
	}
	if s.To < w.next || len(w.others) == 0 {
		return nil, nil
	}
	if w.next == 0 {
		w.next = max(s.To, 1)
	}
	for w.next <= s.To {
		w.next *= 2
	}
	return w.look(now, s.To)
}

// look judges the rules that are no counts.
func (w *Watch) look(now rule.Run, at time.Duration) (failed *rule.Result, err error) {
	w.looks++
	if now.Rounds, err = rounds(w.spans, w.mix, w.others); err != nil {
		return nil, err
	}
	level := lookError / float64(w.looks*(w.looks+1))
	for _, r := range w.others {
		if got, failed := r.Look(now, level); failed {
			return told(got, at), nil
		}
	}
	return nil, nil
}

// told says in the reason when the run was looked at.
func told(got rule.Result, at time.Duration) *rule.Result {
	got.Reason = fmt.Sprintf("after %s of the run: %s", at.Round(time.Second/10), got.Reason)
	return &got
}

// needed is a summary without the histograms that no rule asks for. It shares
// all else.
func (w *Watch) needed(s *stats.Summary) *stats.Summary {
	part := *s
	part.Exemplars = nil
	part.Latency = make([][stats.NumPhases]stats.Latency, len(s.Latency))
	for e := range s.Latency {
		for p := range s.Latency[e] {
			if w.phases[p] {
				part.Latency[e][p] = s.Latency[e][p]
			}
		}
	}
	return &part
}

// keep adds a span. Where they are too many neighbours become one.
func (w *Watch) keep(span result.Span) error {
	w.spans = append(w.spans, span)
	if len(w.spans) < 2*maxRounds {
		return nil
	}
	both := stats.NewSummary(w.mix)
	for i := range maxRounds {
		both.Reset()
		for _, one := range w.spans[2*i : 2*i+2] {
			if err := one.AddTo(both); err != nil {
				return fmt.Errorf("judge: interval from %v: %w", one.From, err)
			}
		}
		w.spans[i] = result.NewSpan(both, &w.enc)
	}
	w.spans = slices.Delete(w.spans, maxRounds, len(w.spans))
	return nil
}
