package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// Text writes the report a person reads at the end of a run, in lines of at
// most 100 columns where names and addresses allow it. With colour it marks
// lines by ANSI sequences. It fails when the document's numbers cannot be read
// or w fails.
func Text(w io.Writer, doc *result.Document, colour bool) error {
	return write(w, doc, colour, func(p *page) {
		p.body()
		p.judged()
	})
}

// body is what was measured.
func (p *page) body() {
	p.outcomes()
	p.counts()
	p.drain()
	p.path()
	p.held()
	p.latency()
	p.ledger()
	p.exemplars()
}

// write makes a page: what it is of, its body, and the warnings.
func write(w io.Writer, doc *result.Document, colour bool, body func(*page)) error {
	sum, err := doc.Summary()
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	p := page{doc: doc, sum: sum, colour: colour}
	if p.rules, err = readRules(doc); err != nil {
		return err
	}
	p.head()
	body(&p)
	p.warnings()
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// page is a report in the making.
type page struct {
	doc    *result.Document
	sum    *stats.Summary
	colour bool
	rules  []rule.Result // what those of the run say
	out    bytes.Buffer
	own    []string // warnings of the report itself
}

// style is how a line looks in colour.
type style string

const (
	plain   style = ""
	heading style = "\x1b[1m"
	alarm   style = "\x1b[31m"
	doubt   style = "\x1b[33m"
)

func (p *page) line(s style, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	if p.colour && s != plain && text != "" {
		text = string(s) + text + "\x1b[0m"
	}
	p.out.WriteString(text + "\n")
}

// section begins a part of the page with a blank line.
func (p *page) section(format string, args ...any) {
	p.line(plain, "")
	p.line(heading, format, args...)
}

// list writes items after a head, over as many lines as they take.
func (p *page) list(s style, head string, items []string, sep string) {
	for _, line := range wrap(head, items, sep) {
		p.line(s, "%s", line)
	}
}

// watched reports whether this is what a server saw of its clients: nothing was
// planned then, and no client library of this tool was asked anything. A run
// always has a seed.
func (p *page) watched() bool { return p.doc.Seed == 0 }

func (p *page) head() {
	doc := p.doc
	items := []string{printable(target(doc.Plan))}
	if !p.watched() {
		items = append(items, fmt.Sprintf("seed %d", doc.Seed))
	}
	items = append(items, "ran "+span(doc.Total.To-doc.Total.From))
	if doc.Name != "" {
		items = append([]string{printable(doc.Name)}, items...)
	}
	if len(doc.Shards) > 1 {
		items = append(items, fmt.Sprintf("%d shards", len(doc.Shards)))
	}
	p.list(heading, "wsload   ", items, "   ")
	n := doc.Total.Connections
	items = nil
	if n.Planned != nil {
		items = append(items, fmt.Sprintf("planned %d", *n.Planned))
	}
	items = append(items, fmt.Sprintf("started %d", n.Started), fmt.Sprintf("opened %d", n.Opened), fmt.Sprintf("ended %d", n.Ended),
		fmt.Sprintf("most open at once %d", n.Peak))
	p.list(plain, "connections   ", items, "   ")
	switch {
	case !doc.Complete && doc.Cause == "":
		p.line(alarm, "INCOMPLETE: the stream ends without its last line, %d were open then", n.Open)
	case !doc.Complete:
		var what []string
		if doc.Cause != "done" || n.Started <= n.Ended {
			what = append(what, sentence(doc.Cause))
		}
		if n.Started > n.Ended {
			what = append(what, fmt.Sprintf("%d of %d connections have no outcome", n.Started-n.Ended, n.Started))
		}
		p.line(alarm, "INCOMPLETE: %s", strings.Join(what, ", "))
	case doc.Cause != "done":
		p.line(doubt, "ended early: %s", sentence(doc.Cause))
	}
}

// target reads where a stored plan was aimed at. A plan of another version may
// not say it.
func target(plan json.RawMessage) string {
	var p struct {
		Target struct {
			URL string `json:"url"`
		} `json:"target"`
	}
	switch err := json.Unmarshal(plan, &p); {
	case err != nil:
		return "unknown target"
	case p.Target.URL == "":
		return "own server"
	}
	if path, own := strings.CutPrefix(p.Target.URL, "ws:///"); own {
		return "own server, /" + path
	}
	return p.Target.URL
}

func (p *page) outcomes() {
	p.section("  %s%s%s", pad("how they ended", 20), pad("count", -10), pad("share", -9))
	for e, entry := range p.sum.Entries {
		classes := &p.sum.Outcomes[e]
		var total uint64
		for c := range classes {
			total += classes[c].N
		}
		if total == 0 && p.watched() {
			continue
		}
		p.line(plain, "  %s%s", pad(entryName(entry), 20), pad(fmt.Sprint(total), -10))
		for c := range stats.Class(stats.NumClasses) {
			if n := &classes[c]; n.N > 0 {
				p.class(entry.Mode, c, n, total)
			}
		}
		p.answers(classes)
	}
	if p.sum.Unexpected() > 0 {
		p.line(plain, "! not what the mode is for")
	}
	if p.sum.Forward() > 0 {
		p.line(plain, "forward: closed before its plan because the run ended; not in latency")
	}
}

// entryName is how a mix entry is called, with its mode where that is another.
func entryName(e stats.Entry) string {
	if e.Name == e.Mode {
		return printable(e.Name)
	}
	return printable(e.Name) + " (" + printable(e.Mode) + ")"
}

func (p *page) class(mode string, c stats.Class, n *stats.Count, total uint64) {
	mark, look := "  ", plain
	if worthALook(mode, n) {
		look = doubt
	}
	if expected := stats.Expected(mode, c); expected != nil && !*expected {
		mark, look = "! ", alarm
	}
	var notes []string
	if n.Forward > 0 {
		notes = append(notes, fmt.Sprintf("forward %d", n.Forward))
	}
	notes = append(notes, ranked(n.Detail, printable)...)
	notes = append(notes, flagNotes(n)...)
	head := mark + pad("  "+c.String(), 20) + pad(fmt.Sprint(n.N), -10) + pad(share(n.N, total), -9) + "   "
	p.list(look, head, notes, ", ")
}

func (p *page) counts() {
	s := p.sum
	p.line(plain, "")
	premature := s.Premature()
	p.line(alarmIf(premature > 0), "premature         %d of %d opened", premature, s.Connections.Opened)
	if !p.watched() {
		p.line(alarmIf(s.InvalidState[stats.Unexplained] > 0), "invalid state     probe %d, race %d, echo %d, unexplained %d",
			s.InvalidState[stats.Probe], s.InvalidState[stats.Race], s.InvalidState[stats.Echo], s.InvalidState[stats.Unexplained])
		p.line(alarmIf(s.ProbeAccepted > 0), "probe accepted    %d", s.ProbeAccepted)
	}
	code := func(code int) string {
		if code == stats.NoCode {
			return "none"
		}
		return fmt.Sprint(code)
	}
	if s.OpenedEnded() > 0 {
		p.list(plain, "codes sent        ", ranked(s.CodesSent, code), ", ")
		p.list(plain, "codes received    ", ranked(s.CodesReceived, code), ", ")
		p.line(plain, "closed TCP first  server %d, client %d, neither %d",
			s.ClosedFirst[stats.Server], s.ClosedFirst[stats.Client], s.ClosedFirst[stats.Neither])
	}
	if m := s.Messages; m != (stats.Messages{}) {
		p.line(alarmIf(m.Lost > 0), "messages          sent %d, received %d, skipped %d, lost %d, after close %d",
			m.Sent, m.Received, m.Skipped, m.Lost, m.AfterClose)
	}
}

func alarmIf(bad bool) style {
	if bad {
		return alarm
	}
	return plain
}

// drain says what a deploy did to those who were connected.
func (p *page) drain() {
	d := p.doc.Drain
	if d == nil {
		return
	}
	p.section("  %s%s%s", pad("what the deploy did", 20), pad("count", -10), pad("share", -9))
	if d.Fault != "" {
		p.list(alarm, "! ", words(d.Fault), " ")
	}
	if d.Took == nil {
		p.line(plain, "  no hook was launched")
		p.hooks(d.Hooks)
		return
	}
	p.line(plain, "  %s%s", pad("held then", 20), pad(fmt.Sprint(d.Held), -10))
	row := func(name string, n uint64, look style, notes []string) {
		mark := "    "
		switch {
		case n == 0:
			look, notes = plain, nil
		case look == alarm:
			mark = "!   "
		}
		p.list(look, mark+pad(name, 18)+pad(fmt.Sprint(n), -10)+pad(share(n, d.Held), -9)+"   ", notes, ", ")
	}
	row("closed", d.Closed.Count, plain, ranked(d.Codes, printable))
	row("cut", d.Cut.Count, alarm, []string{"without a Close: 1006 in a browser"})
	row("still open", d.StillOpen, alarm, []string{"at the end, " + human(*d.Took) + " after the first hook"})
	if d.Other > 0 {
		row("otherwise", d.Other, alarm, ranked(d.Classes, printable))
	}
	if d.Lost != nil {
		// A server owes no answer to what crosses its Close: no fault, and a loss.
		row("lost messages", d.Lost.Connections, doubt, []string{fmt.Sprintf("%d messages never came back", d.Lost.Messages)})
	}
	if d.Before > 0 {
		p.line(doubt, "  %d had ended before the first hook", d.Before)
	}
	p.arrivals("the Close came", &d.Closed)
	p.arrivals("the cut came", &d.Cut)
	p.herd(d)
	p.hooks(d.Hooks)
}

// arrivals says when something came, counted from the first hook.
func (p *page) arrivals(what string, a *result.Arrivals) {
	if a.Count == 0 {
		return
	}
	p.line(plain, "  %safter %s to %s: p1 %s, p50 %s, p99 %s, spread %s (%s clock)", pad(what, 18),
		human(*a.First), human(*a.Last), human(*a.P1), human(*a.P50), human(*a.P99), human(*a.Spread), a.Clock)
}

// herd says how those came back who had lost their connection.
func (p *page) herd(d *result.Drain) {
	h := d.Herd
	if h == nil {
		return
	}
	p.line(plain, "  %s%d attempts, at most %d a second, in second %d", pad("the herd", 18), h.Attempts, h.Peak, h.PeakSecond+1)
	if h.FirstFailed != nil {
		head := fmt.Sprintf("  %sfrom %s to %s: ", pad("turned away", 18), human(*h.FirstFailed), human(*h.LastFailed))
		p.list(doubt, head, ranked(h.Failed, printable), ", ")
	}
	if h.Back == nil {
		p.line(alarm, "! %snot all were back at the end", pad("population", 18))
	} else {
		p.line(plain, "  %swhole again after %s", pad("population", 18), human(*h.Back))
	}
	if n := d.Again.Ended; n > 0 {
		p.line(doubt, "  %s%d ended again, %d of them cut: those users were hit twice", pad("of those back", 18), n, d.Again.Cut)
	}
}

func (p *page) hooks(hooks []result.DrainHook) {
	for i, h := range hooks {
		items := []string{printable(h.What)}
		switch {
		case h.Launched != nil:
			items = append(items, "launched at "+span(*h.Launched))
		case h.Planned != nil:
			items = append(items, "planned at "+span(*h.Planned)+", not launched from here")
		default:
			items = append(items, "never its turn")
		}
		if h.Took != nil {
			items = append(items, "took "+human(*h.Took))
		}
		if h.Error != nil {
			items = append(items, "failed: "+printable(*h.Error))
		}
		p.list(alarmIf(h.Error != nil), pad(fmt.Sprintf("  hook %d", i+1), 20), items, ", ")
	}
}
