package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
	"github.com/wsload/wsload/stats"
)

// ledger says whether the server counted the same, and every difference.
func (p *page) ledger() {
	l := p.doc.Ledger
	if l == nil {
		return
	}
	p.line(plain, "")
	p.pairs(l.Pairs)
	if l.Matched {
		if len(l.Modes) > 0 {
			p.line(plain, "the server's ledger agrees: %s, %s", gate.Number(len(l.Modes), "mode"), gate.Number(l.Count("opened"), "connection"))
		}
		return
	}
	if len(l.Modes) > 0 && l.Pairs != nil && l.Pairs.Mismatched > 0 && result.NewLedger(l.Modes).Matched {
		p.line(plain, "the sums of the server's ledger agree")
		return
	}
	p.line(alarm, "THE SERVER'S LEDGER DIFFERS: one of the two counts is wrong")
	p.line(alarm, "  %s%s%s%s%s", pad("mode", 16), pad("field", 18), pad("wsload", -10), pad("server", -10), pad("difference", -12))
	differing := 0
	for _, m := range l.Modes {
		for _, f := range m.Fields {
			if f.Client == f.Server {
				continue
			}
			differing++
			p.line(alarm, "! %s%s%s%s%s", pad(printable(m.Mode), 16), pad(printable(f.Field), 18), pad(fmt.Sprint(f.Client), -10),
				pad(fmt.Sprint(f.Server), -10), pad(fmt.Sprintf("%+d", int64(f.Client-f.Server)), -12))
		}
	}
	if differing == 0 {
		p.line(alarm, "! shards differ from their servers in opposite ways: look at each shard alone")
	}
}

// pairs says whether both ends judged each connection alike.
func (p *page) pairs(pairs *result.LedgerPairs) {
	if pairs == nil {
		return
	}
	if pairs.Missing > 0 {
		p.line(doubt, "double entry: of %s only one end's verdict is known", gate.Number(pairs.Missing, "connection"))
	}
	if pairs.Compared == 0 {
		return
	}
	verdict := "every pair consistent"
	if pairs.Raced > 0 {
		verdict = fmt.Sprintf("every pair can be, %d of them only because both ends acted at once", pairs.Raced)
	}
	if pairs.Mismatched == 0 {
		p.line(plain, "double entry: %s judged by both ends, %s", gate.Number(pairs.Compared, "connection"), verdict)
		return
	}
	p.line(alarm, "DOUBLE ENTRY: OF %s THE TWO ENDS DISAGREE, of %d: one of the two is wrong", strings.ToUpper(gate.Number(pairs.Mismatched, "connection")), pairs.Compared)
	p.line(alarm, "  %s%s%s%s%s", pad("connection", -12), pad("   mode", 16), pad("wsload", 18), pad("server", 18), "codes sent → received")
	code := func(n int) string {
		if n == stats.NoCode {
			return "-"
		}
		return fmt.Sprint(n)
	}
	for _, m := range pairs.Mismatches {
		p.line(alarm, "! %s%s%s%s%s→%s, back %s→%s", pad(fmt.Sprint(m.N), -12), pad("   "+printable(m.Mode), 16), pad(m.Client.String(), 18),
			pad(m.Server.String(), 18), code(m.Sent), code(m.ServerReceived), code(m.ServerSent), code(m.Received))
	}
}

// maxMoments bounds what is shown of one timeline: its end, which says how the
// connection ended.
const maxMoments = 16

// exemplars shows the connections that went wrong, two of each entry, or where
// none did the slowest of each entry.
func (p *page) exemplars() {
	title, expected, each := "connections that went wrong", false, 2
	if !slices.ContainsFunc(p.sum.Exemplars, func(x stats.Exemplar) bool { return !x.Expected }) {
		title, expected, each = "slowest connections", true, 1
	}
	shown := make(map[string]int)
	for _, x := range p.sum.Exemplars {
		if x.Expected != expected || shown[x.Name] == each {
			continue
		}
		if len(shown) == 0 {
			p.section("  %s (each time from one event to the next)", title)
		}
		shown[x.Name]++
		p.exemplar(&x)
	}
}

func (p *page) exemplar(x *stats.Exemplar) {
	mark, look := "  ", plain
	if !x.Expected {
		mark, look = "! ", alarm
	}
	head := fmt.Sprintf("%s%s #%d %s", mark, printable(x.Name), x.N, x.Class)
	if x.Detail != "" {
		head += " (" + printable(x.Detail) + ")"
	}
	if x.Teardown > 0 {
		head += ", teardown " + human(x.Teardown)
	}
	p.line(look, "%s", head)
	if len(x.Timeline) == 0 {
		return
	}
	moments := x.Timeline
	if left := len(moments) - maxMoments; left > 0 {
		moments = moments[left:]
	}
	last := moments[0].At
	items := []string{fmt.Sprintf("at %s %s", last.Round(time.Millisecond), sentence(moments[0].Event))}
	for _, m := range moments[1:] {
		// A kernel stamp can be earlier than what this process did before.
		step := human(m.At - last)
		if m.At >= last {
			step = "+" + step
		}
		items = append(items, step+" "+sentence(m.Event))
		last = m.At
	}
	p.list(plain, "      ", items, ", ")
}

// warnings comes last: it is what stays on the screen.
func (p *page) warnings() {
	all := p.allWarnings()
	if len(all) == 0 {
		return
	}
	p.line(plain, "")
	for _, w := range all {
		p.list(doubt, "WARNING: ", words(w), " ")
	}
}

// allWarnings are the document's and the report's own. A document that was
// rendered before may hold the report's already.
func (p *page) allWarnings() []string {
	all := slices.Clone(p.doc.Warnings)
	for _, w := range p.own {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// held says what target and tool held: what leaks, and what does not.
func (p *page) held() {
	w := p.doc.Watch
	if w == nil {
		return
	}
	for _, of := range []struct {
		name   string
		report json.RawMessage
	}{{"what the target held", w.Target}, {"what wsload held", w.Self}} {
		var r watch.Report
		if err := json.Unmarshal(of.report, &r); err != nil {
			p.line(doubt, "%s cannot be read: %s", of.name, sentence(err.Error()))
			continue
		}
		p.section("  %s", of.name)
		for _, line := range r.Lines(watchWidth) {
			look := plain
			if strings.HasPrefix(line, "LEAK") {
				look = alarm
			}
			p.line(look, "  %s", sentence(line))
		}
	}
}

// watchWidth is how wide the findings of a watch are written.
const watchWidth = 116

// path says what the faults of the path did.
func (p *page) path() {
	f := p.doc.Path
	if f == nil {
		return
	}
	p.section("  %s%s", pad("faults of the path", 60), pad("hit", -10))
	for _, s := range f.Steps {
		hit := "?"
		if s.Hit != nil {
			hit = fmt.Sprint(*s.Hit)
		}
		p.line(plain, "  %s%s", pad(printable(s.What), 60), pad(hit, -10))
	}
	if f.Accepted == nil || f.Refused == nil {
		p.line(plain, "  a Toxiproxy carried the connections, which does not count them; times include the path")
		return
	}
	p.line(plain, "  %s took the path, %d could not reach the target; times include the path", gate.Number(*f.Accepted, "connection"), *f.Refused)
}
