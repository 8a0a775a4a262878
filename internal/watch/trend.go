package watch

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Verdict says whether something is a leak.
type Verdict string

// The verdicts. None may come with an interval that allows for a small leak:
// its upper end says how small.
const (
	Leak    Verdict = "leak"
	None    Verdict = "none"
	Unknown Verdict = "unknown" // too little was seen to tell
)

// A Trend is how one quantity grew under load.
type Trend struct {
	Quantity Quantity
	Verdict  Verdict
	Reason   string // of the verdict, as the end of a sentence
	PerHour  Slope
	Per1000  Slope         // connections that ended
	From     time.Duration // where the part begins that the figures are of
	To       time.Duration
	Growth   float64 // over that part, by its slope
}

const (
	maxBlocks = 60
	warmUp    = 0.1 // share of the load that is left out
)

// A stretch is a part of the load as blocks, against time in hours and against
// thousands of connections that ended.
type stretch struct {
	hours, thousands []block
	alike            float64 // correlation of neighbours
}

// blocksOf makes blocks of the samples in which the quantity is known. Each is
// the medians of an equal part of the time.
func blocksOf(samples []Sample, q Quantity) stretch {
	var s stretch
	if len(samples) == 0 {
		return s
	}
	from, to := samples[0].At, samples[len(samples)-1].At
	from += time.Duration(warmUp * float64(to-from))
	var hours, thousands, values []float64
	part := 0
	flush := func() {
		if values != nil {
			y := median(values)
			s.hours = append(s.hours, block{median(hours), y})
			s.thousands = append(s.thousands, block{median(thousands), y})
		}
		hours, thousands, values = nil, nil, nil
	}
	for i := range samples {
		at, fact := samples[i].At, q.of(&samples[i])
		if at < from || !fact.OK {
			continue
		}
		if now := int(maxBlocks * float64(at-from) / float64(to-from+1)); now != part {
			flush()
			part = now
		}
		hours = append(hours, at.Hours())
		thousands = append(thousands, float64(samples[i].Closes)/1000)
		values = append(values, float64(fact.N))
	}
	flush()
	s.alike = likeness(s.axis())
	return s
}

func (s stretch) from(i int) stretch {
	return stretch{hours: s.hours[i:], thousands: s.thousands[i:], alike: s.alike}
}

// axis is what the quantity is judged against: connections that ended, since
// most leaks are per connection and the rate of them may vary.
func (s stretch) axis() []block {
	if s.closing() {
		return s.thousands
	}
	return s.hours
}

// closing says whether connections ended in half of the blocks at least. Where
// they all end at once, there is no slope against them.
func (s stretch) closing() bool {
	moved := 0
	for i := range s.thousands {
		if i > 0 && s.thousands[i].x > s.thousands[i-1].x {
			moved++
		}
	}
	return moved > 0 && 2*moved >= len(s.thousands)-1
}

// trendOf judges one quantity over the samples under load.
func trendOf(samples []Sample, q Quantity) Trend {
	all := blocksOf(samples, q)
	t := Trend{Quantity: q, Verdict: Unknown}
	axis := all.axis()
	if len(axis) < minBlocks {
		t.Reason = fmt.Sprintf("known at %d points of the load, %d are needed: load for longer or sample more often", len(axis), minBlocks)
		return t
	}
	whole := theilSen(axis, all.alike, halfPercent)
	if !whole.OK {
		t.Reason = "no two points of the load differ in time"
		return t
	}
	half := len(axis) / 2
	late := theilSen(axis[half:], all.alike, tenPercent)
	cuts := jumps(axis)
	apart := theilSen(axis, all.alike, halfPercent, cuts...)
	// What grew but changed on the way is told by its second half, and by what
	// lies between its steps.
	part, used := all, []int(nil)
	switch {
	case whole.Low <= 0:
	case levelled(whole, late):
		part = all.from(half)
	case stepped(whole, apart):
		used = cuts
	case late.OK && (whole.Value < late.Low || whole.Value > late.High):
		part = all.from(half)
	}
	t.figures(part, used)
	t.Verdict, t.Reason = t.judge(axis, whole, late, apart)
	return t
}

