package target_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

func TestIgnoreHalfCloseKeepsItsEndOpenForItsTime(t *testing.T) {
	for path, keep := range map[string]time.Duration{
		"/ignore-half-close":         time.Minute,
		"/ignore-half-close?keep=3s": 3 * time.Second,
		"/leak-on-abort":             time.Minute,
		"/ignore-half-close?keep=0s": 0,
	} {
		t.Run(path, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				c := h.open(t, path)
				c.text("last words")
				c.fin()
				start := time.Now()
				c.want(wire.OpText, "last words")
				c.wantEOF()
				wantElapsed(t, start, keep)
				h.wantCounts(t, one(target.Counts{Ended: target.Endings{ClientFIN: 1}}))
			})
		})
	}
}

func TestIgnoreHalfCloseLetsAResetConnectionGo(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		h.open(t, "/ignore-half-close").reset()
		h.wantCounts(t, one(target.Counts{Ended: target.Endings{ClientRST: 1}}))
	})
}

func TestAFINInPlaceOfAnAnswerIsNotIgnored(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/ignore-half-close")
		c.text("close 1000")
		c.wantClose(1000, "")
		start := time.Now()
		c.fin()
		c.wantEOF()
		wantElapsed(t, start, 0)
	})
}

func TestLeakOnAbortKeepsSoManyAndForSoLong(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for range target.MaxKept + 5 {
			h.open(t, "/leak-on-abort?keep=1h").reset()
		}
		wantOpen := func(want uint64) {
			t.Helper()
			synctest.Wait()
			if got := h.Ledger().Open; got != want {
				t.Errorf("%d connections are open, want %d", got, want)
			}
		}
		wantOpen(target.MaxKept)
		time.Sleep(time.Hour - time.Nanosecond)
		wantOpen(target.MaxKept)
		time.Sleep(time.Nanosecond)
		wantOpen(0)
		h.open(t, "/leak-on-abort").reset() // there is room again
		wantOpen(1)
		h.stop(t, 0)
		wantOpen(0)
		if got := h.Ledger().Modes["none"].Ended.ClientRST; got != target.MaxKept+6 {
			t.Errorf("%d connections ended by the client's RST, want %d", got, target.MaxKept+6)
		}
	})
}

func TestLeakMemoryKeepsItsBytesOfEachConnectionThatHasEnded(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		wantHoarded := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := h.Hoarded(); got != want {
				t.Errorf("%d bytes are kept, want %d", got, want)
			}
		}
		h.open(t, "/echo").reset()
		h.open(t, "/leak-memory?bytes=0").reset()
		wantHoarded(0)
		lives := h.open(t, "/leak-memory?bytes=5000")
		h.open(t, "/leak-memory").reset()
		wantHoarded(1024)
		closed := h.open(t, "/echo?fault=leak-memory:100&bytes=300")
		closed.sendClose(1000, "")
		closed.wantClose(1000, "")
		closed.wantEOF()
		wantHoarded(1024 + 300)
		lives.fin()
		wantHoarded(1024 + 300 + 5000)
		time.Sleep(24 * time.Hour)
		wantHoarded(1024 + 300 + 5000)
	})
}

func TestLeakMemoryLeavesTheHostSome(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		h.Hoard(target.MaxHoard - 3000)
		for _, bytes := range []int{1024, 1024, 1024, 952, 1} { // the third and the last do not fit
			h.open(t, fmt.Sprintf("/leak-memory?bytes=%d", bytes)).reset()
			synctest.Wait()
		}
		if got := h.Hoarded(); got != 3000 {
			t.Errorf("%d bytes are kept, want the 3000 that there was room for", got)
		}
		c := h.dial(t)
		c.write(request("/leak-memory?bytes=1048577"))
		if resp := c.response(); resp.StatusCode != 400 {
			t.Errorf("more than 1 MiB of a connection: %s", resp.Status)
		}
	})
}

