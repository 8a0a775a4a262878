package launch

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	mostKept  = 1 << 10 // bytes of a command's output that are kept
	mostShown = 200     // bytes of foreign text in an error
)

// A Tail keeps the end of what is written to it, for an error to show. The zero
// value is empty.
type Tail struct {
	kept []byte
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-mostKept):]...)
	t.kept = slices.Delete(t.kept, 0, max(0, len(t.kept)-mostKept))
	return len(p), nil
}

// String joins the last lines that together have at most mostShown bytes. Of a
// last line that is longer it is the end.
func (t *Tail) String() string {
	const between = "; "
	shown := ""
	lines := strings.FieldsFunc(string(t.kept), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		line = strings.TrimSpace(printable(line))
		switch {
		case line == "":
		case shown == "":
			shown = lastBytes(line)
		case len(line)+len(between)+len(shown) > mostShown:
			return shown
		default:
			shown = line + between + shown
		}
	}
	return shown
}

// lastBytes cuts the beginning of a text with more than mostShown bytes.
func lastBytes(text string) string {
	if len(text) <= mostShown {
		return text
	}
	begin := len(text) - mostShown + len("…")
	for !utf8.RuneStart(text[begin]) {
		begin++
	}
	return "…" + text[begin:]
}

// Brief is a text in its printable form without what exceeds mostShown bytes.
func Brief(text string) string {
	text = printable(text)
	if len(text) <= mostShown {
		return text
	}
	end := mostShown - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// printable puts a question mark for all that could move a terminal's cursor or
// turn the direction of the text, and for bytes that are no UTF-8.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// Name is what a line for the shell may be called: its first word, if that is
// plain, and a sign that there is more. The rest may hold secrets.
func Name(line string) string {
	const longest = 40
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-", r)
	})
	switch {
	case end < 0 && len(line) <= longest:
		return line
	case end < 0 || end > longest || !unicode.IsSpace(rune(line[end])):
		return "…" // an assignment, a quote, a bracket: what follows may be secret
	}
	return line[:end] + " …"
}
