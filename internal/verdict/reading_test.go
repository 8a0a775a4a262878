package verdict

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// A reading is a story and all that the verdict says of it.
type reading struct {
	name   string
	story  *story
	class  stats.Class
	detail string
	flags  []stats.Flag
}

func set(flags ...stats.Flag) []stats.Flag { return flags }

func readings() []reading {
	return slices.Concat(openings(), closings(), triggers(), cuts(), timeouts(), badCloses(), breaches())
}

func openings() []reading {
	return []reading{
		{"a refused opening", neverOpened("refused", false), stats.OpenFailed, "refused", nil},
		{"an opening without a descriptor", neverOpened("emfile", true), stats.ToolError, "emfile", nil},
		{"an opening that the run's end cut short", neverOpened(ReasonInterrupted, false), stats.Interrupted, "", nil},
		{"a connection that the run's end cut short", told(scenario.Active).closes().and(func(e *Evidence) { e.Interrupted = true }),
			stats.Interrupted, "", nil},
	}
}

func closings() []reading {
	echo := set(stats.CodeEcho)
	active := func() *story { return told(scenario.Active).closes() }
	late := func(e *Evidence) { e.LateFIN = true }
	return []reading{
		{"an answer with the same code", active().peer(1000).fin(), stats.Clean, "", echo},
		{"an answer with 1000", told(scenario.Active).with(func(c *scenario.Close) { c.Code = 4000 }).closes().peer(1000).fin(),
			stats.Clean, "", set(stats.CodeNormal)},
		{"an answer with another code", active().peer(1001).fin(), stats.Clean, "", set(stats.CodeOther)},
		{"an answer without a code", active().peer(wire.CodeNoStatus).fin(), stats.Clean, "", set(stats.CodeNone)},
		{"an empty Close answered by an empty one", told(scenario.Active).with(func(c *scenario.Close) { c.Code = 1005 }).closes().
			peer(wire.CodeNoStatus).fin(), stats.Clean, "", echo},
		{"an own code that is one of failure, echoed", told(scenario.Active).with(func(c *scenario.Close) { c.Code = 1011 }).closes().
			peer(1011).fin(), stats.Clean, "", echo},
		{"an eager close", told(scenario.Active).with(func(c *scenario.Close) { c.Eager = true }).closes().peer(1000).shuts(),
			stats.Clean, "", echo},
		{"messages before the answer", told(scenario.Output).closes().and(func(e *Evidence) { e.Trace.AfterClose = 3 }).peer(1000).fin(),
			stats.Clean, "", set(stats.CodeEcho, stats.DataAfterOwnClose)},
		{"pings behind the answer", active().peer(1000).and(func(e *Evidence) { e.Trace.LateControl = 2 }).fin(),
			stats.Clean, "", set(stats.CodeEcho, stats.ControlAfterClose)},
		{"messages that did not come back", active().and(func(e *Evidence) { e.Echo, e.Trace.SentSeq, e.Trace.NextSeq = true, 5, 3 }).
			peer(1000).fin(), stats.Clean, "", set(stats.CodeEcho, stats.LostMessages)},
		{"TCP ended before the TLS session", active().and(func(e *Evidence) { e.Secure = true }).peer(1000).fin(),
			stats.Clean, "", set(stats.CodeEcho, stats.NoCloseNotify)},
		{"the TLS session ended before TCP", active().peer(1000).and(func(e *Evidence) { e.Secure, e.Trace.Notify = true, e.Trace.PeerClose }).
			fin(), stats.Clean, "", echo},
		{"unread bytes at the own close", active().peer(1000).graceOver().and(func(e *Evidence) { e.Trace.Unread = true }),
			stats.CleanNoFIN, "", set(stats.CodeEcho, stats.UnreadAtClose)},
		{"an RST behind both Closes", active().peer(1000).rst(), stats.CleanRST, "", echo},
		{"an RST behind a FIN", active().peer(1000).ends(wire.RST, syscall.EPIPE).and(func(e *Evidence) { e.Trace.AfterFIN = true }),
			stats.CleanRST, "", set(stats.CodeEcho, stats.FINThenRST)},
		{"no FIN", active().peer(1000).graceOver(), stats.CleanNoFIN, "", echo},
		{"a FIN too late", active().peer(1000).graceOver().and(late), stats.CleanNoFIN, "", set(stats.CodeEcho, stats.LateFIN)},
		{"a Close of the peer before the own step", told(scenario.Active).peer(1001).replies().fin(), stats.PeerFirst, "code:1001 fin", nil},
		{"a kick while the client does not read", told(scenario.Stall).unread(1008).closes().rst(),
			stats.PeerFirst, "code:1008 rst", set(stats.Simultaneous)},
		{"a kick without a code and without an end", told(scenario.HalfClose).peer(wire.CodeNoStatus).graceOver(),
			stats.PeerFirst, "code:none no_fin", nil},
		{"a kick and then a dead network", told(scenario.Active).peer(1001).replies().ends(wire.Failed, syscall.ETIMEDOUT),
			stats.PeerFirst, "code:1001 ETIMEDOUT", nil},
		{"an error of the server in answer", active().peer(1011).fin(), stats.FailedByPeer, "code:1011", set(stats.CodeOther)},
		{"FIN in place of an answer", active().fin(), stats.UnansweredEOF, "", nil},
		{"RST in place of an answer", active().rst(), stats.UnansweredRST, "", nil},
		{"a dead network in place of an answer", active().ends(wire.Failed, syscall.EHOSTUNREACH), stats.UnansweredError, "EHOSTUNREACH", nil},
		{"FIN inside the answer", active().fin().and(func(e *Evidence) { e.Trace.Truncated = true }),
			stats.UnansweredEOF, "truncated", set(stats.Truncated)},
		{"FIN while the own Close is stuck", told(scenario.Active).begun().own(1000).fin(), stats.PrematureEOF, "", nil},
		{"an own Close that was stuck when the peer's came", told(scenario.Active).begun().own(1000).peer(1000).rst(),
			stats.ReplyFailed, "rst", nil},
		{"a FIN before anything", told(scenario.Active).fin(), stats.PrematureEOF, "", nil},
		{"an RST before anything", told(scenario.Active).rst(), stats.PrematureRST, "", nil},
		{"an error inside a frame", told(scenario.Active).ends(wire.Failed, syscall.ENETUNREACH).and(func(e *Evidence) { e.Trace.Truncated = true }),
			stats.PrematureError, "truncated ENETUNREACH", set(stats.Truncated)},
		{"an error without a number", told(scenario.Active).ends(wire.Failed, 0), stats.PrematureError, "error", nil},
	}
}

