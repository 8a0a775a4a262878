package scenario_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// staged is a plan with the stages and no bound on their steepness.
func staged(stages ...scenario.Stage) scenario.Plan {
	p := scenario.Default()
	p.Seed, p.Load.Rate = 7, 0
	p.Load.SetStages(stages...)
	return p
}

// stage shortens the tables below: so many connections after so many seconds.
func stage(seconds float64, connections int) scenario.Stage {
	return scenario.Stage{For: time.Duration(seconds * float64(time.Second)), Connections: connections}
}

func TestASlotGoesOnAndOffWhereTheStagesCrossIt(t *testing.T) {
	mountain := staged(stage(10, 10), stage(5, 10), stage(10, 0))
	waves := staged(stage(4, 4), stage(0, 1), stage(2, 1), stage(6, 4), stage(4, 0))
	const s = time.Second
	for _, c := range []struct {
		name    string
		plan    *scenario.Plan
		slot    int
		at      time.Duration
		on, off time.Duration
	}{
		{"slot 0 is on from the first moment", &mountain, 0, 0, 0, 25 * s},
		{"the last slot goes on a tenth before the top", &mountain, 9, 0, 9 * s, 0},
		{"and goes off a tenth behind it", &mountain, 9, 9 * s, 9 * s, 16 * s},
		{"what is on is on now", &mountain, 3, 12 * s, 12 * s, 22 * s},
		{"at the moment it goes off it is off, and on no more", &mountain, 9, 16 * s, scenario.Never, 16 * s},
		{"what is past does not count", &mountain, 0, 30 * s, scenario.Never, 30 * s},
		{"a step takes all above it at once", &waves, 3, 3 * s, 3 * s, 4 * s},
		{"a slot that is off comes on again", &waves, 3, 5 * s, 10 * s, 5 * s},
		{"and goes off again", &waves, 3, 11 * s, 11 * s, 13 * s},
		{"the slot below the step stays on", &waves, 0, 1 * s, 1 * s, 16 * s},
		{"another is off as long as the flat lasts", &waves, 1, 4 * s, 6 * s, 4 * s},
	} {
		if got := c.plan.Load.OnAt(c.slot, c.at); got != c.on {
			t.Errorf("%s: on at %v, want %v", c.name, got, c.on)
		}
		if got := c.plan.Load.OffAt(c.slot, c.at); got != c.off {
			t.Errorf("%s: off at %v, want %v", c.name, got, c.off)
		}
	}
}

func TestASlotThatIsTouchedByAValleyIsNeverOff(t *testing.T) {
	p := staged(stage(10, 10), stage(5, 5), stage(5, 10), stage(5, 10))
	if off := p.Load.OffAt(5, 8*time.Second); off != scenario.Never {
		t.Errorf("slot 5 goes off at %v, where the population falls to 5 and rises at once", off)
	}
	if off := p.Load.OffAt(6, 8*time.Second); off != 14*time.Second {
		t.Errorf("slot 6 goes off at %v, want 14s", off)
	}
}

// TestTheSlotsThatAreOnAreThePopulation holds the turns of each slot against
// the definition, ceil(P(t)), at random moments of random stages.
func TestTheSlotsThatAreOnAreThePopulation(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var stages []scenario.Stage
		for range 1 + random.IntN(6) {
			stages = append(stages, scenario.Stage{
				For: time.Duration(1 + random.Int64N(int64(10*time.Second))), Connections: random.IntN(40),
			})
		}
		stages[0].Connections++ // one at least
		plan := staged(stages...)
		if err := plan.Validate(); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			at := time.Duration(random.Int64N(int64(plan.Load.Duration)))
			want, sharp := population(stages, at)
			on := 0
			for slot := range plan.Load.Connections {
				up, down := plan.Load.OnAt(slot, at), plan.Load.OffAt(slot, at)
				if up == at {
					on++
				}
				if (up == at) == (down == at) {
					t.Fatalf("%v: at %v slot %d is on from %v and off from %v", stages, at, slot, up, down)
				}
			}
			if sharp && on != want {
				t.Fatalf("%v: %d slots are on at %v, want %d", stages, on, at, want)
			}
		}
	}
}

