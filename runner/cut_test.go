package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

func TestACutEndsAConnectionWhoseAnswerIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := once(2, active())
		plan.Hold, _ = value.ParseDist("1m")
		plan.Load.Duration = 3 * time.Second
		plan.Traffic = scenario.Traffic{Every: 50 * time.Millisecond, Size: 1 << 20, Expect: scenario.ExpectAny}
		plan.Limits.Drain = time.Second
		begun := time.Now()
		_, err := playIn(t.Context(), t, plan, Options{}, func(p *peer) {
			time.Sleep(2 * time.Second)
			p.sendClose(1001) // and never reads: the answer cannot leave
			time.Sleep(time.Minute)
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 65*time.Second {
			t.Errorf("the run took %v", took)
		}
	})
}

func TestACutRunIsCompleteAtEveryMoment(t *testing.T) {
	for i := range 20 {
		t.Run(fmt.Sprintf("moment %d", i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := once(30, active())
				plan.Closes.Mix = []scenario.Close{active(), passive(), abort()}
				plan.Load.Duration = 4 * time.Second
				plan.Traffic = scenario.Traffic{Every: 100 * time.Millisecond, Size: 1 << 12, Expect: scenario.ExpectEcho}
				ctx, cancel := context.WithCancel(t.Context())
				cut := make(chan struct{})
				moment, later := rand.N(5*time.Second), rand.N(300*time.Millisecond)
				time.AfterFunc(moment, func() {
					cancel()
					time.AfterFunc(later, func() { close(cut) })
				})
				begun := time.Now()
				res, err := playIn(ctx, t, plan, Options{Cut: cut}, func(p *peer) {
					if i%2 == 0 {
						time.Sleep(rand.N(3 * time.Second)) // reads nothing, kicks, and reads nothing again
						p.sendClose(1001)
						time.Sleep(time.Second)
						return
					}
					well(rand.N(2 * time.Second))(p)
				})
				if err != nil {
					t.Fatal(err)
				}
				if c := res.Total.Connections; c.Started != c.Ended {
					t.Errorf("cut at %v: %d started, %d ended", moment+later, c.Started, c.Ended)
				}
				if took := time.Since(begun); took > moment+later+4*time.Second {
					t.Errorf("cut at %v: the run took %v", moment+later, took)
				}
			})
		})
	}
}