func triggers() []reading {
	order := func(text string) scenario.Trigger { return scenario.Trigger{Send: text} }
	passive := func() *story { return told(scenario.Passive).triggered() }
	both := func(e *Evidence) { e.Trigger, e.Sent = e.Began, true }
	return []reading{
		{"an order to close", passive().peer(1001).replies().fin(), stats.Clean, "", nil},
		{"an order to close with a code of failure", by(scenario.Passive, order("close 1011 bye")).triggered().peer(1011).replies().fin(),
			stats.Clean, "", nil},
		{"another failure than was ordered", passive().peer(1008).replies().fin(), stats.FailedByPeer, "code:1008", nil},
		{"an order that came too late", told(scenario.Passive).peer(1001).triggered().replies().fin(), stats.PeerFirst, "code:1001 fin", nil},
		{"a server that closes by itself, whenever", by(scenario.Passive, scenario.Trigger{Wait: true}).peer(1011).replies().fin(),
			stats.Clean, "", nil},
		{"a command, whose code is left to the server", by(scenario.Passive, scenario.Trigger{Exec: "true"}).triggered().peer(1011).replies().fin(),
			stats.Clean, "", nil},
		{"an answer that the peer does not wait for", passive().peer(1001).own(1001).rst(), stats.ReplyFailed, "rst", nil},
		{"an answer that cannot be written", passive().peer(1001).own(1001).ends(wire.Failed, syscall.EPIPE), stats.ReplyFailed, "EPIPE", nil},
		{"an answer that is stuck", passive().peer(1001).own(1001).timesOut(), stats.ReplyFailed, "no_fin", nil},
		{"a peer that ends TCP before the answer", passive().peer(1001).fin(), stats.ReplyFailed, "fin", nil},
		{"FIN in place of the ordered Close", passive().fin(), stats.PrematureEOF, "", nil},
		{"an order to cut, by FIN", by(scenario.Passive, order("abort fin")).triggered().fin(), stats.Cut, "fin", nil},
		{"an order to cut, by RST", by(scenario.Passive, order("abort rst")).triggered().rst(), stats.Cut, "rst", nil},
		{"an order to cut that met a dead network", by(scenario.Passive, order("abort rst")).triggered().ends(wire.Failed, syscall.ECONNABORTED),
			stats.PrematureError, "ECONNABORTED", nil},
		{"a violation answered by 1002", by(scenario.Passive, scenario.Trigger{Violate: scenario.ViolateRSV}).triggered().peer(1002).replies().fin(),
			stats.Clean, "", nil},
		{"a violation answered by 1002 and an RST", by(scenario.Passive, scenario.Trigger{Violate: scenario.ViolateRSV}).triggered().
			peer(1002).own(1002).rst(), stats.Cut, "rst", nil},
		{"a violation answered by FIN", by(scenario.Passive, scenario.Trigger{Violate: scenario.ViolateOpcode}).triggered().fin(),
			stats.Cut, "fin", nil},
		{"a violation at which the server broke", by(scenario.Passive, scenario.Trigger{Violate: scenario.ViolateRSV}).triggered().
			peer(1011).own(1011).rst(), stats.FailedByPeer, "code:1011", nil},
		{"both Closes cross on the way", told(scenario.Simultaneous).begun().and(both).own(1000).sent().peer(1001).fin(),
			stats.Clean, "", set(stats.Simultaneous)},
		{"the ordered Close is here before the own one leaves", told(scenario.Simultaneous).begun().and(both).and(func(e *Evidence) {
			e.Trace.PeerClose, e.Trace.PeerCode = wire.UserInstant(e.Began.At+100), 1001
			e.Trace.PeerCloseSeen = e.Began.At + 5*time.Millisecond
		}).own(1000).sent().fin(), stats.Clean, "", set(stats.Simultaneous)},
		{"the own Close is read first, and answered", told(scenario.Simultaneous).begun().and(both).own(1000).sent().peer(1000).fin(),
			stats.Clean, "", set(stats.CodeEcho)},
	}
}

