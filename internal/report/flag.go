package report

import (
	"fmt"

	"github.com/wsload/wsload/stats"
)

// flagNotes names the flags of a class, but for those about the code of the
// answer: they have a line of their own, since they divide all of an entry. What
// the detail says already is not said twice.
func flagNotes(n *stats.Count) (notes []string) {
	for f := range stats.Flag(stats.NumFlags) {
		_, said := n.Detail[f.String()]
		if n.Flags[f] > 0 && !said && answer(f) == "" {
			notes = append(notes, fmt.Sprintf("%s %d", f, n.Flags[f]))
		}
	}
	return notes
}

// worthALook reports whether a class that may be expected has flags that tell
// of a fault: of the peer, of a proxy, or of data that did not arrive.
func worthALook(mode string, n *stats.Count) bool {
	for _, f := range []stats.Flag{
		stats.ControlAfterClose, stats.LostMessages, stats.Truncated, stats.NoCloseNotify, stats.LateFIN, stats.FINThenRST,
	} {
		if n.Flags[f] > 0 {
			return true
		}
	}
	return n.Flags[stats.UnreadAtClose] > 0 && mode != "abort" // which may be told to leave bytes unread
}

// answer says how a flag relates the code of an answer to that of the own
// Close, "" for a flag of something else.
func answer(f stats.Flag) string {
	switch f {
	case stats.CodeEcho:
		return "the same code"
	case stats.CodeNormal:
		return "1000"
	case stats.CodeNone:
		return "no code"
	case stats.CodeOther:
		return "another code"
	}
	return ""
}

// answers says how an entry's own Closes were answered. That all were answered
// with their own code goes without saying.
func (p *page) answers(classes *[stats.NumClasses]stats.Count) {
	var all uint64
	var by [stats.NumFlags]uint64
	for c := range classes {
		for f, n := range classes[c].Flags {
			if answer(stats.Flag(f)) != "" {
				by[f] += n
				all += n
			}
		}
	}
	if all == by[stats.CodeEcho] {
		return
	}
	var items []string
	for f, n := range by {
		if n > 0 {
			items = append(items, share(n, all)+" "+answer(stats.Flag(f)))
		}
	}
	p.list(plain, "  "+pad("  answered with", 39)+"   ", items, ", ")
}
