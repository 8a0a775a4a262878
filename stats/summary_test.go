package stats

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func mix() []Entry {
	return []Entry{{"active", "active"}, {"slow", "passive"}, {"abort", "abort"}}
}

// randomOutcomes returns n outcomes that use every field, with few enough
// values that they collide and enough that every bound is passed.
func randomOutcomes(rng *rand.Rand, n int) []Outcome {
	all := make([]Outcome, n)
	for i := range all {
		o := Outcome{
			N:           uint64(i),
			Entry:       rng.IntN(3),
			Class:       Class(rng.IntN(NumClasses)),
			Forward:     rng.IntN(10) == 0,
			ClosedFirst: Side(rng.IntN(NumSides)),
			Messages:    Messages{Sent: rng.Uint64N(9), Received: rng.Uint64N(9), Skipped: rng.Uint64N(2), Lost: rng.Uint64N(2), AfterClose: rng.Uint64N(2)},
			Flags:       Flags(rng.IntN(1 << NumFlags)),
			Ended:       time.Duration(i) * time.Millisecond,
		}
		if rng.IntN(2) == 0 {
			o.Detail = fmt.Sprintf("code:%d", 1000+rng.IntN(60))
		}
		if o.Class != OpenFailed && o.Class != ToolError {
			o.Opened = true
			o.CodeSent = []int{NoCode, 1000, 1005}[rng.IntN(3)]
			o.CodeReceived = []int{NoCode, 1000, 1001, 4999}[rng.IntN(4)]
		}
		o.InvalidState[rng.IntN(NumCauses)] = rng.Uint32N(2)
		o.ProbeAccepted = rng.Uint32N(2)
		for p := range NumPhases {
			// The lower bound of -10 ms makes a few of the samples refused ones.
			d := time.Duration(rng.IntN(400))*time.Millisecond - 10*time.Millisecond
			o.Phases[p] = Sample{D: d, OK: rng.IntN(3) > 0, Kernel: rng.IntN(2) == 0}
			o.Crossed[p] = rng.IntN(20) == 0
		}
		all[i] = o
	}
	return all
}

func timelineOf(o *Outcome) func() []Moment {
	return func() []Moment {
		return []Moment{{At: o.Ended, Event: fmt.Sprintf("end of %d", o.N), Clock: ClockUser}}
	}
}

// summaryOf counts the outcomes as one shard would that ran them all.
func summaryOf(outcomes []Outcome) *Summary {
	s := NewSummary(mix())
	for i := range outcomes {
		o := &outcomes[i]
		s.Connections.Started++
		if o.Opened {
			s.Connections.Opened++
		}
		s.Add(o, timelineOf(o))
		s.From, s.To = 0, max(s.To, o.Ended+1)
	}
	return s
}

func merged(parts ...*Summary) *Summary {
	s := NewSummary(mix())
	for _, p := range parts {
		s.Merge(p)
	}
	return s
}

func diff(a, b *Summary) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty())
}

func TestMergeOfSplitEqualsTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 4 {
		outcomes := randomOutcomes(rng, 1+rng.IntN(3000))
		rng.Shuffle(len(outcomes), func(i, j int) { outcomes[i], outcomes[j] = outcomes[j], outcomes[i] })
		whole := summaryOf(outcomes)
		var parts []*Summary
		for rest := outcomes; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			part := summaryOf(rest[:n])
			part.Peak[fmt.Sprint(len(parts)%3)] = uint64(n)
			parts, rest = append(parts, part), rest[n:]
		}
		got := merged(parts...)
		whole.Peak = got.Peak
		if d := diff(whole, got); d != "" {
			t.Fatalf("%d outcomes in %d parts (-whole +merged):\n%s", len(outcomes), len(parts), d)
		}
		if err := got.Conserved(); err != nil {
			t.Fatalf("%d outcomes: %v", len(outcomes), err)
		}
	}
}

func TestMergeIsAssociativeAndCommutative(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 4 {
		outcomes := randomOutcomes(rng, 900)
		part := func(i int) *Summary {
			s := summaryOf(outcomes[300*i : 300*i+300])
			s.Peak = map[string]uint64{"1/2": rng.Uint64N(10), fmt.Sprint(i): 3}
			s.From = outcomes[300*i].Ended
			return s
		}
		a, b, c := part(0), part(1), part(2)
		leftFirst := merged(merged(a, b), c)
		rightFirst := merged(a, merged(b, c))
		backwards := merged(c, b, a)
		if d := diff(leftFirst, rightFirst); d != "" {
			t.Fatalf("(a+b)+c and a+(b+c) differ:\n%s", d)
		}
		if d := diff(leftFirst, backwards); d != "" {
			t.Fatalf("a+b+c and c+b+a differ:\n%s", d)
		}
		if d := diff(a, merged(NewSummary(mix()), a, NewSummary(mix()))); d != "" {
			t.Fatalf("merging empty summaries changed one:\n%s", d)
		}
	}
}

func TestMergeOfDifferentMixesPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewSummary(mix()).Merge(NewSummary(mix()[:2]))
}

func TestResetLeavesAnEmptySummaryThatWorksAgain(t *testing.T) {
	outcomes := randomOutcomes(rand.New(rand.NewPCG(7, 7)), 500)
	s := summaryOf(outcomes)
	s.Reset()
	if d := cmp.Diff(NewSummary(mix()), s, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Histogram{})); d != "" {
		t.Errorf("after Reset (-new +reset):\n%s", d)
	}
	if d := diff(summaryOf(outcomes), merged(s, summaryOf(outcomes))); d != "" {
		t.Errorf("a summary used again differs:\n%s", d)
	}
}

