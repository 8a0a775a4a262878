package runner

import (
	"errors"
	"net"
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

// kept is a plan of n connections for so long, with the policy.
func kept(t *testing.T, n int, entry scenario.Close, length time.Duration, policy string) scenario.Plan {
	t.Helper()
	p := once(n, entry)
	p.Load.Rate, p.Load.Duration = 0, length
	var err error
	if p.Load.Reconnect, err = value.ParseReconnect(policy); err != nil {
		t.Fatal(err)
	}
	return p
}

// kicks closes a connection unasked after so long.
func kicks(after time.Duration) func(*peer) {
	return func(p *peer) {
		time.Sleep(after)
		p.sendClose(1012)
		p.until(wire.OpClose)
	}
}

// TestEachPolicySaysWhatFollowsAnEnd runs three slots for ten seconds. A
// connection is held for a second, or ended after half of one.
func TestEachPolicySaysWhatFollowsAnEnd(t *testing.T) {
	crash := func(p *peer) { time.Sleep(500 * time.Millisecond); p.reset() }
	for _, c := range []struct {
		name   string
		entry  scenario.Close
		server func(*peer)
		// started with replace, with none, and with a backoff so long that nothing comes back
		replace, none, backoff uint64
	}{
		{"a planned close", active(), well(0), 30, 30, 30},
		{"a planned cut", abort(), (*peer).rest, 30, 30, 30},
		{"a planned close that the server does not answer", active(), after(func(p *peer) { p.reset() }), 30, 30, 30},
		{"a planned close that the server answers without ending TCP", eager(), after(func(p *peer) { p.sendClose(1000); p.rest() }), 30, 30, 30},
		{"an order that the server obeys", passive(), well(0), 30, 30, 3},
		{"a server that dies of the order", passive(), ordered((*peer).reset), 30, 30, 3},
		{"a server that closes by itself, as it is left to", waiting(), kicks(500 * time.Millisecond), 60, 60, 3},
		{"a kick", active(), kicks(500 * time.Millisecond), 60, 3, 3},
		{"a kick before the order", passive(), kicks(500 * time.Millisecond), 60, 3, 3},
		{"a kick in the pause of a stall", of(scenario.Stall, func(c *scenario.Close) { c.For = 3 * time.Second }),
			kicks(2 * time.Second), 9, 3, 3}, // found when the pause is over
		{"a crash", active(), crash, 60, 3, 3},
		{"a broken rule", active(), func(p *peer) { time.Sleep(500 * time.Millisecond); p.Write([]byte{0x83, 0}); p.until(wire.OpClose) }, 60, 3, 3},
	} {
		for policy, want := range map[string]uint64{"replace": c.replace, "none": c.none, "backoff(1000h,1000h)": c.backoff} {
			plan := kept(t, 3, c.entry, 10*time.Second, policy)
			plan.Limits.Fin = 100 * time.Millisecond
			res, err := play(t, plan, c.server)
			if err != nil {
				t.Fatal(err)
			}
			if n := res.Total.Connections.Started; n != want {
				t.Errorf("%s, %s: %d connections started, want %d", c.name, policy, n, want)
			}
		}
	}
}

func TestInADrainNobodyComesBackUnderNone(t *testing.T) {
	for policy, want := range map[string]uint64{"replace": 12, "none": 3} {
		plan := kept(t, 3, waiting(), 2*time.Minute, policy)
		plan.Drain.Hooks, plan.Hold = []scenario.Hook{{Exec: "true"}}, value.Constant(time.Hour)
		res, err := play(t, plan, kicks(31*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Connections.Started; n != want {
			t.Errorf("%s: %d connections started, want %d", policy, n, want)
		}
	}
}

func TestAStageBringsAnotherIntoASlotThatNobodyCameBackTo(t *testing.T) {
	for _, policy := range []string{"none", "backoff(1000h,1000h)"} {
		plan := kept(t, 1, active(), 0, policy)
		plan.Load.SetStages(scenario.Stage{For: 2 * time.Second, Connections: 2}, scenario.Stage{Connections: 1},
			scenario.Stage{For: 2 * time.Second, Connections: 1}, scenario.Stage{For: 2 * time.Second, Connections: 2})
		synctest.Test(t, func(t *testing.T) {
			var l lives
			if _, err := playIn(t.Context(), t, plan, Options{}, l.of(kicks(250*time.Millisecond))); err != nil {
				t.Fatal(err)
			}
			l.want(t, at(0, 0.25), at(1, 1.25), at(4, 4.25))
		})
	}
}

func TestWhomAStageBringsHasNotFailedYet(t *testing.T) {
	plan := kept(t, 1, active(), 0, "backoff(1s,8s)")
	plan.Load.SetStages(scenario.Stage{Connections: 1}, scenario.Stage{For: 30 * time.Second, Connections: 1}, scenario.Stage{},
		scenario.Stage{For: 30 * time.Second}, scenario.Stage{Connections: 1}, scenario.Stage{For: 30 * time.Second, Connections: 1})
	synctest.Test(t, func(t *testing.T) {
		var l lives
		if _, err := playIn(t.Context(), t, plan, Options{}, l.of(kicks(100*time.Millisecond))); err != nil {
			t.Fatal(err)
		}
		all := l.sorted()
		first := slices.IndexFunc(all, func(l life) bool { return l.opened >= 30*time.Second })
		if first < 4 || all[first].opened != time.Minute {
			t.Fatalf("the connections live %v: want one that opens at 1m behind four at least", all)
		}
		for failures := range 3 {
			n := first + failures
			if got, want := all[n+1].opened-all[n].ended, plan.Backoff(uint64(n+1), failures); got != want {
				t.Errorf("connection %d comes back after %v, want %v", n+1, got, want)
			}
		}
	})
}

// TestAConnectionComesBackAfterTheWaitsThatItsNumberDraws follows one slot
// through failures, a life longer than the most, and a planned end.
func TestAConnectionComesBackAfterTheWaitsThatItsNumberDraws(t *testing.T) {
	plan := kept(t, 1, active(), 2*time.Minute, "backoff(1s,5s)")
	plan.Load.Rate = 0.1 // herds keep to no rate
	hold(t, &plan, "20s")
	kick, late, planned := kicks(100*time.Millisecond), kicks(6*time.Second), well(0)
	synctest.Test(t, func(t *testing.T) {
		var l lives
		n := -1
		scripts := []struct {
			play     func(*peer)
			lasts    time.Duration
			failures int // before the one behind it; -1: replaced
		}{
			{kick, 100 * time.Millisecond, 0}, {kick, 100 * time.Millisecond, 1}, {kick, 100 * time.Millisecond, 2},
			{kick, 100 * time.Millisecond, 3}, {kick, 100 * time.Millisecond, 4}, {late, 6 * time.Second, 0},
			{kick, 100 * time.Millisecond, 1}, {planned, 20 * time.Second, -1}, {kick, 100 * time.Millisecond, 0},
			{kick, 100 * time.Millisecond, 1}, {(*peer).rest, 0, 0},
		}
		res, err := playIn(t.Context(), t, plan, Options{}, l.of(func(p *peer) {
			n++
			scripts[min(n, len(scripts)-1)].play(p)
		}))
		if err != nil {
			t.Fatal(err)
		}
		due := time.Duration(0)
		for i, got := range l.sorted()[:len(scripts)-1] {
			s := scripts[i]
			if got.opened != due || got.ended != due+s.lasts {
				t.Fatalf("connection %d lives from %v to %v, want %v to %v", i, got.opened, got.ended, due, due+s.lasts)
			}
			due = got.ended
			if s.failures >= 0 {
				due += plan.Backoff(uint64(i+1), s.failures)
			}
		}
		if h := row(res, 0, stats.OpenLag); h.Max() != 0 {
			t.Errorf("open_lag up to %v, where each came back when it was due", h.Max())
		}
	})
}

func TestAConnectionThatAServerEndsAsPlannedComesBackAsAfterNoFailure(t *testing.T) {
	plan := kept(t, 1, passive(), 20*time.Second, "backoff(1s,8s)")
	synctest.Test(t, func(t *testing.T) {
		var l lives
		n := 0
		_, err := playIn(t.Context(), t, plan, Options{}, l.of(func(p *peer) {
			if n++; n == 3 {
				well(0)(p)
				return
			}
			kicks(100 * time.Millisecond)(p)
		}))
		if err != nil {
			t.Fatal(err)
		}
		all := l.sorted()
		for i, failures := range []int{0, 1, 0, 0, 1, 2} {
			if got, want := all[i+1].opened-all[i].ended, plan.Backoff(uint64(i+1), failures); got != want {
				t.Errorf("connection %d comes back after %v, want %v", i+1, got, want)
			}
		}
	})
}

func TestOpeningsThatFailBackOffToo(t *testing.T) {
	plan := kept(t, 1, active(), 30*time.Second, "backoff(1s,4s)")
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var tries []time.Duration
		refused := link{dialled: func(conn net.Conn) (net.Conn, error) {
			if tries = append(tries, time.Since(begun)); len(tries) == 1 {
				return conn, nil
			}
			conn.Close()
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}}
		if _, err := playOver(t.Context(), t, plan, Options{}, refused, kicks(500*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		due := 500 * time.Millisecond
		for i, got := range tries[1:] {
			if due += plan.Backoff(uint64(i+1), i); got != due {
				t.Fatalf("try %d comes at %v, want %v", i+1, got, due)
			}
		}
		if len(tries) < 10 {
			t.Errorf("%d tries in 30s, want one every 2s or so", len(tries))
		}
	})
}

func TestAServerThatNeverOpensEndsARunThatBacksOff(t *testing.T) {
	plan := kept(t, 20, active(), time.Hour, "backoff(100ms,1s)")
	synctest.Test(t, func(t *testing.T) {
		refused := link{dialled: func(conn net.Conn) (net.Conn, error) {
			conn.Close()
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}}
		begun := time.Now()
		_, err := playOver(t.Context(), t, plan, Options{}, refused, (*peer).rest)
		if ne, ok := errors.AsType[*NothingOpenedError](err); !ok || ne.Tries < hopelessAfter {
			t.Errorf("error %v, want a NothingOpenedError", err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("giving up took %v", took)
		}
	})
}

func TestAHerdComesBackWithinItsFirstWaitWhateverTheRate(t *testing.T) {
	plan := kept(t, 200, active(), 10*time.Second, "backoff(1s,30s)")
	plan.Load.Rate = 100
	hold(t, &plan, "1h")
	synctest.Test(t, func(t *testing.T) {
		var l lives
		var crashed atomic.Uint64
		res, err := playIn(t.Context(), t, plan, Options{}, l.of(func(p *peer) {
			if left := 5*time.Second - time.Since(l.begun); left > 0 {
				time.Sleep(left)
				crashed.Add(1)
				p.reset()
				return
			}
			well(0)(p)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Connections.Started; crashed.Load() != 200 || n != 400 {
			t.Errorf("%d crashed and %d started, want 200 and 400", crashed.Load(), n)
		}
		early := 0 // in the first half of the wait
		for _, life := range l.sorted()[200:] {
			if life.opened < 5*time.Second || life.opened >= 6*time.Second {
				t.Errorf("one came back at %v, want 5s to 6s", life.opened)
			}
			if life.opened < 5500*time.Millisecond {
				early++
			}
		}
		if early < 70 || early > 130 {
			t.Errorf("%d of 200 came back in the first half of the wait", early)
		}
	})
}
