package scenario

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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
		line = printable(p.Key) + ": " + line
	}
	if p.Value != "" {
		line += ", got " + p.Value
	}
	if p.Hint != "" {
		line += " (" + p.Hint + ")"
	}
	return line
}

// Problems is everything one step found wrong with a plan, in the order of the
// keys. Decode, ExpandEnv, ParseMix and Validate return it as their error.
type Problems []Problem

// Error gives one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err keeps an empty list from becoming an error that is not nil.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// covers says whether ps names key or a section or list around it.
func (ps Problems) covers(key string) bool {
	for _, p := range ps {
		rest, below := strings.CutPrefix(key, p.Key)
		if p.Key != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// JoinProblems makes one list of the errors of several steps on one plan, in
// the order given. A problem at or below a key that an earlier step has named
// is left out: it is the consequence of the first. An error that is not
// Problems becomes one without a key. The result is nil when all errs are.
func JoinProblems(errs ...error) error {
	var all Problems
	for _, err := range errs {
		if err == nil {
			continue
		}
		step, ok := errors.AsType[Problems](err)
		if !ok {
			step = Problems{{Msg: err.Error()}}
		}
		earlier := all
		for _, p := range step {
			if !earlier.covers(p.Key) {
				all = append(all, p)
			}
		}
	}
	return all.err()
}

// A textError is a value whose text cannot be read. Its parts are kept apart
// because a Problem shows them with a key in place of the kind of value.
type textError struct {
	what string // the kind of value: "duration", "rate"
	text string
	msg  string
	hint string
}

func (e *textError) Error() string {
	line := "parse " + e.what + " " + quote(e.text) + ": " + e.msg
	if e.hint != "" {
		line += " (" + e.hint + ")"
	}
	return line
}

// show gives a value the way a Problem prints it.
func show(key string, value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return quote(maskAt(key, v))
	case json.Number:
		return v.String()
	case time.Duration:
		return durationText(v)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return ""
		}
		return quote(string(text))
	}
	switch reflect.TypeOf(value).Kind() {
	case reflect.Map, reflect.Struct:
		return "a mapping"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return show(key, reflect.ValueOf(value).String())
	}
	return fmt.Sprint(value)
}

// quote puts text in quotes, with what a terminal could act on escaped, and
// cuts what is too long for a line.
func quote(text string) string {
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

// printable quotes and cuts a key of a hostile file and leaves all others
// alone.
func printable(key string) string {
	const longest = 120
	strange := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(key) > longest || strings.ContainsFunc(key, strange) {
		return quote(key)
	}
	return key
}

// nearest gives the candidate that was most likely meant by name, the first
// of equals, or "" where none is near: one slip in three letters.
func nearest(name string, candidates []string) string {
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

// maxSpan bounds every planned duration: a year is longer than any run, and
// sums of a few such spans cannot overflow.
const maxSpan = 365 * 24 * time.Hour

// durationText writes d exactly, without the zero units that
// time.Duration.String appends: 1m and not 1m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// parseDuration reads a duration with its unit. The error has no hint where
// that of the value around it serves better.
func parseDuration(text string) (time.Duration, *textError) {
	trimmed := strings.TrimSpace(text)
	d, err := time.ParseDuration(trimmed)
	if err == nil {
		return d, nil
	}
	fail := &textError{what: "duration", text: text, msg: "not a duration"}
	units := []string{"ns", "us", "µs", "ms", "s", "m", "h"}
	if _, err := strconv.ParseFloat(trimmed, 64); err == nil && strings.Trim(trimmed, "+-.0123456789") == "" {
		fail.msg, fail.hint = "a duration needs a unit", "write "+trimmed+"s"
	} else if strings.Count(trimmed, ".") < 2 && slices.Contains(units, strings.TrimLeft(trimmed, "+-.0123456789")) {
		fail.msg, fail.hint = "a duration this long cannot be held", "write at most "+durationText(maxSpan)
	}
	return 0, fail
}

// A call is a text of the form name or name(argument,argument).
type call struct {
	name string
	at   int        // position of the name, from 1
	args []argument // nil without parentheses
}

type argument struct {
	text string
	at   int // position, from 1
}

// parseCall splits text. The fault is "" or says what is wrong and where.
func parseCall(text string) (c call, fault string) {
	name, rest, isCall := strings.Cut(text, "(")
	c.name = strings.TrimSpace(name)
	c.at = len(name) - len(strings.TrimLeft(name, " \t")) + 1
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
		c.args = append(c.args, argument{text: strings.TrimSpace(part), at: at + lead})
		at += len(part) + 1
	}
	return c, ""
}

// parseSpan reads an argument as a duration between 0 and maxSpan. The hint is
// "" where that of the form around it serves.
func parseSpan(arg argument) (span time.Duration, msg, hint string) {
	span, bad := parseDuration(arg.text)
	switch {
	case bad != nil:
		return 0, fmt.Sprintf("%s: %s at position %d", bad.msg, quote(arg.text), arg.at), bad.hint
	case span < 0:
		return 0, fmt.Sprintf("negative duration %s at position %d", quote(arg.text), arg.at), "write 0s or more"
	case span > maxSpan:
		return 0, fmt.Sprintf("duration %s at position %d is too long", quote(arg.text), arg.at),
			"write at most " + durationText(maxSpan)
	}
	return span, "", ""
}

// oneOf reads a word of an enumeration.
func oneOf[T ~string](what, text string, known ...T) (T, *textError) {
	words := make([]string, len(known))
	for i, k := range known {
		if text == string(k) {
			return k, nil
		}
		words[i] = string(k)
	}
	hint := "use " + either(words)
	if near := nearest(text, words); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return "", &textError{what: what, text: text, msg: "unknown " + what, hint: hint}
}

// setWord reads one of the words, or nothing.
func setWord[W ~string](w *W, what string, text []byte, words ...W) error {
	if len(text) == 0 {
		*w = ""
		return nil
	}
	word, bad := oneOf(what, string(text), words...)
	if bad != nil {
		return bad
	}
	*w = word
	return nil
}

// either joins words for a sentence: "a, b or c".
func either[T ~string](list []T) string {
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
