package rig

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// leaking is a stream of two minutes, a line each second, of a target that keeps
// one descriptor of each hundred connections. The first two seconds are ramp.
// change may alter each sample.
func leaking(t *testing.T, end *result.End, change func(i int, s *watch.Sample)) *result.Document {
	t.Helper()
	p := plan(t, "ws://127.0.0.1:9000/")
	p.Interval = time.Second
	head, err := result.NewHeader("run", scenario.Shard{}, time.Now(), &p, result.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	w, err := result.NewWriter(&stream, head)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		held := new(result.Held)
		for _, side := range []*json.RawMessage{&held.Target, &held.Self} {
			s := watch.Sample{At: time.Duration(i) * time.Second, Phase: watch.Load, Closes: uint64(i) * 200}
			s.FDs.N, s.FDs.OK = 20, true
			if i < 2 {
				s.Phase = watch.Ramp
			}
			if side == &held.Target {
				s.FDs.N += int64(i) * 2
				if change != nil {
					change(i, &s)
				}
			}
			if *side, err = json.Marshal(s); err != nil {
				t.Fatal(err)
			}
		}
		sum := stats.NewSummary(head.Mix)
		sum.From, sum.To = time.Duration(i)*time.Second, time.Duration(i+1)*time.Second
		if err := w.Interval(result.Interval{Summary: sum, Held: held}); err != nil {
			t.Fatal(err)
		}
	}
	if end != nil {
		if err := w.End(*end); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := result.Read(&stream)
	if err != nil {
		t.Fatal(err)
	}
	Recall(doc)
	return doc
}

func warned(doc *result.Document, text string) bool {
	return slices.ContainsFunc(doc.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

func TestWhatAKilledRunHeldIsJudgedBySamplesOfItsStream(t *testing.T) {
	doc := leaking(t, nil, nil)
	if doc.Complete || doc.Watch == nil {
		t.Fatalf("complete %v, watch %+v, %q", doc.Complete, doc.Watch, doc.Warnings)
	}
	if f := doc.Watch.Figures["leak.fds.per_1000"]; f.Value == nil || *f.Value < 9.9 || *f.Value > 10.1 || f.Low == nil || *f.Low < 9 || !strings.HasSuffix(f.Basis, "; the run has no end") {
		t.Errorf("leak.fds.per_1000 is %+v", f)
	}
	if f := doc.Watch.Figures["self.leak.fds.per_1000"]; f.Value == nil || *f.Value != 0 {
		t.Errorf("self.leak.fds.per_1000 is %+v", f)
	}
	if f := doc.Watch.Figures["fds.after_settle"]; f.Value != nil || !strings.HasPrefix(f.Basis, "known 0 times before the load") {
		t.Errorf("fds.after_settle is %+v", f)
	}
	var r watch.Report
	if err := json.Unmarshal(doc.Watch.Target, &r); err != nil || r.Samples != 120 || r.Closes != 117*200 {
		t.Errorf("%d samples, %d closes, %v", r.Samples, r.Closes, err)
	}
	for _, want := range []string{"watch: the run has no end", "watch: LEAK descriptors"} {
		if !warned(doc, want) {
			t.Errorf("%q is not in %q", want, doc.Warnings)
		}
	}
}

func TestARestartBetweenTheSamplesOfAStreamIsNotLost(t *testing.T) {
	doc := leaking(t, nil, func(i int, s *watch.Sample) {
		if i > 100 { // twice, in samples that are not in the stream
			s.Restarts = 2
		}
	})
	var r watch.Report
	if err := json.Unmarshal(doc.Watch.Target, &r); err != nil {
		t.Fatal(err)
	}
	if r.Restarts != 2 || r.Load != 18*time.Second || !warned(doc, "the target restarted (2 times)") {
		t.Errorf("%d restarts, %v of load since, %q", r.Restarts, r.Load, doc.Warnings)
	}
}

func TestASampleThatIsInTwoLinesCountsOnce(t *testing.T) {
	doc := leaking(t, nil, func(i int, s *watch.Sample) { s.At = time.Duration(i/2) * time.Second })
	var r watch.Report
	if err := json.Unmarshal(doc.Watch.Target, &r); err != nil || r.Samples != 60 {
		t.Errorf("%d samples, %v", r.Samples, err)
	}
}

func TestARunWithItsEndLineIsNotJudgedAgain(t *testing.T) {
	end := result.End{Complete: true, Cause: "done", Watch: &result.Watch{Figures: map[string]result.Figure{"fds.after_settle": {Basis: "as it was"}}}}
	doc := leaking(t, &end, nil)
	if doc.Watch.Figures["fds.after_settle"].Basis != "as it was" || len(doc.Watch.Figures) != 1 || len(doc.Warnings) != 0 {
		t.Errorf("%+v, %q", doc.Watch, doc.Warnings)
	}
}

func TestSamplesThatCannotBeReadAreTold(t *testing.T) {
	doc := leaking(t, nil, func(i int, s *watch.Sample) { s.Phase = "elsewhere" })
	if doc.Watch == nil { // another version's phase is no load
		t.Fatalf("%q", doc.Warnings)
	}
	if f := doc.Watch.Figures["leak.fds.per_1000"]; f.Value != nil {
		t.Errorf("leak.fds.per_1000 is %+v", f)
	}
	doc.Watch, doc.Warnings = nil, nil
	doc.Intervals[3].Held.Target = json.RawMessage(`{"at_ns": "soon"}`)
	if Recall(doc); doc.Watch != nil || !warned(doc, "cannot be judged") {
		t.Errorf("%+v, %q", doc.Watch, doc.Warnings)
	}
}
