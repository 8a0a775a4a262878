package books

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// oneClean is a run of one active close, of which so many more were given up.
func oneClean(givenUp uint64) *runner.Result {
	total := stats.NewSummary([]stats.Entry{{Name: "active", Mode: "active"}})
	total.Outcomes[0][stats.Clean].N = 1
	total.Outcomes[0][stats.CloseTimeout].N = givenUp
	return &runner.Result{Total: total, Tally: map[string]runner.Tally{
		"active": {Opened: 1, CloseSent: 1, CloseReceived: 1, Ended: map[string]uint64{"server_fin": 1}},
	}}
}

// bookOf is the ledger of a server that saw so many active closes.
func bookOf(n uint64) *target.Ledger {
	return &target.Ledger{Modes: map[string]target.Counts{
		"active": {Opened: n, CloseSent: n, CloseReceived: n, Ended: target.Endings{ServerFIN: n}},
	}}
}

// lostBook is the ledger of a server that lost the process with the connection.
func lostBook() *target.Ledger { return &target.Ledger{Lost: 1} }

func TestWhatCanBeComparedAfterARun(t *testing.T) {
	mix := []scenario.Close{scenario.DefaultClose(scenario.Active)}
	for name, c := range map[string]struct {
		givenUp uint64
		book    *target.Ledger
		pairs   *result.LedgerPairs
		ledger  string // "" for none, else whether it matched and whether it has sums
		doubt   string
	}{
		"both agree":                  {book: bookOf(1), pairs: &result.LedgerPairs{Compared: 1}, ledger: "matched sums"},
		"no single connections":       {book: bookOf(1), ledger: "matched sums"},
		"sums differ":                 {book: bookOf(2), pairs: &result.LedgerPairs{}, ledger: "unmatched sums", doubt: "counted other connections"},
		"sums differ after giving up": {givenUp: 1, book: bookOf(2), pairs: &result.LedgerPairs{}, ledger: "matched", doubt: "gave up on 1 connections"},
		"sums differ after the server gave up": {book: bookOf(2), pairs: &result.LedgerPairs{Kinds: []result.LedgerKind{
			{Mode: "passive", Client: stats.Clean, Server: stats.CloseTimeout, Count: 3}, {Mode: "mute", Client: stats.Cut, Server: stats.CloseTimeout, Count: 5},
		}}, ledger: "matched", doubt: "it gave up on 3 connections"},
		"a server gives up on who is mute": {book: bookOf(2), pairs: &result.LedgerPairs{Kinds: []result.LedgerKind{
			{Mode: "mute", Client: stats.Cut, Server: stats.CloseTimeout, Count: 5},
		}}, ledger: "unmatched sums", doubt: "counted other connections"},
		"sums alone differ after giving up":      {givenUp: 1, book: bookOf(2), doubt: "gave up on 1 connections"},
		"sums differ from one that misbehaves":   {book: bookOf(2), pairs: &result.LedgerPairs{Misbehaved: 1}, ledger: "matched"},
		"the server's ledger could not be read":  {pairs: &result.LedgerPairs{Missing: 1}, ledger: "matched"},
		"a server that lost a process":           {book: lostBook(), pairs: &result.LedgerPairs{Missing: 1}, ledger: "matched", doubt: "1 of the own server's processes died"},
		"a connection of which both disagree":    {book: bookOf(1), pairs: &result.LedgerPairs{Mismatched: 1}, ledger: "unmatched sums", doubt: "says otherwise of 1 "},
		"a connection of which one end is known": {book: bookOf(1), pairs: &result.LedgerPairs{Missing: 3}, ledger: "matched sums", doubt: "of 3 connections only one"},
	} {
		ledger, doubts := Settle(mix, oneClean(c.givenUp), c.book, c.pairs)
		got := ""
		if ledger != nil {
			if got = "unmatched"; ledger.Matched {
				got = "matched"
			}
			if len(ledger.Modes) > 0 {
				got += " sums"
			}
		}
		if got != c.ledger {
			t.Errorf("%s: the ledger is %q, want %q", name, got, c.ledger)
		}
		if text := strings.Join(doubts, "\n"); c.doubt == "" && text != "" || !strings.Contains(text, c.doubt) || len(doubts) > 1 {
			t.Errorf("%s: the doubts are %q, want %q", name, doubts, c.doubt)
		}
	}
}

func TestALedgerIsAwaitedUntilOnlyTheSilentAreOpen(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n := asked.Add(1); n {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_ = json.NewEncoder(w).Encode(target.Ledger{Open: uint64(5 - n)})
		}
	}))
	defer s.Close()
	book, err := Await(t.Context(), s.URL, 1, nil)
	if err != nil || book.Open != 1 || asked.Load() != 4 {
		t.Errorf("after %d looks %d are open, %v; want 1 after 4", asked.Load(), book.Open, err)
	}
	gone := make(chan struct{})
	close(gone)
	if book, err = Await(t.Context(), s.URL, 0, gone); err != nil || book.Open != 0 {
		t.Errorf("one that answered before it went: %v, %d open", err, book.Open)
	}
	s.Close()
	if _, err = Await(t.Context(), s.URL, 0, gone); err == nil || !strings.Contains(err.Error(), "gone before") {
		t.Errorf("a server that is gone: %v", err)
	}
}
