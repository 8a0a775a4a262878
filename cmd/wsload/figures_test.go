package main

import (
	"testing"

	"github.com/wsload/wsload/internal/drain"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
)

func TestEveryFigureOfADrainAndAWatchHasARule(t *testing.T) {
	kinds := map[drain.Kind]metric.Kind{drain.Count: metric.Count, drain.Rate: metric.Rate, drain.Duration: metric.Duration}
	for _, v := range drain.Values(&result.Drain{}) {
		if kind, ok := metric.KindOf(v.Name); !ok || kind != kinds[v.Kind] {
			t.Errorf("%s is of kind %d, and to rules %d, %v", v.Name, v.Kind, kind, ok)
		}
	}
	bytes := map[string]bool{"rss": true, "heap": true}
	for _, q := range watch.Quantities() {
		want := metric.Number
		if bytes[q.Name] {
			want = metric.Bytes
		}
		for _, name := range []string{"leak." + q.Name + ".per_1000", "leak." + q.Name + ".per_hour", q.Name + ".after_settle"} {
			if kind, ok := metric.KindOf(name); !ok || kind != want {
				t.Errorf("%s is to rules of kind %d, %v; want %d", name, kind, ok, want)
			}
		}
	}
	for name := range new(watch.Series).Report().Values() {
		if _, ok := metric.KindOf(name); !ok {
			t.Errorf("no rule can ask for %s", name)
		}
	}
}
