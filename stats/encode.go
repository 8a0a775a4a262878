package stats

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// An Encoder writes histograms as text and keeps its buffers from one to the
// next. The zero value is ready to use. It exists because an interval has some
// dozen histograms: the library's encoder makes 0.9 MB of garbage for each,
// most of it a fresh compressor.
type Encoder struct {
	used *hdrhistogram.PackedHistogram // the buckets in use, in order
	raw  []byte
	out  bytes.Buffer
	zlib *zlib.Writer
}

// The V2 format of HdrHistogram: a compressed envelope around a header and the
// counts by bucket, each a zigzag LEB128 number. A negative number -n stands
// for n empty buckets. The 0x10 in both cookies is the format's word size.
const (
	encodingCookie   = 0x1c849303 | 0x10
	compressedCookie = 0x1c849304 | 0x10
	encodingHeader   = 40 // bytes before the counts
	compressedHeader = 8
)

// Encode returns the buckets of h in HdrHistogram's V2 compressed format in
// base64, which every HdrHistogram library reads; "" without samples. The exact
// numbers are not part of it.
func (e *Encoder) Encode(h *Histogram) string {
	if h.Count() == 0 {
		return ""
	}
	if e.used == nil {
		e.used = hdrhistogram.NewPacked(histogramLow, int64(histogramHigh), histogramDigits)
		e.zlib = zlib.NewWriter(&e.out)
	}
	e.used.Reset()
	e.used.MergeFrom(h.hdr)
	e.raw = append(e.raw[:0], make([]byte, encodingHeader)...)
	next := 0
	for value, count := range e.used.ForEachBucket {
		at := bucketIndex(value)
		switch empty := int64(at - next); empty {
		case 0:
		case 1:
			e.raw = append(e.raw, 0)
		default:
			e.raw = binary.AppendVarint(e.raw, -empty)
		}
		// The format's ninth byte holds 8 bits where a varint's holds 7. That
		// is beyond 2^55 samples in one bucket.
		e.raw = binary.AppendVarint(e.raw, count)
		next = at + 1
	}
	be := binary.BigEndian
	be.PutUint32(e.raw[0:], encodingCookie)
	be.PutUint32(e.raw[4:], uint32(len(e.raw)-encodingHeader))
	be.PutUint32(e.raw[8:], 0) // normalizing index offset: none
	be.PutUint32(e.raw[12:], histogramDigits)
	be.PutUint64(e.raw[16:], histogramLow)
	be.PutUint64(e.raw[24:], uint64(histogramHigh))
	be.PutUint64(e.raw[32:], math.Float64bits(1)) // integer to double ratio
	return e.compress()
}

func (e *Encoder) compress() string {
	e.out.Reset()
	e.out.Write(make([]byte, compressedHeader))
	e.zlib.Reset(&e.out)
	_, err := e.zlib.Write(e.raw)
	if err := errors.Join(err, e.zlib.Close()); err != nil {
		panic("stats: encode histogram: write to memory: " + err.Error())
	}
	b := e.out.Bytes()
	binary.BigEndian.PutUint32(b[0:], compressedCookie)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-compressedHeader))
	return base64.StdEncoding.EncodeToString(b)
}

// bucketIndex returns the place of a value's bucket in the format. With three
// digits the first 2048 values have a bucket each. Every doubling after that
// has 1024 buckets, twice as wide as the doubling before.
func bucketIndex(value int64) int {
	doubling := bits.Len64(uint64(value)|2047) - 11
	return doubling<<10 + int(value>>doubling)
}

// DecodeHistogram is the reverse of Encode and Exact. It fails when the text
// is not a histogram of this package's shape or does not fit the exact numbers.
func DecodeHistogram(text string, exact Exact) (*Histogram, error) {
	h := new(Histogram)
	if err := h.MergeEncoded(text, exact); err != nil {
		return nil, err
	}
	return h, nil
}

// MergeEncoded adds the samples of an encoded histogram. It does what Merge
// does after DecodeHistogram, without building that histogram in between. It
// fails as DecodeHistogram does and then leaves h as it was.
func (h *Histogram) MergeEncoded(text string, exact Exact) error {
	if err := exact.check(); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if exact.Count == 0 {
		if text != "" {
			return errors.New("decode histogram: buckets without a count")
		}
		h.exact = h.exact.plus(exact)
		return nil
	}
	packed, err := hdrhistogram.DecodePacked([]byte(text))
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if packed.LowestTrackableValue() != histogramLow || packed.HighestTrackableValue() != int64(histogramHigh) ||
		packed.SignificantFigures() != histogramDigits {
		return fmt.Errorf("decode histogram: its range is %d to %d ns with %d digits, want %d to %d with %d",
			packed.LowestTrackableValue(), packed.HighestTrackableValue(), packed.SignificantFigures(),
			histogramLow, histogramHigh, histogramDigits)
	}
	if packed.TotalCount() != int64(exact.Count) {
		return fmt.Errorf("decode histogram: %d samples in the buckets, %d counted", packed.TotalCount(), exact.Count)
	}
	hdr := h.buckets()
	if !hdr.ValuesAreEquivalent(packed.Min(), int64(min(exact.Min, histogramHigh))) ||
		!hdr.ValuesAreEquivalent(packed.Max(), int64(min(exact.Max, histogramHigh))) {
		return fmt.Errorf("decode histogram: the buckets do not span %s to %s", exact.Min, exact.Max)
	}
	if hdr.TotalCount() > math.MaxInt64-packed.TotalCount() {
		return errors.New("decode histogram: the count overflows")
	}
	packed.MergeInto(hdr)
	h.exact = h.exact.plus(exact)
	return nil
}
