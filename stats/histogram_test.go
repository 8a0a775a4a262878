package stats

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// samples returns n durations over the whole range of scales.
func samples(rng *rand.Rand, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(math.Exp(rng.Float64() * math.Log(float64(histogramHigh))))
	}
	return all
}

func histogramOf(all ...time.Duration) *Histogram {
	h := new(Histogram)
	for _, d := range all {
		h.Record(d)
	}
	return h
}

func TestQuantilesAreRightToThreeDigitsAndWithinTheExactRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 3, 10, 1000, 20_000} {
		all := samples(rng, n)
		h := histogramOf(all...)
		slices.Sort(all)
		if h.Min() != all[0] || h.Max() != all[n-1] || h.Count() != uint64(n) {
			t.Fatalf("%d samples: count %d, from %s to %s; want %s to %s", n, h.Count(), h.Min(), h.Max(), all[0], all[n-1])
		}
		for _, q := range []float64{-1, 0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1, 2, math.NaN()} {
			got := h.Quantile(q)
			if got < h.Min() || got > h.Max() {
				t.Errorf("%d samples: quantile %v is %s, outside %s to %s", n, q, got, h.Min(), h.Max())
			}
			rank := min(max(int(q*float64(n)+0.5)-1, 0), n-1)
			if math.IsNaN(q) {
				rank = 0
			}
			if diff := math.Abs(float64(got - all[rank])); diff > 1+float64(all[rank])/1000 {
				t.Errorf("%d samples: quantile %v is %s, the sample there is %s", n, q, got, all[rank])
			}
		}
	}
}

func TestTheSamplesOfARangeAreCountedToThreeDigits(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	all := samples(rng, 5000)
	h, half := new(Histogram), histogramOf(all[:2000]...)
	h.Merge(half)
	h.Merge(histogramOf(all[2000:]...))
	within := func(low, high float64) (n uint64) {
		for _, d := range all {
			if float64(d) >= low && float64(d) < high {
				n++
			}
		}
		return n
	}
	for _, c := range [][2]time.Duration{
		{0, 1}, {0, time.Microsecond}, {time.Millisecond, time.Second}, {9900 * time.Millisecond, 10500 * time.Millisecond},
		{29700 * time.Millisecond, 40 * time.Second}, {60 * time.Second, 200 * time.Second}, {0, time.Hour},
	} {
		// A bound may be off by a bucket, which is less than a thousandth wide.
		low, high, got := float64(c[0]), float64(c[1]), h.CountBetween(c[0], c[1])
		least, most := within(low*1.001+1, high*0.999-1), within(low*0.999-1, high*1.001+1)
		if got < least || got > most {
			t.Errorf("%s to %s: %d samples, want %d to %d", c[0], c[1], got, least, most)
		}
	}
	if a, b := h.CountBetween(0, time.Second), h.CountBetween(time.Second, time.Hour); a == 0 || b == 0 || a+b != h.Count() {
		t.Errorf("ranges that meet hold %d and %d of %d samples", a, b, h.Count())
	}
	for _, none := range [][2]time.Duration{{time.Second, time.Second}, {2 * time.Second, time.Second}, {-time.Second, 0}, {200 * time.Second, time.Hour}} {
		if n := h.CountBetween(none[0], none[1]); n != 0 {
			t.Errorf("%s to %s: %d samples, want none", none[0], none[1], n)
		}
	}
	if n := histogramOf(300*time.Second).CountBetween(119*time.Second, 121*time.Second); n != 1 {
		t.Errorf("a clamped sample counts %d times at the top of the range", n)
	}
	if n := new(Histogram).CountBetween(0, time.Hour); n != 0 {
		t.Errorf("an empty histogram has %d samples", n)
	}
}

func TestAnEmptyHistogramAnswersZeroAndTakesNoMemory(t *testing.T) {
	var zero Histogram
	zero.Merge(nil)
	zero.Merge(new(Histogram))
	zero.Reset()
	for name, h := range map[string]*Histogram{"nil": nil, "zero": &zero} {
		if h.Count() != 0 || h.Min() != 0 || h.Max() != 0 || h.Mean() != 0 || h.Quantile(0.99) != 0 {
			t.Errorf("%s: not all zero: %+v", name, h.Exact())
		}
		if text := new(Encoder).Encode(h); text != "" {
			t.Errorf("%s: encodes as %q", name, text)
		}
	}
	if zero.hdr != nil {
		t.Error("buckets were made without a sample")
	}
	if !zero.Equal(nil) || zero.Equal(histogramOf(1)) {
		t.Error("an empty histogram must equal a nil one and no other")
	}
}

