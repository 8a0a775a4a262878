package verdict

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// phases lists what was measured, in milliseconds of the story's clock.
func phases(o *stats.Outcome) string {
	var all []string
	for p := range stats.Phase(stats.NumPhases) {
		if o.Crossed[p] {
			all = append(all, p.String()+" crossed")
		}
		if s := o.Phases[p]; s.OK {
			all = append(all, p.String()+" "+s.D.String())
		}
	}
	return strings.Join(all, ", ")
}

func TestEachModeHasItsPhases(t *testing.T) {
	waits := scenario.Trigger{Wait: true}
	for _, c := range []struct {
		name  string
		story *story
		want  string
	}{
		{"active", told(scenario.Active).closes().peer(1000).fin(),
			"close_lag 2ms, close_handshake 1ms, close_scheduled 3ms, fin 2ms, teardown 3ms, read_lag 1ms"},
		{"passive", told(scenario.Passive).triggered().peer(1001).replies().fin(),
			"close_lag 1ms, close_scheduled 2ms, notice 1ms, reply 2ms, fin 1ms, teardown 4ms, read_lag 1ms"},
		{"passive, by itself", by(scenario.Passive, waits).peer(1001).replies().fin(),
			"reply 2ms, fin 1ms, teardown 3ms, read_lag 1ms"},
		{"a kick", told(scenario.Active).peer(1001).replies().fin(), "reply 2ms, fin 1ms, teardown 3ms, read_lag 1ms"},
		{"a kick that crossed the own Close", told(scenario.Active).unread(1001).closes().fin(),
			"close_lag 2ms, close_handshake crossed, reply 3ms, fin 1ms, teardown 4ms, read_lag 59m59.999s"},
		{"a kick in the pause of a stall", told(scenario.Stall).unread(1001).closes().fin(),
			"close_lag 2ms, close_handshake crossed, reply 3ms, fin 1ms, teardown 4ms"},
		{"simultaneous", told(scenario.Simultaneous).triggered().own(1000).sent().peer(1001).fin(),
			"close_lag 1ms, close_handshake 1ms, close_scheduled 3ms, notice 2ms, fin 2ms, teardown 4ms, read_lag 1ms"},
		{"abort", told(scenario.Abort).cuts(), "close_lag 2ms, teardown 0s"},
		{"abort that waited for its moment", told(scenario.Abort).with(func(c *scenario.Close) { c.When = scenario.Receiving }).cuts(),
			"close_lag 1ms, teardown 0s"},
		{"half_close", told(scenario.HalfClose).halfCloses().fin(), "close_lag 1ms, teardown 1ms"},
		{"mute", told(scenario.Mute).triggered().peer(1001).fin(),
			"close_lag 1ms, close_scheduled 2ms, notice 1ms, teardown 3ms, give_up 2ms, read_lag 1ms"},
		{"mute, by itself", by(scenario.Mute, waits).peer(1001).rst(), "teardown 2ms, give_up 2ms, read_lag 1ms"},
		{"a limit that ran out", told(scenario.Active).closes().timesOut(), "close_lag 2ms"},
		{"a limit that ran out behind the Closes", told(scenario.Active).closes().peer(1000).graceOver(),
			"close_lag 2ms, close_handshake 1ms, close_scheduled 3ms, read_lag 1ms"},
		{"an end before the plan", told(scenario.Active).fin(), ""},
		{"an opening that failed", neverOpened("refused", false), ""},
	} {
		var o stats.Outcome
		Judge(&o, &c.story.Evidence)
		if got := phases(&o); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestAPhaseRestsOnTheKernelsClockWhereAnArrivalBoundsIt(t *testing.T) {
	var o stats.Outcome
	Judge(&o, &told(scenario.Passive).triggered().peer(1001).replies().fin().Evidence)
	for p := range stats.Phase(stats.NumPhases) {
		if s := o.Phases[p]; s.OK && s.Kernel != (p.Clock() == stats.ClockKernel) {
			t.Errorf("%s: by the kernel's clock %v", p, s.Kernel)
		}
	}
}

func TestTheOpeningIsMeasuredFromItsPlannedStart(t *testing.T) {
	ms := func(n int) wire.Instant { return wire.UserInstant(time.Duration(n) * time.Millisecond) }
	h := wire.Handshake{Begun: 12 * time.Millisecond, Connected: ms(15), Secured: ms(20), Asked: ms(21), Answered: ms(30)}
	var o stats.Outcome
	MeasureOpen(&o, 10*time.Millisecond, &h)
	if got, want := phases(&o), "open_lag 2ms, connect 3ms, tls 5ms, upgrade 9ms"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	o = stats.Outcome{}
	MeasureOpen(&o, 13*time.Millisecond, &wire.Handshake{Begun: 12 * time.Millisecond})
	if got, want := phases(&o), "open_lag 0s"; got != want {
		t.Errorf("early: got %s, want %s", got, want)
	}
}
