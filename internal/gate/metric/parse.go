package metric

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/stats"
)

// An Error says what is wrong with the text of a metric.
type Error struct {
	At   int    // position in the text, in bytes from 1
	Msg  string // what is wrong
	Hint string // what to write instead
}

// Error gives the message, the position and the hint.
func (e *Error) Error() string {
	return fmt.Sprintf("%s at position %d (%s)", e.Msg, e.At, e.Hint)
}

// Parse reads the text of a metric. entries are the names of the mix that it
// may begin with. The error is an *Error.
func Parse(text string, entries []string) (Metric, error) {
	m, fault := parsePlain(segments(text), entries)
	name, _, more := strings.Cut(text, ".")
	if fault != nil && more && slices.Contains(entries, name) && !slices.Contains(heads(), name) {
		m, fault = parsePlain(segments(text)[1:], nil)
		m.entry = name
		if fault == nil && !m.perEntry() {
			fault = &Error{1, fmt.Sprintf("%s is counted over all entries", text[len(name)+1:]), "write it without " + name + "."}
		}
	}
	if fault != nil {
		if f, misnamed, ok := parseFigure(text); ok {
			m, fault = f, misnamed
		}
	}
	if fault != nil {
		return Metric{}, fault
	}
	m.text = text
	return m, nil
}

// perEntry tells whether a summary has the metric for each entry of the mix.
func (m Metric) perEntry() bool {
	switch m.part {
	case cause, message, connection, probeAccepted:
		return false
	}
	return true
}

// A segment is a word between the dots of a metric.
type segment struct {
	text string
	at   int // position in the metric, from 1
}

// segments splits a metric at its dots, but for the dot of a quantile (p99.9).
func segments(text string) []segment {
	var all []segment
	at := 1
	for word := range strings.SplitSeq(text, ".") {
		if last := len(all) - 1; last >= 0 && isQuantile(all[last].text) && isNumber(word) {
			all[last].text += "." + word
		} else {
			all = append(all, segment{word, at})
		}
		at += len(word) + 1
	}
	return all
}

func isQuantile(word string) bool { return len(word) > 1 && word[0] == 'p' && isNumber(word[1:]) }

func isNumber(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }

// parsePlain reads a metric without an entry. entries are only named where the
// first word is not known.
func parsePlain(words []segment, entries []string) (Metric, *Error) {
	var m Metric
	var subject string
	head, rest := words[0], words[1:]
	find := func(p part, word segment, what string, names []string) *Error {
		i, fault := oneOf(word, what, names)
		m.part, m.index, subject = p, uint8(max(i, 0)), word.text
		return fault
	}
	second := func(p part, what string, names []string) *Error {
		if len(rest) == 0 {
			return &Error{head.at + len(head.text), "no " + what + " after " + head.text,
				"write " + head.text + "." + names[0] + ", as one of " + strings.Join(names, ", ")}
		}
		fault := find(p, rest[0], what, names)
		subject = head.text + "." + subject
		rest = rest[1:]
		return fault
	}
	var fault *Error
	switch {
	case head.text == "class":
		fault = second(class, "class", classNames())
	case head.text == "flag":
		fault = second(flag, "flag", names[stats.Flag](stats.NumFlags))
	case head.text == "invalid_state":
		fault = second(cause, "cause", names[stats.Cause](stats.NumCauses))
	case head.text == "messages":
		fault = second(message, "count", messageFields())
	case head.text == "connections":
		fault = second(connection, "count", connectionFields())
	case head.text == "premature":
		m.part, subject = premature, head.text
	case head.text == "unexpected":
		m.part, subject = unexpected, head.text
	case head.text == "probe_accepted":
		m.part, subject = probeAccepted, head.text
	case slices.Contains(classNames(), head.text):
		fault = find(class, head, "class", classNames())
	case slices.Contains(phaseNames(), head.text):
		fault = find(phase, head, "phase", phaseNames())
	default:
		_, fault = oneOf(head, "metric", append(heads(), entries...))
	}
	if fault == nil {
		fault = m.parseStat(subject, head.at, rest)
	}
	return m, fault
}

// parseStat reads what follows the subject.
func (m *Metric) parseStat(subject string, at int, rest []segment) *Error {
	allowed := m.stats()
	if len(rest) == 0 {
		if m.part != phase {
			m.stat = Total
			return nil
		}
		return &Error{at + len(subject), "no statistic after " + subject, "write " + subject + ".p99, as one of " + strings.Join(allowed, ", ")}
	}
	word := rest[0]
	if len(rest) > 1 {
		return &Error{rest[1].at - 1, fmt.Sprintf("text after the statistic %q", word.text), "end the metric there"}
	}
	if m.part == phase && strings.HasPrefix(word.text, "p") {
		if q, ok := parseQuantile(word.text[1:]); ok {
			m.stat, m.q = Quantile, q
			return nil
		}
	}
	if _, fault := oneOf(word, "statistic of "+subject, allowed); fault != nil {
		return fault
	}
	switch word.text {
	case "min":
		m.stat = Min
	case "max":
		m.stat = Max
	case "mean":
		m.stat = Mean
	case "count":
		m.stat = Total
	case "rate":
		m.stat = Share
	}
	return nil
}

// stats names the statistics that the subject has.
func (m *Metric) stats() []string {
	switch m.part {
	case phase:
		return []string{"p50", "p90", "p99", "p99.9", "p99.99", "min", "max", "mean", "count"}
	case cause, connection, probeAccepted:
		return []string{"count"} // of operations, or no share of anything
	case message:
		if field := messageFields()[m.index]; field != "lost" && field != "skipped" {
			return []string{"count"}
		}
	}
	return []string{"count", "rate"}
}

// parseQuantile reads a percentage above 0 and below 100 with up to four
// decimals.
func parseQuantile(text string) (Quant, bool) {
	whole, decimals, _ := strings.Cut(text, ".")
	if len(whole) > 2 || len(decimals) > 4 || !isNumber(whole) || strings.HasSuffix(text, ".") {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+decimals+strings.Repeat("0", 4-len(decimals)), 10, 32)
	return Quant(n), err == nil && n > 0 && n < one
}

// oneOf finds a word among names.
func oneOf(word segment, what string, names []string) (int, *Error) {
	if i := slices.Index(names, word.text); i >= 0 {
		return i, nil
	}
	hint := "use one of " + strings.Join(names, ", ")
	if near := problem.Nearest(word.text, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	if word.text == "" {
		return -1, &Error{word.at, "no " + what, hint}
	}
	return -1, &Error{word.at, fmt.Sprintf("unknown %s %s", what, problem.Quote(word.text)), hint}
}

// heads are the words a metric may begin with.
func heads() []string {
	all := phaseNames()
	all = append(all, "premature", "unexpected", "invalid_state", "probe_accepted", "messages", "connections", "class", "flag")
	return append(all, classNames()...)
}

func phaseNames() []string { return names[stats.Phase](stats.NumPhases) }
func classNames() []string { return names[stats.Class](stats.NumClasses) }

// names lists the words of an enumeration.
func names[E interface {
	~uint8
	String() string
}](n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = E(i).String()
	}
	return all
}
