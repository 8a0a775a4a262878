package stats

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The shape of every histogram: 1 ns to 120 s with three significant digits,
// which costs 224 KiB once there is a sample. Histograms of another shape are
// not merged.
const (
	histogramLow    = 1
	histogramHigh   = 120 * time.Second
	histogramDigits = 3
)

// A Histogram holds the distribution of one phase's durations. The zero value
// is an empty histogram ready to use, and it takes no memory to speak of until
// the first sample. A nil *Histogram can be asked, merged from and compared
// like an empty one.
//
// Count, minimum, maximum and sum are exact. Quantiles come from the buckets,
// so they are right to three digits. A Histogram is not safe for concurrent
// use.
type Histogram struct {
	hdr   *hdrhistogram.Histogram // nil until the first sample, kept over Reset
	exact Exact
}

// Exact is what a Histogram knows exactly, beside its buckets.
type Exact struct {
	Count    uint64        // samples
	Min, Max time.Duration // 0 without samples
	Sum      uint64        // nanoseconds; stays at its largest value rather than wrap
	Clamped  uint64        // samples above 120 s: in the buckets as 120 s, in Max and Sum as they are
	Refused  uint64        // negative durations, which are not samples
}

// Exact returns the exact numbers.
func (h *Histogram) Exact() Exact {
	if h == nil {
		return Exact{}
	}
	return h.exact
}

// Count returns the number of samples.
func (h *Histogram) Count() uint64 { return h.Exact().Count }

// Min returns the shortest sample, 0 without samples.
func (h *Histogram) Min() time.Duration { return h.Exact().Min }

// Max returns the longest sample, 0 without samples.
func (h *Histogram) Max() time.Duration { return h.Exact().Max }

// Mean returns the arithmetic mean, rounded down to a nanosecond; 0 without
// samples.
func (h *Histogram) Mean() time.Duration {
	e := h.Exact()
	return time.Duration(e.Sum / max(e.Count, 1))
}

// Record adds one sample and reports whether it was taken: a negative duration
// is refused and counted.
func (h *Histogram) Record(d time.Duration) bool {
	if d < 0 {
		h.exact.Refused++
		return false
	}
	e := Exact{Count: 1, Min: d, Max: d, Sum: uint64(d)}
	if d > histogramHigh {
		e.Clamped = 1
	}
	if err := h.buckets().RecordValue(int64(min(d, histogramHigh))); err != nil {
		// The value is within the range, so only 2^63 samples can get here.
		panic("stats: record a duration: " + err.Error())
	}
	h.exact = h.exact.plus(e)
	return true
}

// Merge adds the samples of other, which stays as it is. It is associative and
// commutative. It takes about 15 µs for a hundred samples and 0.2 ms at most.
func (h *Histogram) Merge(other *Histogram) {
	e := other.Exact()
	if e.Count > 0 && mergeBuckets(h.buckets(), other.hdr, e.Count) > 0 {
		// Both have the same range, so only 2^63 samples can get here.
		panic("stats: merge histograms: the count overflows")
	}
	h.exact = h.exact.plus(e)
}

// mergeBuckets returns the number of samples it could not add. The library's
// Merge does some arithmetic at every bucket up to the longest sample. For the
// few samples of an interval it is 3 to 7 times faster to collect the buckets
// in use first; from some thousands on it is no longer.
func mergeBuckets(dst, src *hdrhistogram.Histogram, samples uint64) int64 {
	if samples > 4096 {
		return dst.Merge(src)
	}
	used := hdrhistogram.NewPacked(histogramLow, int64(histogramHigh), histogramDigits)
	return used.MergeFrom(src) + used.MergeInto(dst)
}

// Quantile returns the duration that a share q of the samples do not exceed, q
// from 0 to 1. It lies between Min and Max and is 0 without samples.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	d := time.Duration(h.hdr.ValueAtPercentile(100 * q))
	if q >= 1 {
		// The last bucket may hold clamped samples.
		d = h.exact.Max
	}
	return min(max(d, h.exact.Min), h.exact.Max)
}

// CountBetween returns the number of samples from low up to, not including,
// high. It comes from the buckets, so the bounds are right to three digits:
// a bucket counts where its lower end does. Ranges that meet add up. Samples
// above 120 s stand at 120 s. It looks at every bucket up to the longest sample
// and is for reports, not for the path of a connection.
func (h *Histogram) CountBetween(low, high time.Duration) uint64 {
	if h.Count() == 0 || low >= high || low > h.Max() || high <= 0 {
		return 0
	}
	var n uint64
	for _, bar := range h.hdr.Distribution() {
		if from := time.Duration(bar.From); from >= low && from < high {
			n += uint64(bar.Count)
		}
	}
	return n
}

// Reset empties the histogram and keeps its memory.
func (h *Histogram) Reset() {
	if h.exact.Count > 0 {
		h.hdr.Reset()
	}
	h.exact = Exact{}
}

// Equal reports whether two histograms hold the same samples, as far as
// buckets and exact numbers tell.
func (h *Histogram) Equal(other *Histogram) bool {
	if h.Exact() != other.Exact() {
		return false
	}
	return h.Count() == 0 || h.hdr.Equals(other.hdr)
}

func (h *Histogram) buckets() *hdrhistogram.Histogram {
	if h.hdr == nil {
		h.hdr = hdrhistogram.New(histogramLow, int64(histogramHigh), histogramDigits)
	}
	return h.hdr
}

func (e Exact) plus(o Exact) Exact {
	switch {
	case e.Count == 0:
		e.Min, e.Max = o.Min, o.Max
	case o.Count > 0:
		e.Min, e.Max = min(e.Min, o.Min), max(e.Max, o.Max)
	}
	e.Count += o.Count
	// A sum that stays at its limit keeps addition associative.
	if e.Sum+o.Sum < e.Sum {
		e.Sum = math.MaxUint64
	} else {
		e.Sum += o.Sum
	}
	e.Clamped += o.Clamped
	e.Refused += o.Refused
	return e
}

// check refuses numbers that no series of samples can have.
func (e Exact) check() error {
	if e.Count == 0 {
		if (e != Exact{Refused: e.Refused}) {
			return errors.New("numbers without a count")
		}
		return nil
	}
	mean := time.Duration(e.Sum / e.Count)
	switch {
	case e.Count > math.MaxInt64:
		return fmt.Errorf("count %d is beyond all measure", e.Count)
	case e.Min < 0 || e.Max < e.Min:
		return fmt.Errorf("minimum %s and maximum %s are no range", e.Min, e.Max)
	case e.Sum != math.MaxUint64 && (mean < e.Min || mean > e.Max):
		return fmt.Errorf("mean %s is not between minimum %s and maximum %s", mean, e.Min, e.Max)
	case e.Clamped > e.Count || (e.Clamped > 0) != (e.Max > histogramHigh):
		return fmt.Errorf("%d of %d samples above %s do not fit maximum %s", e.Clamped, e.Count, histogramHigh, e.Max)
	}
	return nil
}
