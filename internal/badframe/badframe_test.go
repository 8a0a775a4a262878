package badframe

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/wire"
)

// seen is what the other end makes of the bytes.
type seen struct {
	rule      wire.Rule
	closed    bool // a Close has come
	code      int
	reason    string
	messages  uint64
	control   uint64 // behind the Close
	truncated bool
}

// look lets the other end read the bytes, by the wire's own decoder, and then
// the end of the stream.
func look(t *testing.T, said []byte, mask bool) seen {
	t.Helper()
	near, far := memnet.Pipe(memnet.Options{Window: len(said) + 1})
	if _, err := far.Write(said); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	tb := wire.NewTimebase()
	tap := wire.NewTap(near, tb, wire.TapOptions{Server: mask})
	defer tap.Shut()
	var buf [4096]byte
	var err error
	for err == nil {
		err = tap.Next(buf[:], tb.Now()+time.Minute)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	tr := tap.Trace()
	return seen{tr.Rule, tr.PeerClose.Set(), tr.PeerCode, tr.PeerReason, tr.Received, tr.LateControl, tr.Truncated}
}

var payload = wire.AppendClosePayload(nil, 1001, "bye")

var speeches = []struct {
	name string
	says func(payload []byte, mask bool) []byte
	want seen   // of 1001 bye
	bare string // what a server says for an empty payload; "" where it is long
}{
	{"half a Close", ofOp(Half, wire.OpClose), seen{truncated: true}, "\x88"},
	{"one without FIN", ofOp(Fragment, wire.OpClose), seen{wire.RuleFragmentedControl, true, 1001, "bye", 0, 0, false}, "\x08\x00"},
	{"one masked the wrong way", ofOp(WrongMask, wire.OpClose), seen{wire.RuleMasked, true, 1001, "bye", 0, 0, false}, "\x88\x80\x0f\xf0\x55\xaa"},
	{"one with a reserved bit", ofOp(ReservedBit, wire.OpClose), seen{wire.RuleRSV, true, 1001, "bye", 0, 0, false}, "\xc8\x00"},
	{"a reserved opcode", ReservedOpcode, seen{rule: wire.RuleOpcode}, "\x8b\x00"},
	{"a long reason", LongReason, seen{wire.NoRule, true, 1001, strings.Repeat("x", 123), 0, 0, false}, ""},
	{"one behind two messages", func(p []byte, mask bool) []byte { return Behind(2, p, mask) },
		seen{wire.NoRule, true, 1001, "bye", 2, 0, false}, "\x81\x17" + "1 of 2 before the Close\x81\x17" + "2 of 2 before the Close\x88\x00"},
	{"one inside a message", InsideMessage, seen{wire.NoRule, true, 1001, "bye", 0, 0, true}, "\x01\x11the beginning of \x88\x00"},
	{"two", Twice, seen{wire.RuleSecondClose, true, 1001, "bye", 0, 0, false}, "\x88\x00\x88\x00"},
	{"one with a message behind", DataAfter, seen{wire.RuleDataAfterClose, true, 1001, "bye", 0, 0, false}, "\x88\x00\x81\x10behind the Close"},
	{"one with a ping behind", PingAfter, seen{wire.NoRule, true, 1001, "bye", 0, 1, false}, "\x88\x00\x89\x10behind the Close"},
	{"one between a large message and a ping", BehindLarge, seen{wire.NoRule, true, 1001, "bye", 1, 1, false}, ""},
	{"one with a code that stands for none", func(p []byte, mask bool) []byte { return Code(1005, p, mask) },
		seen{wire.RuleBadCode, true, 1005, "bye", 0, 0, false}, "\x88\x02\x03\xed"},
	{"one with a good code of its own", func(p []byte, mask bool) []byte { return Code(4999, p, mask) },
		seen{wire.NoRule, true, 4999, "bye", 0, 0, false}, "\x88\x02\x13\x87"},
	{"half a code", Short, seen{wire.RuleShortPayload, true, wire.CodeNoStatus, "", 0, 0, false}, "\x88\x01\x03"},
	{"a reason that is not UTF-8", BadUTF8, seen{wire.RuleBadUTF8, true, 1001, "\xff", 0, 0, false}, "\x88\x03\x03\xe8\xff"},
	{"126 bytes", Oversize, seen{rule: wire.RuleOversizeControl}, ""},
	{"a message masked the wrong way", ofOp(WrongMask, wire.OpText), seen{rule: wire.RuleMasked, messages: 1}, "\x81\x80\x0f\xf0\x55\xaa"},
	{"a message with a reserved bit", ofOp(ReservedBit, wire.OpText), seen{rule: wire.RuleRSV, messages: 1}, "\xc1\x00"},
	{"a ping of 126 bytes", only(LongPing), seen{rule: wire.RuleOversizeControl}, ""},
	{"half a message", only(HalfMessage), seen{truncated: true}, ""},
}

func ofOp(f func(wire.Opcode, []byte, bool) []byte, op wire.Opcode) func([]byte, bool) []byte {
	return func(p []byte, mask bool) []byte { return f(op, p, mask) }
}

func only(f func(mask bool) []byte) func([]byte, bool) []byte {
	return func(_ []byte, mask bool) []byte { return f(mask) }
}

func TestTheOtherEndSeesWhatIsMeant(t *testing.T) {
	for _, tc := range speeches {
		for who, mask := range map[string]bool{"a server": false, "a client": true} {
			t.Run(who+" says "+tc.name, func(t *testing.T) {
				given := bytes.Clone(payload)
				said := tc.says(given, mask)
				if got := look(t, said, mask); got != tc.want {
					t.Errorf("the other end sees %+v, want %+v", got, tc.want)
				}
				if !bytes.Equal(given, payload) {
					t.Errorf("it changed the payload to %q", given)
				}
				if mask && tc.want.rule != wire.RuleMasked && bytes.Equal(said, tc.says(payload, mask)) {
					t.Error("the mask is always the same")
				}
			})
		}
	}
}

func TestTheBytesAreThoseOfTheRFC(t *testing.T) {
	for _, tc := range speeches {
		if got := tc.says(nil, false); tc.bare != "" && string(got) != tc.bare {
			t.Errorf("%s: % x, want % x", tc.name, got, tc.bare)
		}
	}
	for name, tc := range map[string]struct {
		got   []byte
		begin string
		size  int
	}{
		"126 bytes":       {Oversize(nil, false), "\x88\x7e\x00\x7e\x03\xe8x", 4 + 126},
		"a long ping":     {LongPing(false), "\x89\x7e\x00\x7ex", 4 + 126},
		"a long reason":   {LongReason(nil, false), "\x88\x7d\x03\xe8x", 2 + 125},
		"half a message":  {HalfMessage(false), "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00x", (10 + 65536) / 2},
		"a large message": {BehindLarge(nil, false), "\x82\x7f\x00\x00\x00\x00\x00\x04\x00\x00", 10 + 262144 + 2 + 18},
	} {
		if !bytes.HasPrefix(tc.got, []byte(tc.begin)) || len(tc.got) != tc.size {
			t.Errorf("%s: %d bytes that begin % x, want %d", name, len(tc.got), tc.got[:10], tc.size)
		}
	}
}
