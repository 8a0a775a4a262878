package books

import (
	"maps"
	"slices"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

// Compare puts the run's counts beside the server's, mode by mode. Each side
// counts the Close frames it sent; the other side must have received as many.
//
// Some plans leave a question open that no count can answer, and then only the
// sum of the answers is compared:
//   - A client that closes TCP as soon as both Closes have passed, or right
//     behind its own: the ends of TCP cross, and each side rightly calls
//     itself the first.
//   - A bad Close: whether one that breaks the rules counts as a Close is the
//     receiver's to say, and bytes behind it turn the server's FIN into an RST
//     that it does not know of.
//   - An answer that is due when the server's patience ends, or later: the
//     server has closed TCP, and its kernel answers with an RST.
//
// A client that cuts TCP or vanishes may leave a Close unread that the server
// rightly counts as sent; how many it received is then not compared.
func Compare(mix []scenario.Close, tally map[string]runner.Tally, book target.Ledger) *result.Ledger {
	names := slices.Sorted(maps.Keys(tally))
	for _, name := range slices.Sorted(maps.Keys(book.Modes)) {
		if _, both := tally[name]; !both {
			names = append(names, name)
		}
	}
	modes := make([]result.LedgerMode, 0, len(names))
	for _, name := range names {
		own, its := tally[name], book.Modes[name]
		m := mode{LedgerMode: result.LedgerMode{Mode: name}}
		bad := name == string(scenario.BadClose)
		deaf := scenario.Mode(name).Act() == scenario.ActCut
		has := func(is func(*scenario.Close) bool) bool {
			return slices.ContainsFunc(mix, func(c scenario.Close) bool { return string(c.Mode) == name && is(&c) })
		}
		m.field("opened", own.Opened, its.Opened)
		late := has(func(c *scenario.Close) bool { return c.ReplyDelay >= target.DefaultLimit })
		if !bad && !late {
			m.field("close_sent", own.CloseSent, its.CloseReceived)
		}
		if !deaf {
			m.field("close_received", own.CloseReceived, its.CloseSent)
		}
		switch {
		case own.Ended[runner.EndedSilently] > 0:
			// The server knows of an end only where it has written since.
		case bad, late, has(func(c *scenario.Close) bool { return c.When == scenario.AfterClose }):
			m.field("ended", total(own.Ended), its.Ended.Total())
		case has(func(c *scenario.Close) bool { return c.Eager }):
			m.field("fin", own.Ended["client_fin"]+own.Ended["server_fin"], its.Ended.ClientFIN+its.Ended.ServerFIN)
			m.resets(own, its)
		default:
			m.field("client_fin", own.Ended["client_fin"], its.Ended.ClientFIN)
			m.field("server_fin", own.Ended["server_fin"], its.Ended.ServerFIN)
			m.resets(own, its)
		}
		modes = append(modes, m.LedgerMode)
	}
	return result.NewLedger(modes)
}

// A mode collects the fields of one mode.
type mode struct{ result.LedgerMode }

func (m *mode) field(name string, client, server uint64) {
	m.Fields = append(m.Fields, result.LedgerField{Field: name, Client: client, Server: server})
}

func (m *mode) resets(own runner.Tally, its target.Counts) {
	m.field("client_rst", own.Ended["client_rst"], its.Ended.ClientRST)
	m.field("server_rst", own.Ended["server_rst"], its.Ended.ServerRST)
	m.field("error", own.Ended["error"], its.Ended.Error)
}

// total counts the ends.
func total(ended map[string]uint64) (n uint64) {
	for _, count := range ended {
		n += count
	}
	return n
}
