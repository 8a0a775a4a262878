package rule

import (
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
)

// tooEarly is why a look decides nothing.
const tooEarly = "there are too few rounds to tell how far they differ"

// Counted reports whether the rule bounds a count: Broken judges it in a run
// that goes on, and Look all the others.
func (r Rule) Counted() bool {
	return r.metric.Kind() == metric.Count || r.metric.Kind() == metric.Rate && r.bound == 0
}

// Broken judges a rule on a count in a run that goes on. It reports whether the
// rule has failed for good: a count never falls, so an upper bound that is
// exceeded stays so. A lower bound may be reached yet.
func (r Rule) Broken(run Run) (Result, bool) {
	switch r.op {
	case Less, LessEqual, Equal:
	default:
		return Result{}, false
	}
	got := r.Judge(run)
	return got, got.Verdict == gate.Fail && *got.Value >= r.bound
}

// Look judges a rule that is no count in a run that goes on. It reports whether
// the rule fails by its interval, each end of which is wrong with the
// probability level at most. A caller who looks several times divides what error
// he allows over his looks. Without the rounds to tell how far they differ, at
// least six, nothing is decided: in the first seconds of a run they would be
// what it rests on.
//
// point(…) is judged by the value alone, as k6 does.
func (r Rule) Look(run Run, level float64) (Result, bool) {
	run.look = level
	got := r.Judge(run)
	return got, got.Verdict == gate.Fail
}
