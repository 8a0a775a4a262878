package result

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/stats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got; go test -update accepts it):\n%s", path, d)
	}
}

// twoConnections is an interval small enough to read.
func twoConnections(t *testing.T) Interval {
	t.Helper()
	s := stats.NewSummary(mix(t))
	s.From, s.To = 0, time.Second
	s.Connections = stats.Connections{Started: 3, Opened: 2}
	s.Peak["1/1"] = 2
	active := stats.Outcome{
		N: 0, Class: stats.Clean, Opened: true, CodeSent: 1000, CodeReceived: 1000, ClosedFirst: stats.Server,
		Messages: stats.Messages{Sent: 4, Received: 4},
	}
	active.InvalidState[stats.Probe] = 2
	active.Flags.Set(stats.CodeEcho, true)
	active.Phases[stats.CloseHandshake] = stats.Sample{D: 1_550_000, OK: true, Kernel: true}
	active.Phases[stats.Teardown] = stats.Sample{D: 2_000_000, OK: true}
	refused := stats.Outcome{N: 1, Entry: 1, Class: stats.OpenFailed, Detail: "refused"}
	s.Add(&active, func() []stats.Moment {
		return []stats.Moment{{At: 500_000_000, Event: "close sent"}, {At: 501_550_000, Event: "close received 1000", Clock: stats.ClockKernel}}
	})
	s.Add(&refused, nil)
	return Interval{Summary: s, Open: 1, Closing: 1}
}

func TestTheDocumentHasTheFieldsItPromises(t *testing.T) {
	head := header(t, "1/1", 0)
	head.Plan = json.RawMessage(`{"name":"mixed"}`)
	end := End{
		Cause: "signal interrupt", Exit: 130, Warnings: []string{"the descriptor limit is low"},
		Ledger: NewLedger([]LedgerMode{{Mode: "active", Fields: []LedgerField{{Field: "opened", Client: 1, Server: 1}}}}),
	}
	doc := read(t, strings.Join(written(t, head, &end, twoConnections(t)), ""))
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// The compressor's bytes may differ from one version of Go to the next.
	text = regexp.MustCompile(`"hdr": "HIST[^"]+"`).ReplaceAll(text, []byte(`"hdr": "HIST"`))
	golden(t, "document.golden", append(text, '\n'))

	var back Document
	text, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := diff(doc, &back); d != "" {
		t.Errorf("the document changed in JSON (-written +read):\n%s", d)
	}
	if d := diff(twoConnections(t).Summary, summary(t, &back)); d != "" {
		t.Errorf("the total changed in JSON (-run +read):\n%s", d)
	}
}

func TestADocumentOfTheTotalAloneIsThatOfItsStream(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 14))
	head := header(t, "1/1", 0)
	a, b := interval(t, rng, "1/1", 0, 50), interval(t, rng, "1/1", 1, 50)
	end := End{Complete: true, Cause: "done", Warnings: []string{"slow"}}
	want := read(t, strings.Join(written(t, head, &end, a, b), ""))
	got := NewDocument(head, Interval{Summary: merged(t, a, b), Open: b.Open, Closing: b.Closing}, end)
	want.Intervals = nil
	if d := diff(want, got); d != "" {
		t.Errorf("(-read +made)\n%s", d)
	}
}

func TestAVerdictIsKeptOnlyWhereAllShardsShareIt(t *testing.T) {
	doc := func(verdicts ...string) string {
		var streams []string
		for i, v := range verdicts {
			shard := []string{"1/2", "2/2"}[i]
			end := End{Complete: true, Cause: "done", Verdict: v}
			streams = append(streams, strings.Join(written(t, header(t, shard, 0), &end), ""))
		}
		return read(t, streams...).Verdict
	}
	for want, verdicts := range map[string][]string{"pass": {"pass"}, "fail": {"fail", "fail"}, "none": {"pass", "fail"}} {
		if got := doc(verdicts...); got != want {
			t.Errorf("verdicts %v make %q, want %q", verdicts, got, want)
		}
	}
}

func TestALedgerMatchesOnlyWhenEveryFieldOfEveryShardDoes(t *testing.T) {
	ledger := func(client, server uint64) *Ledger {
		return NewLedger([]LedgerMode{
			{Mode: "active", Fields: []LedgerField{{"opened", 7, 7}}},
			{Mode: "abort", Fields: []LedgerField{{"opened", client, server}, {"none", 1, 1}}},
		})
	}
	if !ledger(5, 5).Matched || ledger(5, 4).Matched {
		t.Error("a ledger matches when both sides count the same, and only then")
	}
	// The differences of the two shards cancel out in the sums.
	joined := joinLedgers([]*Ledger{ledger(5, 4), ledger(4, 5)})
	want := &Ledger{Modes: []LedgerMode{
		{Mode: "active", Fields: []LedgerField{{"opened", 14, 14}}},
		{Mode: "abort", Fields: []LedgerField{{"opened", 9, 9}, {"none", 2, 2}}},
	}}
	if d := diff(want, joined); d != "" {
		t.Errorf("(-want +joined)\n%s", d)
	}
	if got := joined.Count("opened"); got != 23 {
		t.Errorf("%d opened over all modes, want 23", got)
	}
	if joinLedgers(nil) != nil {
		t.Error("no ledger is not an empty one that matches")
	}
}

func TestTheLedgerOfEachShardIsInTheDocument(t *testing.T) {
	var streams []string
	for _, shard := range []string{"1/2", "2/2"} {
		end := finished()
		end.Ledger = NewLedger([]LedgerMode{{Mode: "active", Fields: []LedgerField{{"opened", 2, 2}}}})
		streams = append(streams, strings.Join(written(t, header(t, shard, 0), end), ""))
	}
	if l := read(t, streams...).Ledger; l == nil || !l.Matched || l.Count("opened") != 4 {
		t.Errorf("ledger %+v", l)
	}
	if l := read(t, streams[0][:bytes.IndexByte([]byte(streams[0]), '\n')+1]).Ledger; l != nil {
		t.Errorf("a stream without an end has the ledger %+v", l)
	}
}
