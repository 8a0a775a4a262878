package scenario

import (
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// Lifecycle gives the script of connection n. It is a pure function of the
// plan's seed, population, rate, stages, hold and mix, and of n, and allocates
// nothing, so it can be asked for at any time, in any order, on any machine.
// p must be valid.
func (p *Plan) Lifecycle(n uint64) Lifecycle {
	population := uint64(p.Load.Connections)
	l := Lifecycle{N: n, Slot: int(n % population), Generation: n / population, Start: -1}
	if l.Generation == 0 {
		l.Start = p.Load.OnAt(l.Slot, 0)
	}
	var random rand.PCG
	random.Seed(p.Seed, n)
	// The order of the draws is part of what a seed means: a new one goes last.
	l.Hold = p.Hold.Draw(unit(random.Uint64()))
	l.Entry = p.Closes.pick(random.Uint64())
	return l
}

// lifecycleDraws is how many random numbers Lifecycle takes.
const lifecycleDraws = 2

// unit turns 64 random bits into a number in [0,1).
func unit(random uint64) float64 {
	return float64(random>>11) / (1 << 53)
}

// pick chooses an entry of the mix by weight.
func (c *Closes) pick(random uint64) int {
	var sum uint64
	for i := range c.Mix {
		sum += uint64(c.Mix[i].Weight)
	}
	// The high word of the product is uniform below sum, off by less than
	// sum/2^64: too little to be seen.
	left, _ := bits.Mul64(random, sum)
	entry := 0
	for left >= uint64(c.Mix[entry].Weight) {
		left -= uint64(c.Mix[entry].Weight)
		entry++
	}
	return entry
}

// CloseAt gives the planned close of a connection that opened at the given
// offset of the run: the end of its hold, moved as the shape of the closes
// says, or the moment its slot is switched off, if that is earlier. For
// ShapeRate the end of the hold is the earliest time; the pace is the run's to
// keep.
func (p *Plan) CloseAt(opened time.Duration, l Lifecycle) time.Duration {
	at := opened + l.Hold
	switch shape := p.Closes.Shape; shape.Kind() {
	case value.ShapeWave:
		if late := at % shape.Every(); late > 0 {
			at += shape.Every() - late
		}
	case value.ShapeAtEnd:
		// Never before the open: what opens late is not late to close.
		at = max(opened, p.Load.Duration)
	}
	return min(at, p.Load.OffAt(l.Slot, opened))
}

// Never is later than everything in a run.
const Never = time.Duration(math.MaxInt64)

// OnAt gives the first moment from the offset t on at which the plan wants a
// connection in the slot, Never where it wants none any more.
//
// Without stages slot s is on from s/rate to the end. Stages make a population
// P(t) of straight lines, and slot s is on while s < P(t): so ceil(P) slots are,
// the lowest. A slot goes on as P begins to rise above s, to the nanosecond
// below, and off when P has fallen to s, to the nanosecond above. What is
// switched off and on at the same moment was never off.
func (l *Load) OnAt(slot int, t time.Duration) time.Duration { return l.turn(slot, t, true) }

// OffAt gives the first moment from the offset t on at which the plan wants no
// connection in the slot, Never where it wants one to the end. See OnAt.
func (l *Load) OffAt(slot int, t time.Duration) time.Duration { return l.turn(slot, t, false) }

// turn gives the first moment from t on at which the slot is on or off, as
// wanted.
func (l *Load) turn(slot int, t time.Duration, want bool) time.Duration {
	if len(l.Stages) == 0 {
		if !want {
			return Never
		}
		return max(t, l.Rate.At(uint64(slot)))
	}
	on, since := false, time.Duration(0) // what holds, and from when
	population, begin := 0, time.Duration(0)
	for _, s := range l.Stages {
		low, high := min(population, s.Connections), max(population, s.Connections)
		if low <= slot && slot < high { // the line crosses the slot, once
			next := begin + portion(slot-low, high-low, s.For)
			rises := s.Connections > population
			if !rises {
				next = begin + s.For - (next - begin)
			}
			if on == want && next > max(t, since) {
				return max(t, since)
			}
			on, since = rises, next
		}
		population, begin = s.Connections, begin+s.For
	}
	if on == want {
		return max(t, since)
	}
	return Never
}

// portion is k/of of d, to the nanosecond below. k must be less than of, and
// none negative.
func portion(k, of int, d time.Duration) time.Duration {
	hi, lo := bits.Mul64(uint64(k), uint64(d))
	share, _ := bits.Div64(hi, lo, uint64(of))
	return time.Duration(share)
}

// Backoff gives how long connection n waits before it comes back, after so many
// failures in its slot in a row before the last one: evenly from 0 to the first
// wait doubled as often, or to the most where that is less. Waits of the whole
// length would bring back together what was lost together. It is a pure
// function of the plan's seed and of n, and 0 without backoff.
func (p *Plan) Backoff(n uint64, failures int) time.Duration {
	var random rand.PCG
	random.Seed(p.Seed, n)
	for range lifecycleDraws {
		random.Uint64()
	}
	return p.Load.Reconnect.Wait(failures, unit(random.Uint64()))
}

// A Shard is part Index of Count equal parts of a run, counted from 1. As
// text it is "1/3". It owns every Count-th slot of the population, so shards
// need not know of each other: together they own each slot once. The zero
// Shard is the whole, 1/1.
type Shard struct {
	Index, Count int
}

// maxShards bounds Count: more parts than this are a slip of the keyboard.
const maxShards = 10_000

// ParseShard reads the text of a Shard. The error names the text and the
// remedy.
func ParseShard(text string) (Shard, error) {
	fail := func(msg, hint string) (Shard, error) {
		return Shard{}, &problem.TextError{What: "shard", Text: text, Msg: msg, Hint: hint}
	}
	left, right, _ := strings.Cut(strings.TrimSpace(text), "/")
	index, err := strconv.Atoi(left)
	count, err2 := strconv.Atoi(right)
	switch {
	case err != nil || err2 != nil:
		return fail("not a part of a whole", "write 1/3 for the first of three")
	case count < 1 || count > maxShards:
		return fail("the number of parts must be 1 to "+strconv.Itoa(maxShards), "write 1/3 for the first of three")
	case index < 1 || index > count:
		return fail("there is no such part", "write 1/"+right+" to "+right+"/"+right)
	}
	return Shard{Index: index, Count: count}, nil
}

// String gives the text that ParseShard reads as the same Shard.
func (s Shard) String() string {
	s = s.whole()
	return strconv.Itoa(s.Index) + "/" + strconv.Itoa(s.Count)
}

// MarshalText is String. It never fails.
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseShard.
func (s *Shard) UnmarshalText(text []byte) error {
	parsed, err := ParseShard(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// whole gives 1/1 for the zero Shard.
func (s Shard) whole() Shard {
	if s == (Shard{}) {
		return Shard{Index: 1, Count: 1}
	}
	return s
}

// Split is part k of m of s, from 1: the parts together hold what s does.
func (s Shard) Split(k, m int) Shard {
	s = s.whole()
	return Shard{Index: s.Index + s.Count*(k-1), Count: s.Count * m}
}

// Owns says whether a slot is in s. A connection belongs to the shard of its
// slot in every generation.
func (s Shard) Owns(slot int) bool {
	s = s.whole()
	return slot%s.Count == s.Index-1
}

// Slots gives the slots of s in a population of so many connections, rising.
func (s Shard) Slots(connections int) iter.Seq[int] {
	s = s.whole()
	return func(yield func(int) bool) {
		for slot := s.Index - 1; slot < connections; slot += s.Count {
			if !yield(slot) {
				return
			}
		}
	}
}

// Size is the number of Slots: 0 where there are more shards than connections.
func (s Shard) Size(connections int) int {
	s = s.whole()
	return max(0, (connections-s.Index+s.Count)/s.Count)
}
