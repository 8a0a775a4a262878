package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ended(n uint64, entry int, c Class, teardown time.Duration) Outcome {
	o := Outcome{N: n, Entry: entry, Class: c, Opened: c != OpenFailed}
	o.Phases[Teardown] = Sample{D: teardown, OK: teardown > 0}
	return o
}

func exemplarsOf(outcomes ...Outcome) []string {
	s := NewSummary(mix())
	for i := range outcomes {
		s.Add(&outcomes[i], timelineOf(&outcomes[i]))
	}
	var got []string
	for _, x := range s.Exemplars {
		got = append(got, fmt.Sprintf("%s %d %s %s", x.Name, x.N, x.Class, x.Teardown))
	}
	return got
}

func TestExemplarsAreTheUnexpectedThenTheSlowest(t *testing.T) {
	check := func(name string, want []string, outcomes ...Outcome) {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(want, exemplarsOf(outcomes...)); d != "" {
				t.Error(d)
			}
		})
	}
	check("a fast unexpected end is worse than a slow expected one",
		[]string{"active 2 premature_eof 1ms", "active 1 clean 2s"},
		ended(1, 0, Clean, 2*time.Second), ended(2, 0, PrematureEOF, time.Millisecond))
	check("three per entry, and an entry does not crowd out another",
		[]string{"active 5 clean 5s", "active 4 clean 4s", "active 3 clean 3s", "slow 9 clean 1s"},
		ended(1, 0, Clean, time.Second), ended(2, 0, Clean, 2*time.Second), ended(9, 1, Clean, time.Second),
		ended(3, 0, Clean, 3*time.Second), ended(4, 0, Clean, 4*time.Second), ended(5, 0, Clean, 5*time.Second))
	check("ties go to the earlier connection",
		[]string{"active 1 clean 1s", "active 2 clean 1s", "active 3 clean 1s"},
		ended(4, 0, Clean, time.Second), ended(3, 0, Clean, time.Second), ended(2, 0, Clean, time.Second), ended(1, 0, Clean, time.Second))
	check("a connection that never opened comes after those that did",
		[]string{"active 7 close_timeout 0s", "active 1 open_failed 0s", "active 2 open_failed 0s"},
		ended(1, 0, OpenFailed, 0), ended(2, 0, OpenFailed, 0), ended(3, 0, OpenFailed, 0), ended(7, 0, CloseTimeout, 0))
	check("interrupted connections are none", nil, ended(1, 0, Interrupted, time.Second))
	forward := ended(1, 0, Clean, time.Second)
	forward.Forward = true
	early := ended(2, 0, CloseTimeout, 0)
	early.Forward = true
	check("of those closed forward only the unexpected count",
		[]string{"active 2 close_timeout 0s"}, forward, early)
}

func TestTheTimelineIsAskedForOnlyWhenTheOutcomeIsKept(t *testing.T) {
	s := NewSummary(mix())
	asked := 0
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range rng.Perm(10_000) {
		o := ended(uint64(n), 0, Clean, time.Duration(n+1)*time.Microsecond)
		s.Add(&o, func() []Moment { asked++; return []Moment{{Event: fmt.Sprint(n)}} })
	}
	if asked < maxExemplars || asked > 100 {
		t.Errorf("asked for %d timelines of 10000", asked)
	}
	for i, x := range s.Exemplars {
		want := uint64(9_999 - i)
		if x.N != want || len(x.Timeline) != 1 || x.Timeline[0].Event != fmt.Sprint(want) {
			t.Errorf("exemplar %d is connection %d with timeline %v, want %d", i, x.N, x.Timeline, want)
		}
	}
}