// population is ceil(P(t)) by fractions of integers; sharp is false within a
// nanosecond of a change.
func population(stages []scenario.Stage, t time.Duration) (n int, sharp bool) {
	from, begin := 0, time.Duration(0)
	for _, s := range stages {
		if t < begin+s.For {
			ceil := func(at time.Duration) int64 {
				p := int64(from)*int64(s.For) + int64(s.Connections-from)*int64(at-begin) // over s.For
				return (p + int64(s.For) - 1) / int64(s.For)
			}
			return int(ceil(t)), t > begin && ceil(t-1) == ceil(t) && ceil(t+1) == ceil(t)
		}
		from, begin = s.Connections, begin+s.For
	}
	return from, true
}

func TestStartsFollowTheStagesInTheOrderOfTheSlots(t *testing.T) {
	plan := staged(stage(10, 5), stage(10, 5), stage(5, 10), stage(5, 0))
	before := time.Duration(-1)
	for slot := range plan.Load.Connections {
		l := plan.Lifecycle(uint64(slot))
		if l.Start <= before || l.Start == scenario.Never {
			t.Errorf("slot %d starts at %v, the one before it at %v", slot, l.Start, before)
		}
		before = l.Start
	}
	if l := plan.Lifecycle(5); l.Start != 20*time.Second {
		t.Errorf("the first slot of the second rise starts at %v, want 20s", l.Start)
	}
	if l := plan.Lifecycle(15); l.Start != -1 || l.Generation != 1 {
		t.Errorf("%+v is of generation 1 and has no start of its own", l)
	}
	n := uint64(0)
	if allocs := testing.AllocsPerRun(1000, func() { n++; plan.Lifecycle(n) }); allocs != 0 {
		t.Errorf("a lifecycle makes %v allocations", allocs)
	}
}

func TestAConnectionClosesWhenItsSlotGoesOffAtTheLatest(t *testing.T) {
	plan := staged(stage(10, 10), stage(5, 10), stage(10, 0)) // slot 4 is off from 21s
	for _, c := range []struct {
		shape        string
		opened, hold time.Duration
		want         time.Duration
	}{
		{"each", 5 * time.Second, 3 * time.Second, 8 * time.Second},
		{"each", 5 * time.Second, time.Minute, 21 * time.Second},
		{"wave(20s)", 15 * time.Second, 6 * time.Second, 21 * time.Second},
		{"wave(7s)", 15 * time.Second, time.Second, 21 * time.Second},
		{"wave(6s)", 15 * time.Second, time.Second, 18 * time.Second},
		{"at_end", 5 * time.Second, time.Second, 21 * time.Second},
		{"rate(1/s)", 5 * time.Second, time.Minute, 21 * time.Second},
		{"each", 22 * time.Second, time.Second, 22 * time.Second}, // its slot went off while it opened
	} {
		plan.Closes.Shape = mustShape(t, c.shape)
		if got := plan.CloseAt(c.opened, scenario.Lifecycle{Slot: 4, Hold: c.hold}); got != c.want {
			t.Errorf("%s, opened at %v, hold %v: close at %v, want %v", c.shape, c.opened, c.hold, got, c.want)
		}
	}
}

func TestConnectionsAndDurationFollowFromTheStages(t *testing.T) {
	list := []any{tree{"for": "1m", "connections": 40}, tree{"for": "3m", "connections": "40"}, tree{"for": "30s", "connections": 0}}
	for name, given := range map[string]tree{
		"left out":          {"stages": list},
		"null":              {"stages": list, "connections": nil, "duration": nil},
		"as they follow":    {"stages": list, "connections": 40, "duration": "4m30s"},
		"in Go's own types": {"stages": []scenario.Stage{stage(60, 40), stage(180, 40), stage(30, 0)}},
	} {
		plan, err := scenario.Decode(tree{"load": given})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l := plan.Load; l.Connections != 40 || l.Duration != 270*time.Second || len(l.Stages) != 3 || l.Rate != 500 {
			t.Errorf("%s: the load is %+v", name, l)
		}
	}
}

func TestWhatContradictsTheStagesIsRefused(t *testing.T) {
	const hint = " (remove it, or load.stages: it follows from them)"
	list := []any{tree{"for": "1m", "connections": 40}, tree{"for": "1m", "connections": 0}}
	for _, c := range []struct {
		load tree
		want []string
	}{
		{tree{"stages": list, "connections": 1000}, []string{"load.connections: the largest of load.stages is 40, got 1000" + hint}},
		{tree{"stages": list, "duration": "8s"}, []string{"load.duration: load.stages take 2m, got 8s" + hint}},
		{tree{"stages": list, "connections": "x", "duration": "0s"}, []string{
			`load.connections: takes a whole number, got "x" (write digits only)`, "load.duration: load.stages take 2m, got 0s" + hint}},
	} {
		plan, err := scenario.Decode(tree{"load": c.load})
		checkLines(t, joined(err, plan.Validate()), c.want...)
	}
}

