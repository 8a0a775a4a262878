package wire

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/mark"
)

// The events of the rows below. Their times are plain nanoseconds; a peer's
// event is seen one after it happened.

func at(ns time.Duration) Instant { return UserInstant(ns) }

func in(ns time.Duration, kind Kind) Event {
	return Event{At: at(ns), Seen: ns + 1, Dir: In, Kind: kind}
}

func out(ns time.Duration, kind Kind) Event {
	return Event{At: at(ns), Seen: ns, Dir: Out, Kind: kind}
}

func ownClose(ns time.Duration, code int) Event {
	ev := out(ns, Close)
	ev.Code = code
	return ev
}

func peerClose(ns time.Duration, code int, reason string) Event {
	ev := in(ns, Close)
	ev.Code, ev.Reason = code, []byte(reason)
	return ev
}

func peerBreaks(ns time.Duration, r Rule) Event {
	ev := in(ns, Broken)
	ev.Rule = r
	return ev
}

func peerEnds(ns time.Duration, kind Kind, errno syscall.Errno, open bool) Event {
	ev := in(ns, kind)
	ev.Errno, ev.Open = errno, open
	return ev
}

func echo(ns time.Duration, m mark.Mark) Event {
	ev := in(ns, Message)
	ev.Head = m.Append(nil)
	return ev
}

