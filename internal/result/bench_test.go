package result

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

// benchmarkInterval has a thousand ordinary connections, all phases measured.
func benchmarkInterval() ([]stats.Entry, Interval) {
	entries := []stats.Entry{{Name: "active", Mode: "active"}, {Name: "passive", Mode: "passive"}, {Name: "abort", Mode: "abort"}}
	rng := rand.New(rand.NewPCG(1, 1))
	s := stats.NewSummary(entries)
	s.To = time.Second
	for n := range uint64(1000) {
		o := stats.Outcome{N: n, Entry: rng.IntN(3), Class: stats.Clean, Opened: true, CodeSent: 1000, CodeReceived: 1000}
		for p := range stats.NumPhases {
			o.Phases[p] = stats.Sample{D: time.Duration(rng.ExpFloat64() * 2e6), OK: true, Kernel: true}
		}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	return entries, Interval{Summary: s}
}

func BenchmarkWriteInterval(b *testing.B) {
	entries, iv := benchmarkInterval()
	w, err := NewWriter(io.Discard, Header{Run: "r", Interval: time.Second, Mix: entries, Plan: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Interval(iv); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadInterval(b *testing.B) {
	entries, iv := benchmarkInterval()
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Schema: schemaNumber, Run: "r", Interval: time.Second, Mix: entries, Plan: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	head := out.String()
	out.Reset()
	if err := w.Interval(iv); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	const lines = 100
	stream := head + strings.Repeat(out.String(), lines)
	for b.Loop() {
		if _, err := Read(strings.NewReader(stream)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.Len()), "bytes/line")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
}
