package verdict

import (
	"syscall"
	"testing"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

func TestTheSideThatClosedFirstIsTheOneOfTheFirstFINOrRST(t *testing.T) {
	for _, c := range []struct {
		name  string
		story *story
		want  stats.Side
	}{
		{"the peer's FIN", told(scenario.Active).closes().peer(1000).fin(), stats.Server},
		{"no FIN in time", told(scenario.Active).closes().peer(1000).graceOver(), stats.Client},
		{"a FIN that was late and waited for", told(scenario.Active).closes().peer(1000).graceOver().
			and(func(e *Evidence) { e.LateFIN = true }), stats.Server},
		{"the own cut", told(scenario.Abort).cuts(), stats.Client},
		{"the own FIN before the peer's", told(scenario.HalfClose).halfCloses().fin(), stats.Client},
		{"nothing at all", told(scenario.Vanish).cuts().and(func(e *Evidence) { e.Trace.Silent = true }), stats.Neither},
		{"a dead network", told(scenario.Active).ends(wire.Failed, syscall.ETIMEDOUT), stats.Neither},
		{"an opening that failed", neverOpened("refused", false), stats.Neither},
	} {
		var o stats.Outcome
		Judge(&o, &c.story.Evidence)
		if o.ClosedFirst != c.want {
			t.Errorf("%s: %s, want %s", c.name, o.ClosedFirst, c.want)
		}
	}
}

func TestCodesAreThoseThatPassed(t *testing.T) {
	for _, c := range []struct {
		name           string
		story          *story
		sent, received int
	}{
		{"both", told(scenario.Active).closes().peer(1001).fin(), 1000, 1001},
		{"an empty answer", told(scenario.Active).closes().peer(wire.CodeNoStatus).fin(), 1000, 1005},
		{"an own Close that is stuck", told(scenario.Active).begun().own(1000).timesOut(), stats.NoCode, stats.NoCode},
		{"a mute client", told(scenario.Mute).triggered().peer(1001).fin(), stats.NoCode, 1001},
	} {
		var o stats.Outcome
		Judge(&o, &c.story.Evidence)
		if o.CodeSent != c.sent || o.CodeReceived != c.received {
			t.Errorf("%s: sent %d, received %d; want %d, %d", c.name, o.CodeSent, o.CodeReceived, c.sent, c.received)
		}
	}
}

// TestMessagesAreOwedUpToTheOrder: what is behind the order to close, or
// crosses the peer's Close, needs no answer.
func TestMessagesAreOwedUpToTheOrder(t *testing.T) {
	echo := func(sent, back, gaps, owed uint64) func(*Evidence) {
		return func(e *Evidence) {
			e.Echo, e.Owed = true, owed
			e.Trace.SentSeq, e.Trace.NextSeq, e.Trace.Lost = sent, back, gaps
		}
	}
	for _, c := range []struct {
		name  string
		story *story
		want  uint64
	}{
		{"all are back", told(scenario.Active).closes().peer(1000).fin().and(echo(5, 5, 0, 0)), 0},
		{"the last two are not", told(scenario.Active).closes().peer(1000).fin().and(echo(5, 3, 0, 0)), 2},
		{"nor is one between", told(scenario.Active).closes().peer(1000).fin().and(echo(5, 3, 1, 0)), 3},
		{"sent behind the order", told(scenario.Passive).triggered().peer(1001).replies().fin().and(echo(5, 3, 0, 3)), 0},
		{"sent before the order", told(scenario.Passive).triggered().peer(1001).replies().fin().and(echo(5, 3, 0, 4)), 1},
		{"the peer was first", told(scenario.Active).peer(1001).replies().fin().and(echo(5, 3, 0, 0)), 0},
		{"the peer failed the connection", bad(scenario.PayloadShort).closes().peer(1002).fin().and(echo(5, 3, 0, 0)), 0},
		{"the connection was cut", told(scenario.Abort).cuts().and(echo(5, 3, 1, 0)), 1},
		{"nothing was to come back", told(scenario.Active).closes().peer(1000).fin().and(func(e *Evidence) { e.Trace.SentSeq = 5 }), 0},
	} {
		var o stats.Outcome
		Judge(&o, &c.story.Evidence)
		if o.Messages.Lost != c.want {
			t.Errorf("%s: %d lost, want %d", c.name, o.Messages.Lost, c.want)
		}
	}
}

func TestARefusedOperationHasOneCause(t *testing.T) {
	for _, c := range []struct {
		name  string
		story *story
		want  stats.Cause
	}{
		{"a close in flight", told(scenario.Active).closes().peer(1000).fin(), stats.Race},
		{"an own FIN", told(scenario.HalfClose).halfCloses().fin(), stats.Race},
		{"an outgoing stream that the close had taken", told(scenario.Passive).triggered().timesOut().and(func(e *Evidence) {
			e.Trace.Silenced, e.Sent, e.Trace.Rule = true, false, wire.RuleRSV
		}), stats.Race},
		{"a premature end", told(scenario.Active).fin(), stats.Echo},
		{"an own cut", told(scenario.Abort).cuts(), stats.Echo},
		{"a timeout", told(scenario.Passive).triggered().timesOut(), stats.Echo},
		{"nothing of the kind", told(scenario.Active), stats.Unexplained},
	} {
		var o stats.Outcome
		Judge(&o, &c.story.Evidence)
		Attribute(&o, &c.story.Evidence, 2)
		var want [stats.NumCauses]uint32
		want[c.want] = 2
		if o.InvalidState != want {
			t.Errorf("%s: %v, want 2 of %s", c.name, o.InvalidState, c.want)
		}
		var none stats.Outcome
		Attribute(&none, &c.story.Evidence, 0)
		if none.InvalidState != [stats.NumCauses]uint32{} {
			t.Errorf("%s: nothing was refused, and counted: %v", c.name, none.InvalidState)
		}
	}
}
