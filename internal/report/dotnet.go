package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// DotNet writes what System.Net.WebSockets would have thrown where wsload saw
// what it saw: per entry of the mix and class, per call that ends a connection,
// and for operations after the end. It is a view of the same counts that Text
// shows, by the mapping of throwing. It fails when the document's numbers
// cannot be read or w fails.
func DotNet(w io.Writer, doc *result.Document, colour bool) error {
	return write(w, doc, colour, func(p *page) {
		p.exceptions()
		p.calls()
		p.invalidState()
		p.reading()
	})
}

// A call is what an application does in .NET to begin or to end a connection.
type call struct {
	name  string
	modes []string // of wsload that do the same; none: every connection begins so
	good  string   // what is thrown and the state after it where all goes well
}

func calls() []call {
	return []call{
		{"ConnectAsync", nil, "none, Open"},
		{"CloseAsync", []string{"active", "stall"}, "none, Closed"},
		{"CloseOutputAsync, then ReceiveAsync", []string{"output"}, "none, Closed"},
		{"ReceiveAsync, CloseOutputAsync", []string{"passive"}, "none, Closed"},
		{"CloseAsync beside the server's close", []string{"simultaneous"}, "none, Closed"},
		{"Abort, Dispose", []string{"abort"}, "none, Aborted"},
	}
}

// throws counts what the call threw in one entry's connections. Those that did
// not open ended in ConnectAsync and have met no other call.
func (c *call) throws(entry stats.Entry, classes *[stats.NumClasses]stats.Count) map[string]uint64 {
	counts := make(map[string]uint64)
	if c.modes != nil && !slices.Contains(c.modes, entry.Mode) {
		return counts
	}
	for class := range stats.Class(stats.NumClasses) {
		opens := class == stats.OpenFailed || class == stats.ToolError
		for _, part := range split(entry.Mode, class, &classes[class]) {
			switch {
			case part.n == 0 || opens && c.modes != nil:
			case !opens && c.modes == nil && class != stats.Interrupted:
				counts[nothing] += part.n
			default:
				counts[part.what] += part.n
			}
		}
	}
	return counts
}

// exceptions writes what each entry's connections would have thrown.
func (p *page) exceptions() {
	p.section("  %s%s%s   %s%s", pad("in .NET", 20), pad("count", -10), pad("share", -9), pad("WebSocketError", 29), "WebSocketState")
	for e, entry := range p.sum.Entries {
		classes := &p.sum.Outcomes[e]
		var total uint64
		for c := range classes {
			total += classes[c].N
		}
		does := "no call of .NET does this"
		for _, c := range calls() {
			if slices.Contains(c.modes, entry.Mode) {
				does = c.name
			}
		}
		p.line(plain, "  %s%s%s   %s", pad(entryName(entry), 20), pad(fmt.Sprint(total), -10), pad("", 9), does)
		for c := range stats.Class(stats.NumClasses) {
			for _, part := range split(entry.Mode, c, &classes[c]) {
				p.exception(entry.Mode, &part, total)
			}
		}
	}
	if p.sum.Unexpected() > 0 {
		p.line(plain, "! not what the mode is for")
	}
}

func (p *page) exception(mode string, part *classShare, total uint64) {
	if part.n == 0 {
		return
	}
	mark, look := "  ", plain
	if expected := stats.Expected(mode, part.class); expected != nil && !*expected {
		mark, look = "! ", alarm
	}
	p.line(look, "%s", mark+pad("  "+part.class.String(), 20)+pad(fmt.Sprint(part.n), -10)+pad(share(part.n, total), -9)+"   "+
		pad(part.what, 29)+part.state)
	if len(part.details) > 0 { // what the row was chosen by
		p.list(look, pad("", 44), ranked(part.tokens, printable), ", ")
	}
}

// calls writes the calls as rows, and what each would have thrown, most often
// first.
func (p *page) calls() {
	p.section("  %s%s%s   if all is well", pad("call", 38), pad("count", -10), pad("share", -9))
	for _, c := range calls() {
		var total uint64
		counts := make(map[string]uint64)
		for e, entry := range p.sum.Entries {
			for what, n := range c.throws(entry, &p.sum.Outcomes[e]) {
				counts[what] += n
				total += n
			}
		}
		p.line(plain, "  %s%s%s   %s", pad(c.name, 38), pad(fmt.Sprint(total), -10), pad("", 9), c.good)
		for _, what := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		}) {
			p.line(plain, "    %s%s%s", pad(what, 36), pad(fmt.Sprint(counts[what]), -10), pad(share(counts[what], total), -9))
		}
	}
	p.list(plain, "", words("CloseOutputAsync waits for nothing: it writes the Close and returns, and what stands in its row is thrown "+
		"by the ReceiveAsync behind it. CloseAsync waits, without a limit, and throws away the messages that still arrive. "+
		"Abort and Dispose never throw: a ReceiveAsync beside them does. Dispose leaves the state Closed where Abort leaves Aborted."), " ")
}

// invalidState writes the operations that .NET would have refused, by cause.
func (p *page) invalidState() {
	p.section("  %s%s", pad("InvalidState", 20), pad("count", -10))
	for cause := range stats.Cause(stats.NumCauses) {
		n := p.sum.InvalidState[cause]
		p.invalidCause(cause.String(), n, causeMeaning(cause), cause == stats.Unexplained && n > 0)
	}
	p.invalidCause("accepted", p.sum.ProbeAccepted, "a probe succeeded after the close; must be 0", p.sum.ProbeAccepted > 0)
}

func (p *page) invalidCause(name string, n uint64, meaning string, bad bool) {
	mark := "  "
	if bad {
		mark = "! "
	}
	p.line(alarmIf(bad), "%s%s%s   %s", mark, pad("  "+name, 20), pad(fmt.Sprint(n), -10), meaning)
}

func causeMeaning(c stats.Cause) string {
	switch c {
	case stats.Probe:
		return "asked for on purpose after a close: to be expected"
	case stats.Race:
		return "a send met a close in flight: the application must catch it"
	case stats.Echo:
		return "what follows a premature end, a cut or a timeout"
	}
	return "none of these; must be 0"
}

// reading writes the mapping itself: the classes behind each exception.
func (p *page) reading() {
	p.section("  %s%s%s", pad("WebSocketError", 29), pad("WebSocketState", 16), "classes of wsload")
	type pair struct{ what, state string }
	var pairs []pair
	classes := make(map[pair][]string)
	detailed := make(map[stats.Class]bool) // classes of which a row stood above
	for _, row := range throwing() {
		key := pair{row.what, row.state}
		if classes[key] == nil {
			pairs = append(pairs, key)
		}
		name := row.class.String()
		if len(row.modes) > 0 {
			name += " of " + strings.Join(row.modes, " ")
		}
		switch {
		case len(row.details) > 0:
			name += " (" + strings.Join(row.details, " ") + ")"
		case len(row.modes) == 0 && detailed[row.class]:
			name += " (all else)"
		}
		detailed[row.class] = true
		classes[key] = append(classes[key], name)
	}
	for _, key := range pairs {
		// Long lists of details break too.
		items := strings.Split(strings.Join(classes[key], ", "), " ")
		p.list(plain, "  "+pad(key.what, 29)+pad(key.state, 16), items, " ")
	}
	p.list(plain, "", words("none: every call returns. OperationCanceledException is no WebSocketError: the call waits for ever "+
		"unless it has a token. -: the class does not tell, or nothing of .NET does this."), " ")
}
