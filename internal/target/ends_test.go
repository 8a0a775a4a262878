package target_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/stats"
)

// ended asks a server for its ends.
func (h *host) ended(t *testing.T, query string) (page target.Ended) {
	t.Helper()
	resp, body := h.dial(t).get("/ended" + query)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %s, %v", query, resp.Status, resp.Header)
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return page
}

func TestAConnectionWithAnIDIsToldOfWhenItHasEnded(t *testing.T) {
	for name, s := range map[string]*target.Server{"measuring": measuring(), "not measuring": {}} {
		t.Run(name, func(t *testing.T) {
			serve(t, s, func(t *testing.T, h *host) {
				c := h.open(t, "/echo", target.IDHeader+": 0a1b2c3d/7", target.ModeHeader+": active")
				if page := h.ended(t, ""); len(page.Ends) != 0 || page.Next.At(0) != 0 {
					t.Errorf("an open connection has ended: %+v", page)
				}
				c.sendClose(3001, "")
				c.wantClose(3001, "")
				c.wantEOF()
				c.fin()
				time.Sleep(time.Millisecond)
				h.open(t, "/echo", target.IDHeader+": FFFFFFFF/18446744073709551615").fin()
				h.open(t, "/echo").reset() // without an id
				synctest.Wait()
				want := target.Ended{Next: target.Cursor{2}, Ends: []target.End{
					{ID: target.ID{Run: 0x0a1b2c3d, N: 7}, Mode: "active", Class: stats.Clean, Sent: 3001, Received: 3001},
					{ID: target.ID{Run: 1<<32 - 1, N: 1<<64 - 1}, Mode: "none", Class: stats.PrematureEOF},
				}}
				for _, query := range []string{"", "?after=0"} {
					if diff := cmp.Diff(want, h.ended(t, query)); diff != "" {
						t.Errorf("%q (-want +got):\n%s", query, diff)
					}
				}
				want.Ends = want.Ends[1:]
				if diff := cmp.Diff(want, h.ended(t, "?after=1")); diff != "" {
					t.Errorf("after 1 (-want +got):\n%s", diff)
				}
				for _, query := range []string{"?after=2", "?after=99"} {
					if diff := cmp.Diff(target.Ended{Next: target.Cursor{2}, Ends: []target.End{}}, h.ended(t, query)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", query, diff)
					}
				}
			})
		})
	}
}

func TestEndedRefusesAQueryThatItCannotAnswer(t *testing.T) {
	for query, want := range map[string]string{
		"after=all":    `query: after="all" is no place in the ends: give the next of the answer before, or 0`,
		"after=1,":     `query: after="1," is no place in the ends: give the next of the answer before, or 0`,
		"after=1,2":    `query: after="1,2" is of a server with more processes than this one's 1: begin again with 0`,
		"run=7":        `query: run="7" is not the run of an id: give its 8 hexadecimal digits, like run=0a1b2c3d`,
		"run=0a1b2c3g": `query: run="0a1b2c3g" is not the run of an id: give its 8 hexadecimal digits, like run=0a1b2c3d`,
	} {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			resp, body := h.dial(t).get("/ended?" + query)
			if resp.StatusCode != 400 || body != want+"\n" {
				t.Errorf("%s: %s %q, want 400 %q", query, resp.Status, body, want)
			}
		})
	}
}

func TestEachOfSeveralRunsIsToldOfItsOwnEnds(t *testing.T) {
	var ring target.Ring
	const runs, each = 3, target.MaxPage + 5
	for n := range uint64(runs * each) {
		ring.Add(target.End{ID: target.ID{Run: uint32(n % runs), N: n}})
	}
	for run := range uint32(runs) {
		var after, got uint64
		for {
			page := ring.PageOf(after, run)
			if len(page.Ends) > target.MaxPage {
				t.Errorf("a page has %d ends", len(page.Ends))
			}
			for _, e := range page.Ends {
				if want := (target.ID{Run: run, N: uint64(run) + runs*got}); e.ID != want {
					t.Fatalf("run %d is told of %+v, want %+v", run, e.ID, want)
				}
				got++
			}
			after = page.Next.At(0)
			if len(page.Ends) == 0 {
				break
			}
		}
		if got != each || after != runs*each {
			t.Errorf("run %d was told of %d ends up to %d, want %d up to %d", run, got, after, each, runs*each)
		}
	}
}