func TestMeanAndSumAreExact(t *testing.T) {
	h := histogramOf(1_000_001, 2_000_002, 3_000_004)
	if got := h.Mean(); got != 2_000_002 {
		t.Errorf("mean is %d ns, want 2000002", got)
	}
	h.exact.Sum = math.MaxUint64 - 1
	h.Record(time.Second)
	if h.exact.Sum != math.MaxUint64 {
		t.Errorf("a sum past its range is %d, want it to stay at the largest value", h.exact.Sum)
	}
}

func TestASampleAboveTheRangeIsClampedAndCounted(t *testing.T) {
	h := histogramOf(time.Second, histogramHigh, histogramHigh+1, 300*time.Second)
	want := Exact{Count: 4, Min: time.Second, Max: 300 * time.Second, Sum: uint64(541*time.Second) + 1, Clamped: 2}
	if h.Exact() != want {
		t.Errorf("got %+v\nwant %+v", h.Exact(), want)
	}
	if got := h.Quantile(0.75); got < histogramHigh || got > histogramHigh+histogramHigh/1000 {
		t.Errorf("the quantile of a clamped sample is %s, want the top of the range", got)
	}
	if got := h.Quantile(1); got != 300*time.Second {
		t.Errorf("quantile 1 is %s, want the exact maximum", got)
	}
}

func TestANegativeDurationIsRefusedAndCounted(t *testing.T) {
	h := new(Histogram)
	if h.Record(-1) {
		t.Error("a negative duration was taken")
	}
	if want := (Exact{Refused: 1}); h.Exact() != want || h.hdr != nil {
		t.Errorf("got %+v, want %+v and no buckets", h.Exact(), want)
	}
	if !h.Record(0) || h.Count() != 1 {
		t.Error("0 is a duration, and it was refused")
	}
}

func TestMergeOfPartsEqualsTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{0, 1, 50, 5000, 20_000} {
		all := samples(rng, n)
		whole, parts := histogramOf(all...), [3]*Histogram{{}, {}, {}}
		for _, d := range all {
			parts[rng.IntN(3)].Record(d)
		}
		left, right := new(Histogram), new(Histogram)
		for _, p := range parts {
			left.Merge(p)
		}
		right.Merge(parts[2])
		right.Merge(parts[1])
		right.Merge(parts[0])
		if !whole.Equal(left) || !whole.Equal(right) {
			t.Errorf("%d samples: merged parts differ from the whole: %+v, %+v, %+v", n, whole.Exact(), left.Exact(), right.Exact())
		}
		left.Reset()
		if left.Count() != 0 || left.Quantile(0.5) != 0 {
			t.Errorf("%d samples: Reset left %+v", n, left.Exact())
		}
		left.Merge(whole)
		if !left.Equal(whole) {
			t.Errorf("%d samples: a histogram used again after Reset differs", n)
		}
	}
}

func TestAnEncodedHistogramReadsBackEqual(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var e Encoder
	for _, n := range []int{0, 1, 2, 100, 20_000} {
		h := histogramOf(samples(rng, n)...)
		h.Record(-5)
		text := e.Encode(h)
		back, err := DecodeHistogram(text, h.Exact())
		if err != nil {
			t.Fatalf("%d samples: %v", n, err)
		}
		if !back.Equal(h) {
			t.Errorf("%d samples: read back differs", n)
		}
		if again := new(Encoder).Encode(h); again != text {
			t.Errorf("%d samples: a used encoder writes another text than a new one", n)
		}
	}
}

// The library's own encoder is the reference: the bytes inside the envelope
// must be the same.
func TestTheEncodingIsTheLibrarysByteForByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	cases := map[string]*Histogram{
		"one":             histogramOf(time.Millisecond),
		"zero":            histogramOf(0),
		"neighbours":      histogramOf(1, 2, 3, 5, 7),
		"ends of buckets": histogramOf(2047, 2048, 2049, 4095, 4096, 4098, histogramHigh),
		"many":            histogramOf(samples(rng, 5000)...),
	}
	heavy := histogramOf(time.Second)
	for range 40 {
		heavy.Merge(heavy) // 2^40 samples in one bucket take six bytes
	}
	cases["heavy"] = heavy
	for name, h := range cases {
		want, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			t.Fatal(err)
		}
		got := new(Encoder).Encode(h)
		if a, b := inflate(t, got), inflate(t, string(want)); !bytes.Equal(a, b) {
			t.Errorf("%s: the contents differ:\n got %x\nwant %x", name, a, b)
		}
		if back, err := hdrhistogram.Decode([]byte(got)); err != nil || !back.Equals(h.hdr) {
			t.Errorf("%s: the library does not read it back: %v", name, err)
		}
	}
}

