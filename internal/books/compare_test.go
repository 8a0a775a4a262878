package books

import (
	"testing"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

func TestEachSidesCloseFramesAreHeldAgainstWhatTheOtherReceived(t *testing.T) {
	tally := map[string]runner.Tally{
		"active": {Opened: 5, CloseSent: 5, CloseReceived: 4, Ended: map[string]uint64{"server_fin": 4, "client_rst": 1}},
	}
	book := target.Ledger{Modes: map[string]target.Counts{
		"active": {Opened: 5, CloseSent: 4, CloseReceived: 5, Ended: target.Endings{ServerFIN: 4, ClientRST: 1}},
	}}
	if l := Compare(nil, tally, book); !l.Matched {
		t.Errorf("equal counts differ: %+v", l)
	}
	for name, change := range map[string]func(*target.Counts){
		"opened":        func(c *target.Counts) { c.Opened++ },
		"Close sent":    func(c *target.Counts) { c.CloseSent++ },
		"Close arrived": func(c *target.Counts) { c.CloseReceived-- },
		"who ended":     func(c *target.Counts) { c.Ended.ServerFIN--; c.Ended.ClientFIN++ },
		"RST":           func(c *target.Counts) { c.Ended.ServerRST++ },
		"an error":      func(c *target.Counts) { c.Ended.Error++ },
	} {
		other := book.Modes["active"]
		change(&other)
		l := Compare(nil, tally, target.Ledger{Modes: map[string]target.Counts{"active": other}})
		if l.Matched {
			t.Errorf("a difference in %s was not seen", name)
		}
	}
}

func TestAModeThatOnlyOneSideKnowsIsADifference(t *testing.T) {
	counts := target.Ledger{Modes: map[string]target.Counts{"none": {Opened: 1}}}
	if Compare(nil, nil, counts).Matched {
		t.Error("connections that only the server saw make no difference")
	}
	tally := map[string]runner.Tally{"abort": {Opened: 1}}
	if Compare(nil, tally, target.Ledger{}).Matched {
		t.Error("connections that only the run saw make no difference")
	}
}

func TestAClientThatCutsMayLeaveACloseUnread(t *testing.T) {
	for mode, unread := range map[string]bool{"abort": true, "vanish": true, "active": false, "half_close": false} {
		tally := map[string]runner.Tally{mode: {Opened: 3, CloseSent: 3, CloseReceived: 1}}
		book := target.Ledger{Modes: map[string]target.Counts{mode: {Opened: 3, CloseSent: 2, CloseReceived: 3}}}
		if l := Compare(nil, tally, book); l.Matched != unread {
			t.Errorf("%s: matched %v: %+v", mode, l.Matched, l)
		}
		book.Modes[mode] = target.Counts{Opened: 3, CloseSent: 1, CloseReceived: 2}
		if Compare(nil, tally, book).Matched {
			t.Errorf("%s: an own Close that did not arrive makes no difference", mode)
		}
	}
}

func TestAnAnswerThatTheServerDoesNotAwaitIsOnlyKnownToHaveEnded(t *testing.T) {
	tally := map[string]runner.Tally{"passive": {Opened: 3, CloseSent: 3, CloseReceived: 3, Ended: map[string]uint64{"server_rst": 3}}}
	book := target.Ledger{Modes: map[string]target.Counts{"passive": {Opened: 3, CloseSent: 3, Ended: target.Endings{ServerFIN: 3}}}}
	late := scenario.Close{Mode: scenario.Passive, ReplyDelay: target.DefaultLimit}
	if l := Compare([]scenario.Close{late}, tally, book); !l.Matched {
		t.Errorf("the server had rightly given up: %+v", l)
	}
	if late.ReplyDelay--; Compare([]scenario.Close{late}, tally, book).Matched {
		t.Error("an answer in time did not arrive, and no difference was seen")
	}
}

func TestOfAClientThatVanishedTheServerMayOrMayNotKnow(t *testing.T) {
	tally := map[string]runner.Tally{"vanish": {Opened: 3, Ended: map[string]uint64{runner.EndedSilently: 2, "server_fin": 1}}}
	for _, met := range []uint64{0, 1, 2} {
		book := target.Ledger{Modes: map[string]target.Counts{"vanish": {Opened: 3, Ended: target.Endings{ServerFIN: 1, ClientRST: met}}}}
		if l := Compare(nil, tally, book); !l.Matched {
			t.Errorf("of 2 that vanished the server met %d: %+v", met, l)
		}
	}
	book := target.Ledger{Modes: map[string]target.Counts{"vanish": {Opened: 2}}}
	if Compare(nil, tally, book).Matched {
		t.Error("a connection is missing, and no difference was seen")
	}
}

func TestFINsThatCrossAreComparedAsOne(t *testing.T) {
	tally := map[string]runner.Tally{"active": {Opened: 3, Ended: map[string]uint64{"client_fin": 3}}}
	book := func(client, server uint64) target.Ledger {
		return target.Ledger{Modes: map[string]target.Counts{
			"active": {Opened: 3, Ended: target.Endings{ClientFIN: client, ServerFIN: server}},
		}}
	}
	eager := []scenario.Close{{Mode: scenario.Active}, {Mode: scenario.Active, Eager: true}}
	if l := Compare(eager, tally, book(1, 2)); !l.Matched {
		t.Errorf("an eager client and its server may both call themselves the first: %+v", l)
	}
	if Compare(eager, tally, book(1, 1)).Matched {
		t.Error("a FIN is missing, and no difference was seen")
	}
	if Compare(eager[:1], tally, book(1, 2)).Matched {
		t.Error("without an eager entry it is known who was first")
	}
}
