package target_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/target"
)

// endings opens a connection per seed on a path that cuts some by RST after 1 s
// and some by FIN after 2 s, and says of each what became of it in 3 s.
func endings(t *testing.T, h *host, path string, seeds int) (fates string) {
	t.Helper()
	before := h.Ledger()
	for seed := range seeds {
		h.open(t, strings.ReplaceAll(path, "SEED", fmt.Sprint(seed)), fmt.Sprintf("Wsload-Mode: n%d", seed))
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
	for seed := range seeds {
		mode := fmt.Sprintf("n%d", seed)
		is, was := h.Ledger().Modes[mode].Ended, before.Modes[mode].Ended
		switch {
		case is.ServerRST > was.ServerRST:
			fates += "r"
		case is.ServerFIN > was.ServerFIN:
			fates += "f"
		default:
			fates += "-"
		}
	}
	return fates
}

func TestASeedDecidesWhichFaultItsConnectionGets(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		const path = "/echo?fault=early-rst:40,early-fin:30&after=1s&seed=SEED"
		first := endings(t, h, path, 30)
		for _, fate := range []string{"r", "f", "-"} {
			if strings.Count(first, fate) < 3 {
				t.Errorf("thirty seeds gave %s, want at least three of each", first)
			}
		}
		if again := endings(t, h, path, 30); again != first {
			t.Errorf("the same seeds gave %s, then %s", first, again)
		}
	})
}

func TestFaultsComeAsOftenAsTheirPercentagesSay(t *testing.T) {
	const connections = 2000
	tests := map[string]struct{ rst, fin int }{ // in percent
		"early-rst:20,early-fin:5":    {20, 5},
		"early-rst:0,early-fin:100":   {0, 100},
		"early-fin:0.5,early-rst:99":  {99, 0},
		"echo:60,early-rst:40":        {40, 0},
		"early-rst:10,early-rst:10.0": {20, 0},
	}
	for fault, want := range tests {
		for _, seed := range []string{"", "&seed=%d"} {
			t.Run(fault+seed, func(t *testing.T) {
				serve(t, new(target.Server), func(t *testing.T, h *host) {
					for i := range connections {
						path := "/echo?after=0s&fault=" + fault
						if seed != "" {
							path += fmt.Sprintf(seed, i)
						}
						c := h.dial(t)
						c.write(request(path))
					}
					synctest.Wait()
					got := h.Ledger().Modes["none"]
					if got.Opened != connections {
						t.Fatalf("%d connections opened, want %d", got.Opened, connections)
					}
					// Six standard deviations of the most uncertain share.
					const slack = 6 * 22
					for _, n := range [][2]int{{int(got.Ended.ServerRST), want.rst}, {int(got.Ended.ServerFIN), want.fin}} {
						wanted := n[1] * connections / 100
						if n[0] < wanted-slack || n[0] > wanted+slack || n[1] == 100 && n[0] != connections {
							t.Errorf("%+v of %d, want %+v percent", got.Ended, connections, want)
						}
					}
				})
			})
		}
	}
}

func TestJitterComesOnTopOfTheDelayAndFromTheSeed(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		took := func(path string) time.Duration {
			c := h.open(t, path)
			start := time.Now()
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
			return time.Since(start)
		}
		seen := map[time.Duration]bool{}
		for seed := range 20 {
			path := fmt.Sprintf("/slow-reply?delay=1s&jitter=500ms&seed=%d", seed)
			d := took(path)
			if d < time.Second || d >= 1500*time.Millisecond {
				t.Errorf("%s: %s, want 1s and up to 500ms more", path, d)
			}
			if again := took(path); again != d {
				t.Errorf("%s: %s, then %s", path, d, again)
			}
			seen[d] = true
		}
		if len(seen) != 20 {
			t.Errorf("twenty seeds gave %d delays", len(seen))
		}
	})
}

