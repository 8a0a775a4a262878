package target_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

func TestEveryPathEchoesMessages(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for _, path := range []string{"/echo?user=7", "/slow-reply", "/no-reply", "/fin-no-reply", "/early-fin", "/early-rst"} {
			c := h.open(t, path)
			c.text("hello")
			c.want(wire.OpText, "hello")
			c.write(frame(wire.OpBinary, "\x00\xff"))
			c.want(wire.OpBinary, "\x00\xff")
			c.text("")
			c.want(wire.OpText, "")
			c.fin()
			c.wantEOF()
		}
	})
}

func TestAFragmentedMessageComesBackWholeWithAPongBetween(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		first, rest := frame(wire.OpText, "one "), frame(wire.OpContinuation, "two")
		first[0] &^= 0x80 // not the last
		c.write(first)
		c.write(frame(wire.OpPing, "still there?"))
		c.want(wire.OpPong, "still there?")
		c.write(rest)
		c.want(wire.OpText, "one two")
	})
}

func TestAMessageLargerThanEveryBufferComesBackWhole(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		long := strings.Repeat("0123456789abcdef", 1<<16)
		c.text(long)
		c.want(wire.OpText, long)
		c.text("short")
		c.want(wire.OpText, "short")
	})
}

func TestFramesBehindTheRequestAreNotLost(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.dial(t)
		c.write(append(request("/echo"), frame(wire.OpText, "early")...))
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		c.want(wire.OpText, "early")
	})
}

func TestAnyFirstSubprotocolIsAcceptedAndAnyOrigin(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.dial(t)
		head := c.upgrade("/echo", "Sec-WebSocket-Protocol: mqtt, chat", "Origin: https://elsewhere.example",
			"Sec-WebSocket-Extensions: permessage-deflate")
		if got := head.Get("Sec-WebSocket-Protocol"); got != "mqtt" {
			t.Errorf("the subprotocol is %q, want the first offered", got)
		}
		if got := head.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("the extension %q was accepted", got)
		}
	})
}

func TestACloseIsAnsweredAtOnceWithItsCodeAndTCPIsEndedAtOnce(t *testing.T) {
	for _, code := range []int{1000, 1001, 1011, 3000, 4999, wire.CodeNoStatus} {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			c := h.open(t, "/echo")
			start := time.Now()
			c.sendClose(code, "")
			c.wantClose(code, "")
			c.wantEOF()
			wantElapsed(t, start, 0)
			h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	}
}

func TestMessagesBeforeACloseInTheSameSegmentComeBackBeforeTheAnswer(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		c.write(append(append(frame(wire.OpText, "a"), frame(wire.OpText, "b")...), closeFrame(1000, "done")...))
		c.want(wire.OpText, "a")
		c.want(wire.OpText, "b")
		c.wantClose(1000, "")
		c.wantEOF()
	})
}

func TestACloseThatArrivesByteByByteIsAnsweredWhenWhole(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		whole := closeFrame(1000, "done")
		for _, b := range whole[:len(whole)-1] {
			c.write([]byte{b})
			c.wantSilence(time.Second)
		}
		c.write(whole[len(whole)-1:])
		c.wantClose(1000, "")
		c.wantEOF()
	})
}

func TestABrokenFrameFailsTheConnection(t *testing.T) {
	tests := []struct {
		name  string
		frame []byte
		code  int
	}{
		{"an unmasked frame", wire.AppendFrame(nil, wire.OpText, []byte("x"), false, [4]byte{}), 1002},
		{"a reserved bit", setBits(frame(wire.OpText, "x"), 0x40), 1002},
		{"a reserved opcode", frame(0x3, "x"), 1002},
		{"a reserved control opcode", frame(0xB, "x"), 1002},
		{"an oversize ping", frame(wire.OpPing, strings.Repeat("x", 126)), 1002},
		{"a fragmented ping", clearBits(frame(wire.OpPing, "x"), 0x80), 1002},
		{"a continuation of nothing", frame(wire.OpContinuation, "x"), 1002},
		{"text that is not UTF-8", frame(wire.OpText, "\xff"), 1007},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, "/echo")
				start := time.Now()
				c.write(tt.frame)
				op, payload, err := c.read()
				if err != nil || op != wire.OpClose || len(payload) < 2 {
					t.Fatalf("got opcode %d, %q, %v, want a Close", op, payload, err)
				}
				if got := int(payload[0])<<8 | int(payload[1]); got != tt.code {
					t.Errorf("the Close has code %d, want %d", got, tt.code)
				}
				c.sendClose(tt.code, "")
				c.wantEOF()
				wantElapsed(t, start, 0)
				h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
			})
		})
	}
}

func TestABrokenCloseIsAnsweredWithWhatIsWrongAndTCPIsEndedAtOnce(t *testing.T) {
	tests := []struct {
		name     string
		frame    []byte
		code     int
		received uint64
	}{
		{"a code that must not be sent", closeFrame(1006, ""), 1002, 1},
		{"a code outside every range", closeFrame(999, ""), 1002, 1},
		{"a payload of one byte", frame(wire.OpClose, "x"), 1002, 1},
		{"a reason that is not UTF-8", closeFrame(1000, "\xff"), 1007, 1},
		{"a fragment", clearBits(closeFrame(1000, ""), 0x80), 1002, 1},
		{"a reserved bit", setBits(closeFrame(1000, ""), 0x20), 1002, 1},
		{"an unmasked Close", wire.AppendFrame(nil, wire.OpClose, []byte{3, 232}, false, [4]byte{}), 1002, 1},
		{"126 bytes of payload", frame(wire.OpClose, "\x03\xe8"+strings.Repeat("x", 124)), 1002, 0},
		{"a second Close behind it", append(closeFrame(1000, ""), closeFrame(1001, "")...), 1000, 1},
		{"a message behind it", append(closeFrame(1000, ""), frame(wire.OpText, "late")...), 1000, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, "/echo")
				start := time.Now()
				c.write(tt.frame)
				c.wantClose(tt.code, "")
				c.wantEOF()
				wantElapsed(t, start, 0)
				h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: tt.received, Ended: target.Endings{ServerFIN: 1}}))
			})
		})
	}
}

func TestAnEndInsideAFrameIsTheClients(t *testing.T) {
	cuts := map[string]struct {
		end  func(*client)
		want target.Endings
	}{
		"FIN": {(*client).fin, target.Endings{ClientFIN: 1}},
		"RST": {(*client).reset, target.Endings{ClientRST: 1}},
	}
	for name, cut := range cuts {
		for _, part := range [][]byte{frame(wire.OpText, "hello")[:8], closeFrame(1000, "done")[:1], closeFrame(1000, "done")[:9]} {
			t.Run(name, func(t *testing.T) {
				serve(t, new(target.Server), func(t *testing.T, h *host) {
					c := h.open(t, "/echo")
					c.write(part)
					cut.end(c)
					h.wantCounts(t, one(target.Counts{Ended: cut.want}))
				})
			})
		}
	}
}

func setBits(frame []byte, bits byte) []byte {
	frame[0] |= bits
	return frame
}

func clearBits(frame []byte, bits byte) []byte {
	frame[0] &^= bits
	return frame
}
