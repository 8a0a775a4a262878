package result

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

// thinned runs a Thinner over one small interval per tick and returns the
// document and the merge of all intervals.
func thinned(t *testing.T, tick time.Duration, from, to time.Duration) (*Document, *stats.Summary) {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 6))
	head := header(t, "1/1", time.Hour)
	head.Interval = tick
	var out bytes.Buffer
	w, err := NewWriter(&out, head)
	if err != nil {
		t.Fatal(err)
	}
	thin, total := NewThinner(w, tick, nil), stats.NewSummary(mix(t))
	reused := stats.NewSummary(mix(t)) // as the runner does
	for at := from; at < to; at += tick {
		s := reused
		s.Reset()
		s.From, s.To = at+3*time.Millisecond, min(at+tick, to)+4*time.Millisecond
		s.Connections.Started++
		s.Connections.Opened++
		o := stats.Outcome{N: uint64(at), Class: stats.Clean, Opened: true}
		o.Phases[stats.FIN] = stats.Sample{D: time.Duration(rng.IntN(1e6)), OK: true}
		s.Add(&o, nil)
		total.Merge(s)
		if err := thin.Interval(Interval{Summary: s, Open: uint64(at / time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := thin.End(*finished()); err != nil {
		t.Fatal(err)
	}
	return read(t, out.String()), total
}

func TestTheLinesOfALongRunCoverLongerIntervals(t *testing.T) {
	for _, c := range []struct {
		name           string
		tick, from, to time.Duration
		want           []time.Duration // what the lines cover
	}{
		{"the interval at first", time.Second, 0, 3 * time.Second, []time.Duration{1e9, 1e9, 1e9}},
		{"10 s after 10 minutes", time.Second, 598 * time.Second, 620 * time.Second, []time.Duration{1e9, 1e9, 10e9, 10e9}},
		{"60 s after an hour", time.Second, 3590 * time.Second, 3720 * time.Second, []time.Duration{10e9, 60e9, 60e9}},
		{"a rest at the end", time.Second, 3600 * time.Second, 3605 * time.Second, []time.Duration{5e9}},
		{"an interval longer than that", 30 * time.Second, 600 * time.Second, 690 * time.Second, []time.Duration{30e9, 30e9, 30e9}},
		{"an interval that does not divide it", 6 * time.Second, 600 * time.Second, 618 * time.Second, []time.Duration{12e9, 6e9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, total := thinned(t, c.tick, c.from, c.to)
			var got []time.Duration
			for _, span := range doc.Intervals {
				got = append(got, (span.To - span.From).Round(100*time.Millisecond))
				// Ticks count their own beginning as the gauge.
				if open := time.Duration(span.Connections.Open) * time.Second; open < span.To-c.tick-time.Second || open >= span.To {
					t.Errorf("the line to %s says %d were open at its end", span.To, span.Connections.Open)
				}
			}
			if d := diff(c.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if d := diff(total, summary(t, doc)); d != "" {
				t.Errorf("the total changed (-all +thinned):\n%s", d)
			}
		})
	}
}

func TestWhatIsHeldBackCanBeReadBeforeTheEndAndStandsThereOnce(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, header(t, "1/1", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	thin := NewThinner(w, time.Second, nil)
	s := stats.NewSummary(mix(t))
	s.From, s.To = time.Hour, time.Hour+time.Second // the first of a minute's line
	s.Connections.Started = 7
	if err := thin.Interval(Interval{Summary: s}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := thin.Flush(); err != nil {
			t.Fatal(err)
		}
		if doc := read(t, out.String()); doc.Complete || doc.Total.Connections.Started != 7 {
			t.Errorf("before the end the stream has %d connections", doc.Total.Connections.Started)
		}
	}
	if err := thin.End(*finished()); err != nil {
		t.Fatal(err)
	}
	if doc := read(t, out.String()); len(doc.Intervals) != 1 || doc.Total.Connections.Started != 7 {
		t.Errorf("the stream has %d lines with %d connections", len(doc.Intervals), doc.Total.Connections.Started)
	}
}