func TestAnInquiryIsReadAsItIsWritten(t *testing.T) {
	run := uint32(0x0a1b2c3d)
	for text, q := range map[string]target.Inquiry{
		"after=0":                        {},
		"after=7":                        {After: target.Cursor{7}},
		"after=12%2C55%2C7&run=0a1b2c3d": {After: target.Cursor{12, 55, 7}, Run: &run},
	} {
		if got := q.Query(); got != text {
			t.Errorf("%+v is written %s, want %s", q, got, text)
		}
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := target.ReadInquiry(values, 3)
		if len(q.After) == 0 {
			q.After = target.Cursor{0}
		}
		if diff := cmp.Diff(q, again); diff != "" || err != nil {
			t.Errorf("%s is read with %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestAnIDThatIsNoneIsNotKept(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		for _, id := range []string{"", "7", "0a1b2c3d", "0a1b2c3d/", "0a1b2c3/7", "0a1b2c3d4/7", "0a1b2c3g/7", "0a1b2c3d/-1", "0a1b2c3d/7/8", "0a1b2c3d/18446744073709551616"} {
			h.open(t, "/echo", target.IDHeader+": "+id).fin()
		}
		synctest.Wait()
		if page := h.ended(t, ""); len(page.Ends) != 0 {
			t.Errorf("kept: %+v", page.Ends)
		}
	})
}

func TestTheTextOfAnIDIsReadAgain(t *testing.T) {
	for text, id := range map[string]target.ID{
		"00000000/0":                    {},
		"0a1b2c3d/7":                    {Run: 0x0a1b2c3d, N: 7},
		"ffffffff/18446744073709551615": {Run: 1<<32 - 1, N: 1<<64 - 1},
	} {
		got, err := id.MarshalText()
		if err != nil || string(got) != text {
			t.Errorf("%+v is written %q, %v, want %q", id, got, err, text)
		}
		var again target.ID
		if err := again.UnmarshalText(got); err != nil || again != id {
			t.Errorf("%q is read as %+v, %v", got, again, err)
		}
	}
}

// Who watches the server's memory would take a ring that fills for a leak.
func TestTheRingOfEndsHasItsWholeSizeFromTheFirst(t *testing.T) {
	var ring target.Ring
	ring.Add(target.End{})
	if got := ring.Room(); got != target.MaxEnds {
		t.Errorf("room for %d, want %d", got, target.MaxEnds)
	}
}

func TestTheRingOfEndsKeepsTheLastAndCountsWhatItDropped(t *testing.T) {
	var ring target.Ring
	end := func(n uint64) target.End { return target.End{ID: target.ID{N: n}} }
	n := uint64(0)
	fill := func(to uint64) {
		for ; n < to; n++ {
			ring.Add(end(n))
		}
	}
	// read reads all pages behind after and wants numbers from up to to.
	read := func(after, dropped, from uint64) {
		t.Helper()
		for first := true; ; first = false {
			page := ring.Page(after)
			if first && page.Dropped != dropped || !first && page.Dropped != 0 {
				t.Errorf("after %d of %d: %d dropped, want %d", after, n, page.Dropped, dropped)
			}
			if len(page.Ends) > target.MaxPage {
				t.Errorf("a page has %d ends", len(page.Ends))
			}
			for _, e := range page.Ends {
				if e != end(from) {
					t.Fatalf("after %d of %d: %+v, want number %d", after, n, e, from)
				}
				from++
			}
			after = page.Next.At(0)
			if len(page.Ends) == 0 {
				break
			}
		}
		if after != n || from != n {
			t.Errorf("read up to %d, next %d, want %d", from, after, n)
		}
	}
	read(0, 0, 0)
	fill(10)
	read(0, 0, 0)
	read(9, 0, 9)
	fill(target.MaxEnds)
	read(0, 0, 0)
	fill(target.MaxEnds + 1)
	read(0, 1, 1)
	read(1, 0, 1)
	fill(3*target.MaxEnds + 77)
	read(0, 2*target.MaxEnds+77, 2*target.MaxEnds+77)
	read(2*target.MaxEnds, 77, 2*target.MaxEnds+77)
	read(3*target.MaxEnds, 0, 3*target.MaxEnds)
	read(1<<63, 0, n)
}

// The books are kept while they are read: the race detector looks on.
func TestEveryEndIsReadOnceByWhoFollows(t *testing.T) {
	const clients, each = 8, 50
	s := measuring()
	dial := onLoopback(t, s)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for k := range each {
				c := newClient(t, dial(t))
				c.upgrade("/echo", fmt.Sprintf("%s: 00000001/%d", target.IDHeader, i*each+k))
				c.sendClose(1000, "")
				c.wantClose(1000, "")
				c.wantEnd()
				c.conn.Close()
			}
		})
	}
	seen := make(map[uint64]int)
	var after uint64
	for deadline := time.Now().Add(20 * time.Second); len(seen) < clients*each && time.Now().Before(deadline); {
		page := s.Ended(after, nil)
		after = page.Next.At(0)
		for _, e := range page.Ends {
			seen[e.ID.N]++
			if e.Class != stats.Clean || e.Sent != 1000 {
				t.Errorf("%+v, want a clean one", e)
			}
		}
	}
	all.Wait()
	for n := range uint64(clients * each) {
		if seen[n] != 1 {
			t.Errorf("connection %d was read %d times", n, seen[n])
		}
	}
	sum := s.Record.Flip(nil)
	if diff := cmp.Diff(map[string]uint64{"by_client clean": clients * each}, verdicts(sum)); diff != "" {
		t.Errorf("the summary differs (-want +got):\n%s", diff)
	}
}
