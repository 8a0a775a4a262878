package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

// A steppedClock is a Timebase whose wall clock can be stepped. It belongs into
// a bubble of synctest, where time passes only in a sleep.
type steppedClock struct {
	*Timebase
	ahead time.Duration // of the wall clock
}

func newSteppedClock() *steppedClock {
	c := new(steppedClock)
	c.Timebase = newTimebase(func(t time.Time) int64 { return t.Add(c.ahead).UnixNano() })
	return c
}

// stamp is the kernel's stamp of this moment.
func (c *steppedClock) stamp() int64 { return c.wallOf(time.Now()) }

func TestAStampIsTheSameMomentOnBothClocks(t *testing.T) {
	tb := NewTimebase()
	for range 3 {
		before := tb.Now()
		got := tb.arrival(time.Now().UnixNano())
		after := tb.Now()
		if got.At < before-5*time.Millisecond || got.At > after+5*time.Millisecond {
			t.Errorf("a wall clock reading between %v and %v became %v", before, after, got)
		}
		tb.Sync()
	}
}

func TestAStepOfTheWallClockMovesNoArrival(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, 3 * time.Second, time.Millisecond, -time.Millisecond, -3 * time.Second, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSteppedClock()
				time.Sleep(10 * time.Second)
				early, waits := c.stamp(), c.Now()
				time.Sleep(100 * time.Millisecond)
				if got, want := c.arrival(early), (Instant{waits, Kernel}); got != want {
					t.Errorf("before the step an arrival is %+v, want %+v", got, want)
				}
				c.ahead += step
				// What arrived before is read behind the step, at once and later.
				for _, late := range []time.Duration{0, time.Second, 4 * time.Second} {
					time.Sleep(late)
					if late == time.Second {
						c.Sync()
					}
					if got, want := c.arrival(early), UserInstant(c.Now()); got != want {
						t.Errorf("read %v later, an arrival from before the step is %+v, want %+v", late, got, want)
					}
				}
				// After a while all is as it was.
				time.Sleep(longestUnread)
				fresh, at := c.stamp(), c.Now()
				time.Sleep(time.Millisecond)
				if got, want := c.arrival(fresh), (Instant{at, Kernel}); got != want {
					t.Errorf("after the step an arrival is %+v, want %+v", got, want)
				}
				if got, want := c.Steps(), (Steps{N: 1, Largest: step, Doubted: 3}); got != want {
					t.Errorf("told: %+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestAfterAStepForwardStampsAreGoodAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSteppedClock()
		time.Sleep(time.Second)
		c.ahead = 3 * time.Second
		c.arrival(c.stamp())
		time.Sleep(time.Millisecond)
		fresh, at := c.stamp(), c.Now()
		time.Sleep(time.Millisecond)
		if got, want := c.arrival(fresh), (Instant{at, Kernel}); got != want {
			t.Errorf("an arrival is %+v, want %+v", got, want)
		}
	})
}

func TestAStepIsToldWhereNothingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSteppedClock()
		for _, step := range []time.Duration{0, time.Second, 0, -2 * time.Second, time.Microsecond} {
			time.Sleep(time.Second)
			c.ahead += step
			c.Sync()
		}
		if got, want := c.Steps(), (Steps{N: 2, Largest: -2 * time.Second}); got != want {
			t.Errorf("told: %+v, want %+v", got, want)
		}
	})
}

func TestTwoStepsInARowAreTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSteppedClock()
		early := c.stamp()
		time.Sleep(time.Second)
		c.ahead = -2 * time.Second
		c.Sync()
		time.Sleep(time.Second)
		c.ahead = -time.Second
		for range 5 {
			time.Sleep(time.Second)
			if got, want := c.arrival(early), UserInstant(c.Now()); got != want {
				t.Errorf("an arrival from before both is %+v, want %+v", got, want)
			}
		}
		if got := c.Steps(); got.N != 2 {
			t.Errorf("told: %+v, want 2 steps", got)
		}
	})
}

func TestTimebasesOfOneMomentHaveOneScale(t *testing.T) {
	begin := time.Now().Add(-time.Hour)
	for range 3 {
		tb := NewTimebaseAt(time.Unix(0, begin.UnixNano())) // without a monotonic reading, as from another process
		before := time.Since(begin)
		now, stamp := tb.Now(), tb.arrival(time.Now().UnixNano())
		after := time.Since(begin)
		for _, at := range []time.Duration{now, stamp.At} {
			if at < before-5*time.Millisecond || at > after+5*time.Millisecond {
				t.Errorf("a moment between %v and %v is at %v", before, after, at)
			}
		}
		if off := tb.Wall() - begin.UnixNano(); off < -int64(5*time.Millisecond) || off > int64(5*time.Millisecond) {
			t.Errorf("its offset 0 is %d ns off the moment it was given", off)
		}
	}
}
