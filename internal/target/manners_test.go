package target_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

func TestSlowReplyAnswersACloseAfterItsDelay(t *testing.T) {
	for path, delay := range map[string]time.Duration{
		"/slow-reply":              2 * time.Second,
		"/slow-reply?delay=1500ms": 1500 * time.Millisecond,
		"/slow-reply?delay=1h":     time.Hour,
		"/slow-reply?delay=0s":     0,
	} {
		t.Run(path, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, path)
				start := time.Now()
				c.sendClose(1000, "")
				c.wantClose(1000, "")
				c.wantEOF()
				wantElapsed(t, start, delay)
				h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
			})
		})
	}
}

func TestSlowReplyGivesUpAtOnceWhenTheClientEndsTCP(t *testing.T) {
	ends := map[string]struct {
		end  func(*client)
		want target.Endings
	}{
		"FIN": {(*client).fin, target.Endings{ClientFIN: 1}},
		"RST": {(*client).reset, target.Endings{ClientRST: 1}},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, "/slow-reply")
				c.sendClose(1000, "")
				c.wantSilence(time.Second)
				tt.end(c)
				h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: tt.want}))
			})
		})
	}
}

func TestNoReplyKeepsTCPOpenUntilTheClientEndsIt(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/no-reply")
		c.sendClose(1000, "")
		c.wantSilence(24 * time.Hour)
		if open := h.Ledger().Open; open != 1 {
			t.Errorf("%d connections are open, want 1", open)
		}
		c.fin()
		c.wantEOF()
		h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: target.Endings{ClientFIN: 1}}))
	})
}

func TestFinNoReplyEndsTCPInPlaceOfAnAnswer(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/fin-no-reply")
		c.wantSilence(time.Hour)
		start := time.Now()
		c.sendClose(1000, "")
		c.wantEOF()
		wantElapsed(t, start, 0)
		h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestAnEarlyEndComesAtItsTimeWhateverIsSaid(t *testing.T) {
	tests := map[string]struct {
		after   time.Duration
		wantEnd func(*client)
		ended   target.Endings
	}{
		"/early-fin":              {time.Second, (*client).wantEOF, target.Endings{ServerFIN: 1}},
		"/early-fin?after=2500ms": {2500 * time.Millisecond, (*client).wantEOF, target.Endings{ServerFIN: 1}},
		"/early-rst":              {time.Second, (*client).wantReset, target.Endings{ServerRST: 1}},
		"/early-rst?after=1h":     {time.Hour, (*client).wantReset, target.Endings{ServerRST: 1}},
	}
	for path, tt := range tests {
		t.Run(path, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				start := time.Now()
				c := h.open(t, path)
				c.wantSilence(tt.after / 2)
				c.text("on time?")
				c.want(wire.OpText, "on time?")
				tt.wantEnd(c)
				wantElapsed(t, start, tt.after)
				h.wantCounts(t, one(target.Counts{Ended: tt.ended}))
			})
		})
	}
}

func TestAnEarlyEndAfterNothingIsAtOnce(t *testing.T) {
	for path, wantEnd := range map[string]func(*client){
		"/early-fin?after=0s": (*client).wantEOF,
		"/early-rst?after=0s": (*client).wantReset,
	} {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			time.Sleep(time.Second)
			start := time.Now()
			wantEnd(h.open(t, path))
			wantElapsed(t, start, 0)
		})
	}
}

func TestACloseBeforeAnEarlyEndIsAnswered(t *testing.T) {
	for _, path := range []string{"/early-fin", "/early-rst"} {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			c := h.open(t, path)
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
			h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	}
}

func TestABadQueryIsRefusedWithKeyValueAndRemedy(t *testing.T) {
	tests := map[string]string{
		"/slow-reply?delay=soon":    `query: delay="soon" is not a duration from 0s to 24h: write it like delay=2s`,
		"/slow-reply?delay=":        `delay=""`,
		"/slow-reply?delay=-1s":     `delay="-1s"`,
		"/slow-reply?delay=25h":     `delay="25h"`,
		"/slow-reply?delay=5":       `delay="5"`,
		"/early-fin?after=x":        `query: after="x" is not a duration from 0s to 24h: write it like after=1s`,
		"/early-rst?after=9999999h": `after="9999999h"`,
	}
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for path, want := range tests {
			c := h.dial(t)
			c.write(request(path))
			resp := c.response()
			body := make([]byte, 200)
			n, _ := resp.Body.Read(body)
			if resp.StatusCode != 400 || !strings.Contains(string(body[:n]), want) {
				t.Errorf("%s: %s, %q, want 400 with %q", path, resp.Status, body[:n], want)
			}
		}
		h.wantCounts(t, map[string]target.Counts{})
	})
}