func cuts() []reading {
	abort := func() *story { return told(scenario.Abort) }
	mute := func() *story { return told(scenario.Mute).triggered() }
	return []reading{
		{"the planned cut", abort().cuts(), stats.Cut, "", nil},
		{"the planned cut behind an own Close", abort().begun().own(1001).sent().cuts(), stats.Cut, "", nil},
		{"the planned cut behind an own Close that was answered at once", told(scenario.Abort).and(func(e *Evidence) {
			e.Plan.When = scenario.AfterClose
		}).begun().own(1001).sent().peer(1001).fin().cuts(), stats.Cut, "", set(stats.CodeEcho)},
		{"the planned cut with the peer's bytes unread", abort().cuts().and(func(e *Evidence) { e.Trace.Unread = true }),
			stats.Cut, "", set(stats.UnreadAtClose)},
		{"a peer that was gone before the cut", abort().rst(), stats.PrematureRST, "", nil},
		{"a connection that vanished", told(scenario.Vanish).cuts().and(func(e *Evidence) { e.Trace.Silent = true }), stats.Cut, "", nil},
		{"a half-close answered by FIN", told(scenario.HalfClose).halfCloses().fin(), stats.Cut, "fin", nil},
		{"a half-close answered by a Close and an RST", told(scenario.HalfClose).halfCloses().peer(1001).rst(), stats.Cut, "rst", nil},
		{"a half-close into a dead network", told(scenario.HalfClose).halfCloses().ends(wire.Failed, syscall.ETIMEDOUT),
			stats.PrematureError, "ETIMEDOUT", nil},
		{"a FIN before the half-close", told(scenario.HalfClose).fin(), stats.PrematureEOF, "", nil},
		{"a peer that gives up by FIN", mute().peer(1001).fin(), stats.Cut, "fin", nil},
		{"a peer that gives up by RST", mute().peer(1001).rst(), stats.Cut, "rst", nil},
		{"a peer that closes by itself and gives up", by(scenario.Mute, scenario.Trigger{Wait: true}).peer(1001).fin(), stats.Cut, "fin", nil},
		{"a peer that ends TCP in place of its Close", mute().fin(), stats.PrematureEOF, "", nil},
		{"a peer that closes before it is asked to", told(scenario.Mute).peer(1001).fin(), stats.PeerFirst, "code:1001 fin", nil},
		{"a mute peer's network dies", mute().peer(1001).ends(wire.Failed, syscall.Errno(4095)), stats.PrematureError, "errno-4095", nil},
	}
}

func timeouts() []reading {
	unsent := func(e *Evidence) { e.Unsent = true }
	return []reading{
		{"a Close that is never answered", told(scenario.Active).closes().timesOut(), stats.CloseTimeout, "acked", nil},
		{"a Close that never left", told(scenario.Active).closes().timesOut().and(unsent), stats.CloseTimeout, "unsent", nil},
		{"a Close that is stuck", told(scenario.Stall).begun().own(1000).timesOut(), stats.CloseTimeout, "unsent", nil},
		{"a half-close without effect", told(scenario.HalfClose).halfCloses().timesOut(), stats.CloseTimeout, "acked", nil},
		{"a half-close that is answered and not followed up", told(scenario.HalfClose).halfCloses().peer(1000).timesOut(),
			stats.CloseTimeout, "acked", nil},
		{"a peer that never gives up", told(scenario.Mute).triggered().peer(1001).timesOut(), stats.CloseTimeout, "mute", nil},
		{"a mute peer that does not close", told(scenario.Mute).triggered().timesOut(), stats.NoClose, "", nil},
		{"an order without effect", told(scenario.Passive).triggered().timesOut(), stats.NoClose, "", nil},
		{"an order that is stuck", told(scenario.Passive).triggered().and(func(e *Evidence) { e.Sent = false }).timesOut(),
			stats.CloseTimeout, "unsent", nil},
		{"neither order nor Close has an effect", told(scenario.Simultaneous).triggered().own(1000).sent().timesOut(),
			stats.CloseTimeout, "acked", nil},
		{"a malformed Close without effect", bad(scenario.PayloadShort).closes().timesOut(), stats.CloseTimeout, "acked", nil},
	}
}

