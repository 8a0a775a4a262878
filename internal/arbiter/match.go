package arbiter

import (
	"context"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
)

// A Match is one gate. Play may be called once.
type Match struct {
	Contest contest.Options // its Pair is set by Play
	File    trial.File      // grows pair by pair
	Budget  time.Duration   // no pair begins that would not end within it, but for the first
	// Stand hears where the trial stands after each pair, and Say what the user
	// should know. Neither may be nil.
	Stand func(passed time.Duration, v trial.Verdict, pairs int)
	Say   func(text string)
	// Verdict is that of the pairs so far. It means nothing where Play says
	// that they could not be judged.
	Verdict trial.Verdict

	begun time.Time
	err   error // why the pairs could not be judged
}

// Restarts reports whether the servers are started anew for every pair.
func (m *Match) Restarts() bool { return m.Contest.A.Restarts() }

// Play carries the gate out, until a verdict, the last pair, the end of the
// budget or the end of ctx. It reports whether the pairs could be judged. The
// error says what failed in the tool; where judged is true, the pairs are good
// all the same.
func (m *Match) Play(ctx context.Context) (judged bool, err error) {
	m.Contest.Pair = m.pair
	m.Contest.Warn = func(text string) { m.Say("warning: " + text) }
	m.begun = time.Now()
	err = contest.Run(ctx, m.Contest)
	if len(m.File.Pairs) == 0 && err == nil && m.err == nil {
		m.Verdict, m.err = m.File.Judge()
	}
	if m.err != nil {
		return false, m.err
	}
	return m.Verdict.Verdict != "", err
}

// pair takes a pair into the trial, and says whether another is needed.
func (m *Match) pair(p trial.Pair) (more bool) {
	m.File.Pairs = append(m.File.Pairs, p)
	n := len(m.File.Pairs)
	if m.Verdict, m.err = m.File.Judge(); m.err != nil {
		return false
	}
	passed := time.Since(m.begun)
	m.Stand(passed, m.Verdict, n)
	switch m.Verdict.Verdict {
	case gate.Pass, gate.Fail:
		return false
	case gate.NotComparable: // by a pair, or by a metric that has had its chance
		if m.Verdict.Pairs < n || n >= FirstLook {
			return false
		}
	}
	if passed+passed/time.Duration(n) > m.Budget {
		m.Say(fmt.Sprintf("the budget of %v does not hold another pair", m.Budget))
		return false
	}
	return true
}
