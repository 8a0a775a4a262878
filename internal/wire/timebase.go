package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Timebase is the beginning of a run. Offsets from it are monotonic; kernel
// stamps, which are wall-clock readings, are converted by a pair of readings
// of both clocks that Sync renews.
//
// On Linux the two clocks run at the same speed, slewed alike, so their distance
// changes only when the wall clock is stepped: by hand, by a time daemon, by a
// leap second, or as the host wakes up. Each conversion looks at the distance. A
// stamp that may be from before a step has no certain place on the monotonic
// clock, and is dropped for the clock of this process.
type Timebase struct {
	start  time.Time
	wallOf func(time.Time) int64 // the wall clock of a reading, ns since the epoch
	pair   atomic.Pointer[pair]

	mu      sync.Mutex // held to replace pair
	steps   int
	largest time.Duration
	doubted atomic.Uint64
}

// A pair is a reading of both clocks at one moment.
type pair struct {
	wall  int64         // wall clock at offset 0, in ns since the epoch
	slack time.Duration // the most that wall is off
	sure  time.Duration // stamps that convert to less may be from before a step
}

const (
	// leastStep is the least change of the clocks' distance that is a step. The
	// distance itself is read to some 100 ns, or less well on a busy machine.
	leastStep = 100 * time.Microsecond
	// longestUnread bounds how long stamps are doubted after the wall clock was
	// stepped back: only a stamp that waited longer to be read is taken wrongly.
	longestUnread = time.Minute
)

// NewTimebase returns a Timebase that begins now.
func NewTimebase() *Timebase { return newTimebase(time.Time.UnixNano) }

// NewTimebaseAt returns a Timebase that begins at a moment of the wall clock: of
// processes that are given the same one, the offsets are of one scale.
func NewTimebaseAt(begin time.Time) *Timebase {
	tb := NewTimebase()
	tb.start = tb.start.Add(begin.Sub(time.Unix(0, tb.Wall())))
	p := tb.read()
	tb.pair.Store(&p)
	return tb
}

func newTimebase(wallOf func(time.Time) int64) *Timebase {
	tb := &Timebase{start: time.Now(), wallOf: wallOf}
	p := tb.read()
	tb.pair.Store(&p)
	return tb
}

// Now is the offset of this moment.
func (tb *Timebase) Now() time.Duration { return time.Since(tb.start) }

// Time is the moment at offset d, for deadlines.
func (tb *Timebase) Time(d time.Duration) time.Time { return tb.start.Add(d) }

// Sync renews the pair, and notes a step of the wall clock since the last one.
// Call it once per interval, so that a step is noted also where nothing
// arrives.
func (tb *Timebase) Sync() { tb.sync() }

func (tb *Timebase) sync() *pair {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	was, now := tb.pair.Load(), tb.read()
	now.sure = was.sure
	step := time.Duration(now.wall - was.wall)
	if step.Abs() > leastStep+was.slack+now.slack {
		tb.steps++
		if step.Abs() > tb.largest.Abs() {
			tb.largest = step
		}
		// By the new pair a stamp from before a step forward is too early, and one
		// from before a step back too late, by as much.
		now.sure = max(now.sure, tb.Now()) + min(max(-step, 0), longestUnread)
	} else if now.slack > was.slack && now.slack > leastStep {
		return was // a worse reading of the same distance
	}
	tb.pair.Store(&now)
	return &now
}

// read reads the wall clock and the monotonic clock as a pair. It keeps the
// tightest of a few tries: a pause of this process between the two readings
// would shift every stamp that follows.
func (tb *Timebase) read() (best pair) {
	best.slack = time.Duration(1<<63 - 1)
	for range 5 {
		before := tb.Now()
		now := time.Now()
		after := tb.Now()
		if off := (after - before) / 2; off < best.slack {
			best = pair{wall: tb.wallOf(now) - int64(before+off), slack: off}
		}
	}
	return best
}

// Wall is the wall clock at offset 0 in nanoseconds since the epoch, by the
// last Sync.
func (tb *Timebase) Wall() int64 { return tb.pair.Load().wall }

// arrival is when the kernel stamped what has just been read: by its stamp, or
// by the clock of this process where a step of the wall clock has made that
// uncertain.
func (tb *Timebase) arrival(stamp int64) Instant {
	reading := time.Now()
	now := reading.Sub(tb.start)
	p := tb.pair.Load()
	if off := time.Duration(tb.wallOf(reading) - int64(now) - p.wall); off.Abs() > leastStep {
		p = tb.sync() // a step, or a pause of this process between the two clocks
	}
	at := time.Duration(stamp - p.wall)
	if at > now || at < p.sure {
		if p.sure > 0 {
			tb.doubted.Add(1)
		}
		return UserInstant(now)
	}
	return Instant{At: at, Source: Kernel}
}

// Steps is what became of the wall clock so far.
type Steps struct {
	N       int           // times it was stepped
	Largest time.Duration // the longest step; negative for one back
	Doubted uint64        // arrivals that have the user clock for it
}

// Steps returns the steps of the wall clock since the beginning.
func (tb *Timebase) Steps() Steps {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return Steps{N: tb.steps, Largest: tb.largest, Doubted: tb.doubted.Load()}
}

// Source says which clock an Instant was read from.
type Source uint8

const (
	Absent Source = iota // it did not happen
	User                 // the clock of this process, when it noticed
	Kernel               // the kernel's receive stamp
)

// String returns "kernel", "user" or "".
func (s Source) String() string { return [...]string{"", "user", "kernel"}[s] }

// An Instant is the moment of an event. The zero Instant is "never".
type Instant struct {
	At     time.Duration // offset in the run
	Source Source
}

// Set reports whether the event happened.
func (i Instant) Set() bool { return i.Source != Absent }

// UserInstant is an Instant on the clock of this process.
func UserInstant(at time.Duration) Instant { return Instant{At: at, Source: User} }
