package parts

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/runner"
)

// ended is a group of so many processes that have told all.
func ended(n int) *Group {
	m, _ := merging(n)
	g := &Group{merger: m}
	for i := range n {
		g.members = append(g.members, &member{
			name: "process " + string(rune('1'+i)), sum: &sum{Stamps: "kernel"}, end: &result.End{Complete: true},
		})
	}
	return g
}

func TestAWarningOfAllIsToldOnceAndThatOfSomeWithTheirNames(t *testing.T) {
	g := ended(3)
	for i, m := range g.members {
		m.end.Warnings = []string{"all say this"}
		if i > 0 {
			m.end.Warnings = append(m.end.Warnings, "some say that")
		}
	}
	g.members[2].sum.Stamps = "user"
	r, err := g.result()
	if want := []string{"all say this", "process 2, process 3: some say that"}; err != nil || !slices.Equal(r.Warnings, want) {
		t.Errorf("the warnings are %q, %v; want %q", r.Warnings, err, want)
	}
	if r.Stamps != "user" {
		t.Error("the arrivals of all have the clock of the best")
	}
}

func TestTroubleOfAnyProcessIsTheRunsAndToldOnce(t *testing.T) {
	g := ended(3)
	for _, m := range g.members[:2] {
		m.sum.Trouble = []string{"drain: hook 1 failed"}
	}
	if _, err := g.result(); err == nil || err.Error() != "drain: hook 1 failed" {
		t.Errorf("the error is %v", err)
	}
}

func TestThatNothingOpenedIsTroubleOfTheRunAndAWarningWhereItDidInAnotherProcess(t *testing.T) {
	none := &nothing{Tries: 100, Reason: "refused", Text: "connect: refused"}
	g := ended(2)
	g.members[0].sum.Nothing, g.members[1].sum.Nothing = none, none
	r, err := g.result()
	if e, ok := errors.AsType[*runner.NothingOpenedError](err); !ok || e.Tries != 200 || len(r.Warnings) > 0 {
		t.Errorf("nowhere: the error is %v, and the warnings are %q", err, r.Warnings)
	}
	g = ended(2)
	g.members[1].sum.Nothing = none
	g.merger.total.Connections.Opened = 5
	r, err = g.result()
	want := "in 1 of 2 processes no connection opened in 100 tries; the last one failed: "
	if _, nothing := errors.AsType[*runner.NothingOpenedError](err); nothing || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], want) {
		t.Errorf("elsewhere: the error is %v, and the warnings are %q; want %q", err, r.Warnings, want)
	}
}

func TestAHookThatWasNotLaunchedCameToNothingInAllProcesses(t *testing.T) {
	took := time.Second
	for _, launched := range []bool{true, false} {
		g := ended(2)
		for _, m := range g.members {
			m.drain = &result.Drain{Population: 5, Held: 4, StillOpen: 4, Before: 1, Took: &took}
		}
		if !launched {
			g.members[0].drain.Took, g.members[0].drain.Held, g.members[0].drain.StillOpen = nil, 0, 0
		}
		r, err := g.result()
		if err != nil {
			t.Fatal(err)
		}
		held := uint64(0)
		if launched {
			held = 8
		}
		if d := r.Drain; d.Population != 10 || d.Before != 2 || d.Held != held || (d.Took != nil) != launched {
			t.Errorf("launched %v: %+v", launched, d)
		}
	}
}

func TestWithoutTheProcessThatFiresOnlyALaunchThatItToldOfGivesFigures(t *testing.T) {
	took, planned := time.Second, 2*time.Second
	for _, fired := range []bool{true, false} {
		g := ended(2)
		g.fired = fired
		g.members[0].died = "signal: killed"
		g.members[1].drain = &result.Drain{
			Population: 5, Held: 4, StillOpen: 4, Before: 1, Took: &took, Hooks: []result.DrainHook{{What: "TERM own", Planned: &planned}},
		}
		r, err := g.result()
		if err != nil || r.Drain.Fault != "the process that was to fire the hooks died" {
			t.Fatalf("fired %v: %+v, %v", fired, r.Drain, err)
		}
		d := r.Drain
		if d.Population != 5 || d.Before != 1 || len(d.Hooks) != 1 || d.Hooks[0].What != "TERM own" {
			t.Errorf("fired %v: %+v", fired, d)
		}
		if (d.Took != nil) != fired || (d.Held+d.StillOpen > 0) != fired || (d.Hooks[0].Planned != nil) != fired {
			t.Errorf("fired %v: %+v", fired, d)
		}
	}
}

func TestADrainBeginsWhenAllProcessesThatLiveAreFull(t *testing.T) {
	n := func(n int) *int { return &n }
	for name, row := range map[string]struct {
		change func(members []*member)
		met    bool
	}{
		"none is full":                     {func([]*member) {}, false},
		"one is not":                       {func(m []*member) { m[0].full, m[1].full = n(1), n(1) }, false},
		"all are":                          {func(m []*member) { m[0].full, m[1].full, m[2].full = n(1), n(1), n(1) }, true},
		"all that live are":                {func(m []*member) { m[0].full, m[1].full, m[2].died = n(1), n(1), "killed" }, true},
		"the one that fires has died":      {func(m []*member) { m[0].died, m[1].full = "killed", n(1) }, true}, // that it will never be
		"one has ended and never was full": {func(m []*member) { m[1].full, m[2].end = n(1), &result.End{} }, true},
	} {
		g := ended(3)
		for _, m := range g.members {
			m.end = nil
		}
		row.change(g.members)
		if all, told := g.meeting(); told != row.met || told && all.OK != strings.HasPrefix(name, "all") {
			t.Errorf("%s: told %v, %+v", name, told, all)
		}
	}
}
