package watch

import (
	"fmt"
	"math"

	"github.com/wsload/wsload/internal/proc"
)

// A Return is whether a quantity came back after the load to what it was
// before.
type Return struct {
	Quantity Quantity
	Verdict  Verdict // Leak where it did not, Unknown where that is memory, which runtimes keep
	Reason   string
	Before   float64 // medians; NaN where unknown
	After    float64
	Missing  float64 // After less Before, 0 where it is less; NaN where unknown
	Noise    float64 // how far off Missing may be by chance
	Floor    float64 // what is not missed
}

// minQuiet is the least number of samples on each side of the load.
const minQuiet = 3

// returnOf compares what was held before the load with what is after it. Of
// sockets on the target's port there were none of ours before: where that was
// not seen they are held against 0.
func (s *Series) returnOf(q Quantity) Return {
	before, after := valuesOf(s.before.samples, q), valuesOf(s.after.samples, q)
	if len(before) < minQuiet && q.socket {
		before = []float64{0, 0, 0}
	}
	r := Return{Quantity: q, Verdict: Unknown, Before: math.NaN(), After: math.NaN(), Missing: math.NaN()}
	if len(before) >= minQuiet {
		r.Before = median(before)
	}
	if len(after) >= minQuiet {
		r.After = median(after)
	}
	switch {
	case len(before) < minQuiet:
		r.Reason = fmt.Sprintf("known %d times before the load, %d are needed", len(before), minQuiet)
		return r
	case len(after) < minQuiet:
		r.Reason = fmt.Sprintf("known %d times after it settled, %d are needed", len(after), minQuiet)
		return r
	}
	r.Missing = max(r.After-r.Before, 0)
	r.Noise = 3 * math.Hypot(deviation(before), deviation(after))
	r.Floor = max(q.kept, r.Noise)
	if peak := s.peakOf(q); peak.OK {
		r.Floor = max(r.Floor, q.keptShare*(float64(peak.N)-r.Before))
	}
	if r.Missing <= r.Floor {
		r.Verdict, r.Reason = None, "came back"
		if r.Missing > 0 {
			r.Reason = "came back within the " + q.spell(r.Floor) + " that may stay"
		}
		return r
	}
	r.Verdict, r.Reason = Leak, q.some(r.Missing)+" did not come back"
	if q.bytes {
		r.Verdict, r.Reason = Unknown, r.Reason+", which a runtime may keep"
	}
	return r
}

func (s *Series) peakOf(q Quantity) proc.Fact { return q.of(&Sample{Facts: s.peak}) }

// valuesOf are the values of the samples in which a quantity is known.
func valuesOf(samples []Sample, q Quantity) []float64 {
	var values []float64
	for i := range samples {
		if fact := q.of(&samples[i]); fact.OK {
			values = append(values, float64(fact.N))
		}
	}
	return values
}

// deviation is the standard deviation of normal values, estimated from the
// median of their distances to the median.
func deviation(values []float64) float64 {
	middle := median(values)
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - middle)
	}
	return 1.4826 * median(off)
}
