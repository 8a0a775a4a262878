package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// staged is a plan whose population follows the stages, at no rate.
func staged(entry scenario.Close, stages ...scenario.Stage) scenario.Plan {
	p := once(1, entry)
	p.Load.Rate = 0
	p.Load.SetStages(stages...)
	return p
}

// hold makes the plan's connections live so long.
func hold(t *testing.T, plan *scenario.Plan, text string) {
	t.Helper()
	var err error
	if plan.Hold, err = value.ParseDist(text); err != nil {
		t.Fatal(err)
	}
}

// lives are the connections of a run as its server sees them.
type lives struct {
	begun time.Time

	mu  sync.Mutex
	all []life
}

// A life is from the 101 to the end of the server's part.
type life struct{ opened, ended time.Duration }

// of plays a script and notes each connection's life.
func (l *lives) of(script func(*peer)) func(*peer) {
	l.begun = time.Now()
	return func(p *peer) {
		opened := time.Since(l.begun)
		script(p)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, life{opened, time.Since(l.begun)})
	}
}

// sorted gives the lives in the order of their openings.
func (l *lives) sorted() []life {
	slices.SortFunc(l.all, func(a, b life) int {
		return cmp.Or(cmp.Compare(a.opened, b.opened), cmp.Compare(a.ended, b.ended))
	})
	return l.all
}

func (l *lives) want(t *testing.T, want ...life) {
	t.Helper()
	if got := l.sorted(); !slices.Equal(got, want) {
		t.Errorf("the connections live\n%v, want\n%v", got, want)
	}
}

// at is a life in seconds.
func at(opened, ended float64) life {
	return life{time.Duration(opened * float64(time.Second)), time.Duration(ended * float64(time.Second))}
}

// TestThePopulationFollowsTheStages looks at every whole second, while each
// connection is replaced several times. No connection is late in a bubble, and
// no wave falls on a whole second.
func TestThePopulationFollowsTheStages(t *testing.T) {
	stages := []scenario.Stage{
		{For: 10 * time.Second, Connections: 60}, {For: 5500 * time.Millisecond, Connections: 60},
		{Connections: 20}, {For: 4 * time.Second, Connections: 20}, {Connections: 40}, {For: 4 * time.Second, Connections: 60},
		{For: 6500 * time.Millisecond, Connections: 0},
	}
	for _, shape := range []string{"each", "rate(1/s)", "wave(730ms)"} {
		plan := staged(active(), stages...)
		hold(t, &plan, "uniform(900ms,4s)")
		plan.Closes.Shape, _ = value.ParseShape(shape)
		synctest.Test(t, func(t *testing.T) {
			seen := 0
			res, err := playIn(t.Context(), t, plan, Options{Tick: func(tick Tick) {
				if now := tick.Summary.To; now < plan.Load.Duration && !tick.Last {
					seen++
					if want := population(stages, now); tick.Open < want-1 || tick.Open > want+1 {
						t.Errorf("%s: %d connections are open at %v, want %d", shape, tick.Open, now, want)
					}
				}
			}}, well(0))
			if err != nil {
				t.Fatal(err)
			}
			if seen < 29 {
				t.Errorf("%s: %d seconds were looked at, want 29 at least", shape, seen)
			}
			if n := res.Total.Forward(); n != 0 {
				t.Errorf("%s: %d closes were brought forward, where the stages end with none open", shape, n)
			}
			if n := res.Total.Connections; res.Total.Ended(stats.Clean) != n.Started || n.Started < 120 { // 60 slots, 40 of them twice
				t.Errorf("%s: %d of %d ended clean, want all, and each slot's several", shape, res.Total.Ended(stats.Clean), n.Started)
			}
		})
	}
}

// population is P(t) of the stages.
func population(stages []scenario.Stage, t time.Duration) int {
	from, begin := 0, time.Duration(0)
	for _, s := range stages {
		if t < begin+s.For {
			return from + int(float64(s.Connections-from)*float64(t-begin)/float64(s.For))
		}
		from, begin = s.Connections, begin+s.For
	}
	return from
}

