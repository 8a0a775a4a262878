package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// row is the histogram of a phase of an entry, for exact times.
func row(res *Result, entry int, p stats.Phase) *stats.Histogram {
	return res.Total.Latency[entry][p].Hist
}

func TestACloseHandshakeIsMeasuredFromTheOwnCloseToThePeersToTheNanosecond(t *testing.T) {
	res, err := play(t, once(5, active()), well(1234*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	h := row(res, 0, stats.CloseHandshake)
	if h.Count() != 5 || h.Min() != 1234*time.Millisecond || h.Max() != 1234*time.Millisecond {
		t.Errorf("close_handshake: %d samples from %v to %v, want 5 of 1.234s", h.Count(), h.Min(), h.Max())
	}
	if clock := res.Total.Latency[0][stats.CloseHandshake].Clock(stats.CloseHandshake); clock != "user" {
		t.Errorf("clock %q over a network without kernel stamps, want user", clock)
	}
}

func TestNoticeCountsFromTheOrderAndReplyFromThePeersClose(t *testing.T) {
	res, err := play(t, once(4, passive()), well(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if h := row(res, 0, stats.Notice); h.Count() != 4 || h.Min() != 2*time.Second || h.Max() != 2*time.Second {
		t.Errorf("notice: %d samples from %v to %v, want 4 of 2s", h.Count(), h.Min(), h.Max())
	}
	if h := row(res, 0, stats.Reply); h.Count() != 4 || h.Max() != 0 {
		t.Errorf("reply: %d samples up to %v, want 4 of 0s", h.Count(), h.Max())
	}
	if h := row(res, 0, stats.CloseHandshake); h.Count() != 0 {
		t.Errorf("a passive close has %d samples of close_handshake", h.Count())
	}
}

func TestTheWaitForFINEndsAtItsLimitAndIsNoSample(t *testing.T) {
	plan := once(3, active())
	plan.Limits.Fin = 700 * time.Millisecond
	var seen atomic.Int64
	res, err := play(t, plan, after(func(p *peer) {
		p.sendClose(1000)
		begun := time.Now()
		p.rest()
		seen.Store(int64(time.Since(begun)))
	}))
	if err != nil {
		t.Fatal(err)
	}
	// As long again it waits for a FIN that is late. A network without a
	// non-blocking read costs each last look a millisecond.
	if got := time.Duration(seen.Load()); got < 2*plan.Limits.Fin || got > 2*plan.Limits.Fin+2*time.Millisecond {
		t.Errorf("the connection was closed %v after both Closes, want %v", got, 2*plan.Limits.Fin)
	}
	for _, p := range []stats.Phase{stats.FIN, stats.Teardown} {
		if h := row(res, 0, p); h.Count() != 0 {
			t.Errorf("%v has %d samples, want none", p, h.Count())
		}
	}
}

func TestAPlanWithADurationHoldsItsPopulationByReplacing(t *testing.T) {
	plan := once(20, active())
	plan.Load.Duration = 10 * time.Second
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	// 20 slots, filled within 0.2 s, each lived through in 1 s, for 10 s.
	if n := res.Total.Connections.Started; n < 190 || n > 205 {
		t.Errorf("%d connections started, want about 200", n)
	}
	if peak := res.Total.PeakOpen(); peak != 20 {
		t.Errorf("peak %d, want 20", peak)
	}
	if n := res.Total.Forward(); n == 0 || n > 20 {
		t.Errorf("%d closes were brought forward at the end, want between 1 and 20", n)
	}
	if got := row(res, 0, stats.CloseHandshake).Count() + res.Total.Forward(); got != res.Total.Connections.Opened {
		t.Errorf("%d samples and forward closes for %d connections: forward ones must not be sampled", got, res.Total.Connections.Opened)
	}
}

func TestReplacementsKeepToTheRate(t *testing.T) {
	plan := once(10, active())
	plan.Load.Rate = 5
	plan.Load.Duration = 20 * time.Second
	plan.Hold, _ = value.ParseDist("100ms")
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Total.Connections.Started; n < 98 || n > 101 {
		t.Errorf("%d connections in 20 s at 5 a second, want 100", n)
	}
	if h := row(res, 0, stats.OpenLag); h.Max() != 0 {
		t.Errorf("open_lag up to %v where nothing was late", h.Max())
	}
}

func TestPacedClosesLeaveAtTheirRate(t *testing.T) {
	plan := once(50, active())
	plan.Load.Rate = 1000
	plan.Closes.Shape, _ = value.ParseShape("rate(10/s)")
	var times []time.Duration
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		mu := make(chan struct{}, 1)
		_, err := playIn(t.Context(), t, plan, Options{}, func(p *peer) {
			p.until(wire.OpClose)
			mu <- struct{}{}
			times = append(times, time.Since(begun))
			<-mu
			p.sendClose(1000)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap != 100*time.Millisecond {
			t.Fatalf("close %d came %v after the one before, want 100ms", i, gap)
		}
	}
	if len(times) != 50 {
		t.Errorf("%d closes, want 50", len(times))
	}
}

func TestAllCloseAtOnceWhereTheShapeSaysSo(t *testing.T) {
	plan := once(30, active())
	plan.Load.Duration = 5 * time.Second
	plan.Closes.Shape, _ = value.ParseShape("at_end")
	var at []time.Duration
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		mu := make(chan struct{}, 1)
		res, err := playIn(t.Context(), t, plan, Options{}, func(p *peer) {
			p.until(wire.OpClose)
			mu <- struct{}{}
			at = append(at, time.Since(begun))
			<-mu
			p.sendClose(1000)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Forward(); n != 0 {
			t.Errorf("%d closes count as brought forward; at_end is the plan", n)
		}
	})
	if len(at) != 30 || slices.Min(at) != 5*time.Second || slices.Max(at) != 5*time.Second {
		t.Errorf("%d closes from %v to %v, want 30 at 5s", len(at), slices.Min(at), slices.Max(at))
	}
}

func TestAnInterruptedRunIsCompleteAtEveryMoment(t *testing.T) {
	mix := []scenario.Close{active(), passive(), abort()}
	for i := range 40 {
		t.Run(fmt.Sprintf("moment %d", i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := once(40, active())
				plan.Closes.Mix = mix
				plan.Load.Duration = 6 * time.Second
				plan.Load.Rate = 25
				ctx, cancel := context.WithCancelCause(t.Context())
				moment := time.Duration(rand.N(int64(6 * time.Second)))
				time.AfterFunc(moment, func() { cancel(errors.New("signal")) })
				res, err := playIn(ctx, t, plan, Options{}, well(time.Duration(i%3)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				c := res.Total.Connections
				if c.Started != c.Ended {
					t.Errorf("interrupted at %v: %d started, %d ended", moment, c.Started, c.Ended)
				}
				if n := res.Total.InvalidState[stats.Unexplained]; n != 0 {
					t.Errorf("interrupted at %v: %d unexplained refusals", moment, n)
				}
			})
		})
	}
}

func TestASilentServerCostsAnInterruptedRunItsFiveSecondsAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(10, active())
		plan.Load.Duration = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		begun := time.Now()
		res, err := playIn(ctx, t, plan, Options{}, (*peer).rest)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 15*time.Second || took > 15*time.Second+time.Millisecond {
			t.Errorf("the run took %v, want 10s and a drain of 5s", took)
		}
		if n := res.Total.Ended(stats.Interrupted); n != 10 {
			t.Errorf("%d interrupted, want 10", n)
		}
	})
}

func TestASignalInTheDrainShortensIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(10, active())
		plan.Load.Duration = 3 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(4*time.Second, cancel)
		begun := time.Now()
		res, err := playIn(ctx, t, plan, Options{}, (*peer).rest)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 9*time.Second+time.Millisecond {
			t.Errorf("the run took %v, want 4s and a drain of 5s", took)
		}
		if n := res.Total.Ended(stats.Interrupted); n != 10 {
			t.Errorf("%d interrupted, want 10", n)
		}
	})
}

