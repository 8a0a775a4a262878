package report

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

func known(d time.Duration) *time.Duration { return &d }

// deployed is a deploy that did all that one can do.
func deployed() *result.Drain {
	arrived := func(n int, kernel bool) result.Arrivals {
		h := new(stats.Histogram)
		for i := range n {
			h.Record(time.Duration(i+1) * 10 * time.Millisecond / result.ArrivalUnit)
		}
		return result.NewArrivals(h, 10*time.Millisecond, time.Duration(n)*10*time.Millisecond, kernel)
	}
	failed := "exec sh …: exit status 1"
	return &result.Drain{
		Population: 210, Held: 200, Closed: arrived(150, true), Cut: arrived(40, false), Other: 1, StillOpen: 9, Before: 10,
		Lost: &result.DrainLost{Connections: 4, Messages: 6}, Codes: map[string]uint64{"1001": 149, "none": 1},
		Classes: map[string]uint64{"clean": 150, "premature_eof": 40, "violation": 1},
		Again:   result.DrainAgain{Opened: 100, Ended: 20, Cut: 5},
		Herd: &result.Herd{Attempts: 300, Peak: 120, PeakSecond: 2, Failed: map[string]uint64{"refused": 200},
			FirstFailed: known(100 * time.Millisecond), LastFailed: known(2 * time.Second), Back: known(6 * time.Second)},
		Hooks: []result.DrainHook{
			{What: "TERM own", Planned: known(5 * time.Second), Launched: known(5 * time.Second), Took: known(20 * time.Microsecond)},
			{What: "exec sh\x1b[2J", Planned: known(6 * time.Second), Launched: known(6 * time.Second), Error: &failed},
			{What: "HUP", Planned: known(7 * time.Second)}, {What: "KILL"},
		},
		Took: known(10 * time.Second), Limited: true, Fault: "hook 2 failed",
	}
}

// section is what a report says of a drain, its runs of blanks as one.
func drainSection(t *testing.T, d *result.Drain) string {
	t.Helper()
	p := &page{doc: &result.Document{Drain: d}}
	p.drain()
	var lines []string
	for line := range strings.Lines(p.out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestTheReportSaysWhatADeployDid(t *testing.T) {
	want := `
what the deploy did count share
! hook 2 failed
held then 200
closed 150 75.0% 1001 149, none 1
! cut 40 20.0% without a Close: 1006 in a browser
! still open 9 4.5% at the end, 10.0s after the first hook
! otherwise 1 0.5% clean 150, premature_eof 40, violation 1
lost messages 4 2.0% 6 messages never came back
10 had ended before the first hook
the Close came after 10.0ms to 1.50s: p1 20.0ms, p50 750ms, p99 1.49s, spread 1.47s (kernel clock)
the cut came after 10.0ms to 400ms: p1 10.0ms, p50 200ms, p99 400ms, spread 390ms (user clock)
the herd 300 attempts, at most 120 a second, in second 3
turned away from 100ms to 2.00s: refused 200
population whole again after 6.00s
of those back 20 ended again, 5 of them cut: those users were hit twice
hook 1 TERM own, launched at 5.0s, took 20.0µs
hook 2 exec sh\x1b[2J, launched at 6.0s, failed: exec sh …: exit status 1
hook 3 HUP, planned at 7.0s, not launched from here
hook 4 KILL, never its turn`
	if got := drainSection(t, deployed()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheReportOfADrainWithoutALaunchCountsNothing(t *testing.T) {
	got := drainSection(t, &result.Drain{Population: 5, Fault: "the population never was complete: 3 of 5 open", Hooks: []result.DrainHook{{What: "TERM"}}})
	if want := "\nwhat the deploy did count share\n! the population never was complete: 3 of 5 open\nno hook was launched\nhook 1 TERM, never its turn"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := drainSection(t, nil); got != "" {
		t.Errorf("a run without a drain says %q of one", got)
	}
}

func TestADrainThatWentWellRaisesNoAlarm(t *testing.T) {
	d := deployed()
	d.Held, d.Cut, d.Other, d.StillOpen, d.Before, d.Fault, d.Herd, d.Lost = 150, result.Arrivals{}, 0, 0, 0, "", nil, nil
	d.Hooks = d.Hooks[:1]
	if got := drainSection(t, d); strings.Contains(got, "!") || strings.Contains(got, "herd") || strings.Contains(got, "lost") {
		t.Errorf("got\n%s", got)
	}
	p := &page{doc: &result.Document{Drain: d}, colour: true}
	p.drain()
	if strings.Contains(p.out.String(), string(alarm)) {
		t.Errorf("an alarm in\n%s", p.out.String())
	}
}
