package target_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/target"
)

func TestTheHelpPageAndAnUnknownPathNameEveryPath(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for path, status := range map[string]int{"/": 200, "/ehco": 404, "/echo/more": 404} {
			resp, body := h.dial(t).get(path)
			if resp.StatusCode != status {
				t.Errorf("%s: %s, want %d", path, resp.Status, status)
			}
			for _, name := range []string{"/echo", "/slow-reply", "/no-reply", "/fin-no-reply", "/early-fin", "/early-rst", "/statz"} {
				if !strings.Contains(body, name) {
					t.Errorf("%s does not name %s:\n%s", path, name, body)
				}
			}
		}
		_, body := h.dial(t).get("/")
		for _, word := range []string{"close CODE [REASON]", "abort rst", "abort fin", target.ModeHeader} {
			if !strings.Contains(body, word) {
				t.Errorf("the help page does not tell of %q:\n%s", word, body)
			}
		}
	})
}

func TestARequestThatIsNoUpgradeIsRefusedAndTheConnectionLivesOn(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.dial(t)
		if resp, _ := c.get("/echo"); resp.StatusCode != 426 {
			t.Errorf("%s, want 426", resp.Status)
		}
		c.upgrade("/echo")
		c.sendClose(1000, "")
		c.wantClose(1000, "")
		c.wantEOF()
	})
}

func TestAClientThatNeverAsksIsDropped(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		start := time.Now()
		c := h.dial(t)
		c.wantEOF()
		wantElapsed(t, start, 30*time.Second)
		h.wantCounts(t, map[string]target.Counts{})
	})
}

func TestStatzIsTheLedger(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		began := time.Now()
		time.Sleep(1500 * time.Millisecond)
		h.open(t, "/echo", "Wsload-Mode: active")
		c := h.open(t, "/echo", "Wsload-Mode: active")
		c.sendClose(1000, "")
		c.wantClose(1000, "")
		c.wantEOF()
		stats := h.dial(t)
		runtime.GC() // the heap is known from the first collection on
		resp, body := stats.get("/statz")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("/statz: %s, %v", resp.Status, resp.Header)
		}
		want := fmt.Sprintf(`{
  "open": 1,
  "modes": {
    "active": {
      "opened": 2,
      "close_sent": 1,
      "close_received": 1,
      "ended": {
        "client_fin": 0,
        "client_rst": 0,
        "server_fin": 1,
        "server_rst": 0,
        "error": 0
      }
    }
  },
  "since": %q`, began.UTC().Format(time.RFC3339))
		counts, process, _ := strings.Cut(body, ",\n  \"process\": ")
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("/statz differs (-want +got):\n%s", diff)
		}
		var held target.Process
		if err := json.Unmarshal([]byte(strings.TrimSuffix(process, "}\n")), &held); err != nil || held.Goroutines < 2 || held.Heap.N < 1<<14 {
			t.Errorf("the process holds %+v, %v in %s", held, err, process)
		}
		var decoded target.Ledger
		if err := json.Unmarshal([]byte(body), &decoded); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h.Ledger(), decoded); diff != "" {
			t.Errorf("what was decoded differs from the ledger:\n%s", diff)
		}
	})
}

func TestWhatTheProcessesOfAServerTellAddsUp(t *testing.T) {
	early := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := target.Statz{
		Ledger: target.Ledger{Open: 1, Since: early.Add(time.Second), Modes: map[string]target.Counts{
			"active": {Opened: 10, CloseSent: 9, CloseReceived: 8, Ended: target.Endings{ClientFIN: 1, ClientRST: 2, ServerFIN: 3, ServerRST: 2, Error: 1}},
			"none":   {Opened: 5},
		}},
		Process: target.Process{Descriptors: proc.Known(1), RSS: proc.Known(2), Heap: proc.Known(3), Threads: proc.Known(4), Goroutines: 5, CPU: proc.Known(6)},
	}
	b := target.Statz{
		Ledger: target.Ledger{Open: 2, Since: early, Lost: 1, Modes: map[string]target.Counts{
			"active": {Opened: 1, CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ClientFIN: 10, ClientRST: 20, ServerFIN: 30, ServerRST: 40, Error: 50}},
			"abort":  {Opened: 7},
		}},
		Process: target.Process{Descriptors: proc.Known(10), RSS: proc.Known(20), Threads: proc.Known(40), Goroutines: 50, CPU: proc.Known(60)},
	}
	want := target.Statz{
		Ledger: target.Ledger{Open: 3, Since: early, Lost: 1, Modes: map[string]target.Counts{
			"active": {Opened: 11, CloseSent: 10, CloseReceived: 9, Ended: target.Endings{ClientFIN: 11, ClientRST: 22, ServerFIN: 33, ServerRST: 42, Error: 51}},
			"none":   {Opened: 5},
			"abort":  {Opened: 7},
		}},
		// One of the two has collected no garbage yet.
		Process: target.Process{Descriptors: proc.Known(11), RSS: proc.Known(22), Threads: proc.Known(44), Goroutines: 55, CPU: proc.Known(66)},
	}
	a.Add(b)
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("the sum differs (-want +got):\n%s", diff)
	}
}

func TestModesAreBoundedInNumberAndForm(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		want := map[string]target.Counts{}
		visit := func(counted string, headers ...string) {
			c := h.open(t, "/echo", headers...)
			c.text("abort fin")
			c.wantEOF()
			n := want[counted]
			n.Opened++
			n.Ended.ServerFIN++
			want[counted] = n
		}
		visit("none")
		for _, bad := range []string{"Active", "a b", "a/b", "é", strings.Repeat("x", 33)} {
			visit("other", "Wsload-Mode: "+bad)
		}
		visit("a-long_name-of-32-bytes-1234567x", "Wsload-Mode: a-long_name-of-32-bytes-1234567x")
		for i := range 31 {
			name := fmt.Sprintf("mode-%d", i)
			visit(name, "Wsload-Mode: "+name)
		}
		visit("other", "Wsload-Mode: one-too-many")
		visit("mode-3", "Wsload-Mode: mode-3")
		visit("none", "Wsload-Mode: none")
		visit("other", "Wsload-Mode: other")
		h.wantCounts(t, want)
	})
}
