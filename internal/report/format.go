package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wsload/wsload/internal/report/ci"
)

// human writes a duration with three significant digits in the unit that fits.
func human(d time.Duration) string {
	if d < 0 {
		return "-" + human(-d)
	}
	if d < time.Microsecond {
		return strconv.Itoa(int(d)) + "ns"
	}
	v, unit := float64(d)/1e3, "µs"
	for _, larger := range []string{"ms", "s"} {
		// What would be rounded to 1000 belongs to the larger unit.
		if v < 999.5 {
			break
		}
		v, unit = v/1e3, larger
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + unit
}

// span writes how long a run or a rest of it lasts: the coarser the longer.
func span(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// share writes part of whole in percent. Some is never shown as none, and not
// all never as all.
func share(part, whole uint64) string {
	if whole == 0 {
		return "-"
	}
	percent := 100 * float64(part) / float64(whole)
	switch {
	case part > 0 && percent < 0.05:
		return "<0.1%"
	case part < whole && percent >= 99.95:
		return ">99.9%"
	}
	return strconv.FormatFloat(percent, 'f', 1, 64) + "%"
}

// printable writes foreign text so that it cannot steer a terminal or change
// the order in which its surroundings are read: control characters, escape
// sequences, bidirectional overrides and broken UTF-8 become escapes as in Go.
// What GitHub's runner would obey in a log is broken up by a backslash.
// So does the backslash, which keeps escapes apart from text that looks alike.
func printable(text string) string { return escaped(strings.ReplaceAll(text, `\`, `\\`)) }

// sentence is printable for a text of wsload's own: a reason, a warning, an
// event. Who wrote it quoted what it holds of a peer's, so the backslashes in
// it are escapes already.
func sentence(text string) string { return escaped(text) }

// escaped writes as escapes all but what can be printed, and makes the rest
// inert.
func escaped(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return ci.Inert(b.String())
}

// most is how many of a server's tokens one line names before it says how many
// more there are.
const most = 8

// ranked lists counts by size, the largest first.
func ranked[K interface{ ~int | ~string }](counts map[K]uint64, name func(K) string) []string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		case a < b:
			return -1
		}
		return 1
	})
	var items []string
	for i, key := range keys {
		if i == most {
			items = append(items, fmt.Sprintf("%d more kinds", len(keys)-most))
			break
		}
		items = append(items, fmt.Sprintf("%s %d", name(key), counts[key]))
	}
	return items
}

// lineWidth is what a report keeps to, where its words allow.
const lineWidth = 100

// wrap joins items by sep in lines of at most lineWidth, the first after head
// and the others indented as far as head is wide.
func wrap(head string, items []string, sep string) []string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	lines, line, empty := []string(nil), head, true
	for i, item := range items {
		if i < len(items)-1 {
			item += sep
		}
		room := lineWidth - utf8.RuneCountInString(line)
		if !empty && utf8.RuneCountInString(strings.TrimRight(item, " ")) > room {
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent
		}
		line += item
		empty = false
	}
	return append(lines, strings.TrimRight(line, " "))
}

// pad fills text with blanks to a width: on the right, or for a negative width
// on the left.
func pad(text string, width int) string {
	blanks := strings.Repeat(" ", max(max(width, -width)-utf8.RuneCountInString(text), 0))
	if width < 0 {
		return blanks + text
	}
	return text + blanks
}

// words splits a sentence where lines may break.
func words(text string) []string {
	return strings.Fields(sentence(strings.ReplaceAll(text, "\n", "; ")))
}
