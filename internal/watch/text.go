package watch

import (
	"fmt"
	"strings"
	"time"
)

// Lines writes the findings for a person, in lines of at most width columns:
// what leaks first, then what was looked at and is well, then what could not be
// judged. What was 0 all along is named in one line. A width below 40 counts as
// 40.
func (r Report) Lines(width int) []string {
	width = max(width, 40)
	var lines []string
	say := func(text string) { lines = append(lines, wrap(text, width)...) }
	say(fmt.Sprintf("%s samples, %s of load, %s closes", number(float64(r.Samples)), r.Load.Round(time.Second), number(float64(r.Closes))))
	if r.Failed > 0 {
		say(fmt.Sprintf("%s samples in which a source did not answer; the first time: %s", number(float64(r.Failed)), r.Err))
	}
	if r.Unread != "" {
		say("of a page not all could be read, and the rest was used: " + r.Unread)
	}
	if r.Restarts > 0 {
		say(fmt.Sprintf("restarts of the target: %s; judged is what came after the last", number(float64(r.Restarts))))
	}
	byVerdict := map[Verdict][]string{}
	var still, unseen []string
	why := ""
	for i, t := range r.Trends {
		verdict, text := summed(t, r.Returns[i])
		switch {
		case text == "" && t.PerHour.OK:
			still = append(still, t.Quantity.noun)
		case text == "" && !t.Quantity.socket:
			unseen, why = append(unseen, t.Quantity.noun), t.Reason
		case text != "":
			byVerdict[verdict] = append(byVerdict[verdict], text)
		}
	}
	for _, verdict := range []Verdict{Leak, None, Unknown} {
		for _, text := range byVerdict[verdict] {
			say(text)
		}
	}
	if still != nil {
		say("ok, steady throughout: " + strings.Join(still, ", "))
	}
	if unseen != nil {
		say("? not judged: " + strings.Join(unseen, ", ") + ": " + why)
	}
	if text := r.timeWait(); text != "" {
		say(text)
	}
	return lines
}

func (r Report) timeWait() string {
	var sides []string
	if f := r.TimeWait.Server; f.OK {
		sides = append(sides, number(float64(f.N))+" on the server's side")
	}
	if f := r.TimeWait.Client; f.OK {
		sides = append(sides, number(float64(f.N))+" on the client's")
	}
	if sides == nil {
		return ""
	}
	return "time_wait: " + strings.Join(sides, ", ")
}

// summed tells of one quantity under load and after it. The text is "" where
// nothing is known of it, or where it neither grew nor was left.
func summed(t Trend, back Return) (Verdict, string) {
	verdict := t.Verdict
	if back.Verdict == Leak || back.Verdict == None && verdict == Unknown {
		verdict = back.Verdict
	}
	moved := t.PerHour.OK && (t.PerHour != Slope{OK: true} || t.Verdict != None)
	var parts []string
	if moved {
		parts = append(parts, t.figureText())
	}
	if back.Missing > back.Floor || back.Verdict == None && (moved || back.Missing > 0) {
		parts = append(parts, fmt.Sprintf("%s, %s before the load and %s after it settled",
			back.Reason, t.Quantity.spell(back.Before), t.Quantity.spell(back.After)))
	}
	if parts == nil {
		return verdict, ""
	}
	name := map[Verdict]string{Leak: "LEAK", None: "ok", Unknown: "?"}[verdict]
	return verdict, name + " " + t.Quantity.noun + ": " + strings.Join(parts, "; ")
}

// figureText is how fast it grew: "10.1 (9.8 to 10.4) per 1,000 closes, …".
func (t Trend) figureText() string {
	text := ""
	if t.Per1000.OK {
		text = t.Quantity.interval(t.Per1000) + " per 1,000 closes, "
	}
	return text + t.Quantity.interval(t.PerHour) + " per hour; " + t.Reason
}

// interval writes a slope: "10.1 (9.8 to 10.4)".
func (q Quantity) interval(s Slope) string {
	return fmt.Sprintf("%s (%s to %s)", q.spell(s.Value), q.spell(s.Low), q.spell(s.High))
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
