package watch

import (
	"fmt"
	"strings"
	"time"
)

// Lines writes the findings for a person, in lines of at most width columns:
// what leaks first, then what was looked at and is well. A width below 40 counts
// as 40.
func (r Report) Lines(width int) []string {
	width = max(width, 40)
	var lines []string
	say := func(format string, args ...any) {
		lines = append(lines, wrap(fmt.Sprintf(format, args...), width)...)
	}
	say("%s samples, %s of load, %s closes", number(float64(r.Samples)), r.Load.Round(time.Second), number(float64(r.Closes)))
	if r.Failed > 0 {
		say("%s samples without an answer of a source", number(float64(r.Failed)))
	}
	if r.Restarts > 0 {
		say("the target restarted, %s times: judged is what came after", number(float64(r.Restarts)))
	}
	for _, verdict := range []Verdict{Leak, None, Unknown} {
		for i, t := range r.Trends {
			if text := t.text(); t.Verdict == verdict && text != "" {
				say("%s", text)
			}
			if text := r.Returns[i].text(); r.Returns[i].Verdict == verdict && text != "" {
				say("%s", text)
			}
		}
	}
	if r.TimeWait.Server.OK || r.TimeWait.Client.OK {
		var sides []string
		if r.TimeWait.Server.OK {
			sides = append(sides, number(float64(r.TimeWait.Server.N))+" on the server's side")
		}
		if r.TimeWait.Client.OK {
			sides = append(sides, number(float64(r.TimeWait.Client.N))+" on the client's")
		}
		say("time_wait: %s", strings.Join(sides, ", "))
	}
	return lines
}

// text is a line about a trend, "" for what was not known at any time.
func (t Trend) text() string {
	q := t.Quantity
	if !t.PerHour.OK {
		return ""
	}
	name := map[Verdict]string{Leak: "LEAK", None: "ok", Unknown: "?"}[t.Verdict]
	var figures []string
	if t.Per1000.OK {
		figures = append(figures, q.interval(t.Per1000)+" per 1,000 closes")
	}
	figures = append(figures, q.interval(t.PerHour)+" per hour")
	return fmt.Sprintf("%s %s: %s; %s", name, q.noun, strings.Join(figures, ", "), t.Reason)
}

// interval writes a slope: "10.1 (9.8 to 10.4)".
func (q Quantity) interval(s Slope) string {
	return fmt.Sprintf("%s (%s to %s)", q.spell(s.Value), q.spell(s.Low), q.spell(s.High))
}

func (r Return) text() string {
	q := r.Quantity
	switch r.Verdict {
	case Leak:
		return fmt.Sprintf("LEAK %s: %s, %s before the load and %s after it settled", q.noun, r.Reason, q.spell(r.Before), q.spell(r.After))
	case None:
		return fmt.Sprintf("ok %s: %s, %s before the load and %s after it settled", q.noun, r.Reason, q.spell(r.Before), q.spell(r.After))
	}
	return ""
}

// wrap breaks text at blanks, and indents what follows.
func wrap(text string, width int) []string {
	const indent = "  "
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