var transitions = []struct {
	name   string
	events []Event
	want   Trace
}{
	{"nothing has happened", nil, Trace{State: Open}},
	{"an own Close that is handed to write does not leave Open",
		[]Event{ownClose(1, 1000)},
		Trace{State: Open, OwnClose: at(1), OwnCode: 1000}},
	{"an own Close that is written gives CloseSent",
		[]Event{ownClose(1, 1000), out(2, CloseDone)},
		Trace{State: CloseSent, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true}},
	{"an own Close that could not be written leaves Open",
		[]Event{ownClose(1, 1000), out(2, CloseFailed)},
		Trace{State: Open, OwnClose: at(1), OwnCode: 1000, OwnCloseLost: true}},
	{"the peer's Close gives CloseReceived",
		[]Event{peerClose(1, 1001, "bye")},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, PeerReason: "bye"}},
	{"the peer's answer in CloseSent gives Closed",
		[]Event{ownClose(1, 1000), out(2, CloseDone), peerClose(3, 1000, "")},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(3), PeerCloseSeen: 4, PeerCode: 1000}},
	{"the own answer in CloseReceived gives Closed",
		[]Event{peerClose(1, 1001, ""), ownClose(3, 1001), out(4, CloseDone)},
		Trace{State: Closed, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, OwnClose: at(3), OwnCode: 1001, OwnCloseDone: true}},
	{"Close frames that cross give Closed",
		[]Event{ownClose(1, 1000), peerClose(1, 1001, ""), out(2, CloseDone)},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001}},
	{"an answer that could not be written leaves CloseReceived",
		[]Event{peerClose(1, 1001, ""), ownClose(3, 1001), out(4, CloseFailed)},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, OwnClose: at(3), OwnCode: 1001, OwnCloseLost: true}},
	{"the peer's empty Close has no status",
		[]Event{peerClose(1, CodeNoStatus, "")},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: CodeNoStatus}},

	{"a FIN in Open gives Aborted",
		[]Event{peerEnds(5, FIN, 0, false)},
		Trace{State: Aborted, End: at(5), Ending: FIN}},
	{"an RST in Open gives Aborted",
		[]Event{peerEnds(5, RST, syscall.ECONNRESET, false)},
		Trace{State: Aborted, End: at(5), Ending: RST, Errno: syscall.ECONNRESET}},
	{"another error in Open gives Aborted",
		[]Event{peerEnds(5, Failed, syscall.ETIMEDOUT, false)},
		Trace{State: Aborted, End: at(5), Ending: Failed, Errno: syscall.ETIMEDOUT}},
	{"a FIN inside a frame is truncated",
		[]Event{peerEnds(5, FIN, 0, true)},
		Trace{State: Aborted, End: at(5), Ending: FIN, Truncated: true}},
	{"a FIN in CloseSent gives Aborted",
		[]Event{ownClose(1, 1000), out(2, CloseDone), peerEnds(5, FIN, 0, false)},
		Trace{State: Aborted, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, End: at(5), Ending: FIN}},
	{"an RST in CloseReceived gives Aborted",
		[]Event{peerClose(1, 1001, ""), peerEnds(5, RST, syscall.ECONNRESET, false)},
		Trace{State: Aborted, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, End: at(5), Ending: RST, Errno: syscall.ECONNRESET}},
	{"Closed is final: a FIN changes nothing but the ending",
		[]Event{ownClose(1, 1000), out(2, CloseDone), peerClose(3, 1000, ""), peerEnds(5, FIN, 0, false)},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(3), PeerCloseSeen: 4, PeerCode: 1000, End: at(5), Ending: FIN}},
	{"Closed is final: an RST changes nothing but the ending",
		[]Event{ownClose(1, 1000), out(2, CloseDone), peerClose(3, 1000, ""), peerEnds(5, RST, syscall.EPIPE, false)},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(3), PeerCloseSeen: 4, PeerCode: 1000, End: at(5), Ending: RST, Errno: syscall.EPIPE}},
	{"Closed is final: a cut is only noted",
		[]Event{ownClose(1, 1000), out(2, CloseDone), peerClose(3, 1000, ""), out(5, Cut)},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(3), PeerCloseSeen: 4, PeerCode: 1000, Cut: at(5)}},
	{"an own Close whose write returns only after the peer's answer and FIN were read gives Closed",
		[]Event{ownClose(1, 1000), peerClose(2, 1000, ""), peerEnds(3, FIN, 0, false), out(4, CloseDone)},
		Trace{State: Closed, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(2), PeerCloseSeen: 3, PeerCode: 1000, End: at(3), Ending: FIN}},
	{"an answer that is written after the peer's FIN completes the pair",
		[]Event{peerClose(1, 1001, ""), peerEnds(3, FIN, 0, false), ownClose(4, 1001), out(5, CloseDone)},
		Trace{State: Closed, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, OwnClose: at(4), OwnCode: 1001, OwnCloseDone: true, End: at(3), Ending: FIN}},
	{"an own Close whose write returns only after an RST was read stays unanswered",
		[]Event{ownClose(1, 1000), peerEnds(3, RST, syscall.ECONNRESET, false), out(4, CloseDone)},
		Trace{State: Aborted, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true, End: at(3), Ending: RST, Errno: syscall.ECONNRESET}},
	{"an own cut gives Aborted",
		[]Event{out(5, Cut)},
		Trace{State: Aborted, Cut: at(5)}},
	{"Aborted is final: nothing is answered after a cut",
		[]Event{peerClose(1, 1001, ""), out(5, Cut), ownClose(6, 1001), out(7, CloseDone)},
		Trace{State: Aborted, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, Cut: at(5), OwnClose: at(6), OwnCode: 1001, OwnCloseDone: true}},
	{"what the peer does after its end changes nothing",
		[]Event{
			peerEnds(5, FIN, 0, false), peerClose(6, 1000, ""), in(7, Message), peerBreaks(8, RuleRSV),
			in(9, CloseNotify), peerEnds(10, RST, syscall.ECONNRESET, true),
		},
		Trace{State: Aborted, End: at(5), Ending: FIN}},

	{"the peer's second Close breaks a rule and does not replace the first",
		[]Event{peerClose(1, 1001, "first"), peerClose(3, 1000, "second")},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1001, PeerReason: "first", Rule: RuleSecondClose}},
	{"a second own Close does not replace the first",
		[]Event{ownClose(1, 1000), out(2, CloseDone), ownClose(3, 1001), out(4, CloseDone)},
		Trace{State: CloseSent, OwnClose: at(1), OwnCode: 1000, OwnCloseDone: true}},
	{"a message after the peer's Close breaks a rule and is not received",
		[]Event{peerClose(1, 1000, ""), in(2, Message)},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1000, Rule: RuleDataAfterClose}},
	{"pings and pongs after the peer's Close are harmless and counted, the own ones are not",
		[]Event{in(1, Ping), peerClose(1, 1000, ""), in(2, Ping), in(3, Pong), out(4, Ping)},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1000, LateControl: 2}},
	{"an own FIN leaves the state as it was, until the end",
		[]Event{out(1, HalfClosed)},
		Trace{State: Open, HalfClose: at(1)}},
	{"an own FIN and the peer's give Aborted",
		[]Event{out(1, HalfClosed), peerEnds(2, FIN, 0, false)},
		Trace{State: Aborted, HalfClose: at(1), End: at(2), Ending: FIN}},
	{"an RST behind a FIN",
		[]Event{{At: at(1), Seen: 1, Kind: RST, Errno: syscall.EPIPE, AfterFIN: true}},
		Trace{State: Aborted, End: at(1), Ending: RST, Errno: syscall.EPIPE, AfterFIN: true}},
	{"a rule that this end breaks is no rule that the peer broke",
		[]Event{{At: at(1), Seen: 1, Dir: Out, Kind: Broken, Rule: RuleOpcode}},
		Trace{State: Open}},
	{"a Close that breaks a rule is still the peer's Close",
		[]Event{{At: at(1), Seen: 2, Kind: Close, Code: 1006, Rule: RuleBadCode}},
		Trace{State: CloseReceived, PeerClose: at(1), PeerCloseSeen: 2, PeerCode: 1006, Rule: RuleBadCode}},
	{"only the first broken rule is kept",
		[]Event{peerBreaks(1, RuleMasked), peerBreaks(2, RuleRSV)},
		Trace{State: Open, Rule: RuleMasked}},
	{"the first close_notify is noted and ends nothing",
		[]Event{in(1, CloseNotify), in(2, CloseNotify)},
		Trace{State: Open, Notify: at(1)}},

	{"messages are counted each way",
		[]Event{out(1, Message), out(2, Message), in(3, Message)},
		Trace{State: Open, Sent: 2, Received: 1}},
	{"a message that arrives between the own Close and the peer's is counted apart",
		[]Event{in(1, Message), ownClose(2, 1000), out(2, CloseDone), in(3, Message), peerClose(4, 1000, "")},
		Trace{State: Closed, OwnClose: at(2), OwnCode: 1000, OwnCloseDone: true, PeerClose: at(4), PeerCloseSeen: 5, PeerCode: 1000, Received: 2, AfterClose: 1}},
	{"a message that had arrived before the own Close and was read after it is not counted apart",
		[]Event{ownClose(2, 1000), {At: at(1), Seen: 3, Kind: Message}},
		Trace{State: Open, OwnClose: at(2), OwnCode: 1000, Received: 1}},
}

