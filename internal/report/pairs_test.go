package report

import (
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// paired is the report of a good run with these pairs.
func paired(t *testing.T, pairs *result.LedgerPairs) string {
	t.Helper()
	e := goodEnd()
	e.Ledger.AddPairs(pairs)
	return text(t, document(t, header(), good(), e))
}

func TestDoubleEntryIsOneLineWhereBothEndsAgree(t *testing.T) {
	for want, pairs := range map[string]*result.LedgerPairs{
		"double entry: 1205 connections judged by both ends, every pair consistent\n":                                             {Compared: 1205},
		"double entry: 1205 connections judged by both ends, every pair can be, 3 of them only because both ends acted at once\n": {Compared: 1205, Raced: 3},
		"double entry: of 7 connections only one end's verdict is known\n":                                                        {Compared: 1198, Missing: 7},
	} {
		got := paired(t, pairs)
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
		if !strings.Contains(got, "the server's ledger agrees: 2 modes, 1205 connections\n") {
			t.Errorf("the report lacks the sums:\n%s", got)
		}
	}
}

func TestEachConnectionOnWhichTheEndsDisagreeIsListed(t *testing.T) {
	got := paired(t, &result.LedgerPairs{
		Compared: 1205, Mismatched: 1,
		Mismatches: []result.LedgerMismatch{{
			N: 17, Mode: "active", Client: stats.Clean, Server: stats.PrematureRST, Sent: 1000, ServerReceived: 0, ServerSent: 1001, Received: 1000,
		}},
	})
	for _, want := range []string{
		"DOUBLE ENTRY: OF 1 CONNECTION THE TWO ENDS DISAGREE, of 1205: one of the two is wrong\n",
		"!           17   active       clean             premature_rst     1000→-, back 1001→1000\n",
		"the sums of the server's ledger agree\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
}

func TestWithoutSumsOnlyTheConnectionsAreTold(t *testing.T) {
	e := goodEnd()
	e.Ledger = &result.Ledger{Matched: true, Pairs: &result.LedgerPairs{Compared: 5}}
	got := text(t, document(t, header(), good(), e))
	if !strings.Contains(got, "double entry: 5 connections") || strings.Contains(got, "ledger") {
		t.Errorf("the report is\n%s", got)
	}
}

func TestWhatAServerSawShowsNothingThatOnlyARunHas(t *testing.T) {
	doc := document(t, header(), good(), result.End{Complete: true, Cause: "done"})
	run := text(t, doc)
	doc.Seed = 0
	seen := text(t, doc)
	for _, word := range []string{"seed", "invalid state", "probe accepted"} {
		if !strings.Contains(run, word) || strings.Contains(seen, word) {
			t.Errorf("%q: in the report of a run %v, of a server %v", word, strings.Contains(run, word), strings.Contains(seen, word))
		}
	}
}