func TestASlotIsOpenedAgainWhenAStageSwitchesItOnAgain(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: 2 * time.Second, Connections: 2}, scenario.Stage{Connections: 1},
		scenario.Stage{For: 2 * time.Second, Connections: 1}, scenario.Stage{For: 2 * time.Second, Connections: 2},
		scenario.Stage{For: 4 * time.Second, Connections: 0})
	hold(t, &plan, "1h")
	synctest.Test(t, func(t *testing.T) {
		var l lives
		res, err := playIn(t.Context(), t, plan, Options{}, l.of(well(0)))
		if err != nil {
			t.Fatal(err)
		}
		l.want(t, at(0, 10), at(1, 2), at(4, 8))
		if n := res.Total.Forward(); n != 0 {
			t.Errorf("%d closes count as brought forward; the stages are the plan", n)
		}
		for _, p := range []stats.Phase{stats.OpenLag, stats.CloseLag} {
			if h := row(res, 0, p); h.Count() != 3 || h.Max() != 0 {
				t.Errorf("%v: %d samples up to %v, want 3 of 0s", p, h.Count(), h.Max())
			}
		}
	})
}

func TestALastStepClosesAllAsPlanned(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: 5 * time.Second, Connections: 100}, scenario.Stage{})
	hold(t, &plan, "1h")
	synctest.Test(t, func(t *testing.T) {
		var l lives
		res, err := playIn(t.Context(), t, plan, Options{}, l.of(well(0)))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Forward(); n != 0 || len(l.all) != 100 {
			t.Errorf("%d of %d closes count as brought forward; the stages are the plan", n, len(l.all))
		}
		for _, life := range l.all {
			if life.ended != 5*time.Second {
				t.Errorf("one ended at %v, want 5s", life.ended)
			}
		}
	})
}

func TestSlotsThatGoOffTakeNoPlaceInThePace(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: 10 * time.Second, Connections: 50}, scenario.Stage{Connections: 1},
		scenario.Stage{For: 10 * time.Second, Connections: 1})
	plan.Load.Rate = 10
	hold(t, &plan, "13s")
	synctest.Test(t, func(t *testing.T) {
		var l lives
		if _, err := playIn(t.Context(), t, plan, Options{}, l.of(well(0))); err != nil {
			t.Fatal(err)
		}
		if n := len(l.sorted()); n != 51 || l.all[50] != at(13, 20) {
			t.Errorf("%d connections, the last of them lives %v; want 51, and the last from 13s to 20s", n, l.all[n-1])
		}
	})
}

func TestAConnectionThatOpensAfterItsSlotWentOffIsClosedAtOnce(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: time.Second, Connections: 1}, scenario.Stage{For: time.Second, Connections: 0},
		scenario.Stage{For: 5 * time.Second, Connections: 0})
	hold(t, &plan, "1h")
	plan.OnOpen = []scenario.Step{{Send: "hello", Expect: "hello", Within: 10 * time.Second}}
	synctest.Test(t, func(t *testing.T) {
		var l lives
		_, err := playIn(t.Context(), t, plan, Options{}, l.of(func(p *peer) {
			hello := p.until(wire.OpText)
			time.Sleep(3 * time.Second)
			p.send(wire.OpText, string(hello))
			well(0)(p)
		}))
		if err != nil {
			t.Fatal(err)
		}
		l.want(t, at(0, 3))
	})
}

func TestStagesAndReplacementsKeepToTheRateTogether(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: 10 * time.Second, Connections: 100}, scenario.Stage{For: 10 * time.Second, Connections: 100})
	plan.Load.Rate = 20
	hold(t, &plan, "1s")
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	// What a stage opens is never held back, so half of the rate is the ramp's.
	if n := res.Total.Connections.Started; n < 390 || n > 402 {
		t.Errorf("%d connections in 20 s at 20 a second, want 400", n)
	}
}

