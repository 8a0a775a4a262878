package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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

func TestTheReportOfAGoodRun(t *testing.T) {
	golden(t, "good.golden", []byte(text(t, document(t, header(), good(), goodEnd()))))
}

func TestTheReportOfABadRun(t *testing.T) {
	golden(t, "bad.golden", []byte(text(t, badDocument(t))))
}

func TestTheReportOfARunInWhichNothingOpened(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	s := stats.NewSummary(mix())
	s.To = 1500 * time.Millisecond
	for n := range uint64(100) {
		end(s, rng, n, 0, stats.OpenFailed, func(o *stats.Outcome) {
			o.Detail = "refused"
			o.Phases[stats.OpenLag].OK = false
		})
	}
	head := header()
	head.Name, head.Plan, head.Env.Stamps = "", json.RawMessage(`{"target":{"url":""}}`), stats.ClockUser
	golden(t, "refused.golden", []byte(text(t, document(t, head, s, result.End{Complete: true, Cause: "nothing opened", Exit: 1}))))
}

func TestAReportKeepsToOneHundredColumnsAndItsOwnAlphabet(t *testing.T) {
	for name, doc := range map[string]*result.Document{
		"good": document(t, header(), good(), goodEnd()),
		"bad":  badDocument(t),
	} {
		for line := range strings.Lines(text(t, doc)) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > lineWidth {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: blanks at the end of %q", name, line)
			}
			for _, r := range line {
				if (r < ' ' || r > '~') && r != 'µ' {
					t.Errorf("%s: %q in %q", name, r, line)
				}
			}
		}
	}
}

func TestColourOnlyAddsSequencesAroundLines(t *testing.T) {
	doc := badDocument(t)
	var coloured bytes.Buffer
	if err := Text(&coloured, doc, true); err != nil {
		t.Fatal(err)
	}
	stripped := coloured.String()
	for _, s := range []style{heading, alarm, doubt, "\x1b[0m"} {
		if !strings.Contains(stripped, string(s)) {
			t.Errorf("style %q is not used", s)
		}
		stripped = strings.ReplaceAll(stripped, string(s), "")
	}
	if d := cmp.Diff(text(t, doc), stripped); d != "" {
		t.Errorf("without its colours the report is another (-plain +coloured):\n%s", d)
	}
}

func TestWithoutTheMedianInDoubtNothingIsMarked(t *testing.T) {
	if out := text(t, document(t, header(), good(), goodEnd())); strings.Contains(out, "~") || strings.Contains(out, "WARNING") {
		t.Errorf("a good run is in doubt:\n%s", out)
	}
	// A read_lag of more than a tenth of the fastest user row, and no more.
	s := good()
	for range 1000 {
		o := stats.Outcome{Class: stats.Clean, Opened: true}
		o.Phases[stats.ReadLag] = stats.Sample{D: 40 * time.Microsecond, OK: true, Kernel: true}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	out := text(t, document(t, header(), s, goodEnd()))
	var marked []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "~   ") {
			marked = append(marked, strings.Fields(line)[1])
		}
	}
	if got := strings.Join(marked, " "); got != "connect connect connect" {
		t.Errorf("marked rows: %s\n%s", got, out)
	}
}

func TestWithoutKernelStampsOrInTimeTheReportSaysSo(t *testing.T) {
	s := good()
	for range 20 {
		o := stats.Outcome{Class: stats.Clean, Opened: true}
		o.Phases[stats.OpenLag] = stats.Sample{D: 200 * time.Millisecond, OK: true}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	head := header()
	head.Env.Stamps = stats.ClockUser
	out := text(t, document(t, head, s, goodEnd()))
	for _, want := range []string{"opened up to 200ms after their", "this host does not stamp what arrives"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is not in the report:\n%s", want, out)
		}
	}
}

func TestShardsThatDifferInOppositeWaysAreNotCalledEqual(t *testing.T) {
	e := goodEnd()
	e.Ledger.Matched = false
	if out := text(t, document(t, header(), good(), e)); !strings.Contains(out, "opposite ways") {
		t.Errorf("the report says nothing:\n%s", out)
	}
}

func TestAnIncompleteStreamIsSaidAtTheTop(t *testing.T) {
	doc := document(t, header(), good(), goodEnd())
	doc.Complete, doc.Cause = false, ""
	doc.Shards = append(doc.Shards, doc.Shards[0])
	if out := text(t, doc); !strings.Contains(out, "INCOMPLETE: the stream ends without its last line") || !strings.Contains(out, "2 shards") {
		t.Errorf("the head says nothing:\n%.400s", out)
	}
}

