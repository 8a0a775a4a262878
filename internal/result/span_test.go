package result

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wsload/wsload/stats"
)

func TestASummaryComesBackEqualFromItsJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 30, 1000} {
		iv := interval(t, rng, "1/1", 3, n)
		want := newSpan(iv, new(stats.Encoder))
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var span Span
		if err := json.Unmarshal(text, &span); err != nil {
			t.Fatal(err)
		}
		if d := diff(want, span); d != "" {
			t.Errorf("%d connections: the span changed in JSON (-written +read):\n%s", n, d)
		}
		got := stats.NewSummary(mix(t))
		if err := span.AddTo(got); err != nil {
			t.Fatal(err)
		}
		if d := diff(iv.Summary, got); d != "" {
			t.Errorf("%d connections (-summary +read back):\n%s", n, d)
		}
	}
}

func TestAddingASpanIsMerging(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	a, b := interval(t, rng, "1/2", 0, 200), interval(t, rng, "2/2", 1, 200)
	got := stats.NewSummary(mix(t))
	for _, iv := range []Interval{a, b} {
		span := newSpan(iv, new(stats.Encoder))
		if err := span.AddTo(got); err != nil {
			t.Fatal(err)
		}
	}
	if d := diff(merged(t, a, b), got); d != "" {
		t.Errorf("(-merged +added)\n%s", d)
	}
}

func TestASpanThatContradictsItselfIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Span)
		want   string
	}{
		{"ends before it begins", func(s *Span) { s.To = s.From - 1 }, "is no span"},
		{"class of an unknown entry", func(s *Span) { s.Outcomes[0].Name = "x" }, `the mix has no entry "x" of mode "active"`},
		{"class of another mode", func(s *Span) { s.Outcomes[0].Mode = "abort" }, `the mix has no entry "active" of mode "abort"`},
		{"class counted twice", func(s *Span) { s.Outcomes = append(s.Outcomes, s.Outcomes[0]) }, "counted twice"},
		{"a flag that is none", func(s *Span) { s.Outcomes[0].Flags = map[stats.Flag]uint64{stats.Flag(stats.NumFlags): 1} }, "is no flag"},
		{"more sides than ends", func(s *Span) { s.TCPClosedFirst.Client = 999 }, "tcp_closed_first"},
		{"a code that is none", func(s *Span) { s.Codes.Sent["zero"] = 1 }, `"zero" is not a Close code`},
		{"a code out of range", func(s *Span) { s.Codes.Received["65536"] = 1 }, `"65536" is not a Close code`},
		{"code 0", func(s *Span) { s.Codes.Received["0"] = 1 }, `"0" is not a Close code`},
		{"latency of an unknown entry", func(s *Span) { s.Latency[0].Name = "x" }, `open_lag: the mix has no entry "x"`},
		{"more unstamped than samples", func(s *Span) { s.Latency[0].Unstamped = 999 }, "999 unstamped of"},
		{"a broken histogram", func(s *Span) { s.Latency[0].HDR = "!" }, "active open_lag: decode histogram"},
		{"a histogram without a count", func(s *Span) { s.Latency[0].Count, s.Latency[0].Unstamped = 0, 0 }, "active open_lag: decode histogram"},
	} {
		t.Run(c.name, func(t *testing.T) {
			span := newSpan(interval(t, rand.New(rand.NewPCG(3, 3)), "1/1", 1, 200), new(stats.Encoder))
			c.change(&span)
			err := span.AddTo(stats.NewSummary(mix(t)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestFlagsAreWrittenByNameAndOnlyThoseThatWereMet(t *testing.T) {
	s := stats.NewSummary(mix(t))
	for i := range 3 {
		o := stats.Outcome{Class: stats.Clean, Opened: true}
		o.Flags.Set(stats.CodeEcho, true)
		o.Flags.Set(stats.LateFIN, i == 0)
		s.Add(&o, nil)
	}
	text, err := json.Marshal(newSpan(Interval{Summary: s}, new(stats.Encoder)).Outcomes)
	if want := `"flags":{"code_echo":3,"late_fin":1}`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%s, %v; want %s in it", text, err, want)
	}
}

func TestThePhaseOfAMutePeerFlowsThrough(t *testing.T) {
	s := stats.NewSummary([]stats.Entry{{Name: "mute", Mode: "mute"}})
	o := stats.Outcome{Class: stats.Cut, Detail: "fin", Opened: true}
	o.Phases[stats.GiveUp] = stats.Sample{D: 10_000_000_000, OK: true}
	s.Add(&o, nil)
	span := newSpan(Interval{Summary: s}, new(stats.Encoder))
	if len(span.Latency) != 1 || span.Latency[0].Phase != stats.GiveUp || span.Latency[0].Clock != stats.ClockUser {
		t.Fatalf("latency: %+v", span.Latency)
	}
	got := stats.NewSummary(s.Entries)
	if err := span.AddTo(got); err != nil {
		t.Fatal(err)
	}
	if d := diff(s, got); d != "" {
		t.Errorf("(-summary +read back)\n%s", d)
	}
}

func TestOnlyWhatHappenedIsWritten(t *testing.T) {
	s := stats.NewSummary(mix(t))
	o := stats.Outcome{Entry: 1, Class: stats.Interrupted, Opened: true}
	o.Crossed[stats.Notice] = true
	o.Phases[stats.Upgrade] = stats.Sample{D: 5, OK: true}
	s.Add(&o, nil)
	span := newSpan(Interval{Summary: s}, new(stats.Encoder))
	if len(span.Outcomes) != 1 || span.Outcomes[0].Class != stats.Interrupted || span.Outcomes[0].Expected != nil {
		t.Errorf("outcomes: %+v", span.Outcomes)
	}
	if text, err := json.Marshal(span.Outcomes[0]); err != nil || strings.Contains(string(text), "flags") {
		t.Errorf("an outcome without flags: %s, %v", text, err)
	}
	if len(span.Latency) != 2 || span.Latency[0].Phase != stats.Upgrade || span.Latency[1].Phase != stats.Notice {
		t.Fatalf("latency: %+v", span.Latency)
	}
	if notice := span.Latency[1]; notice.Count != 0 || notice.Crossed != 1 || notice.HDR != "" {
		t.Errorf("a row of crossed pairs only: %+v", notice)
	}
	if span.Codes.Sent["none"] != 1 {
		t.Errorf("codes sent: %v", span.Codes.Sent)
	}
}
