package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// stepWithin is how long a step waits for its message by default.
const stepWithin = 5 * time.Second

// Default gives the plan of a run without any configuration: valid, against
// the tool's own server, with a seed still to be drawn.
func Default() Plan {
	mix := []Close{DefaultClose(Active), DefaultClose(Passive), DefaultClose(Abort)}
	for i, weight := range []int{60, 30, 10} {
		mix[i].Weight = weight
	}
	return Plan{
		Load:     Load{Connections: 1000, Rate: 500, Duration: 8 * time.Second},
		Hold:     Dist{kind: distUniform, a: 1 * time.Second, b: 3 * time.Second},
		Traffic:  Traffic{Size: 128},
		Closes:   Closes{Mix: mix},
		Interval: 1 * time.Second,
		Limits: Limits{
			Dial:    5 * time.Second,
			Upgrade: 5 * time.Second,
			Close:   35 * time.Second,
			Fin:     1 * time.Second,
			Drain:   45 * time.Second,
		},
	}
}

// DefaultClose gives an entry of the mix with the values that mode has where
// a configuration names none: weight 1, and the mode as the name.
func DefaultClose(mode Mode) Close {
	entry := Close{Name: string(mode), Mode: mode, Weight: 1}
	switch mode {
	case Active:
		entry.Code, entry.Reason = 1000, "done"
	case Passive:
		entry.Trigger.Send = "close 1001 bye"
	case Abort:
		entry.How = RST
	}
	return entry
}

// ParseMix reads a mix in short form, "active=60,passive=30,abort=10". Each
// part is a mode and its weight, 1 where none is given, and takes the mode's
// defaults. A mode may stand only once. The error is Problems of the key
// closes.mix, with one for each bad part.
func ParseMix(text string) ([]Close, error) {
	var problems Problems
	refuse := func(part, msg, hint string) {
		problems = append(problems, Problem{Key: "closes.mix", Value: quote(part), Msg: msg, Hint: hint})
	}
	var mix []Close
	seen := make(map[Mode]bool)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		word, number, weighted := strings.Cut(part, "=")
		var mode Mode
		if err := mode.UnmarshalText([]byte(strings.TrimSpace(word))); err != nil {
			bad := err.(*textError)
			refuse(part, bad.msg, bad.hint)
			continue
		}
		if seen[mode] {
			refuse(part, fmt.Sprintf("mode %s stands twice", mode),
				"add the weights, or list the entries with names in a file")
			continue
		}
		seen[mode] = true
		entry := DefaultClose(mode)
		if weighted {
			weight, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil || weight < 0 {
				refuse(part, "the weight is not a whole number from 0",
					fmt.Sprintf("write %s=30; weights need not add up to 100", mode))
				continue
			}
			entry.Weight = weight
		}
		mix = append(mix, entry)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return mix, nil
}
