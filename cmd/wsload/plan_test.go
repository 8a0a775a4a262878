package main

import (
	"math"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

func TestTheFiguresFollowFromThePlan(t *testing.T) {
	span := func(text string) value.Dist {
		d, err := value.ParseDist(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	shape := func(text string) value.Shape {
		s, err := value.ParseShape(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	none := math.NaN()
	for name, row := range map[string]struct {
		change        func(*scenario.Plan)
		shard         scenario.Shard
		ramp, longest time.Duration
		about, closes float64
	}{
		"a held population": {
			func(p *scenario.Plan) {
				p.Load = scenario.Load{Connections: 100, Rate: 100, Duration: 10 * time.Second}
			},
			scenario.Shard{}, 990 * time.Millisecond, 55 * time.Second, 100 + 50*8, 50,
		},
		"one third of it": {
			func(p *scenario.Plan) { p.Load = scenario.Load{Connections: 99, Rate: 99, Duration: 10 * time.Second} },
			scenario.Shard{Index: 1, Count: 3}, 96 * time.Second / 99, 55 * time.Second, 33 + 16.5*8, 16.5,
		},
		"a rate that holds it back": {
			func(p *scenario.Plan) { p.Load = scenario.Load{Connections: 100, Rate: 10, Duration: 6 * time.Second} },
			scenario.Shard{}, 9900 * time.Millisecond, 51 * time.Second, 61 + 10*4, 10,
		},
		"all at the end": {
			func(p *scenario.Plan) {
				p.Load = scenario.Load{Connections: 100, Rate: 100, Duration: 10 * time.Second}
				p.Closes.Shape = shape("at_end")
			},
			scenario.Shard{}, 990 * time.Millisecond, 55 * time.Second, 100, 0,
		},
		"closes at a rate": {
			func(p *scenario.Plan) {
				p.Load = scenario.Load{Connections: 100, Duration: 10 * time.Second}
				p.Closes.Shape = shape("rate(5/s)")
			},
			scenario.Shard{}, 0, 55 * time.Second, 100 + 5*8, 5,
		},
		"each once": {
			func(p *scenario.Plan) { p.Load = scenario.Load{Connections: 10, Rate: 10} },
			scenario.Shard{}, 900 * time.Millisecond, 2900*time.Millisecond + 46*time.Second, 10, 5,
		},
		"stages": {
			func(p *scenario.Plan) {
				p.Load.Rate = 100
				p.Load.SetStages(scenario.Stage{For: 10 * time.Second, Connections: 100}, scenario.Stage{For: 20 * time.Second, Connections: 100},
					scenario.Stage{For: 10 * time.Second, Connections: 0})
			},
			scenario.Shard{}, 9900 * time.Millisecond, 85 * time.Second, 3000/2 + 100/2, 50,
		},
		"stages that are shorter than a life": {
			func(p *scenario.Plan) {
				p.Load.Rate = 0
				p.Load.SetStages(scenario.Stage{Connections: 99}, scenario.Stage{For: time.Second, Connections: 99})
			},
			scenario.Shard{Index: 1, Count: 3}, 0, 46 * time.Second, 33, 16.5,
		},
		"nothing but the server to hold it back": {
			func(p *scenario.Plan) {
				p.Load = scenario.Load{Connections: 10, Duration: time.Second}
				p.Hold = span("0s")
			},
			scenario.Shard{}, 0, 46 * time.Second, none, none,
		},
	} {
		plan := scenario.Default()
		plan.Hold = span("2s")
		row.change(&plan)
		if err := plan.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f := newFigures(&settings.Config{Plan: plan, Shard: row.shard})
		if f.Ramp != row.ramp || f.Longest != row.longest {
			t.Errorf("%s: ramp %v and at most %v, want %v and %v", name, f.Ramp, f.Longest, row.ramp, row.longest)
		}
		if known := f.Connections != nil && f.ClosesPerSecond != nil; known == math.IsNaN(row.about) {
			t.Errorf("%s: known %v", name, known)
		} else if known && (math.Abs(float64(*f.Connections)-row.about) > 1 || math.Abs(*f.ClosesPerSecond-row.closes) > 1e-6) {
			t.Errorf("%s: about %d connections and %v closes a second, want %v and %v", name, *f.Connections, *f.ClosesPerSecond, row.about, row.closes)
		}
	}
}
