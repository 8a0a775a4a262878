package wire

import (
	"sync/atomic"
	"time"
)

// A Timebase is the beginning of a run. Offsets from it are monotonic; kernel
// stamps, which are wall-clock readings, are converted by a pair of readings
// of both clocks that Sync renews.
type Timebase struct {
	start time.Time
	wall  atomic.Int64 // wall clock at offset 0, in ns since the epoch
}

// NewTimebase returns a Timebase that begins now.
func NewTimebase() *Timebase {
	tb := &Timebase{start: time.Now()}
	tb.Sync()
	return tb
}

// Now is the offset of this moment.
func (tb *Timebase) Now() time.Duration { return time.Since(tb.start) }

// Time is the moment at offset d, for deadlines.
func (tb *Timebase) Time(d time.Duration) time.Time { return tb.start.Add(d) }

// Sync reads the wall clock and the monotonic clock as a pair. It keeps the
// tightest of a few tries: a pause of this process between the two readings
// would shift every stamp that follows. Call it once per interval, since the
// wall clock is slewed and may be stepped.
func (tb *Timebase) Sync() {
	best := time.Duration(1<<63 - 1)
	var wall int64
	for range 5 {
		before := tb.Now()
		now := time.Now()
		after := tb.Now()
		if gap := after - before; gap < best {
			best = gap
			wall = now.UnixNano() - int64(before+gap/2)
		}
	}
	tb.wall.Store(wall)
}

// Wall is the wall clock at offset 0 in nanoseconds since the epoch, by the
// last Sync.
func (tb *Timebase) Wall() int64 { return tb.wall.Load() }

// fromWall converts a kernel stamp to an offset.
func (tb *Timebase) fromWall(ns int64) time.Duration {
	return time.Duration(ns - tb.wall.Load())
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
