package problem

import (
	"errors"
	"strings"
)

// A Problem is one thing wrong with a plan.
type Problem struct {
	Key   string // path from the root: "limits.close", "closes.mix[1].weight"
	Value string // the value as a person would write it, text in quotes, secrets masked; "" when there is none to show
	Msg   string // what is wrong
	Hint  string // what to write instead; "" when the message says it
}

// Error gives the problem as one line: key, message, value and hint.
func (p Problem) Error() string {
	line := p.Msg
	if p.Key != "" {
		line = Printable(p.Key) + ": " + line
	}
	if p.Value != "" {
		line += ", got " + p.Value
	}
	if p.Hint != "" {
		line += " (" + p.Hint + ")"
	}
	return line
}

// List is everything one step found wrong with a plan, in the order of the
// keys. Decode, ExpandEnv, ParseMix and Validate return it as their error.
type List []Problem

// Error gives one line per problem.
func (ps List) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err keeps an empty list from becoming an error that is not nil.
func (ps List) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Covers says whether ps names key or a section or list around it.
func (ps List) Covers(key string) bool {
	for _, p := range ps {
		rest, below := strings.CutPrefix(key, p.Key)
		if p.Key != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// Join makes one list of the errors of several steps on one plan, in
// the order given. A problem at or below a key that an earlier step has named
// is left out: it is the consequence of the first. An error that is not
// List becomes one without a key. The result is nil when all errs are.
func Join(errs ...error) error {
	var all List
	for _, err := range errs {
		if err == nil {
			continue
		}
		step, ok := errors.AsType[List](err)
		if !ok {
			step = List{{Msg: err.Error()}}
		}
		earlier := all
		for _, p := range step {
			if !earlier.Covers(p.Key) {
				all = append(all, p)
			}
		}
	}
	return all.Err()
}