func TestDetailsKeepTheFirstByTextAndCountTheRest(t *testing.T) {
	var tokens []string
	for i := range maxDetails + 10 {
		tokens = append(tokens, fmt.Sprintf("status-%03d", i))
	}
	for _, order := range []string{"forward", "backward"} {
		s := NewSummary(mix())
		for range 2 {
			for _, token := range tokens {
				s.Add(&Outcome{Class: OpenFailed, Detail: token}, nil)
			}
			s.Add(&Outcome{Class: OpenFailed, Detail: DetailOther}, nil)
		}
		got := s.Outcomes[0][OpenFailed].Detail
		want := map[string]uint64{DetailOther: 22}
		for _, token := range slices.Sorted(slices.Values(tokens))[:maxDetails] {
			want[token] = 2
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", order, d)
		}
		slices.Reverse(tokens)
	}
}

func TestEachFlagIsCountedInItsClass(t *testing.T) {
	s := NewSummary(mix())
	for f := range Flag(NumFlags) {
		for other := range f + 1 {
			o := Outcome{Class: Clean, Opened: true}
			o.Flags.Set(f, true)
			o.Flags.Set(other, true)
			s.Add(&o, nil)
		}
	}
	s = merged(s, s)
	for f, n := range s.Outcomes[0][Clean].Flags {
		// Once in each of f+1 sets as the first, then as the other of those behind it.
		if want := uint64(2 * NumFlags); n != want {
			t.Errorf("%s: %d, want %d", Flag(f), n, want)
		}
	}
	for c := range Class(NumClasses) {
		if c != Clean && s.Outcomes[0][c].Flags != [NumFlags]uint64{} {
			t.Errorf("%s has the flags of clean: %v", c, s.Outcomes[0][c].Flags)
		}
	}
}

func TestAnOutcomeClosedForwardCountsButIsNotLatency(t *testing.T) {
	s := NewSummary(mix())
	o := Outcome{Class: Clean, Opened: true, Forward: true, CodeSent: 1000, CodeReceived: 1000}
	o.Phases[CloseHandshake] = Sample{D: time.Second, OK: true}
	o.Crossed[Reply] = true
	s.Add(&o, nil)
	if got := s.Outcomes[0][Clean]; got.N != 1 || got.Forward != 1 || s.Forward() != 1 {
		t.Errorf("counted as %+v, forward %d", got, s.Forward())
	}
	if s.CodesReceived[1000] != 1 {
		t.Errorf("codes received: %v", s.CodesReceived)
	}
	for p := range Phase(NumPhases) {
		if row := s.Latency[0][p]; row.Hist.Count() != 0 || row.Crossed != 0 {
			t.Errorf("%s: %d samples, %d crossed", p, row.Hist.Count(), row.Crossed)
		}
	}
}

func TestARowNamesTheClockItRestsOn(t *testing.T) {
	s := NewSummary(mix())
	add := func(p Phase, kernel bool) {
		o := Outcome{Class: Clean, Opened: true}
		o.Phases[p] = Sample{D: time.Millisecond, OK: true, Kernel: kernel}
		s.Add(&o, nil)
	}
	check := func(p Phase, clock string, unstamped uint64) {
		t.Helper()
		row := &s.Latency[0][p]
		if row.Clock(p) != clock || row.Unstamped != unstamped {
			t.Errorf("%s: clock %s, %d unstamped; want %s, %d", p, row.Clock(p), row.Unstamped, clock, unstamped)
		}
	}
	check(Notice, ClockUser, 0)
	add(Notice, false)
	check(Notice, ClockUser, 1)
	add(Notice, true)
	check(Notice, ClockKernel, 1)
	add(FIN, false)
	check(FIN, ClockUser, 0)
}

func TestARowOverAllEntriesMergesThem(t *testing.T) {
	outcomes := randomOutcomes(rand.New(rand.NewPCG(8, 8)), 300)
	s := summaryOf(outcomes)
	before := summaryOf(outcomes)
	for p := range Phase(NumPhases) {
		row := s.Row(p)
		want := new(Histogram)
		var unstamped, crossed uint64
		for e := range s.Latency {
			want.Merge(s.Latency[e][p].Hist)
			unstamped += s.Latency[e][p].Unstamped
			crossed += s.Latency[e][p].Crossed
		}
		if !row.Hist.Equal(want) || row.Unstamped != unstamped || row.Crossed != crossed {
			t.Errorf("%s: got %+v", p, row)
		}
	}
	if d := diff(before, s); d != "" {
		t.Errorf("asking for rows changed the summary:\n%s", d)
	}
	if row := NewSummary(mix()).Row(FIN); row.Hist.Count() != 0 {
		t.Errorf("an empty summary has %d samples", row.Hist.Count())
	}
}

func TestAddOnAWarmSummaryDoesNotAllocate(t *testing.T) {
	s := NewSummary(mix())
	for n := range uint64(maxExemplars) {
		o := Outcome{N: n, Class: Clean, Opened: true}
		o.Phases[Teardown] = Sample{D: time.Hour, OK: true}
		s.Add(&o, nil)
	}
	o := Outcome{N: 9, Class: Clean, Opened: true, Detail: "code:1000", CodeSent: 1000, CodeReceived: 1000, ClosedFirst: Server}
	for p := range NumPhases {
		o.Phases[p] = Sample{D: 3 * time.Millisecond, OK: true, Kernel: true}
	}
	timeline := func() []Moment { t.Error("asked for the timeline of an ordinary connection"); return nil }
	for f := range Flag(NumFlags) {
		o.Flags.Set(f, true)
	}
	s.Add(&o, timeline)
	if n := testing.AllocsPerRun(1000, func() { s.Add(&o, timeline) }); n != 0 {
		t.Errorf("%v allocations per outcome", n)
	}
}
