package rule

import (
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
)

func TestARuleOnAFigureTakesItsInterval(t *testing.T) {
	figures := map[string]metric.Figure{
		"leak.fds.per_1000":       {Value: 10, Low: 9.2, High: 10.9, Basis: "180 samples"},
		"leak.rss.per_hour":       {Value: 300, Low: -4000, High: 5000, Basis: "180 samples"},
		"close_wait.after_settle": {Value: 312, Low: 312, High: 312, Basis: "counted"},
		"drain.last_close":        {Value: float64(31 * time.Second), Low: float64(31 * time.Second), High: float64(31 * time.Second), Basis: "one drain"},
		"drain.back":              {None: "the population did not come back"},
	}
	for text, want := range map[string]gate.Verdict{
		"leak.fds.per_1000 < 0.5":      gate.Fail,
		"leak.fds.per_1000 < 10.5":     gate.Inconclusive,
		"leak.fds.per_1000 < 11":       gate.Pass,
		"leak.rss.per_hour < 4KiB":     gate.Inconclusive,
		"leak.rss.per_hour < 5kB":      gate.Inconclusive,
		"leak.rss.per_hour <= 5kB":     gate.Pass,
		"leak.rss.per_hour < 1MiB":     gate.Pass,
		"point(leak.rss.per_hour)<1kB": gate.Pass,
		"close_wait.after_settle == 0": gate.Fail,
		"drain.last_close < 30s":       gate.Fail,
		"drain.last_close < 32s":       gate.Pass,
		"drain.back < 10s":             gate.NoData,
		"drain.still_open == 0":        gate.NoData,
	} {
		r, err := Parse(text, entries())
		if err != nil {
			t.Error(err)
			continue
		}
		if got := r.Judge(Run{Figures: figures}); got.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", text, got.Verdict, got.Reason, want)
		}
	}
}
