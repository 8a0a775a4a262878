package target_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

func TestAnOrderToCloseIsObeyedOnEveryPath(t *testing.T) {
	for _, path := range []string{"/echo", "/slow-reply", "/no-reply", "/fin-no-reply", "/early-fin?after=1h", "/early-rst?after=1h"} {
		t.Run(path, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, path)
				c.text("close 1001 bye for now")
				c.wantClose(1001, "bye for now")
				start := time.Now()
				c.wantSilence(3 * time.Second)
				c.sendClose(1001, "")
				c.wantEOF()
				wantElapsed(t, start, 3*time.Second)
				h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
			})
		})
	}
}

func TestAnOwnCloseWaitsForTheAnswerUpToItsLimitAndThenEndsTCP(t *testing.T) {
	for limit, s := range map[time.Duration]*target.Server{
		5 * time.Second:        {},
		700 * time.Millisecond: {Reply: 700 * time.Millisecond},
	} {
		serve(t, s, func(t *testing.T, h *host) {
			c := h.open(t, "/echo")
			start := time.Now()
			c.text("close 4000")
			c.wantClose(4000, "")
			c.text("no answer, but a message")
			c.wantEOF()
			wantElapsed(t, start, limit)
			h.wantCounts(t, one(target.Counts{CloseSent: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	}
}

func TestAClientThatEndsTCPInsteadOfAnsweringIsCountedAsFirst(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		c.text("close 1000")
		c.wantClose(1000, "")
		start := time.Now()
		c.fin()
		c.wantEOF()
		wantElapsed(t, start, 0)
		h.wantCounts(t, one(target.Counts{CloseSent: 1, Ended: target.Endings{ClientFIN: 1}}))
	})
}

func TestAnOwnCloseThatCrossesTheClientsIsAnAnswerToo(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		start := time.Now()
		c.write(append(frame(wire.OpText, "close 1001 crossing"), closeFrame(1000, "")...))
		c.wantClose(1001, "crossing")
		c.wantEOF()
		wantElapsed(t, start, 0)
		h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestAnOrderToAbortEndsTCPWithoutAClose(t *testing.T) {
	tests := map[string]struct {
		wantEnd func(*client)
		ended   target.Endings
	}{
		"abort fin": {(*client).wantEOF, target.Endings{ServerFIN: 1}},
		"abort rst": {(*client).wantReset, target.Endings{ServerRST: 1}},
	}
	for text, tt := range tests {
		t.Run(text, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, "/echo")
				start := time.Now()
				c.text(text)
				tt.wantEnd(c)
				wantElapsed(t, start, 0)
				h.wantCounts(t, one(target.Counts{Ended: tt.ended}))
			})
		})
	}
}

func TestAnOrderThatCannotBeObeyedIsAnsweredWithItsRemedyAndNothingEnds(t *testing.T) {
	tests := map[string]string{
		"close":                                  `error: close: "" is no status code`,
		"close ":                                 `error: close: "" is no status code`,
		"close 99":                               `error: close: "99" is no status code`,
		"close 1004":                             `"1004" is no status code`,
		"close 1005":                             `"1005" is no status code`,
		"close 1006":                             `"1006" is no status code`,
		"close 1015":                             `"1015" is no status code`,
		"close 2999":                             `"2999" is no status code`,
		"close 5000":                             `send 1000 to 1003, 1007 to 1014 or 3000 to 4999`,
		"close  1000":                            `"" is no status code`,
		"close 1e3":                              `"1e3" is no status code`,
		"close 99999999999999999999":             `"99999999999999999999" is no status code`,
		"close " + strings.Repeat("7", 100):      `"` + strings.Repeat("7", 32) + `…" is no status code`,
		"close 1000 " + strings.Repeat("x", 124): `the reason has 124 bytes: send at most 123`,
		"abort":                                  `error: abort: "" is no way to end a connection: send "abort rst" or "abort fin"`,
		"abort now":                              `error: abort: "now" is no way`,
		"abort rst ":                             `error: abort: "rst " is no way`,
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, "/echo")
				c.text(text)
				op, payload, err := c.read()
				if err != nil || op != wire.OpText || !strings.Contains(string(payload), want) {
					t.Fatalf("got opcode %d, %q, %v, want a text with %q", op, payload, err, want)
				}
				c.text("go on")
				c.want(wire.OpText, "go on")
			})
		})
	}
}

func TestTextsThatOnlyLookLikeOrdersComeBack(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		for _, text := range []string{"closed", "Close 1000", " close 1000", "aborting rst", "close\t1000"} {
			c.text(text)
			c.want(wire.OpText, text)
		}
		c.write(frame(wire.OpBinary, "close 1000"))
		c.want(wire.OpBinary, "close 1000")
	})
}

func TestTheLongestReasonIsSentWhole(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		reason := strings.Repeat("x", 123)
		c.text("close 1000 " + reason)
		c.wantClose(1000, reason)
	})
}