func TestStagesThatMakeNoPopulationAreRefused(t *testing.T) {
	const both = "(a stage has both keys, as in {for: 1m, connections: 1000})"
	decode := func(stages ...any) error {
		plan, err := scenario.Decode(tree{"load": tree{"stages": stages}})
		return joined(err, plan.Validate())
	}
	up := tree{"for": "1m", "connections": 40}
	checkLines(t, decode(tree{"for": "1m"}, up), "load.stages[0].connections: missing "+both)
	checkLines(t, decode(tree{"connections": 0}, up), "load.stages[0].for: missing "+both)
	checkLines(t, decode(tree{"fro": "1m", "connections": 0}, up),
		"load.stages[0].for: missing "+both, "load.stages[0].fro: unknown key (did you mean load.stages[0].for?)")
	checkLines(t, decode("1m", up), `load.stages[0]: takes a mapping, got "1m" (write its keys below it: for, connections)`)
	_, err := scenario.Decode(tree{"load": tree{"stages": up}})
	checkLines(t, err, "load.stages: takes a list, got a mapping (write [{for: 1m, connections: 1000}, {for: 1m, connections: 0}])")

	many := make([]scenario.Stage, 257)
	load := func(rate value.Rate, stages ...scenario.Stage) func(*scenario.Plan) {
		return func(p *scenario.Plan) { p.Load.Rate = rate; p.Load.SetStages(stages...) }
	}
	const steep = " (give it that long, raise load.rate, or set it to 0 for unlimited)"
	checkRefusals(t, []refusal{
		{load(0, many...), "load.stages: must be at most 256, got 257"},
		{load(0, stage(-1, 5), stage(5, 5)), "load.stages[0].for: must be 0s to 8760h, got -1s (0s is a step)"},
		{load(0, stage(1, 5), stage(5, -1)),
			"load.stages[1].connections: must be 0 to 10000000, got -1 (share more among machines with shards)"},
		{load(0, stage(1, 5), stage(0, 6), stage(0, 7), stage(1, 7)),
			"load.stages[2].for: a step right behind another, got 0s (make one step of the two)"},
		{load(0, stage(1, 0), stage(1, 0)), "load.stages: none has a connection"},
		{load(0, stage(0, 5)), "load.stages: must take more than 0s and at most 8760h together, got 0s"},
		{load(0, scenario.Stage{For: year, Connections: 1}, stage(1, 1)),
			"load.stages: must take more than 0s and at most 8760h together, got 8760h0m1s"},
		{load(0, stage(1, 5), stage(0, 6)),
			"load.stages: the last is a step with nothing behind it (add a stage that holds its connections)"},
		{load(500, stage(1, 501), stage(1, 0)),
			"load.stages[0].for: 501 more connections take 1.002s at load.rate 500/s, got 1s" + steep},
		{load(500, stage(1, 0), stage(0, 1000), stage(1, 0)),
			"load.stages[1].for: 1000 more connections take 2s at load.rate 500/s, got 0s" + steep},
	})
}

func TestStagesAtTheirBoundsAreAccepted(t *testing.T) {
	for name, change := range map[string]func(*scenario.Load){
		"as steep as the rate":    func(l *scenario.Load) { l.SetStages(stage(1, 500), stage(2, 500), stage(1, 0)) },
		"a fall of any steepness": func(l *scenario.Load) { l.SetStages(stage(10, 500), stage(0, 0)) },
		"a rise of any steepness": func(l *scenario.Load) { l.Rate = 0; l.SetStages(stage(0, 10_000_000), stage(1e-9, 0)) },
		"a pause at first":        func(l *scenario.Load) { l.SetStages(stage(10, 0), stage(10, 5)) },
		"a year":                  func(l *scenario.Load) { l.SetStages(scenario.Stage{For: year, Connections: 10_000_000}) },
	} {
		plan := scenario.Default()
		change(&plan.Load)
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		last := plan.Lifecycle(uint64(plan.Load.Connections) - 1)
		if off := plan.Load.OffAt(last.Slot, last.Start); last.Start >= plan.Load.Duration || off <= last.Start {
			t.Errorf("%s: the last slot is on from %v to %v", name, last.Start, off)
		}
	}
}