func TestALargePopulationIsClosedWithinHalfOfTheDrain(t *testing.T) {
	plan := once(300, active())
	plan.Load.Rate, plan.Load.Duration = 10, 40*time.Second
	plan.Hold, _ = value.ParseDist("10m")
	plan.Limits.Drain, plan.Limits.Close = 20*time.Second, 10*time.Second
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Total.Ended(stats.Clean); n != 300 {
		t.Errorf("%d ended clean, want all 300: at the load's 10 a second the drain would not do", n)
	}
	if took := res.Total.To - plan.Load.Duration; took > 10*time.Second+time.Millisecond {
		t.Errorf("the drain took %v, want half of its limit", took)
	}
}

func TestCutEndsTheDrainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(10, active())
		plan.Load.Duration = 3 * time.Second
		cut := make(chan struct{})
		time.AfterFunc(4*time.Second, func() { close(cut) })
		begun := time.Now()
		res, err := playIn(t.Context(), t, plan, Options{Cut: cut}, (*peer).rest)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 4*time.Second+time.Millisecond {
			t.Errorf("the run took %v, want 4s", took)
		}
		if n := res.Total.Ended(stats.Interrupted); n != 10 {
			t.Errorf("%d interrupted, want 10", n)
		}
	})
}

func TestARunGivesUpWhenTheFirstHundredOpeningsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(5, active())
		plan.Load = scenario.Load{Connections: 5, Rate: 100, Duration: time.Hour}
		refuse := func(context.Context, string, netip.Addr) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		begun := time.Now()
		res, err := Run(t.Context(), plan, Options{Dial: refuse})
		ne, ok := errors.AsType[*NothingOpenedError](err)
		if !ok || ne.Tries < hopelessAfter {
			t.Fatalf("error %v, want a NothingOpenedError after %d tries", err, hopelessAfter)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("giving up took %v", took)
		}
		if _, details := only(t, res); details["refused"] < hopelessAfter {
			t.Errorf("details %v, want refused", details)
		}
	})
}

