package judge

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

func mix() []stats.Entry {
	return []stats.Entry{{Name: "active", Mode: "active"}, {Name: "kicked", Mode: "passive"}}
}

// ends adds n connections of the entry active whose close took d, or that were
// never answered where d is 0.
func ends(s *stats.Summary, n int, d time.Duration) {
	for range n {
		o := stats.Outcome{Class: stats.Clean, Opened: true, Messages: stats.Messages{Sent: 1, Received: 1}}
		o.Phases[stats.CloseHandshake] = stats.Sample{D: d, OK: d > 0, Kernel: true}
		if d == 0 {
			o.Class = stats.CloseTimeout
		}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
}

// run is the document of a run whose intervals had closes of the given
// durations, a thousand each.
func run(t *testing.T, plan string, durations ...time.Duration) *result.Document {
	t.Helper()
	var stream bytes.Buffer
	w, err := result.NewWriter(&stream, result.Header{Schema: 1, Run: "r", Seed: 1, Interval: time.Second, Mix: mix(), Plan: json.RawMessage(plan)})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range durations {
		s := stats.NewSummary(mix())
		s.From, s.To = time.Duration(i)*time.Second, time.Duration(i+1)*time.Second
		ends(s, 1000, d)
		if err := w.Interval(result.Interval{Summary: s}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(result.End{Complete: true, Cause: "done"}); err != nil {
		t.Fatal(err)
	}
	doc, err := result.Read(&stream)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// judged reads what the rules say.
func judged(t *testing.T, doc *result.Document, texts ...string) []rule.Result {
	t.Helper()
	rules, err := Read(texts, doc.Mix)
	if err != nil {
		t.Fatal(err)
	}
	if err := Document(doc, rules); err != nil {
		t.Fatal(err)
	}
	all := make([]rule.Result, len(doc.Rules))
	for i, text := range doc.Rules {
		if err := json.Unmarshal(text, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestTheRulesOfThePlanComeBeforeThoseThatAreAddedLater(t *testing.T) {
	doc := run(t, `{"gate":{"rules":["unexpected.rate == 0"]}}`, time.Millisecond)
	got := judged(t, doc, "active.close_handshake.p50 < 1us")
	if len(got) != 2 || got[0].Rule != "unexpected.rate == 0" || got[0].Verdict != gate.Pass || got[1].Verdict != gate.Fail || doc.Verdict != "fail" {
		t.Errorf("%s: %+v", doc.Verdict, got)
	}
}

func TestARunWithoutRulesIsNotJudged(t *testing.T) {
	doc := run(t, `{}`, time.Millisecond)
	if got := judged(t, doc); len(got) != 0 || doc.Verdict != "none" || doc.Rules == nil {
		t.Errorf("%s: %+v", doc.Verdict, got)
	}
}

func TestARunThatIsNotWholeDoesNotPass(t *testing.T) {
	doc := run(t, `{}`, time.Millisecond)
	doc.Complete = false
	if got := judged(t, doc, "unexpected.rate == 0"); doc.Verdict != "not_comparable" || got[0].Verdict != gate.Pass {
		t.Errorf("%s: %+v", doc.Verdict, got)
	}
	if judged(t, doc, "unexpected.rate > 0"); doc.Verdict != "fail" {
		t.Errorf("what failed is not called so: %s", doc.Verdict)
	}
}

func TestAVerdictThatIsAnotherThanThatOfTheRunIsTold(t *testing.T) {
	const plan = `{"gate":{"rules":["unexpected.rate == 0"]}}`
	for _, c := range []struct {
		stored string
		change func(*result.Document)
		told   bool
	}{
		{"pass", func(*result.Document) {}, false},
		{"fail", func(*result.Document) {}, true},
		{"none", func(*result.Document) {}, true},
		{"pass", func(d *result.Document) { d.Complete = false }, true},
		{"not_comparable", func(d *result.Document) { d.Complete = false }, false},
		{"fail", func(d *result.Document) { d.Shards[0].Shard = "1/2" }, false},
		{"fail", func(d *result.Document) { d.Shards = append(d.Shards, d.Shards[0]) }, false},
		{"none", func(d *result.Document) { d.Shards[0].Cause = "" }, false}, // no end line
		{"none", func(d *result.Document) { d.Plan = json.RawMessage(`{}`) }, false},
	} {
		doc := run(t, plan, time.Millisecond)
		doc.Verdict, doc.Env.Version = c.stored, "v9"
		c.change(doc)
		judged(t, doc, "unexpected.rate > 0") // which fails, and was not the run's
		if told := len(doc.Warnings) > 0; told != c.told {
			t.Errorf("stored %s, complete %t, %+v: %q", c.stored, doc.Complete, doc.Shards, doc.Warnings)
		} else if told && !strings.HasPrefix(doc.Warnings[0], "the run ended with the verdict "+c.stored+" by wsload v9, and judged again its rules give ") {
			t.Error(doc.Warnings[0])
		}
	}
}

func TestTheIntervalsOfARunAreTheRoundsOfItsRules(t *testing.T) {
	ms := time.Millisecond
	steady := judged(t, run(t, `{}`, 5*ms, 5*ms, 5*ms, 5*ms, 5*ms, 5*ms, 5*ms, 5*ms), "close_handshake.p50 < 6ms")
	if steady[0].Verdict != gate.Pass || !strings.Contains(steady[0].Reason, "over 8 rounds") {
		t.Errorf("%+v", steady[0])
	}
	// Taken together these are as sure to be below the bound; one by one they are not.
	unsteady := judged(t, run(t, `{}`, 5*ms, 9*ms, 5*ms, 9*ms, 5*ms, 9*ms, 5*ms, 5*ms), "close_handshake.p50 < 6ms")
	if unsteady[0].Verdict != gate.Inconclusive {
		t.Errorf("%+v", unsteady[0])
	}
}

func TestALongRunHasNoMoreRoundsThanNeeded(t *testing.T) {
	durations := make([]time.Duration, 3*maxRounds+1)
	for i := range durations {
		durations[i] = time.Millisecond
	}
	doc := run(t, `{}`, durations...)
	rules, err := Read([]string{"active.close_handshake.p50 < 1s"}, doc.Mix)
	if err != nil {
		t.Fatal(err)
	}
	all, err := rounds(doc.Intervals, doc.Mix, rules)
	if err != nil {
		t.Fatal(err)
	}
	var closes uint64
	for _, s := range all {
		closes += s.Latency[0][stats.CloseHandshake].Hist.Count()
	}
	if len(all) != maxRounds || closes != uint64(1000*len(durations)) {
		t.Errorf("%d rounds with %d closes", len(all), closes)
	}
	if rules, err = Read([]string{"premature.rate < 1%"}, doc.Mix); err != nil {
		t.Fatal(err)
	}
	if all, err = rounds(doc.Intervals, doc.Mix, rules); err != nil || all[0].Latency[0][stats.CloseHandshake].Hist != nil || all[0].Connections.Ended == 0 {
		t.Errorf("a rule on a rate has histograms or no counts: %v", err)
	}
}

func TestThePlanSaysHowLongAnAttemptLastedThatRanOutOfTime(t *testing.T) {
	const rules = "close_handshake.p50 < 3s"
	if got := judged(t, run(t, `{"limits":{"close":"5s","fin":"1s"}}`, 0), rules); got[0].Verdict != gate.Fail || got[0].Low == nil || *got[0].Low != 5e9 {
		t.Errorf("%+v", got[0])
	}
	if got := judged(t, run(t, `{"limits":{"close":"soon"}}`, 0), rules); got[0].Verdict == gate.Fail || got[0].Verdict == gate.Pass {
		t.Errorf("nothing is known of the limit: %+v", got[0])
	}
}

func TestLossIsJudgedOnlyWhereMessagesWereChecked(t *testing.T) {
	if got := judged(t, run(t, `{"traffic":{"expect":"echo"}}`, time.Millisecond), "messages.lost == 0"); got[0].Verdict != gate.Pass {
		t.Errorf("%+v", got[0])
	}
	if got := judged(t, run(t, `{"traffic":{"expect":"any"}}`, time.Millisecond), "messages.lost == 0"); got[0].Verdict != gate.NoData {
		t.Errorf("%+v", got[0])
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	if _, err := Read([]string{"premature.rat == 0", "fin.p99 < 1ms", "fin.p99 < 1"}, mix()); err == nil || strings.Count(err.Error(), "parse rule") != 2 {
		t.Errorf("not every rule that is none is named: %v", err)
	}
	if err := Document(run(t, `{"gate":{"rules":["other.p50 < 1s"]}}`, time.Millisecond), nil); err == nil || !strings.HasPrefix(err.Error(), "judge run r: parse rule") {
		t.Errorf("a rule about an entry that is not there: %v", err)
	}
	doc := run(t, `{"gate":{"rules":["fin.p50 < 1s","close_handshake.p50 < 1s"]}}`, time.Millisecond)
	doc.Intervals[0].Latency[0].HDR = "damaged"
	if err := Document(doc, nil); err == nil || !strings.HasPrefix(err.Error(), "judge: interval from 0s: ") {
		t.Error(err)
	}
	doc.Total.Latency[0].HDR = "damaged"
	if err := Document(doc, nil); err == nil || !strings.HasPrefix(err.Error(), "judge: read total of run r: ") {
		t.Error(err)
	}
}

func TestADrainAfterWhichNobodyWasBackBreaksEveryBoundOnIt(t *testing.T) {
	took := time.Minute
	doc := run(t, `{}`, time.Millisecond)
	doc.Drain = &result.Drain{Held: 5, Took: &took, Herd: &result.Herd{Attempts: 3}}
	got := judged(t, doc, "drain.back < 30s", "drain.held > 4", "drain.first_cut < 1s")
	for i, want := range []gate.Verdict{gate.Fail, gate.Pass, gate.NoData} {
		if got[i].Verdict != want {
			t.Errorf("%s: %s, %s; want %s", got[i].Rule, got[i].Verdict, got[i].Reason, want)
		}
	}
}

func TestAFigureThatIsNotKnownIsNoData(t *testing.T) {
	one, doc := 1.0, run(t, `{}`, time.Millisecond)
	doc.Watch = &result.Watch{Figures: map[string]result.Figure{
		"leak.fds.per_1000": {Basis: "not known: load for longer"}, "leak.rss.per_hour": {Value: &one, Low: &one}, "fds.after_settle": {Value: &one, Low: &one, High: &one},
	}}
	got := judged(t, doc, "leak.fds.per_1000 < 1", "leak.rss.per_hour < 1MiB", "fds.after_settle == 0", "threads.after_settle == 0")
	for i, want := range []gate.Verdict{gate.NoData, gate.Inconclusive, gate.Fail, gate.NoData} {
		if got[i].Verdict != want {
			t.Errorf("%s: %s, %s; want %s", got[i].Rule, got[i].Verdict, got[i].Reason, want)
		}
	}
	if !strings.Contains(got[0].Reason, "load for longer") {
		t.Errorf("%q does not say why", got[0].Reason)
	}
}