func TestCloseAfterHasTheServerCloseByItself(t *testing.T) {
	tests := map[string]struct {
		said  string
		after time.Duration
		sent  uint64
	}{
		"/echo?close_after=2s":                            {good1000, 2 * time.Second, 1},
		"/echo?close_after=2s&code=1001":                  {good1001, 2 * time.Second, 1},
		"/echo?close_after=0s&code=4999":                  {"\x88\x02\x13\x87", 0, 1},
		"/no-reply?close_after=1h":                        {good1000, time.Hour, 1},
		"/masked?close_after=1s&code=1001":                {"\x88\x82\x0f\xf0\x55\xaa\x0c\x19", time.Second, 1},
		"/bad-code?close_after=1s&code=1006":              {"\x88\x02\x03\xee", time.Second, 1},
		"/bad-code?close_after=1s":                        {"\x88\x02\x03\xee", time.Second, 1},
		"/echo?fault=oversize:0&close_after=1s":           {good1000, time.Second, 1},
		"/early-rst?after=2s&close_after=1s&code=1001":    {good1001, time.Second, 1},
		"/echo?close_after=1s&code=1001&fault=opcode:100": {"\x8b\x02\x03\xe9", time.Second, 0},
	}
	for path, tt := range tests {
		t.Run(path, func(t *testing.T) {
			serve(t, new(target.Server), func(t *testing.T, h *host) {
				start := time.Now()
				c := h.open(t, path)
				if tt.after > 0 {
					c.wantSilence(tt.after - time.Nanosecond)
				}
				c.wantBytes(tt.said)
				wantElapsed(t, start, tt.after)
				c.sendClose(1000, "")
				c.wantEOF()
				h.wantCounts(t, one(target.Counts{CloseSent: tt.sent, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
			})
		})
	}
}

func TestWhatIsDueFirstHappensOnAPathThatEndsByItself(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		start := time.Now()
		h.open(t, "/early-rst?after=1s&close_after=2s").wantReset()
		wantElapsed(t, start, time.Second)
	})
}

func TestAQueryThatCannotBeObeyedIsRefusedWithTheRemedy(t *testing.T) {
	tests := map[string]string{
		"/slow-reply?jitter=x":                    `query: jitter="x" is not a duration from 0s to 24h: write it like jitter=1s`,
		"/byte-by-byte?every=-1s":                 `every="-1s"`,
		"/ignore-half-close?keep=2d":              `write it like keep=1m0s`,
		"/data-before-close?n=-1":                 `query: n="-1" is not a number from 0 to 10000: write it like n=3`,
		"/busy-reply?rounds=1000001":              `rounds="1000001" is not a number from 0 to 1000000: write it like rounds=2000`,
		"/data-before-close?n=10001":              `n="10001"`,
		"/bad-code?code=65536":                    `query: code="65536" is not a number from 0 to 65535: write it like code=1006`,
		"/bad-code?code=x":                        `code="x"`,
		"/echo?close_after=soon":                  `close_after="soon"`,
		"/echo?close_after=1s&code=1006":          `query: code=1006 is no status code a Close may carry: give 1000 to 1003, 1007 to 1014 or 3000 to 4999, or ask /bad-code for it`,
		"/masked?close_after=1s&code=0":           `code=0 is no status code`,
		"/echo?fault=no-reply":                    `query: fault="no-reply" has no percentage from 0 to 100 behind the name: write it like fault=no-reply:5,rst-no-reply:0.5`,
		"/echo?fault=":                            `has no percentage`,
		"/echo?fault=no-reply:101":                `fault="no-reply:101" has no percentage from 0 to 100`,
		"/echo?fault=no-reply:-1":                 `has no percentage`,
		"/echo?fault=no-reply:NaN":                `has no percentage`,
		"/echo?fault=noreply:5":                   `query: fault="noreply" is no fault: write it like fault=no-reply:5,rst-no-reply:0.5; the names are the paths that GET / lists`,
		"/echo?fault=no-reply:60,rst-no-reply:50": `query: fault: the percentages add up to 110: give 100 at most`,
		"/echo?fault=slow-reply:0&delay=x":        `delay="x"`,
		"/echo?fault=no-reply:1&seed=-1":          `query: seed="-1" is not a whole number: write it like seed=1`,
		"/slow-reply?jitter=1s&seed=a":            `seed="a"`,
	}
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for path, want := range tests {
			resp, body := h.dial(t).get(path)
			if resp.StatusCode != 400 || !strings.Contains(body, want) {
				t.Errorf("%s: %s, %q, want 400 with %q", path, resp.Status, body, want)
			}
		}
		h.wantCounts(t, map[string]target.Counts{})
	})
}

func TestFaultsArePickedOnTheWellBehavedPathAlone(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/slow-reply?delay=1s&fault=rst-no-reply:100")
		c.sendClose(1000, "")
		c.wantClose(1000, "")
		c.wantEOF()
		_, page := h.dial(t).get("/")
		for _, name := range target.FaultNames() {
			if !strings.Contains(page, "\n  /"+name+" ") {
				t.Errorf("the help page has no line for %s:\n%s", name, page)
			}
		}
		_, missing := h.dial(t).get("/nowhere")
		list := page[strings.Index(page, "  /echo"):strings.Index(page, "\n\nAll")]
		if !strings.Contains(missing, list) {
			t.Errorf("the 404 does not list the paths as the help page does:\n%s", missing)
		}
	})
}