func TestTeardown(t *testing.T) {
	for _, tc := range transitions {
		t.Run(tc.name, func(t *testing.T) {
			var td Teardown
			for _, ev := range tc.events {
				td.Step(ev)
			}
			if diff := cmp.Diff(tc.want, td.Trace); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEchoesAreJudgedByTheirMarks(t *testing.T) {
	own := func(seq uint64) mark.Mark { return mark.Mark{Run: 7, N: 3, Seq: seq} }
	for _, tc := range []struct {
		name   string
		events []Event
		want   Trace
	}{
		{"messages in sequence lose nothing",
			[]Event{echo(1, own(0)), echo(2, own(1)), echo(3, own(2))},
			Trace{Received: 3, NextSeq: 3}},
		{"a gap in the sequence is lost messages",
			[]Event{echo(1, own(0)), echo(2, own(4))},
			Trace{Received: 2, NextSeq: 5, Lost: 3}},
		{"gaps add up",
			[]Event{echo(1, own(1)), echo(2, own(3))},
			Trace{Received: 2, NextSeq: 4, Lost: 2}},
		{"a duplicate loses nothing",
			[]Event{echo(1, own(0)), echo(2, own(1)), echo(3, own(0)), echo(4, own(1)), echo(5, own(2))},
			Trace{Received: 5, NextSeq: 3}},
		{"a message of another connection of this run is foreign, and not in this sequence",
			[]Event{echo(1, mark.Mark{Run: 7, N: 4, Seq: 9}), echo(2, own(0))},
			Trace{Received: 2, NextSeq: 1, Rule: RuleForeignMessage}},
		{"a message of another run is nobody's business",
			[]Event{echo(1, mark.Mark{Run: 8, N: 4, Seq: 9})},
			Trace{Received: 1}},
		{"a message without a mark is nobody's business",
			[]Event{{At: at(1), Seen: 2, Kind: Message, Head: []byte("hello")}},
			Trace{Received: 1}},
		{"an own message that is sent says what will be the next",
			[]Event{{At: at(1), Dir: Out, Kind: Message, Head: own(4).Append(nil)}},
			Trace{Sent: 1, SentSeq: 5}},
		{"an own message without a mark is none of the sequence",
			[]Event{{At: at(1), Dir: Out, Kind: Message, Head: []byte("login")}},
			Trace{Sent: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var td Teardown
			td.ExpectEcho(7, 3)
			for _, ev := range tc.events {
				td.Step(ev)
			}
			if diff := cmp.Diff(tc.want, td.Trace); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWithoutAnExpectedEchoNoMessageIsForeign(t *testing.T) {
	var td Teardown
	td.Step(echo(1, mark.Mark{Run: 7, N: 4, Seq: 9}))
	if diff := cmp.Diff(Trace{Received: 1}, td.Trace); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSecondCloseIsTheLaterOfTheTwo(t *testing.T) {
	for _, tc := range []struct {
		name  string
		trace Trace
		want  Instant
	}{
		{"never while the own is missing", Trace{PeerClose: at(3)}, Instant{}},
		{"never while the own is not wholly written", Trace{OwnClose: at(1), PeerClose: at(3)}, Instant{}},
		{"never while the peer's is missing", Trace{OwnClose: at(1), OwnCloseDone: true}, Instant{}},
		{"the peer's, where it answers", Trace{OwnClose: at(1), OwnCloseDone: true, PeerClose: at(3)}, at(3)},
		{"the own, where it answers", Trace{OwnClose: at(4), OwnCloseDone: true, PeerClose: at(3)}, at(4)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.trace.SecondClose(); got != tc.want || tc.trace.Both() != tc.want.Set() {
				t.Errorf("got %v, both %t, want %v", got, tc.trace.Both(), tc.want)
			}
		})
	}
}

func TestStatesHaveTheNamesOfDotNet(t *testing.T) {
	for state, want := range map[State]string{
		Open: "Open", CloseSent: "CloseSent", CloseReceived: "CloseReceived", Closed: "Closed", Aborted: "Aborted",
	} {
		if got := state.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSourcesHaveTheNamesOfResults(t *testing.T) {
	for source, want := range map[Source]string{Absent: "", User: "user", Kernel: "kernel"} {
		if got := source.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRulesHaveTheNamesOfResults(t *testing.T) {
	for rule, want := range map[Rule]string{
		NoRule: "", RuleBadCode: "bad-code", RuleShortPayload: "short-payload", RuleBadUTF8: "bad-utf8",
		RuleOversizeControl: "oversize-control", RuleFragmentedControl: "fragmented-control",
		RuleMasked: "masked", RuleRSV: "rsv", RuleOpcode: "opcode", RuleBadLength: "bad-length",
		RuleDataAfterClose: "data-after-close", RuleSecondClose: "second-close", RuleForeignMessage: "foreign-message",
	} {
		if got := rule.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Step is told of a Close before its write, and the moment of that is known after.
func TestAnOwnCloseIsDatedAnewOnce(t *testing.T) {
	td := Teardown{log: &Log{limit: 9}}
	td.Step(peerClose(3, 1000, ""))
	td.Step(ownClose(5, 1000))
	td.departed(0)
	if got := td.Trace.OwnClose; got != at(5) {
		t.Errorf("without a better time it is dated %+v", got)
	}
	td.departed(7)
	td.Step(out(8, CloseDone))
	td.Step(ownClose(10, 1001))
	td.departed(11)
	if got := td.Trace.OwnClose; got != at(7) {
		t.Errorf("dated %+v, want %+v", got, at(7))
	}
	var logged []time.Duration
	for _, ev := range td.log.Events {
		logged = append(logged, ev.At.At)
	}
	if want := []time.Duration{3, 7, 8, 10}; !slices.Equal(logged, want) {
		t.Errorf("the log says %v, want %v", logged, want)
	}
}

func TestALogKeepsTheFirstEventsUpToTheEndInTheirOrder(t *testing.T) {
	td := Teardown{log: &Log{limit: 3}}
	reason := []byte("bye")
	td.Step(Event{Kind: Message, Head: []byte("hello"), At: UserInstant(1), Seen: 1})
	td.Step(Event{Kind: Close, Code: 1001, Reason: reason, At: Instant{At: 2, Source: Kernel}, Seen: 9})
	copy(reason, "xxx") // the buffer is used again
	td.Step(Event{Kind: RST, At: UserInstant(10), Seen: 10, Errno: syscall.ECONNRESET})
	td.Step(Event{Kind: RST, At: UserInstant(10), Seen: 10, Errno: syscall.ECONNRESET}) // said twice
	td.Step(Event{Kind: CloseFailed, Dir: Out, At: UserInstant(11), Seen: 11})
	got := td.log.Events
	if len(got) != 3 || td.log.Dropped != 1 {
		t.Fatalf("%d events, %d dropped", len(got), td.log.Dropped)
	}
	if got[0].Kind != Message || got[0].Head != nil {
		t.Errorf("first %+v", got[0])
	}
	if got[1].Kind != Close || string(got[1].Reason) != "bye" || got[1].At.Source != Kernel || got[1].Seen != 9 {
		t.Errorf("second %+v", got[1])
	}
	if got[2].Kind != RST || got[2].Errno != syscall.ECONNRESET {
		t.Errorf("third %+v", got[2])
	}
}
