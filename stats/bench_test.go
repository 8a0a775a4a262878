package stats

import (
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkHistogram(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	wide := new(Histogram)
	for range 1000 {
		wide.Record(time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond)))
	}
	wide.Record(100 * time.Second)
	text := new(Encoder).Encode(wide)
	b.Run("record", func(b *testing.B) {
		h := new(Histogram)
		for b.Loop() {
			h.Record(1_234_567)
		}
	})
	b.Run("merge", func(b *testing.B) {
		h := new(Histogram)
		for b.Loop() {
			h.Merge(wide)
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var e Encoder
		for b.Loop() {
			e.Encode(wide)
		}
		b.ReportMetric(float64(len(text)), "bytes")
	})
	b.Run("merge encoded", func(b *testing.B) {
		b.ReportAllocs()
		h := new(Histogram)
		for b.Loop() {
			if err := h.MergeEncoded(text, wide.Exact()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("quantile", func(b *testing.B) {
		for b.Loop() {
			wide.Quantile(0.99)
		}
	})
	b.Run("reset", func(b *testing.B) {
		h := new(Histogram)
		for b.Loop() {
			h.Record(1)
			h.Reset()
		}
	})
}
