package books

import (
	"slices"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// A fit says whether two verdicts can be of one connection.
type fit uint8

const (
	consistent fit = iota
	race           // only what both ends did at the same moment explains it
	mismatch
)

// String is the fit's name in results.
func (f fit) String() string { return [...]string{"consistent", "race", "mismatch"}[f] }

// A pairing is what the server may say of a connection that ended in a class
// at this end. The server's class is its own end's: a client's abort is a
// premature end there.
type pairing struct {
	own   stats.Class
	modes group // zero: all that no other row of the class names
	its   []stats.Class
	raced []stats.Class // besides, where both acted at the same moment
	fault []stats.Class // besides, where the server misbehaved on purpose
	why   string        // for the manual: what its and raced come from
}

// A group is the modes that a row is for.
type group struct {
	name string
	has  func(scenario.Mode) bool
}

func groups() (breaks, answers, cuts, halves, mutes, silent group) {
	breaks = group{"may break a rule or ask for a cut", func(m scenario.Mode) bool { return m.EndsClean() && m.EndsCut() }}
	answers = group{"answer the server's Close", func(m scenario.Mode) bool {
		return m.Act() == scenario.ActTrigger && m.Answers() && !m.Closes()
	}}
	cuts = group{"cut", func(m scenario.Mode) bool { return m.Act() == scenario.ActCut && !m.Silent() }}
	halves = group{"end their direction of TCP", func(m scenario.Mode) bool { return m.Act() == scenario.ActFIN }}
	mutes = group{"leave the server's Close unanswered", func(m scenario.Mode) bool { return m.Act() == scenario.ActTrigger && !m.Answers() }}
	silent = group{"go silent", scenario.Mode.Silent}
	return breaks, answers, cuts, halves, mutes, silent
}

// classes is for rows that are easier to read with it.
func classes(all ...stats.Class) []stats.Class { return all }

// pairings is the table, first match first.
func pairings() []pairing {
	var (
		premature  = classes(stats.PrematureEOF, stats.PrematureRST)
		unanswered = classes(stats.UnansweredEOF, stats.UnansweredRST)
		crossed    = slices.Concat(premature, unanswered, classes(stats.Clean, stats.CleanRST, stats.ReplyFailed, stats.CloseTimeout, stats.Cut, stats.Violation))
	)
	breaking, answering, cuts, halves, mutes, silent := groups()
	return []pairing{
		{own: stats.Clean, modes: breaking, its: classes(stats.Clean, stats.Violation), raced: classes(stats.CloseTimeout),
			why: "a violation is what the client sent on purpose; the server's limit ran out while the answer was under way"},
		{own: stats.Clean, its: classes(stats.Clean), fault: classes(stats.Cut),
			why: "an eager client is gone before an RST behind the server's answer"},
		{own: stats.CleanRST, modes: answering, its: classes(stats.CloseTimeout), raced: classes(stats.Clean, stats.CleanRST, stats.Violation), fault: classes(stats.Cut, stats.Clean, stats.Violation),
			why: "the server's limit ran out before a late answer; or bytes of the client met a socket that the server had closed"},
		{own: stats.CleanRST, raced: classes(stats.Clean, stats.CleanRST, stats.Violation), fault: classes(stats.Cut, stats.Clean, stats.Violation),
			why: "bytes of the client met a socket that the server had closed"},
		{own: stats.CleanNoFIN, raced: classes(stats.Clean, stats.CleanRST, stats.Violation, stats.CloseTimeout), fault: classes(stats.Clean, stats.CleanRST, stats.Violation, stats.Cut),
			why: "the server ended TCP later than limits.fin"},
		{own: stats.Cut, modes: cuts, its: append(premature, stats.Clean, stats.CleanRST, stats.ReplyFailed),
			raced: append(unanswered, stats.CloseTimeout), fault: classes(stats.Cut),
			why: "behind an own Close the server may have answered, or not been able to; its own Close may be under way"},
		{own: stats.Cut, modes: halves, its: premature[:1], raced: append(unanswered, premature[1]), fault: classes(stats.Cut),
			why: "the server saw a FIN without a Close"},
		{own: stats.Cut, modes: mutes, its: classes(stats.CloseTimeout), raced: append(unanswered, stats.Cut), fault: classes(stats.Cut, stats.CleanRST),
			why: "the server's limit ran out; or it was ended meanwhile"},
		{own: stats.Cut, modes: silent, its: append(append(premature, unanswered...), stats.CloseTimeout), fault: classes(stats.Cut),
			why: "what the server wrote later met a host that did not know the connection"},
		{own: stats.Cut, modes: breaking, its: classes(stats.Cut, stats.Clean, stats.CleanRST, stats.Violation), fault: append(unanswered, stats.ReplyFailed),
			why: "the server cut as it was asked to, or failed a connection that broke a rule; bytes behind a Close met a socket that it had closed"},
		{own: stats.PeerFirst, its: classes(stats.Clean), raced: append(append(premature, unanswered...), stats.CleanRST, stats.CloseTimeout, stats.Violation, stats.ReplyFailed), fault: classes(stats.Cut),
			why: "the client's own step crossed the server's Close"},
		{own: stats.FailedByPeer, its: classes(stats.Clean, stats.CleanRST), raced: classes(stats.CloseTimeout, stats.Violation), fault: classes(stats.Cut),
			why: "the server said so"},
		{own: stats.ReplyFailed, its: append(unanswered, stats.CloseTimeout), raced: classes(stats.Cut, stats.Clean), fault: classes(stats.Cut, stats.ReplyFailed),
			why: "the server's limit ran out before a late answer"},
		{own: stats.UnansweredEOF, raced: classes(stats.Cut, stats.ReplyFailed), fault: classes(stats.Cut, stats.ReplyFailed, stats.Violation),
			why: "the server ended TCP while the Close was under way"},
		{own: stats.UnansweredRST, raced: classes(stats.Cut, stats.ReplyFailed), fault: classes(stats.Cut, stats.ReplyFailed, stats.Violation),
			why: "as with EOF"},
		{own: stats.PrematureEOF, its: classes(stats.Cut), raced: premature, fault: classes(stats.Violation, stats.ReplyFailed),
			why: "both ends gave up at the same moment"},
		{own: stats.PrematureRST, its: classes(stats.Cut), raced: premature, fault: classes(stats.Violation, stats.ReplyFailed),
			why: "as with EOF"},
		{own: stats.CloseTimeout, modes: mutes, its: unanswered, raced: classes(stats.CloseTimeout), fault: classes(stats.Cut, stats.CleanRST),
			why: "the client gave up before the server did"},
		{own: stats.CloseTimeout, raced: crossed, fault: crossed,
			why: "the server's answer came after limits.close"},
		{own: stats.NoClose, its: premature, raced: crossed, fault: crossed,
			why: "the client gave up on a server that it had asked in vain"},
		{own: stats.Violation, fault: crossed,
			why: "no rule is broken but by a server that misbehaves"},
	}
}

// judge says how two verdicts fit.
func judge(own, its verdict) fit {
	switch {
	case own.class == stats.Interrupted:
		return consistent // it says nothing of either end
	case its.class == stats.Interrupted:
		return race // the server ended first
	case !framesFit(own, its):
		return mismatch
	case its.class == stats.Violation && !breaks(own.mode) && its.fault == "":
		return mismatch
	}
	p := pairingOf(own)
	switch {
	case slices.Contains(p.its, its.class), its.fault != "" && slices.Contains(p.fault, its.class):
		return consistent
	case slices.Contains(p.raced, its.class):
		return race
	}
	return mismatch
}

func pairingOf(own verdict) pairing {
	for _, p := range pairings() {
		if p.own == own.class && (p.modes.has == nil || p.modes.has(scenario.Mode(own.mode))) {
			return p
		}
	}
	return pairing{}
}

// breaks reports whether a client of this mode may break a rule on purpose.
func breaks(mode string) bool {
	breaking, _, _, _, _, _ := groups()
	return breaking.has(scenario.Mode(mode))
}

// framesFit reports whether the Close frames that one end sent can be those
// that the other received. What a bad Close counts as, and one of a server that
// misbehaves, is the receiver's to say.
func framesFit(own, its verdict) bool {
	if its.fault != "" {
		return true
	}
	if own.mode != string(scenario.BadClose) && its.received != stats.NoCode && own.sent != its.received {
		return false
	}
	return own.received == stats.NoCode || own.received == its.sent
}
