package runner

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// drained is a plan of n connections that wait for the server.
func drained(n int) scenario.Plan {
	entry := of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Wait: true} })
	p := once(n, entry)
	p.Drain.Hooks = []scenario.Hook{{Exec: "true"}}
	p.Hold, _ = value.ParseDist("1h")
	return p
}

// outcomes collects what Settled receives.
type outcomes struct {
	mu  sync.Mutex
	all []stats.Outcome
}

func (o *outcomes) add(x *stats.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, *x)
}

func TestTheEndOfADrainClosesWhatIsStillOpen(t *testing.T) {
	var res *Result
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		time.AfterFunc(90*time.Second, func() { close(end) })
		begun := time.Now()
		var err error
		if res, err = playIn(t.Context(), t, drained(5), Options{End: end}, well(0)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 90*time.Second || took > 91*time.Second {
			t.Errorf("the run took %v, want 90s", took)
		}
	})
	if n := res.Total.Outcomes[0][stats.Clean]; n.N != 5 || n.Forward != 5 {
		t.Errorf("ended as %+v, want 5 clean and all of them forward", res.Total.Outcomes[0])
	}
	if n := res.Total.CodesSent[codeGoingAway]; n != 5 {
		t.Errorf("codes sent %v, want 5 of 1001", res.Total.CodesSent)
	}
}

func TestAnEndWhileTheRampClimbsOpensNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		time.AfterFunc(995*time.Millisecond, func() { close(end) })
		res, err := playIn(t.Context(), t, drained(1000), Options{End: end}, well(0))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Connections; n.Started != 100 || n.Ended != 100 {
			t.Errorf("connections %+v, want the 100 of the first second", n)
		}
	})
}

func TestAnOutcomeTellsWhenItOpenedAndWhenThePeerClosed(t *testing.T) {
	var settled outcomes
	var opened []time.Duration
	var clock func() time.Duration
	plan := drained(1)
	synctest.Test(t, func(t *testing.T) {
		_, err := playIn(t.Context(), t, plan, Options{
			Settled: settled.add,
			Opened:  func(at time.Duration) { opened = append(opened, at) },
			Clock:   func(now func() time.Duration) { clock = now },
		}, func(p *peer) {
			time.Sleep(3 * time.Second)
			p.sendClose(1012)
			p.until(wire.OpClose)
			time.Sleep(time.Second / 2)
			p.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		if now := clock(); now < 3500*time.Millisecond {
			t.Errorf("the run's clock says %v at its end", now)
		}
	})
	if len(settled.all) != 1 || len(opened) != 1 {
		t.Fatalf("settled %v, opened %v", settled.all, opened)
	}
	at, o := settled.all[0].Times, settled.all[0]
	if !at.Opened.OK || at.Opened.At != opened[0] || o.CodeReceived != 1012 {
		t.Errorf("opened %+v and told %v, code %d", at.Opened, opened, o.CodeReceived)
	}
	if got := at.PeerClose.At - at.Opened.At; !at.PeerClose.OK || got != 3*time.Second {
		t.Errorf("the peer's Close came %v after the open, want 3s", got)
	}
	if got := at.PeerEnd.At - at.PeerClose.At; !at.PeerEnd.OK || got < time.Second/2 || got > time.Second/2+2*time.Millisecond {
		t.Errorf("the peer's FIN came %v after its Close, want 0.5s", got)
	}
}

func TestAConnectionThatNeverOpenedSettlesTooAndNeverMeansNever(t *testing.T) {
	var settled outcomes
	refuse := link{dialled: func(conn net.Conn) (net.Conn, error) {
		conn.Close()
		return nil, errors.New("no")
	}}
	synctest.Test(t, func(t *testing.T) {
		_, err := playOver(t.Context(), t, drained(3), Options{Settled: settled.add}, refuse, func(*peer) {})
		if _, nothing := errors.AsType[*NothingOpenedError](err); !nothing {
			t.Fatal(err)
		}
	})
	if len(settled.all) != 3 {
		t.Fatalf("%d settled, want 3", len(settled.all))
	}
	for _, o := range settled.all {
		if at := o.Times; o.Opened || at.Began != time.Duration(o.N)*10*time.Millisecond || at.Opened.OK || at.PeerClose.OK || at.PeerEnd.OK {
			t.Errorf("%+v", o)
		}
	}
}

func TestMessagesThatTheServersEndLeftUnansweredAreCounted(t *testing.T) {
	var settled outcomes
	plan := drained(1)
	plan.Traffic = scenario.Traffic{Every: 100 * time.Millisecond, Size: 64, Expect: scenario.ExpectEcho}
	synctest.Test(t, func(t *testing.T) {
		_, err := playIn(t.Context(), t, plan, Options{Settled: settled.add}, func(p *peer) {
			for range 3 {
				p.send(wire.OpText, string(p.until(wire.OpText)))
			}
			p.until(wire.OpText)
			p.until(wire.OpText)
			p.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if at := settled.all[0].Times; at.PeerClose.OK || !at.PeerEnd.OK {
		t.Errorf("a connection that was cut has the times %+v", at)
	}
	if o := settled.all[0]; o.Unanswered != 2 || o.Messages.Sent != 5 {
		t.Errorf("%d of %d messages unanswered, want 2 of 5", o.Unanswered, o.Messages.Sent)
	}
}