func TestAServerThatNeverAnswersTheUpgradeCostsItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(3, active())
		far, near := net.Pipe()
		defer far.Close()
		res, err := Run(t.Context(), plan, Options{Dial: func(context.Context, string, netip.Addr) (net.Conn, error) {
			return deaf{near}, nil
		}})
		if _, ok := errors.AsType[*NothingOpenedError](err); !ok {
			t.Fatalf("error %v, want NothingOpenedError", err)
		}
		if _, details := only(t, res); details["timeout"] != 3 {
			t.Errorf("details %v, want 3 timeouts", details)
		}
	})
}

// deaf is a connection that takes everything and says nothing.
type deaf struct{ net.Conn }

func (d deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d deaf) Close() error                { return nil }

func TestIntervalsAddUpToTheTotal(t *testing.T) {
	plan := once(30, active())
	plan.Closes.Mix = []scenario.Close{active(), passive(), abort()}
	plan.Load.Duration = 5 * time.Second
	sum := stats.NewSummary(entries(&plan))
	last := 0
	synctest.Test(t, func(t *testing.T) {
		res, err := playIn(t.Context(), t, plan, Options{Tick: func(tick Tick) {
			sum.Merge(tick.Summary)
			if tick.Last {
				last++
			}
		}}, well(0))
		if err != nil {
			t.Fatal(err)
		}
		if last != 1 {
			t.Errorf("%d last ticks, want 1", last)
		}
		if sum.Connections != res.Total.Connections || sum.Premature() != res.Total.Premature() {
			t.Errorf("intervals add up to %+v, the total is %+v", sum.Connections, res.Total.Connections)
		}
	})
}

func TestShardsTogetherAreTheWhole(t *testing.T) {
	plan := once(320, active())
	whole, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	parts := stats.NewSummary(entries(&plan))
	for i := 1; i <= 2; i++ {
		synctest.Test(t, func(t *testing.T) {
			shard, _ := scenario.ParseShard(fmt.Sprintf("%d/2", i))
			res, err := playIn(t.Context(), t, plan, Options{Shard: shard}, well(0))
			if err != nil {
				t.Fatal(err)
			}
			if res.Total.InvalidState[stats.Probe] == 0 {
				t.Errorf("no connection of shard %d/2 was probed", i)
			}
			parts.Merge(res.Total)
		})
	}
	if parts.Connections != whole.Total.Connections {
		t.Errorf("two shards: %+v, the whole: %+v", parts.Connections, whole.Total.Connections)
	}
}