func inflate(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(raw[compressedHeader:]))
	if err != nil {
		t.Fatal(err)
	}
	contents, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return append(raw[:4:4], contents...)
}

func TestAHistogramThatDoesNotFitIsRefused(t *testing.T) {
	h := histogramOf(time.Millisecond, 2*time.Millisecond, 3*time.Millisecond)
	text, good := new(Encoder).Encode(h), h.Exact()
	foreign := hdrhistogram.New(1, int64(time.Hour), 2)
	for range 3 {
		if err := foreign.RecordValue(int64(2 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	other, err := foreign.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Exact)) Exact { e := good; change(&e); return e }
	for _, c := range []struct {
		name, text string
		exact      Exact
		want       string
	}{
		{"no base64", "%", good, "illegal base64"},
		{"cut off", text[:len(text)/2], good, "decode histogram"},
		{"empty", "", good, "too short"},
		{"another shape", string(other), good, "its range is 1 to 3600000000000 ns with 2 digits"},
		{"another count", text, with(func(e *Exact) { e.Count = 2 }), "3 samples in the buckets, 2 counted"},
		{"no count", text, Exact{}, "buckets without a count"},
		{"numbers without a count", text, with(func(e *Exact) { e.Count = 0 }), "numbers without a count"},
		{"absurd count", text, with(func(e *Exact) { e.Count = math.MaxUint64; e.Sum = math.MaxUint64 }), "beyond all measure"},
		{"wrong minimum", text, with(func(e *Exact) { e.Min = 1 }), "the buckets do not span"},
		{"wrong maximum", text, with(func(e *Exact) { e.Max = time.Second }), "the buckets do not span"},
		{"reversed", text, with(func(e *Exact) { e.Min, e.Max = e.Max, e.Min }), "are no range"},
		{"impossible sum", text, with(func(e *Exact) { e.Sum = 1 }), "is not between minimum"},
		{"clamped without cause", text, with(func(e *Exact) { e.Clamped = 1 }), "do not fit maximum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DecodeHistogram(c.text, c.exact); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			before := histogramOf(time.Second)
			if before.MergeEncoded(c.text, c.exact) == nil || !before.Equal(histogramOf(time.Second)) {
				t.Error("the receiver changed")
			}
		})
	}
}

// The first histogram of a log written by HdrHistogram's Java implementation
// (jHiccup 2.0.7). The decoder reads it and finds that its range is not ours.
func TestAJavaHistogramOfAnotherShapeIsNamedAsSuch(t *testing.T) {
	java := "HISTFAAAAEV42pNpmSzMwMCgyAABTBDKT4GBgdnNYMcCBvsPEBEJISEuATEZMQ4uASkhIR4nrxg9v2lMaxhvMekILGZkKmcCAEf2CsI="
	h, err := hdrhistogram.Decode([]byte(java))
	if err != nil {
		t.Fatal(err)
	}
	exact := Exact{Count: uint64(h.TotalCount()), Min: time.Duration(h.Min()), Max: time.Duration(h.Max())}
	exact.Sum = exact.Count * uint64(exact.Min)
	_, err = DecodeHistogram(java, exact)
	if err == nil || !strings.Contains(err.Error(), "its range is 20000 to 3600000000000 ns with 2 digits") {
		t.Errorf("error %v, want one that names the range", err)
	}
}

func FuzzDecodeHistogram(f *testing.F) {
	h := histogramOf(time.Millisecond, time.Second)
	e := h.Exact()
	f.Add(new(Encoder).Encode(h), e.Count, int64(e.Min), int64(e.Max), e.Sum)
	f.Fuzz(func(t *testing.T, text string, count uint64, low, high int64, sum uint64) {
		exact := Exact{Count: count, Min: time.Duration(low), Max: time.Duration(high), Sum: sum}
		h, err := DecodeHistogram(text, exact)
		if err != nil {
			return
		}
		if h.Exact() != exact {
			t.Errorf("accepted %+v as %+v", exact, h.Exact())
		}
		if q := h.Quantile(0.5); q < h.Min() || q > h.Max() {
			t.Errorf("median %s outside %s to %s", q, h.Min(), h.Max())
		}
	})
}
