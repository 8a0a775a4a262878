package metric

import (
	"slices"
	"strings"

	"github.com/wsload/wsload/scenario/problem"
)

// A Figure is the value of a metric that no connection has: of the server's
// resources, or of a deploy as a whole. The run measures it beside the Summary,
// each with its own statistics.
type Figure struct {
	Value     float64 // in the unit of the metric's Kind
	Low, High float64 // the interval; both Value where there is none, infinite where not bounded
	Basis     string  // what it rests on
	None      string  // why there is no value, "" where there is one
}

// IsFigure reports whether the metric's value is a Figure. It has no Tally and
// no Sample then.
func (m Metric) IsFigure() bool { return m.part == figure }

// KindOf tells the kind of a figure by its name; it is not ok where no figure
// is called so.
func KindOf(name string) (kind Kind, ok bool) {
	i := slices.IndexFunc(figures(), func(f named) bool { return f.name == name })
	if i < 0 {
		return 0, false
	}
	return figures()[i].kind, true
}

// FigureOf gives a figure whose name begins with a word and a dot, "" where
// none does. An entry of the mix that is called by such a word would hide it.
func FigureOf(word string) string {
	all := figures()
	if i := slices.IndexFunc(all, func(f named) bool { return strings.HasPrefix(f.name, word+".") }); i >= 0 {
		return all[i].name
	}
	return ""
}

// named is the name of a figure with its kind.
type named struct {
	name string
	kind Kind
}

// figures lists them all.
func figures() []named {
	var all []named
	add := func(kind Kind, names ...string) {
		for _, name := range names {
			all = append(all, named{name, kind})
		}
	}
	for _, of := range []named{{"fds", Number}, {"rss", Bytes}, {"heap", Bytes}, {"threads", Number}, {"goroutines", Number}} {
		for _, whose := range []string{"", "self."} {
			add(of.kind, whose+"leak."+of.name+".per_1000", whose+"leak."+of.name+".per_hour", whose+of.name+".after_settle")
		}
	}
	for _, state := range []string{"established", "fin_wait1", "fin_wait2", "close_wait", "last_ack"} {
		add(Number, "leak."+state+".per_1000", "leak."+state+".per_hour", state+".after_settle")
	}
	for _, fate := range []string{"closed", "cut", "other", "lost"} {
		add(Count, "drain."+fate+".count")
		add(Rate, "drain."+fate+".rate")
	}
	add(Count, "drain.held", "drain.still_open", "drain.lost.messages", "drain.again", "drain.attempts", "drain.attempts.peak", "drain.failed")
	add(Duration, "drain.first_close", "drain.close_p1", "drain.close_p50", "drain.close_p99", "drain.last_close", "drain.spread",
		"drain.first_cut", "drain.last_cut", "drain.back")
	return all
}

// parseFigure reads the name of a figure. It is not ok where the text is
// nothing like one.
func parseFigure(text string) (m Metric, fault *Error, ok bool) {
	if kind, known := KindOf(text); known {
		return Metric{text: text, part: figure, stat: Sole, kind: kind}, nil, true
	}
	var names []string
	for _, f := range figures() {
		names = append(names, f.name)
	}
	head, _, _ := strings.Cut(text, ".")
	if near := problem.Nearest(text, names); near != "" {
		return m, &Error{1, "unknown metric " + problem.Quote(text), "did you mean " + near + "?"}, true
	}
	var alike []string
	for _, name := range names {
		if strings.HasPrefix(name, head+".") {
			alike = append(alike, name)
		}
	}
	if len(alike) == 0 {
		return m, nil, false
	}
	return m, &Error{1, "unknown metric " + problem.Quote(text), "use one of " + strings.Join(alike, ", ")}, true
}
