package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/mark"
)

// events decodes the pieces one after the other and tells what came out.
func events(masked bool, pieces ...[]byte) []string {
	d := decoder{masked: masked}
	got := decode(&d, pieces...)
	return append(got, fmt.Sprintf("boundary %t, open %t", d.boundary(), d.open()))
}

func decode(d *decoder, pieces ...[]byte) (got []string) {
	for _, p := range pieces {
		for done := false; !done; {
			var n int
			var ev Event
			n, ev, done = d.next(p)
			p = p[n:]
			if ev.Kind != None {
				got = append(got, say(ev))
			}
		}
		if len(p) > 0 {
			panic("the decoder left bytes over")
		}
	}
	return got
}

// say is an event in words.
func say(ev Event) string {
	switch ev.Kind {
	case Message:
		return fmt.Sprintf("message %q", ev.Head)
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	case Close:
		return strings.TrimSpace(fmt.Sprintf("close %d %q %s", ev.Code, ev.Reason, ev.Rule))
	case Broken:
		return "broken " + ev.Rule.String()
	}
	return fmt.Sprintf("kind %d", ev.Kind)
}

// bare is a header of two bytes and what follows it.
func bare(b0, b1 byte, rest ...byte) []byte { return append([]byte{b0, b1}, rest...) }

// frames joins frames into one stream.
func frames(f ...[]byte) []byte { return slices.Concat(f...) }

// zeros is a frame of n zero bytes with the length form of b1.
func zeros(b0, b1 byte, ext []byte, n int) []byte {
	return frames(bare(b0, b1), ext, make([]byte, n))
}

