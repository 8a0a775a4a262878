package drain

import (
	"slices"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// plan is a drain of n connections; with returns, who loses one comes back.
func plan(n int, returns bool, hooks ...scenario.Hook) *scenario.Plan {
	p := scenario.Default()
	p.Load.Connections, p.Load.Rate, p.Load.Duration = n, 0, 0
	if returns {
		p.Load.Duration = time.Hour
	}
	p.Traffic = scenario.Traffic{Every: time.Second, Size: 128, Expect: scenario.ExpectEcho}
	p.Drain.Hooks = hooks
	return &p
}

func offset(d time.Duration) stats.Offset { return stats.Offset{At: d, OK: true} }

// closed is the outcome of a connection whose server closed it.
func closed(opened, at time.Duration, code int) *stats.Outcome {
	return &stats.Outcome{
		Opened: true, Class: stats.Clean, CodeReceived: code, Ended: at + time.Millisecond,
		Times: stats.Times{Began: opened, Opened: offset(opened), PeerClose: stats.Offset{At: at, OK: true, Kernel: true}, PeerEnd: offset(at + time.Millisecond)},
	}
}

// cut is the outcome of a connection whose server ended TCP.
func cut(opened, at time.Duration) *stats.Outcome {
	return &stats.Outcome{
		Opened: true, Class: stats.PrematureRST, Ended: at,
		Times: stats.Times{Began: opened, Opened: offset(opened), PeerEnd: offset(at)},
	}
}

// forward is the outcome of a connection that the end of the run closed.
func forward(opened, at time.Duration) *stats.Outcome {
	o := closed(opened, at, 1001)
	o.Forward = true
	return o
}

func refused(began, at time.Duration) *stats.Outcome {
	return &stats.Outcome{Class: stats.OpenFailed, Detail: "refused", Ended: at, Times: stats.Times{Began: began}}
}

// full is an observer whose n connections opened at 1 s.
func full(p *scenario.Plan) *Observer {
	o := NewObserver(p, scenario.Shard{})
	for range p.Load.Connections {
		o.Opened(time.Second)
	}
	return o
}

func wantSpan(t *testing.T, name string, got *time.Duration, want time.Duration) {
	t.Helper()
	if got == nil || *got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

func TestEachConnectionThatWasHeldIsCountedByHowItEnded(t *testing.T) {
	o := full(plan(8, false))
	o.Settled(cut(time.Second, 5*time.Second)) // before the hook
	o.launch(10 * time.Second)
	late := cut(time.Second, 9*time.Second) // it had ended by then, and settles now
	o.Settled(late)
	o.Settled(closed(time.Second, 9*time.Second, 1001)) // so it had been closed
	o.Settled(closed(time.Second, 11*time.Second, 1001))
	none := closed(time.Second, 14*time.Second, 1005)
	none.Messages.Lost, none.Unanswered = 1, 2
	o.Settled(none)
	o.Settled(cut(time.Second, 12*time.Second))
	o.Settled(&stats.Outcome{Opened: true, Class: stats.Violation, Times: stats.Times{Opened: offset(time.Second), PeerEnd: offset(12 * time.Second)}})
	if o.settled() {
		t.Error("all has settled though one is open")
	}
	o.finish(20 * time.Second)
	o.Settled(forward(time.Second, 21*time.Second))
	d := o.report()
	if d.Population != 8 || d.Held != 5 || d.Before != 3 || d.Closed.Count != 2 || d.Cut.Count != 1 || d.Other != 1 || d.StillOpen != 1 {
		t.Errorf("counted %+v", d)
	}
	if d.Codes["1001"] != 1 || d.Codes["none"] != 1 || d.Classes["clean"] != 3 || d.Classes["premature_rst"] != 1 {
		t.Errorf("codes %v, classes %v", d.Codes, d.Classes)
	}
	if d.Closed.Clock != "kernel" || d.Cut.Clock != "user" {
		t.Errorf("clocks %q and %q", d.Closed.Clock, d.Cut.Clock)
	}
	wantSpan(t, "the first Close", d.Closed.First, time.Second)
	wantSpan(t, "the last Close", d.Closed.Last, 4*time.Second)
	wantSpan(t, "the cut", d.Cut.First, 2*time.Second)
	wantSpan(t, "all of it", d.Took, 10*time.Second)
	if *d.Lost != (result.DrainLost{Connections: 1, Messages: 3}) || d.Herd != nil {
		t.Errorf("lost %+v, herd %+v", d.Lost, d.Herd)
	}
}

func TestTheSpreadIsThatOfTheMiddle98PerCent(t *testing.T) {
	o := full(plan(1000, false))
	o.launch(time.Second)
	for i := range 1000 {
		o.Settled(closed(time.Second/2, time.Second+time.Duration(i+1)*time.Second, 1001))
	}
	o.finish(time.Hour)
	d := o.report().Closed
	for name, c := range map[string]struct{ got, want time.Duration }{
		"p1": {*d.P1, 10 * time.Second}, "p50": {*d.P50, 500 * time.Second}, "p99": {*d.P99, 990 * time.Second}, "spread": {*d.Spread, 980 * time.Second},
	} {
		if diff := c.got - c.want; diff.Abs() > c.want/500 {
			t.Errorf("%s is %v, want %v", name, c.got, c.want)
		}
	}
}

func TestAHerdIsCountedBySecondAndIsBackWhenThePopulationIsWholeForGood(t *testing.T) {
	o := full(plan(2, true))
	o.launch(10 * time.Second)
	o.Settled(closed(time.Second, 11*time.Second, 1001))
	o.Settled(refused(11*time.Second, 11*time.Second+time.Millisecond))
	o.Settled(refused(12*time.Second, 12*time.Second+time.Millisecond))
	o.Opened(12500 * time.Millisecond)
	o.Settled(closed(time.Second, 13*time.Second, 1001))
	if o.settled() {
		t.Error("all has settled though one has not come back")
	}
	o.Opened(13500 * time.Millisecond)
	if !o.settled() {
		t.Error("all is back and has not settled")
	}
	o.Settled(cut(12400*time.Millisecond, 15*time.Second)) // hit twice
	o.Opened(16 * time.Second)
	o.finish(20 * time.Second)
	began := forward(13500*time.Millisecond, 21*time.Second)
	o.Settled(began)
	o.Settled(forward(16*time.Second, 21*time.Second))
	d := o.report()
	if d.Again != (result.DrainAgain{Opened: 3, Ended: 1, Cut: 1}) || d.Held != 2 {
		t.Errorf("again %+v of %d held", d.Again, d.Held)
	}
	h := d.Herd
	if h.Attempts != 5 || !slices.Equal(h.PerSecond, []uint64{0, 1, 2, 1, 0, 0, 1}) || h.Peak != 2 || h.PeakSecond != 2 {
		t.Errorf("the herd is %+v", h)
	}
	if h.Failed["refused"] != 2 {
		t.Errorf("failed %v", h.Failed)
	}
	wantSpan(t, "the first refusal", h.FirstFailed, 1001*time.Millisecond)
	wantSpan(t, "the last refusal", h.LastFailed, 2001*time.Millisecond)
	wantSpan(t, "the way back", h.Back, 6*time.Second)
}

func TestAPopulationThatIsNotWholeAtTheEndIsNotBackAndOneThatAlwaysWasIsBackAtOnce(t *testing.T) {
	o := full(plan(2, true))
	o.launch(10 * time.Second)
	o.finish(20 * time.Second)
	wantSpan(t, "a population that nothing happened to", o.report().Herd.Back, 0)

	o = full(plan(2, true))
	o.launch(10 * time.Second)
	o.Settled(cut(time.Second, 11*time.Second))
	o.finish(20 * time.Second)
	o.Opened(21 * time.Second) // too late
	if back := o.report().Herd.Back; back != nil {
		t.Errorf("it is back after %v", *back)
	}
}

func TestAConnectionNoticedBehindTheLaunchIsWaitedForToo(t *testing.T) {
	o := NewObserver(plan(2, false), scenario.Shard{})
	o.Opened(time.Second)
	o.launch(2 * time.Second)
	o.Opened(1999 * time.Millisecond)
	o.Settled(closed(time.Second, 3*time.Second, 1001))
	if o.settled() {
		t.Error("one of two was forgotten")
	}
	o.Settled(closed(1999*time.Millisecond, 3*time.Second, 1001))
	if !o.settled() {
		t.Error("both have ended")
	}
}

func TestADrainFromWhichNobodyComesBackIsOverWhenAllHaveEnded(t *testing.T) {
	p := plan(1, true)
	if err := p.Load.Reconnect.UnmarshalText([]byte("none")); err != nil {
		t.Fatal(err)
	}
	o := full(p)
	o.launch(2 * time.Second)
	o.Settled(closed(time.Second, 3*time.Second, 1001))
	if !o.settled() || o.report().Herd != nil {
		t.Errorf("settled: %v, and the herd is %+v", o.settled(), o.report().Herd)
	}
}

func TestValuesTellWhatIsNotKnownFromZero(t *testing.T) {
	known := func(d *result.Drain) map[string]Value {
		all := make(map[string]Value)
		for _, v := range Values(d) {
			if all[v.Name] = v; v.Known {
				continue
			}
			if v.X != 0 {
				t.Errorf("%s is not known and %v", v.Name, v.X)
			}
		}
		return all
	}
	o := full(plan(4, false))
	o.launch(10 * time.Second)
	o.Settled(closed(time.Second, 11*time.Second, 1001))
	o.Settled(cut(time.Second, 12*time.Second))
	o.Settled(cut(time.Second, 13*time.Second))
	o.finish(20 * time.Second)
	o.Settled(forward(time.Second, 21*time.Second))
	v := known(o.report())
	for name, want := range map[string]Value{
		"drain.held":       {Kind: Count, X: 4, Known: true},
		"drain.cut.rate":   {Kind: Rate, X: 0.5, Known: true},
		"drain.cut.count":  {Kind: Count, X: 2, Known: true},
		"drain.lost.rate":  {Kind: Rate, Known: true},
		"drain.still_open": {Kind: Count, X: 1, Known: true},
		"drain.last_close": {Kind: Duration, X: 1e9, Known: true},
		"drain.last_cut":   {Kind: Duration, X: 3e9, Known: true},
		"drain.back":       {Kind: Duration},
		"drain.failed":     {Kind: Count},
	} {
		if want.Name = name; v[name] != want {
			t.Errorf("%+v, want %+v", v[name], want)
		}
	}
	never := full(plan(4, false))
	never.finish(time.Second)
	for name, value := range known(never.report()) {
		if value.Known {
			t.Errorf("%s is known of a drain that never was", name)
		}
	}
}