func TestForeignMessageNamesAnotherConnectionInEveryMark(t *testing.T) {
	messages := map[string]string{
		"wsload/0a1b2c3d/0/0/":                    "wsload/0a1b2c3d/1/0/",
		"wsload/0a1b2c3d/7/12/.../..":             "wsload/0a1b2c3d/6/12/.../..",
		"wsload/0a1b2c3d/18446744073709551615/3/": "wsload/0a1b2c3d/18446744073709551614/3/",
		"wsload/0a1b2c3d/x/3/":                    "wsload/0a1b2c3d/x/3/",
		"wsload/0a1b2c3d/7/12":                    "wsload/0a1b2c3d/7/12",
		"a/0a1b2c3d/7/12/":                        "a/0a1b2c3d/7/12/",
		"hello":                                   "hello",
		"":                                        "",
	}
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/foreign-message")
		for sent, want := range messages {
			c.text(sent)
			c.want(wire.OpText, want)
			c.write(frame(wire.OpBinary, sent))
			c.want(wire.OpBinary, want)
		}
		c.text("close 1001 bye")
		c.wantClose(1001, "bye")
	})
}

func TestEveryByteOfACloseHasItsTime(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/byte-by-byte?every=20ms")
		c.text("close 1001 bye")
		for i, b := range []byte("\x88\x05\x03\xe9bye") {
			if i > 0 {
				c.wantSilence(20*time.Millisecond - time.Nanosecond)
			}
			c.wantBytes(string([]byte{b}))
		}
	})
}

func TestAnEndingServerDoesNotWaitForTheBytesOfAClose(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/byte-by-byte?every=1h")
		c.sendClose(1000, "")
		c.wantBytes(good1000[:1])
		c.wantSilence(time.Minute)
		h.stop(t, 0)
		c.wantBytes(good1000[1:])
		c.wantEOF()
	})
}

func TestAClientThatLeavesInsideACloseIsLetGoAtTheNextByte(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/byte-by-byte?every=1s")
		c.sendClose(1000, "")
		c.wantBytes(good1000[:2])
		c.reset()
		time.Sleep(time.Second)
		h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: target.Endings{ClientRST: 1}}))
	})
}

func TestAClientThatDoesNotTakeWhatPrecedesACloseIsDropped(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		h.ln.Options.Window = 256
		c := h.open(t, "/data-before-close?n=10000")
		c.sendClose(1000, "")
		time.Sleep(5 * time.Second)
		h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestOverTLSAFaultIsInTheTextAndNotInTheRecords(t *testing.T) {
	tests := map[string]struct {
		said  string
		end   func(*client)
		alert bool
		want  target.Counts
	}{
		"/masked":       {"\x88\x82\x0f\xf0\x55\xaa\x0c\x18", (*client).wantEOF, true, target.Counts{CloseSent: 1, Ended: target.Endings{ServerFIN: 1}}},
		"/byte-by-byte": {good1000, (*client).wantEOF, true, target.Counts{CloseSent: 1, Ended: target.Endings{ServerFIN: 1}}},
		"/half-frame":   {good1000[:2], (*client).wantEOF, false, target.Counts{Ended: target.Endings{ServerFIN: 1}}},
		"/reply-rst":    {good1000, (*client).wantReset, false, target.Counts{CloseSent: 1, Ended: target.Endings{ServerRST: 1}}},
		"/rst-no-reply": {"", (*client).wantReset, false, target.Counts{Ended: target.Endings{ServerRST: 1}}},
	}
	for path, tt := range tests {
		t.Run(path, func(t *testing.T) {
			s, cfg := secured(t)
			serveTLS(t, s, cfg, func(t *testing.T, h *host) {
				c, below := h.openTLS(t, cfg, path)
				c.sendClose(1000, "")
				c.wantBytes(tt.said)
				tt.end(c)
				if got := below.last == recordAlert; got != tt.alert {
					t.Errorf("a close_notify came: %t, want %t", got, tt.alert)
				}
				want := tt.want
				want.CloseReceived = 1
				h.wantCounts(t, one(want))
			})
		})
	}
}
