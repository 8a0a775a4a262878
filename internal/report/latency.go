package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/wsload/wsload/stats"
)

// A quantile is shown when at least one sample is expected beyond it.
type quantile struct {
	name string
	q    float64
	need uint64
}

func quantiles() []quantile {
	return []quantile{{"p50", 0.5, 2}, {"p90", 0.9, 10}, {"p99", 0.99, 100}, {"p99.9", 0.999, 1000}}
}

// The tool's own lag is large when it is more than a tenth of what it is part
// of: then it, and not the server, decides the second digit.
const lagShare = 10

// lags holds what is needed to doubt a row.
type lags struct {
	read  stats.Latency // over all entries: the receive loops share the processors
	close []stats.Latency
}

func (p *page) lags() lags {
	l := lags{read: p.sum.Row(stats.ReadLag)}
	for e := range p.sum.Entries {
		l.close = append(l.close, p.sum.Latency[e][stats.CloseLag])
	}
	return l
}

// late reports whether closes began so late that the row, which counts from
// the planned close, may hold mostly that.
func (l *lags) late(e int, ph stats.Phase, row *stats.Latency) bool {
	return ph == stats.CloseScheduled && row.Hist.Count() > 0 && l.close[e].Hist.Quantile(0.99)*lagShare > row.Hist.Quantile(0.99)
}

// queued reports whether a row by the clock of this process may hold mostly the
// time that events waited for this process.
func (l *lags) queued(ph stats.Phase, row *stats.Latency) bool {
	return row.Clock(ph) == stats.ClockUser && row.Hist.Count() > 0 && l.read.Hist.Quantile(0.99)*lagShare > row.Hist.Quantile(0.5)
}

func (p *page) latency() {
	var names []string
	for _, q := range quantiles() {
		names = append(names, pad(q.name, -8))
	}
	head := fmt.Sprintf("%s%s%s%s   notes", pad("clock", 7), pad("count", -9), strings.Join(names, ""), pad("max", -8))
	p.section("  %s%s", pad("latency", 18), head)
	t := table{page: p, lags: p.lags()}
	for e, entry := range p.sum.Entries {
		t.entry(e, printable(entry.Name))
	}
	if t.rows == 0 {
		p.line(plain, "  nothing was measured")
	}
	p.namePeaks()
	t.ownLag(head)
	if t.thin {
		p.line(plain, "- too few samples: p50 needs 2, p90 10, p99 100, p99.9 1000")
	}
	if t.queued || len(t.late) > 0 {
		p.line(plain, "~ the tool's own lag (above) is more than a tenth of it")
	}
	t.warn()
}

// table is the latency table in the making, and what it has to warn of.
type table struct {
	*page
	lags   lags
	rows   int
	thin   bool     // a quantile was left out
	queued bool     // a row may hold mostly the queue of this process
	late   []string // entries whose closes began late, and how late
}

// entry writes the phases of one entry of the mix.
func (t *table) entry(e int, name string) {
	for ph := range stats.Phase(stats.NumPhases) {
		row := &t.sum.Latency[e][ph]
		if ph.OwnLag() || row.Hist.Exact() == (stats.Exact{}) && row.Crossed == 0 {
			continue
		}
		if name != "" {
			t.line(plain, "  %s", name)
		}
		late, queued := t.lags.late(e, ph, row), t.lags.queued(ph, row)
		if late {
			if lag := t.lags.close[e].Hist; lag.Count() >= enough && lag.Quantile(0.99) > lateClose {
				t.late = append(t.late, printable(t.sum.Entries[e].Name)+" "+human(lag.Quantile(0.99)))
			}
		}
		t.queued = t.queued || queued
		t.row("  "+ph.String(), ph, row, late || queued)
		name = "" // written once, and only above a row
	}
}

func (t *table) ownLag(head string) {
	for ph := range stats.Phase(stats.NumPhases) {
		row := t.sum.Row(ph)
		if !ph.OwnLag() || row.Hist.Exact() == (stats.Exact{}) {
			continue
		}
		if head != "" {
			t.section("  %s%s", pad("tool's own lag", 18), head)
		}
		t.row(ph.String(), ph, &row, false)
		head = ""
	}
}

// row writes one line of the table.
func (t *table) row(name string, ph stats.Phase, row *stats.Latency, doubtful bool) {
	t.rows++
	mark, look := "  ", plain
	if doubtful {
		mark, look = "~ ", doubt
	}
	h, clock, longest := row.Hist, "-", "-"
	if h.Count() > 0 {
		clock, longest = row.Clock(ph), human(h.Max())
	}
	var line strings.Builder
	line.WriteString(mark + pad(name, 18) + pad(clock, 7) + pad(fmt.Sprint(h.Count()), -9))
	for _, q := range quantiles() {
		cell := "-"
		if h.Count() >= q.need {
			cell = human(h.Quantile(q.q))
		} else if h.Count() > 0 {
			t.thin = true
		}
		line.WriteString(pad(cell, -8))
	}
	line.WriteString(pad(longest, -8) + "   ")
	var notes []string
	exact := h.Exact()
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{row.Crossed, "crossed"}, {row.Unstamped, "unstamped"}, {exact.Clamped, "over 120s"}, {exact.Refused, "negative"},
	} {
		// A row wholly by the clock of this process says so in its column.
		if n.count > 0 && (n.what != "unstamped" || n.count < exact.Count) {
			notes = append(notes, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	t.list(look, line.String(), notes, ", ")
}

// lateOpen is the lag from which on the load was not the planned one: at the
// default rate, 50 connections are due in that time.
const lateOpen = 100 * time.Millisecond

// Below these a lag marks its rows and is not worth a warning: p99 of fewer
// samples says nothing, and shorter lags matter only to rows as short.
const (
	enough    = 100
	lateClose = time.Millisecond
	lateRead  = time.Millisecond
)

// warn adds the warnings about the tool's own lag.
func (t *table) warn() {
	warn := func(format string, args ...any) { t.own = append(t.own, fmt.Sprintf(format, args...)) }
	if lag := t.sum.Row(stats.OpenLag).Hist.Quantile(0.99); lag > lateOpen {
		warn("the tool was late: connections were opened up to %s after their time (open_lag p99), so the load "+
			"was not the planned one; lower the rate or give wsload more processors", human(lag))
	}
	if len(t.late) > 0 {
		warn("the tool was late: closes began after their time (close_lag p99: %s), by more than a tenth of "+
			"close_scheduled p99; compare close_handshake, or lower the rate", strings.Join(t.late, ", "))
	}
	if t.queued && t.lags.read.Hist.Count() >= enough && t.lags.read.Hist.Quantile(0.99) > lateRead {
		warn("the tool was late: what had arrived was read up to %s later (read_lag p99); rows of the user clock marked ~ "+
			"may show that queue and not the server; lower the rate or give wsload more processors",
			human(t.lags.read.Hist.Quantile(0.99)))
	}
	if t.rows > 0 && t.doc.Env.Stamps == stats.ClockUser {
		warn("this host does not stamp what arrives: every time holds the queue of this process too, and read_lag is unknown")
	}
	if n := t.lags.read.Crossed + t.lags.read.Hist.Exact().Refused; n > 0 {
		warn("%d kernel stamps are later than the read they belong to, as when the clock is set during a run", n)
	}
}