func badCloses() []reading {
	return []reading{
		{"a malformed Close answered by 1002", bad(scenario.PayloadShort).closes().peer(1002).fin(), stats.Clean, "", set(stats.CodeOther)},
		{"bad UTF-8 answered by 1007", bad(scenario.PayloadBadUTF8).closes().peer(1007).fin(), stats.Clean, "", set(stats.CodeOther)},
		{"a malformed Close answered by 1011", bad(scenario.PayloadOversize).closes().peer(1011).fin(),
			stats.FailedByPeer, "code:1011", set(stats.CodeOther)},
		{"a malformed Close answered by 1011 and an RST", bad(scenario.PayloadOversize).closes().peer(1011).rst(),
			stats.FailedByPeer, "code:1011", set(stats.CodeOther)},
		{"a malformed Close answered by FIN", bad(scenario.PayloadUnmasked).closes().fin(), stats.Cut, "fin", nil},
		{"a malformed Close answered by RST", bad(scenario.PayloadFragmented).closes().rst(), stats.Cut, "rst", nil},
		{"a malformed Close answered by 1002 and an RST", bad("code-1006").closes().peer(1002).rst(), stats.Cut, "rst", set(stats.CodeOther)},
		{"a legal Close answered by FIN", bad(scenario.PayloadEmpty).closes().fin(), stats.UnansweredEOF, "", nil},
		{"a legal Close answered by 1002", bad(scenario.PayloadInside).closes().peer(1002).fin(),
			stats.FailedByPeer, "code:1002", set(stats.CodeOther)},
		{"what follows the Close meets an RST", bad(scenario.PayloadTwice).closes().peer(1000).rst(), stats.Cut, "rst", set(stats.CodeEcho)},
		{"what follows the Close is answered by 1002", bad(scenario.PayloadDataAfter).closes().peer(1002).fin(),
			stats.Clean, "", set(stats.CodeOther)},
		{"a Close that bytes follow must be answered", bad(scenario.PayloadPingAfter).closes().rst(), stats.UnansweredRST, "", nil},
	}
}

func breaches() (all []reading) {
	for r := wire.RuleBadCode; r <= wire.RuleForeignMessage; r++ {
		all = append(all, reading{"the peer breaks " + r.String(), told(scenario.Active).closes().peer(1000).fin().
			and(func(e *Evidence) { e.Trace.Rule = r }), stats.Violation, "rule:" + r.String(), set(stats.CodeEcho)})
	}
	return all
}

func TestAStoryHasOneReading(t *testing.T) {
	for _, r := range readings() {
		t.Run(r.name, func(t *testing.T) {
			var o stats.Outcome
			Judge(&o, &r.story.Evidence)
			if o.Class != r.class || o.Detail != r.detail {
				t.Errorf("%s %q, want %s %q", o.Class, o.Detail, r.class, r.detail)
			}
			var want stats.Flags
			for _, f := range r.flags {
				want.Set(f, true)
			}
			if o.Flags != want {
				t.Errorf("flags %s, want %s", o.Flags.Names(), want.Names())
			}
			if o.Opened != (r.story.Open == nil) || o.N != 7 {
				t.Errorf("opened %v, number %d", o.Opened, o.N)
			}
		})
	}
}

// The stories above tell of every word that a verdict has.
func TestEveryWordOfAVerdictIsInSomeStory(t *testing.T) {
	told := make(map[string]bool)
	for _, r := range readings() {
		told[r.class.String()] = true
		for word := range strings.FieldsSeq(r.detail) {
			told[word] = true
		}
		for _, f := range r.flags {
			told[f.String()] = true
		}
	}
	words := []string{
		"code:1001", "code:none", "fin", "rst", "no_fin", "acked", "unsent", "mute", "truncated", "error", "errno-4095",
		"EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ECONNABORTED",
		"rule:bad-code", "rule:short-payload", "rule:bad-utf8", "rule:oversize-control", "rule:fragmented-control", "rule:masked",
		"rule:rsv", "rule:opcode", "rule:bad-length", "rule:data-after-close", "rule:second-close", "rule:foreign-message",
	}
	for c := range stats.Class(stats.NumClasses) {
		words = append(words, c.String())
	}
	for f := range stats.Flag(stats.NumFlags) {
		words = append(words, f.String())
	}
	for _, word := range words {
		if !told[word] {
			t.Errorf("no story tells of %s", word)
		}
	}
}
