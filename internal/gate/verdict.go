package gate

import "fmt"

// Verdict is what a gate says of a rule, of a metric or of a whole run.
type Verdict string

const (
	None          Verdict = "none"           // nothing was to be judged
	Pass          Verdict = "pass"           // shown to be good
	Fail          Verdict = "fail"           // shown to be bad
	Inconclusive  Verdict = "inconclusive"   // the data show neither
	NoData        Verdict = "no_data"        // of a rule or metric: it was not measured
	NotComparable Verdict = "not_comparable" // of a whole: something was not measured, or the two sides did not do the same
)

// The exit codes of a gate.
const (
	ExitPass          = 0
	ExitFail          = 3
	ExitInconclusive  = 4
	ExitNotComparable = 5
)

// Overall joins the verdicts of the parts of a whole. Any Fail is a Fail; else
// anything that was not measured makes the whole NotComparable; else any doubt
// makes it Inconclusive; else it is a Pass. Nothing to join is None.
func Overall(parts []Verdict) Verdict {
	all := None
	for _, v := range parts {
		if v.weight() > all.weight() {
			all = v
		}
	}
	if all == NoData {
		return NotComparable
	}
	return all
}

// weight orders verdicts by what they do to the whole.
func (v Verdict) weight() int {
	switch v {
	case None:
		return 0
	case Pass:
		return 1
	case Inconclusive:
		return 2
	case NoData, NotComparable:
		return 3
	case Fail:
		return 4
	}
	panic("gate: " + string(v) + " is no verdict")
}

// Exit is the exit code of a whole.
func (v Verdict) Exit() int {
	switch v {
	case None, Pass:
		return ExitPass
	case Fail:
		return ExitFail
	case Inconclusive:
		return ExitInconclusive
	}
	return ExitNotComparable
}

// UnmarshalText reads a verdict. It fails for a word that is none.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch word := Verdict(text); word {
	case None, Pass, Fail, Inconclusive, NoData, NotComparable:
		*v = word
		return nil
	}
	return fmt.Errorf("read verdict: unknown word %q", text)
}
