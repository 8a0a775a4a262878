package problem

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A TextError is a value whose text cannot be read. Its parts are kept apart
// because a Problem shows them with a key in place of the kind of value.
type TextError struct {
	What string // the kind of value: "duration", "rate"
	Text string
	Msg  string
	Hint string // what to write instead; "" where the message says it
}

func (e *TextError) Error() string {
	line := "parse " + e.What + " " + Quote(e.Text) + ": " + e.Msg
	if e.Hint != "" {
		line += " (" + e.Hint + ")"
	}
	return line
}

// Quote puts text in quotes, with what a terminal could act on escaped, and
// cuts what is too long for a line.
func Quote(text string) string {
	const longest = 60
	if len(text) <= longest {
		return strconv.Quote(text)
	}
	cut := longest
	for cut > longest-utf8.UTFMax && !utf8.RuneStart(text[cut]) { // what is not UTF-8 has no such place
		cut--
	}
	return strconv.Quote(text[:cut]) + "…"
}

// Printable quotes and cuts a key of a hostile file and leaves all others
// alone.
func Printable(key string) string {
	const longest = 120
	strange := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(key) > longest || strings.ContainsFunc(key, strange) {
		return Quote(key)
	}
	return key
}

// Nearest gives the candidate that was most likely meant by name, the first
// of equals, or "" where none is near: one slip in three letters.
func Nearest(name string, candidates []string) string {
	const longest = 64 // no key is near to a longer name, and a hostile one must cost nothing
	if len(name) > longest {
		return ""
	}
	best, least := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with a neighbour
// to get from a to b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// MaxSpan bounds every planned duration: a year is longer than any run, and
// sums of a few such spans cannot overflow.
const MaxSpan = 365 * 24 * time.Hour

// DurationText writes d exactly, without the zero units that
// time.Duration.String appends: 1m and not 1m0s.
func DurationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseDuration reads a duration with its unit. The error has no hint where
// that of the value around it serves better.
func ParseDuration(text string) (time.Duration, *TextError) {
	trimmed := strings.TrimSpace(text)
	d, err := time.ParseDuration(trimmed)
	if err == nil {
		return d, nil
	}
	fail := &TextError{What: "duration", Text: text, Msg: "not a duration"}
	units := []string{"ns", "us", "µs", "ms", "s", "m", "h"}
	if _, err := strconv.ParseFloat(trimmed, 64); err == nil && strings.Trim(trimmed, "+-.0123456789") == "" {
		fail.Msg, fail.Hint = "a duration needs a unit", "write "+trimmed+"s"
	} else if strings.Count(trimmed, ".") < 2 && slices.Contains(units, strings.TrimLeft(trimmed, "+-.0123456789")) {
		fail.Msg, fail.Hint = "a duration this long cannot be held", "write at most "+DurationText(MaxSpan)
	}
	return 0, fail
}

// A Call is a text of the form name or name(argument,argument).
type Call struct {
	Name string
	At   int        // position of the name, from 1
	Args []Argument // nil without parentheses
}

// An Argument is one of the values of a Call.
type Argument struct {
	Text string
	At   int // position, from 1
}

// ParseCall splits text. The fault is "" or says what is wrong and where.
func ParseCall(text string) (c Call, fault string) {
	name, rest, isCall := strings.Cut(text, "(")
	c.Name = strings.TrimSpace(name)
	c.At = len(name) - len(strings.TrimLeft(name, " \t")) + 1
	if !isCall {
		return c, ""
	}
	at := len(name) + 2
	inside, after, closed := strings.Cut(rest, ")")
	if !closed {
		return c, fmt.Sprintf("no \")\" for the \"(\" at position %d", at-1)
	}
	if strings.TrimSpace(after) != "" {
		return c, fmt.Sprintf("text after the \")\" at position %d", at+len(inside))
	}
	for part := range strings.SplitSeq(inside, ",") {
		lead := len(part) - len(strings.TrimLeft(part, " \t"))
		c.Args = append(c.Args, Argument{Text: strings.TrimSpace(part), At: at + lead})
		at += len(part) + 1
	}
	return c, ""
}

// ParseSpan reads an argument as a duration between 0 and MaxSpan. The hint is
// "" where that of the form around it serves.
func ParseSpan(arg Argument) (span time.Duration, msg, hint string) {
	span, bad := ParseDuration(arg.Text)
	switch {
	case bad != nil:
		return 0, fmt.Sprintf("%s: %s at position %d", bad.Msg, Quote(arg.Text), arg.At), bad.Hint
	case span < 0:
		return 0, fmt.Sprintf("negative duration %s at position %d", Quote(arg.Text), arg.At), "write 0s or more"
	case span > MaxSpan:
		return 0, fmt.Sprintf("duration %s at position %d is too long", Quote(arg.Text), arg.At),
			"write at most " + DurationText(MaxSpan)
	}
	return span, "", ""
}

// OneOf reads a word of an enumeration.
func OneOf[T ~string](what, text string, known ...T) (T, *TextError) {
	words := make([]string, len(known))
	for i, k := range known {
		if text == string(k) {
			return k, nil
		}
		words[i] = string(k)
	}
	hint := "use " + Either(words)
	if near := Nearest(text, words); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return "", &TextError{What: what, Text: text, Msg: "unknown " + what, Hint: hint}
}

// Either joins words for a sentence: "a, b or c".
func Either[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