var streams = []struct {
	name   string
	stream []byte
	want   []string
}{
	{"a text message is one event with its beginning",
		text("hello"), []string{`message "hello"`}},
	{"a binary message is one event",
		serverFrame(OpBinary, "\x00\xff"), []string{`message "\x00\xff"`}},
	{"an empty message is a message",
		text(""), []string{`message ""`}},
	{"of a long message only the beginning is kept",
		text(strings.Repeat("x", 300)), []string{fmt.Sprintf("message %q", strings.Repeat("x", mark.Size))}},
	{"a message in fragments is one event, its beginning put together",
		frames(fragment(OpText, "ab"), fragment(OpContinuation, "cd"), serverFrame(OpContinuation, "ef")),
		[]string{`message "abcdef"`}},
	{"empty fragments are fragments",
		frames(fragment(OpText, ""), fragment(OpContinuation, ""), serverFrame(OpContinuation, "")),
		[]string{`message ""`}},
	{"a ping between fragments is legal and does not touch the message",
		frames(fragment(OpText, "ab"), serverFrame(OpPing, "?"), serverFrame(OpContinuation, "cd")),
		[]string{"ping", `message "abcd"`}},
	{"a pong between fragments is legal",
		frames(fragment(OpText, "ab"), serverFrame(OpPong, ""), serverFrame(OpContinuation, "")),
		[]string{"pong", `message "ab"`}},
	{"a Close between fragments is legal",
		frames(fragment(OpText, "ab"), closing(1000, "")),
		[]string{`close 1000 ""`}},
	{"a message does not begin with the beginning of the one before",
		frames(text("one"), text("two")), []string{`message "one"`, `message "two"`}},
	{"a control frame of 125 bytes is within the limit",
		serverFrame(OpPing, strings.Repeat("p", 125)), []string{"ping"}},

	{"a Close says its code and reason",
		closing(1001, "going away"), []string{`close 1001 "going away"`}},
	{"a Close without a payload has code 1005",
		closing(CodeNoStatus, ""), []string{`close 1005 ""`}},
	{"a Close may have a reason of 123 bytes",
		closing(4999, strings.Repeat("r", 123)), []string{fmt.Sprintf("close 4999 %q", strings.Repeat("r", 123))}},
	{"a Close of one byte breaks a rule",
		serverFrame(OpClose, "\x03"), []string{`close 1005 "" short-payload`}},
	{"a Close reason must be UTF-8",
		closing(1000, "\xff"), []string{`close 1000 "\xff" bad-utf8`}},
	{"a Close reason cut inside a character is not UTF-8",
		closing(1000, "\xe2\x82"), []string{`close 1000 "\xe2\x82" bad-utf8`}},

	{"the first reserved bit needs an extension",
		bare(0xC1, 1, 'a'), []string{"broken rsv", `message "a"`}},
	{"the second reserved bit needs an extension",
		bare(0xA1, 1, 'a'), []string{"broken rsv", `message "a"`}},
	{"the third reserved bit needs an extension",
		bare(0x91, 1, 'a'), []string{"broken rsv", `message "a"`}},
	{"a reserved bit on a Close does not hide the Close",
		bare(0xC8, 0), []string{"broken rsv", `close 1005 ""`}},

	{"a control frame must not be fragmented",
		bare(0x09, 0), []string{"broken fragmented-control", "ping"}},
	{"a fragmented Close is broken and still a Close",
		bare(0x08, 2, 3, 232), []string{"broken fragmented-control", `close 1000 ""`}},
	{"a control frame of 126 bytes is oversize, and what follows is read",
		frames(zeros(0x88, 126, []byte{0, 126}, 126), text("a")), []string{"broken oversize-control", `message "a"`}},
	{"a control frame of 65536 bytes is oversize",
		frames(zeros(0x89, 127, []byte{0, 0, 0, 0, 0, 1, 0, 0}, 65536), text("a")), []string{"broken oversize-control", `message "a"`}},
	{"the 16-bit length form is forbidden on a control frame, however short",
		zeros(0x89, 126, []byte{0, 3}, 3), []string{"broken oversize-control", "ping"}},
	{"the 64-bit length form is forbidden on a control frame, however short",
		frames(bare(0x88, 127), []byte{0, 0, 0, 0, 0, 0, 0, 2, 3, 232}), []string{"broken oversize-control", `close 1000 ""`}},

	{"a continuation without a message is out of sequence",
		serverFrame(OpContinuation, "a"), []string{"broken opcode", `message "a"`}},
	{"a continuation after a whole message does not continue it",
		frames(text("one"), serverFrame(OpContinuation, "two")),
		[]string{`message "one"`, "broken opcode", `message "two"`}},
	{"a new message inside a message is out of sequence and replaces it",
		frames(fragment(OpText, "ab"), text("cd")), []string{"broken opcode", `message "cd"`}},
	{"a 64-bit length with its first bit set is broken and never ends",
		frames(bare(0x82, 127), []byte{0x80, 0, 0, 0, 0, 0, 0, 1}, []byte("xy")), []string{"broken bad-length"}},
	{"each rule that one frame breaks is told",
		bare(0x59, 0x80, 1, 2, 3, 4), []string{"broken rsv", "broken masked", "broken fragmented-control", "ping"}},

	{"a data frame behind a Close is against the rules from its header on",
		frames(closing(1000, ""), bare(0x01, 5, 'a')), []string{`close 1000 ""`, "broken data-after-close"}},
	{"the rest of a message behind a Close is data behind it",
		frames(fragment(OpText, "ab"), closing(1000, ""), serverFrame(OpContinuation, "cd")),
		[]string{`close 1000 ""`, "broken data-after-close", `message "abcd"`}},
	{"a ping behind a Close is harmless",
		frames(closing(1000, ""), serverFrame(OpPing, "")), []string{`close 1000 ""`, "ping"}},
}

func TestDecoderReadsAServersFrames(t *testing.T) {
	for _, tc := range streams {
		t.Run(tc.name, func(t *testing.T) {
			d := decoder{}
			if got := decode(&d, tc.stream); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got, want := events(false, slices.Collect(slices.Chunk(tc.stream, 1))...), events(false, tc.stream); !slices.Equal(got, want) {
				t.Errorf("byte by byte %q, whole %q", got, want)
			}
		})
	}
}

