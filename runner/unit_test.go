package runner

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

func TestAHeapOfDuesGivesThemBackInOrder(t *testing.T) {
	var h dues
	var want []time.Duration
	for range 1000 {
		at := time.Duration(rand.N(500))
		h.push(due{at: at})
		want = append(want, at)
	}
	slices.Sort(want)
	for i, w := range want {
		if got := h.pop().at; got != w {
			t.Fatalf("entry %d is due at %d, want %d", i, got, w)
		}
	}
}

func TestAHeapOfDuesIsBoundedByTheLiving(t *testing.T) {
	var h dues
	alive := &connection{}
	for i := range 100_000 {
		c := alive
		if i%100 != 0 {
			c = &connection{}
			c.settled.Store(true)
		}
		h.push(due{at: time.Duration(rand.N(1 << 40)), c: c})
	}
	if n := len(h.heap); n > 2*1000+minLimit {
		t.Errorf("%d entries for 1000 that are alive", n)
	}
	living := 0
	for last := time.Duration(0); len(h.heap) > 0; {
		d := h.pop()
		if d.at < last {
			t.Fatal("out of order after dropping the dead")
		}
		last = d.at
		if d.c == alive {
			living++
		}
	}
	if living != 1000 {
		t.Errorf("%d entries of the living, want 1000", living)
	}
}

func TestAScheduleFiresOnTimeAlsoWhatIsEnteredWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := wire.NewTimebase()
		s := newSchedule(tb, false)
		fired := make(chan time.Duration, 3)
		done := make(chan struct{})
		go func() {
			s.run(func(all []due) {
				for _, d := range all {
					if now := tb.Now(); now != d.at {
						t.Errorf("due at %v, fired at %v", d.at, now)
					}
					fired <- d.at
				}
			})
			close(done)
		}()
		s.add(due{at: 3 * time.Hour})
		time.Sleep(time.Minute)
		s.add(due{at: 2 * time.Minute})
		if at := <-fired; at != 2*time.Minute {
			t.Errorf("fired %v first", at)
		}
		if at := <-fired; at != 3*time.Hour {
			t.Errorf("fired %v second", at)
		}
		s.stop()
		<-done
	})
}

func TestWhatIsDueTogetherIsFiredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(wire.NewTimebase(), false)
		for n := range uint64(1000) {
			s.add(due{at: time.Second, n: n})
		}
		s.add(due{at: 2 * time.Second})
		var fired []int
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(func(all []due) { fired = append(fired, len(all)) })
		}()
		time.Sleep(3 * time.Second)
		s.stop()
		<-done
		if !slices.Equal(fired, []int{1000, 1}) {
			t.Errorf("%v are fired together", fired)
		}
	})
}

func TestWhoHasGotAnAnswerWaitsForTheEndOfTheStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s storm
		s.wait() // before the first one
		for range 2 {
			s.rises(2)
			s.rises(3)
			for range 4 {
				s.falls()
			}
			waited := make(chan struct{})
			go func() {
				s.wait()
				close(waited)
			}()
			synctest.Wait()
			select {
			case <-waited:
				t.Fatal("it did not wait for the last close")
			default:
			}
			s.falls()
			<-waited
		}
		s.rises(1)
		began := time.Now()
		s.wait()
		if took := time.Since(began); took != longest {
			t.Errorf("an answer waited for %v, want %v at most", took, longest)
		}
		s.wait()
		s.falls()
	})
}

func TestAnAlarmFiresAfterEachResetAndEndsWithoutATrace(t *testing.T) {
	for _, fine := range []bool{false, true} {
		a := newAlarm(fine)
		for range 3 {
			begun := time.Now()
			a.reset(2 * time.Millisecond)
			a.wait()
			if took := time.Since(begun); took < 2*time.Millisecond {
				t.Errorf("fine %v: fired after %v, want 2ms", fine, took)
			}
		}
		a.reset(time.Hour)
		a.reset(0)
		a.wait()
		a.reset(time.Hour)
		a.stop()
		if a.wait() {
			t.Errorf("fine %v: fired after it was stopped", fine)
		}
	}
}

func TestPacedClosesLeaveTheOldestFirst(t *testing.T) {
	sh := &shard{e: &engine{}, schedule: newSchedule(wire.NewTimebase(), false)}
	p := newPaced(sh.schedule, 10)
	var conns []*connection
	plan := abort()
	for i, opened := range []time.Duration{30, 10, 20} {
		c := &connection{shard: sh, plan: &plan, stage: held, opened: opened, tap: wire.NewTap(nil, sh.schedule.tb, wire.TapOptions{})}
		conns = append(conns, c)
		p.eligible(due{at: time.Duration(i), c: c})
	}
	conns[1].stage = ending // the oldest has ended by itself and costs no tick
	p.tick(0)
	if conns[2].stage != closing || conns[0].stage != held {
		t.Error("the older of the two that are open did not close first")
	}
	p.tick(1)
	if conns[0].stage != closing {
		t.Error("the last did not close at the second tick")
	}
}

