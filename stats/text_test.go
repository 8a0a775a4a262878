package stats

import (
	"encoding"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEveryNameReadsBackAsItsValue(t *testing.T) {
	check := func(kind string, num int, value func(int) encoding.TextMarshaler, read func([]byte) (int, error)) {
		t.Run(kind, func(t *testing.T) {
			seen := make(map[string]bool)
			for i := range num {
				text, err := value(i).MarshalText()
				if err != nil || len(text) == 0 {
					t.Fatalf("%s %d: text %q, error %v", kind, i, text, err)
				}
				if seen[string(text)] {
					t.Errorf("%s %d: the name %q is taken", kind, i, text)
				}
				seen[string(text)] = true
				if back, err := read(text); err != nil || back != i {
					t.Errorf("%s %q reads as %d, error %v; want %d", kind, text, back, err, i)
				}
			}
			if _, err := value(num).MarshalText(); err == nil {
				t.Errorf("a %s past the last was written", kind)
			}
			if got, want := fmt.Sprint(value(num)), fmt.Sprintf("%s(%d)", kind, num); got != want {
				t.Errorf("a %s past the last prints as %q, want %q", kind, got, want)
			}
			for _, wrong := range []string{"", "nothing", fmt.Sprintf("%s(%d)", kind, num)} {
				if _, err := read([]byte(wrong)); err == nil || !strings.Contains(err.Error(), "unknown name") {
					t.Errorf("reading %s %q: error %v", kind, wrong, err)
				}
			}
		})
	}
	check("class", NumClasses, func(i int) encoding.TextMarshaler { return Class(i) },
		func(b []byte) (int, error) { var c Class; err := c.UnmarshalText(b); return int(c), err })
	check("phase", NumPhases, func(i int) encoding.TextMarshaler { return Phase(i) },
		func(b []byte) (int, error) { var p Phase; err := p.UnmarshalText(b); return int(p), err })
	check("cause", NumCauses, func(i int) encoding.TextMarshaler { return Cause(i) },
		func(b []byte) (int, error) { var c Cause; err := c.UnmarshalText(b); return int(c), err })
	check("side", NumSides, func(i int) encoding.TextMarshaler { return Side(i) },
		func(b []byte) (int, error) { var s Side; err := s.UnmarshalText(b); return int(s), err })
	check("flag", NumFlags, func(i int) encoding.TextMarshaler { return Flag(i) },
		func(b []byte) (int, error) { var f Flag; err := f.UnmarshalText(b); return int(f), err })
}

func TestTheNamesAreTheVocabularyOfResults(t *testing.T) {
	var names []string
	for c := range Class(NumClasses) {
		names = append(names, c.String())
	}
	want := "open_failed tool_error interrupted violation cut peer_first failed_by_peer reply_failed clean clean_rst " +
		"clean_no_fin unanswered_eof unanswered_rst unanswered_error close_timeout premature_eof premature_rst " +
		"premature_error no_close"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("classes\n got %s\nwant %s", got, want)
	}
	names = nil
	for p := range Phase(NumPhases) {
		names = append(names, p.String())
	}
	want = "open_lag close_lag connect tls upgrade close_handshake close_scheduled notice reply fin teardown give_up read_lag"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("phases\n got %s\nwant %s", got, want)
	}
	names = nil
	for f := range Flag(NumFlags) {
		names = append(names, f.String())
	}
	want = "simultaneous code_echo code_1000 code_none code_other data_after_own_close control_after_close lost_messages " +
		"truncated no_close_notify late_fin fin_then_rst unread_at_close"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("flags\n got %s\nwant %s", got, want)
	}
}

func TestPrematureIsWhatDotNetCallsClosedPrematurely(t *testing.T) {
	var got []string
	for c := range Class(NumClasses) {
		if c.Premature() {
			got = append(got, c.String())
		}
	}
	want := "reply_failed unanswered_eof unanswered_rst unanswered_error premature_eof premature_rst premature_error"
	if strings.Join(got, " ") != want {
		t.Errorf("premature classes\n got %v\nwant %s", got, want)
	}
}

func TestEachModeExpectsWhatItIsFor(t *testing.T) {
	for mode, want := range map[string][]Class{
		"active": {Clean}, "output": {Clean}, "simultaneous": {Clean}, "stall": {Clean},
		"passive": {Clean, Cut}, "bad_close": {Clean, Cut},
		"abort": {Cut}, "half_close": {Cut}, "mute": {Cut}, "vanish": {Cut},
		"a mode of the future": nil,
	} {
		for c := range Class(NumClasses) {
			got := Expected(mode, c)
			switch {
			case c == Interrupted:
				if got != nil {
					t.Errorf("%s %s: expected is %v, want none", mode, c, *got)
				}
			case got == nil:
				t.Errorf("%s %s: expected is none", mode, c)
			case *got != slices.Contains(want, c):
				t.Errorf("%s %s: expected is %v", mode, c, *got)
			}
		}
	}
}

func TestASetOfFlagsHasWhatWasPutInAndNothingElse(t *testing.T) {
	var none, all Flags
	for f := range Flag(NumFlags) {
		var one Flags
		one.Set(f, true)
		one.Set((f+1)%Flag(NumFlags), false)
		all.Set(f, true)
		for other := range Flag(NumFlags) {
			if one.Has(other) != (other == f) {
				t.Errorf("the set of %s: has %s is %v", f, other, one.Has(other))
			}
		}
		if none.Has(f) || !all.Has(f) {
			t.Errorf("%s: in the empty set %v, in the full set %v", f, none.Has(f), all.Has(f))
		}
	}
}

func TestTheNamesOfASetStandInTheOrderOfTheFlags(t *testing.T) {
	var s Flags
	if names := s.Names(); names != nil {
		t.Errorf("the empty set has %q", names)
	}
	s.Set(LateFIN, true)
	s.Set(Simultaneous, true)
	if got := strings.Join(s.Names(), " "); got != "simultaneous late_fin" {
		t.Errorf("got %s", got)
	}
}

func TestOnlyTheArrivalOfDataHasTheKernelsClock(t *testing.T) {
	var kernel, own []string
	for p := range Phase(NumPhases) {
		if p.Clock() == ClockKernel {
			kernel = append(kernel, p.String())
		}
		if p.OwnLag() {
			own = append(own, p.String())
		}
	}
	if got, want := strings.Join(kernel, " "), "upgrade close_handshake close_scheduled notice reply read_lag"; got != want {
		t.Errorf("kernel phases: got %s, want %s", got, want)
	}
	if got, want := strings.Join(own, " "), "open_lag close_lag read_lag"; got != want {
		t.Errorf("phases of the tool itself: got %s, want %s", got, want)
	}
}