func TestAnEndThatLeavesConnectionsWithoutAnOutcomeSaysWhyAndHowMany(t *testing.T) {
	for cause, want := range map[string]string{
		"1 of 2 processes died": "INCOMPLETE: 1 of 2 processes died, 50 of 1315 connections have no outcome\n",
		"done":                  "INCOMPLETE: 50 of 1315 connections have no outcome\n",
	} {
		doc := document(t, header(), good(), goodEnd())
		doc.Complete, doc.Cause = false, cause
		doc.Total.Connections.Started += 50
		if out := text(t, doc); !strings.Contains(out, want) {
			t.Errorf("%s: the head says otherwise:\n%.400s", cause, out)
		}
		doc.Total.Connections.Started -= 50
		if out := text(t, doc); strings.Contains(out, "no outcome") || !strings.Contains(out, "INCOMPLETE: "+cause+"\n") {
			t.Errorf("%s: the head counts connections that are none:\n%.400s", cause, out)
		}
	}
}

func TestAPlanOfAnotherVersionDoesNotStopTheReport(t *testing.T) {
	doc := document(t, header(), good(), goodEnd())
	doc.Plan = json.RawMessage(`{"target":"ws://host"}`)
	if out := text(t, doc); !strings.Contains(out, "unknown target") {
		t.Errorf("the head:\n%.200s", out)
	}
}

func TestWhatAToxiproxyDoesNotCountIsNotCalledNone(t *testing.T) {
	n := func(n uint64) *uint64 { return &n }
	doc := document(t, header(), good(), goodEnd())
	doc.Path = &result.Path{Accepted: n(7), Refused: n(0), Steps: []result.PathStep{{What: "stall", Hit: n(3)}}}
	if out := text(t, doc); !regexp.MustCompile(`(?m)^  stall +3 *$`).MatchString(out) || !strings.Contains(out, "  7 connections took the path, 0 could not reach the target; ") {
		t.Errorf("of a relay:\n%s", out)
	}
	doc.Path = &result.Path{Steps: []result.PathStep{{What: "stall"}}}
	if out := text(t, doc); !regexp.MustCompile(`(?m)^  stall +\? *$`).MatchString(out) || !strings.Contains(out, "  a Toxiproxy carried the connections, which does not count them; ") {
		t.Errorf("of a Toxiproxy:\n%s", out)
	}
}

func TestALongTimelineShowsItsEnd(t *testing.T) {
	s := stats.NewSummary(mix())
	s.Connections = stats.Connections{Started: 1, Opened: 1}
	s.Add(&stats.Outcome{Class: stats.CloseTimeout, Opened: true}, func() []stats.Moment {
		var all []stats.Moment
		for i := range 40 {
			all = append(all, stats.Moment{At: time.Duration(i) * time.Second, Event: fmt.Sprintf("event %d.", i)})
		}
		return all
	})
	out := text(t, document(t, header(), s, result.End{Complete: true, Cause: "done"}))
	if !strings.Contains(out, "at 24s event 24.") || !strings.Contains(out, "+1.00s event 39.") || strings.Contains(out, "event 23.") {
		t.Errorf("the timeline:\n%s", out)
	}
}

func TestJSONIsTheDocument(t *testing.T) {
	doc := badDocument(t)
	var out bytes.Buffer
	if err := JSON(&out, doc); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.HasPrefix(s, "{\n  \"schema\": \"wsload.result/1\",\n") || !strings.HasSuffix(s, "\n}\n") {
		t.Errorf("begins %.60q and ends %q", s, s[len(s)-10:])
	}
	var back result.Document
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(back.Warnings, "\n"); !strings.Contains(all, "close_lag p99") {
		t.Errorf("the report's own doubts are missing in the warnings:\n%s", all)
	}
	if d := cmp.Diff(text(t, doc), text(t, &back)); d != "" {
		t.Errorf("the report of the document read back is another:\n%s", d)
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestAFailedWriteIsReturned(t *testing.T) {
	doc := document(t, header(), good(), goodEnd())
	live := NewLive(fullDisk{}, func() int { return 80 })
	for what, err := range map[string]error{
		"text":  Text(fullDisk{}, doc, false),
		"JSON":  JSON(fullDisk{}, doc),
		"tick":  live.Tick(Tick{}),
		"clear": live.Clear(),
		"plain": NewLive(fullDisk{}, nil).Tick(Tick{}),
	} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	doc.Total.Latency[0].HDR = "?"
	if err := Text(fullDisk{}, doc, false); err == nil || errors.Is(err, errFull) {
		t.Errorf("a broken histogram: error %v", err)
	}
}