func TestThePreflightRefusesWhatCannotBeAndNamesTheRemedy(t *testing.T) {
	host := proc.Host{Ports: proc.Ports{Low: 32768, High: 60999, OK: true}, Somaxconn: proc.Fact{N: 4096, OK: true}}
	limit := proc.Fact{N: 20000, OK: true}
	plan := func(change func(*scenario.Plan)) *scenario.Plan {
		p := scenario.Default()
		p.Target.URL = "ws://192.0.2.1/"
		change(&p)
		return &p
	}
	cutting := []scenario.Fault{{Cut: scenario.CutRST, Leg: scenario.LegBoth, Share: 100}}
	rows := []struct {
		name    string
		plan    *scenario.Plan
		shard   string
		procs   int  // 1 if 0
		few     bool // ports: 5000
		refusal []string
		warning string
	}{
		{name: "a small plan passes", plan: plan(func(p *scenario.Plan) {})},
		{
			name: "more connections than descriptors", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 25000 }),
			refusal: []string{"25064 descriptors", "may open 20000", "--procs 2", "at most 19936"},
		},
		{name: "shared by two processes", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 25000 }), procs: 2},
		{
			name: "more than two processes can share", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 100_000 }), procs: 2,
			refusal: []string{"50064 descriptors", "--procs 6", "at most 39872"},
		},
		{
			name: "processes that share the ports of one address", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 90000 }), procs: 6,
			refusal: []string{"90000 connections need as many ports and 1 source address(es) have 28232"},
		},
		{
			name: "processes with a loopback address each", procs: 6,
			plan: plan(func(p *scenario.Plan) { p.Load.Connections, p.Target.URL = 90000, "ws://127.0.0.1:9000/" }),
		},
		{
			name: "a burst of all processes", procs: 4,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Rate, p.Load.Connections, p.Target.URL = 0, 8000, "ws://127.0.0.1:9000/"
			}),
			warning: "8000 connections arrive at once",
		},
		{name: "a shard of it passes", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 25000 }), shard: "1/2"},
		{
			name: "more connections than ports", plan: plan(func(p *scenario.Plan) { p.Load.Connections = 90000 }),
			refusal: []string{"90000 connections need as many ports", "28232", "target.local_addrs"},
		},
		{
			name:    "three descriptors for each connection on a relayed path",
			plan:    plan(func(p *scenario.Plan) { p.Load.Connections, p.Faults.Steps = 7000, cutting }),
			refusal: []string{"21064 descriptors", "3 for each on the path of faults.steps", "may open 20000", "at most 6645"},
		},
		{
			name: "one for each on the way to a Toxiproxy",
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Faults = 7000, scenario.Faults{Toxiproxy: "http://192.0.2.2:8474", Steps: cutting}
			}),
		},
		{
			name: "a relay that reaches a server elsewhere from one address", few: true,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Faults.Steps, p.Target.LocalAddrs = 6000, cutting, []string{"192.0.2.3", "192.0.2.4"}
			}),
			refusal: []string{"6000 connections need as many ports", "1 source address(es) of the relay have 5000", "split the run with --shard"},
		},
		{
			name: "without the relay the addresses do", few: true,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Target.LocalAddrs = 6000, []string{"192.0.2.3", "192.0.2.4"}
			}),
		},
		{
			name: "a relay on loopback goes on from the addresses it is reached from", few: true,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Faults.Steps, p.Target.URL = 6000, cutting, "ws://127.0.0.1:9000/"
				p.Target.LocalAddrs = []string{"127.0.0.1", "127.0.0.2"}
			}),
		},
		{
			name: "a relay that reaches the server from fewer than it is reached from", few: true,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Faults.Steps, p.Target.URL = 6000, cutting, "ws://127.0.0.1:9000/"
				p.Target.LocalAddrs = []string{"127.0.0.1", "192.0.2.4"}
			}),
			refusal: []string{"1 source address(es) of the relay have 5000"},
		},
		{
			name: "closes that keep ports busy on their way from the relay", few: true,
			plan: plan(func(p *scenario.Plan) {
				p.Load.Connections, p.Load.Duration, p.Load.Rate, p.Faults.Steps = 100, time.Hour, 1000, cutting
				p.Closes.Mix = []scenario.Close{abortFIN()}
			}),
			warning: "source address(es) of the relay have 5000; split the run",
		},
		{
			name: "closes that keep ports busy",
			plan: plan(func(p *scenario.Plan) {
				p.Load.Duration, p.Load.Rate = time.Hour, 1000
				p.Closes.Mix = []scenario.Close{abortFIN()}
			}),
			warning: "eaddrnotavail",
		},
		{
			name: "a burst over the backlog", plan: plan(func(p *scenario.Plan) { p.Load.Rate, p.Load.Connections = 0, 8000 }),
			warning: "net.core.somaxconn",
		},
		{
			name: "a loopback target takes the addresses it needs",
			plan: plan(func(p *scenario.Plan) {
				p.Target.URL, p.Load.Duration, p.Load.Rate = "ws://127.0.0.1:9000/", time.Hour, 1000
				p.Closes.Mix = []scenario.Close{abortFIN()}
			}),
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			shard, err := scenario.ParseShard(cmpOr(r.shard, "1/1"))
			if err != nil {
				t.Fatal(err)
			}
			host := host
			if r.few {
				host.Ports = proc.Ports{Low: 30000, High: 34999, OK: true}
			}
			warnings, err := preflight(r.plan, shard, max(1, r.procs), host, limit)
			if (err != nil) != (r.refusal != nil) {
				t.Fatalf("error %v, want a refusal: %v", err, r.refusal != nil)
			}
			for _, want := range r.refusal {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the refusal %q does not say %q", err, want)
				}
			}
			all := strings.Join(warnings, "\n")
			if r.warning == "" && all != "" || !strings.Contains(all, r.warning) {
				t.Errorf("warnings %q, want %q", all, r.warning)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