// figures estimates the slopes over a part of the load.
func (t *Trend) figures(part stretch, cuts []int) {
	t.PerHour = theilSen(part.hours, part.alike, halfPercent, cuts...)
	if part.closing() {
		t.Per1000 = theilSen(part.thousands, part.alike, halfPercent, cuts...)
	}
	first, last := part.hours[0].x, part.hours[len(part.hours)-1].x
	t.From = time.Duration(first * float64(time.Hour))
	t.To = time.Duration(last * float64(time.Hour))
	t.Growth = t.PerHour.Value * (last - first)
}

// levelled says whether what grew over the whole of the load grew less than
// half as fast in its second half.
func levelled(whole, late Slope) bool {
	return whole.Value > 0 && late.OK && late.Value < whole.Value/2
}

// stepped says whether two thirds of what grew came in the largest jumps.
func stepped(whole, apart Slope) bool {
	return whole.Value > 0 && apart.OK && apart.Value < whole.Value/3
}

// judge decides by the conditions that doc.go gives, from the plainest on.
func (t *Trend) judge(axis []block, whole, late, apart Slope) (Verdict, string) {
	q := t.Quantity
	growth := whole.Value * (axis[len(axis)-1].x - axis[0].x)
	ys := make([]float64, len(axis))
	for i, b := range axis {
		ys[i] = b.y
	}
	floor := max(q.grown, q.grownShare*median(ys))
	bent := levelled(whole, late) || stepped(whole, apart)
	switch {
	case whole.Low <= 0 && !bent && growth >= max(floor, scatter(axis, whole.Value)):
		return Unknown, fmt.Sprintf("grew by %s, not surely more than by chance: load for longer", q.some(growth))
	case whole.Low <= 0:
		return None, "no steady growth"
	case growth < floor:
		return None, fmt.Sprintf("%s in all, less than the %s that count", q.some(growth), q.spell(floor))
	case levelled(whole, late):
		return None, fmt.Sprintf("grew by %s and levelled off", q.some(growth))
	case stepped(whole, apart):
		return None, fmt.Sprintf("grew by %s in steps and not steadily", q.some(growth))
	case growth < scatter(axis, whole.Value):
		return Unknown, fmt.Sprintf("grew by %s, less than it swings: load for longer", q.some(growth))
	case late.Low <= 0:
		return Unknown, fmt.Sprintf("grew by %s, not surely in the second half too: load for longer", q.some(growth))
	}
	return Leak, fmt.Sprintf("grew by %s, steadily", q.some(growth))
}

// scatter is how far apart the blocks lie about a line of that slope, without
// the outermost twentieth on each side.
func scatter(axis []block, slope float64) float64 {
	rest := residuals(axis, slope)
	slices.Sort(rest)
	spare := len(rest) / 20
	return rest[len(rest)-1-spare] - rest[spare]
}

// jumps finds the two largest upward jumps: the places where the medians of the
// blocks on both sides, a twelfth of them each, differ most. They are
// returned as cuts, in order.
func jumps(axis []block) []int {
	width := max(len(axis)/12, 1)
	type jump struct {
		at   int
		size float64
	}
	var all []jump
	for at := width; at+width <= len(axis); at++ {
		side := func(blocks []block) float64 {
			ys := make([]float64, len(blocks))
			for i, b := range blocks {
				ys[i] = b.y
			}
			return median(ys)
		}
		all = append(all, jump{at, side(axis[at:at+width]) - side(axis[at-width:at])})
	}
	slices.SortStableFunc(all, func(a, b jump) int {
		return cmp.Compare(b.size, a.size)
	})
	var cuts []int
	for _, j := range all {
		far := !slices.ContainsFunc(cuts, func(c int) bool { return math.Abs(float64(c-j.at)) < float64(2*width) })
		if len(cuts) < 2 && far {
			cuts = append(cuts, j.at)
		}
	}
	slices.Sort(cuts)
	return cuts
}