func TestReservedOpcodesAreBroken(t *testing.T) {
	for _, op := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		got := events(false, bare(0x80|op, 3, 'a', 'b', 'c'), text("next"))
		if want := []string{"broken opcode", `message "next"`, "boundary true, open false"}; !slices.Equal(got, want) {
			t.Errorf("opcode %#x: got %q, want %q", op, got, want)
		}
	}
}

func TestCodesThatMustNotBeSentAreBroken(t *testing.T) {
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		// Written by hand: the encoder leaves the payload of 1005 out.
		got := events(false, bare(0x88, 2, byte(code>>8), byte(code)))
		if want := fmt.Sprintf(`close %d "" bad-code`, code); got[0] != want {
			t.Errorf("got %q, want %q", got[0], want)
		}
	}
}

func TestCodesOfTheRegistryAndOfApplicationsAreValid(t *testing.T) {
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		got := events(false, closing(code, "x"))
		if want := fmt.Sprintf(`close %d "x"`, code); got[0] != want {
			t.Errorf("got %q, want %q", got[0], want)
		}
	}
}

func TestMaskingIsRequiredOfAClientAndForbiddenToAServer(t *testing.T) {
	key := [4]byte{0xA1, 0xB2, 0xC3, 0xD4}
	for _, op := range []Opcode{OpText, OpPing, OpPong, OpClose} {
		payload := AppendClosePayload(nil, 1000, "bye")
		masked, plain := AppendFrame(nil, op, payload, true, key), AppendFrame(nil, op, payload, false, key)
		for _, fromClient := range []bool{false, true} {
			right, wrong := plain, masked
			if fromClient {
				right, wrong = masked, plain
			}
			ok, broken := events(fromClient, right), events(fromClient, wrong)
			if len(ok) != 2 || broken[0] != "broken masked" || broken[1] != ok[0] {
				t.Errorf("opcode %#x, from a client %t: %q and %q", op, fromClient, ok, broken)
			}
		}
	}
}

func TestAStreamIsOpenInsideAFrameAndInsideAMessage(t *testing.T) {
	whole := frames(fragment(OpText, "ab"), serverFrame(OpPing, "p"), serverFrame(OpContinuation, "c"))
	var inFrame, inMessage string
	for i := range len(whole) + 1 {
		d := decoder{}
		decode(&d, whole[:i])
		inFrame += cross(!d.boundary())
		inMessage += cross(d.open())
	}
	//           0 header+ab 4 ping+p 7 cont+c 10
	if want := ".xxx.xx.xx."; inFrame != want {
		t.Errorf("inside a frame %s, want %s", inFrame, want)
	}
	if want := ".xxxxxxxxx."; inMessage != want {
		t.Errorf("inside a frame or a message %s, want %s", inMessage, want)
	}
}

func cross(b bool) string {
	if b {
		return "x"
	}
	return "."
}

func TestFramesOfEachLengthFormAreReadBack(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		payload := bytes.Repeat([]byte("0123456789a"), size/11+1)[:size]
		for _, masked := range []bool{false, true} {
			wire := AppendFrame([]byte("before"), OpBinary, payload, masked, key)
			head, ok := bytes.CutPrefix(wire, []byte("before"))
			if !ok {
				t.Fatal("AppendFrame does not append")
			}
			want := fmt.Sprintf("message %q", payload[:min(size, mark.Size)])
			if got := events(masked, head); got[0] != want || len(got) != 2 {
				t.Errorf("%d bytes, masked %t: the decoder read %.60q", size, masked, got)
			}
			p := &peer{br: newReader(head)}
			if got, err := p.read(); err != nil || got != (frame{op: OpBinary, fin: true, masked: masked, payload: string(payload)}) {
				t.Errorf("%d bytes, masked %t: another parser read %v, %v", size, masked, got, err)
			}
		}
	}
}

func TestAMaskedFrameDoesNotShowItsPayload(t *testing.T) {
	got := AppendFrame(nil, OpText, []byte("Hello"), true, [4]byte{0x37, 0xfa, 0x21, 0x3d})
	// The example of RFC 6455 section 5.7.
	if want := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}
