package ci

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/wsload/wsload/internal/gate"
)

// A Sheet is a verdict with what it rests on, as texts.
type Sheet struct {
	Title    string // what judged: "wsload gate"
	Verdict  gate.Verdict
	Reason   string
	Facts    []string // what was judged, a line each
	Columns  []string // heads of the cells of every row
	Rows     []Row
	Warnings []string
	Report   []string // lines to look at when the rest is not enough
}

// A Row is one rule or metric.
type Row struct {
	Name    string
	Verdict gate.Verdict
	Reason  string
	Cells   []string // one for each of Sheet.Columns
}

// headline is the verdict in one line.
func (s *Sheet) headline() string {
	text := spoken(s.Verdict)
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// cases are the rows, and behind them the verdict itself where the rows do not
// tell it: nothing was judged, or the whole is worse than its parts.
func (s *Sheet) cases() []Row {
	parts := make([]gate.Verdict, len(s.Rows))
	for i, row := range s.Rows {
		parts[i] = row.Verdict
	}
	if gate.Overall(parts) == s.Verdict {
		return s.Rows
	}
	return append(s.Rows[:len(s.Rows):len(s.Rows)], Row{Name: "verdict", Verdict: s.Verdict, Reason: s.Reason})
}

// spoken is a verdict as a person reads it.
func spoken(v gate.Verdict) string {
	if v == gate.None {
		return "NOT JUDGED"
	}
	return strings.ToUpper(strings.ReplaceAll(string(v), "_", " "))
}

// longest bounds a text: a comment has room for 65,536 characters.
const longest = 2000

// line makes one line of a text of any origin, without what steers a terminal
// or a runner or changes the order of what is read. A text that is too long
// loses its end.
func line(text string) string { return Inert(printed(text)) }

func printed(text string) string {
	var out strings.Builder
	n := 0
	for _, r := range strings.TrimRightFunc(text, unicode.IsSpace) {
		if n++; n > longest {
			return out.String() + "…"
		}
		switch {
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case unicode.IsSpace(r):
			out.WriteByte(' ')
		default:
			out.WriteRune(unicode.ReplacementChar)
		}
	}
	return out.String()
}

// lines are all texts but those of the rows, a line each.
func (s *Sheet) lines() []string {
	all := append([]string{s.headline()}, s.Facts...)
	for _, warning := range s.Warnings {
		all = append(all, "WARNING: "+warning)
	}
	return append(all, s.Report...)
}

// named is a line that is never empty.
func named(text string) string { return cmp.Or(line(text), "-") }