func TestShardsOfStagesTogetherAreTheWhole(t *testing.T) {
	plan := staged(active(), scenario.Stage{For: 3 * time.Second, Connections: 31}, scenario.Stage{Connections: 10},
		scenario.Stage{For: 2 * time.Second, Connections: 10}, scenario.Stage{For: 2 * time.Second, Connections: 25},
		scenario.Stage{For: 3 * time.Second, Connections: 4})
	hold(t, &plan, "uniform(300ms,2s)")
	plan.Load.Reconnect, _ = value.ParseReconnect("backoff(100ms,1s)")
	run := func(shard string) (sum *stats.Summary, open []life) {
		synctest.Test(t, func(t *testing.T) {
			var l lives
			part, err := scenario.ParseShard(shard)
			if err != nil {
				t.Fatal(err)
			}
			res, err := playIn(t.Context(), t, plan, Options{Shard: part}, l.of(well(0)))
			if err != nil {
				t.Fatal(err)
			}
			sum, open = res.Total, l.sorted()
		})
		return sum, open
	}
	whole, all := run("1/1")
	parts, both := stats.NewSummary(entries(&plan)), lives{}
	for _, shard := range []string{"1/3", "2/3", "3/3"} {
		sum, open := run(shard)
		parts.Merge(sum)
		both.all = append(both.all, open...)
	}
	// The drain's pace is the process' own: at no rate it closes all at once.
	if got, want := parts.Connections.Started, whole.Connections.Started; got != want {
		t.Errorf("three shards start %d, the whole %d", got, want)
	}
	both.want(t, all...)
}

func TestARunInterruptedBetweenStagesIsCompleteAtEveryMoment(t *testing.T) {
	for i := range 30 {
		t.Run(fmt.Sprintf("moment %d", i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := staged(active(), scenario.Stage{For: 2 * time.Second, Connections: 40}, scenario.Stage{For: 4 * time.Second, Connections: 0})
				plan.Closes.Mix = []scenario.Close{active(), passive(), abort()}
				plan.Load.Reconnect, _ = value.ParseReconnect([]string{"replace", "none", "backoff(100ms,2s)"}[i%3])
				ctx, cancel := context.WithCancelCause(t.Context())
				moment := 2*time.Second + time.Duration(rand.N(int64(4*time.Second)))
				time.AfterFunc(moment, func() { cancel(errors.New("signal")) })
				res, err := playIn(ctx, t, plan, Options{}, well(time.Duration(i%2)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if c := res.Total.Connections; c.Started != c.Ended || c.Started < 40 {
					t.Errorf("interrupted at %v: %d started, %d ended", moment, c.Started, c.Ended)
				}
				if n := res.Total.InvalidState[stats.Unexplained]; n != 0 {
					t.Errorf("interrupted at %v: %d unexplained refusals", moment, n)
				}
			})
		})
	}
}

func TestThePreflightKnowsWhatStagesDoAtOnce(t *testing.T) {
	host := proc.Host{Ports: proc.Ports{Low: 32768, High: 60999, OK: true}, Somaxconn: proc.Fact{N: 4096, OK: true}}
	order := of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Exec: "systemctl restart chat"} })
	minute := func(n int) scenario.Stage { return scenario.Stage{For: time.Minute, Connections: n} }
	step := func(n int) scenario.Stage { return scenario.Stage{Connections: n} }
	for _, r := range []struct {
		name    string
		entry   scenario.Close
		shard   string
		stages  []scenario.Stage
		warning string
	}{
		{"a line to many is no burst", active(), "1/1", []scenario.Stage{minute(8000)}, ""},
		{"a step of many is one", active(), "1/1", []scenario.Stage{minute(1000), step(6000), minute(6000)}, "5000 connections arrive at once"},
		{"but not for half of it", active(), "1/2", []scenario.Stage{minute(1000), step(6000), minute(6000)}, ""},
		{"a fall fires a command for each", order, "1/1", []scenario.Stage{minute(10), minute(0)}, "each connection of passive that a falling stage closes fires it"},
		{"a step down fires it once", order, "1/1", []scenario.Stage{minute(10), step(0)}, ""},
	} {
		shard, err := scenario.ParseShard(r.shard)
		if err != nil {
			t.Fatal(err)
		}
		plan := staged(r.entry, r.stages...)
		plan.Target.URL = "ws://192.0.2.1/"
		plan.Closes.Shape, _ = value.ParseShape("wave(10s)")
		warnings, err := preflight(&plan, shard, 1, host, proc.Fact{N: 20000, OK: true})
		if all := strings.Join(warnings, "\n"); err != nil || r.warning == "" && all != "" || !strings.Contains(all, r.warning) {
			t.Errorf("%s: warnings %q, %v; want %q", r.name, all, err, r.warning)
		}
	}
}
