//go:build !race

package runner

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/relay"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// A weather is a fault of docs/faults.md, made in the hold of all connections
// or, late, while the server's answer is awaited. The moments lie far apart, for
// machines that are slow.
type weather struct {
	name string
	late bool
	step scenario.Fault
}

func weathers() []weather {
	fault := func(name string, change func(*scenario.Fault)) weather {
		f := scenario.DefaultFault()
		f.At = 1500 * time.Millisecond
		change(&f)
		return weather{name: name, step: f}
	}
	late := func(w weather) weather {
		w.late, w.step.At = true, 3*time.Second
		return w
	}
	cut := func(how scenario.Cut, leg scenario.Leg) weather {
		return fault(fmt.Sprintf("`cut: %s, leg: %s`", how, leg), func(f *scenario.Fault) { f.Cut, f.Leg = how, leg })
	}
	all := []weather{
		fault("`latency: 100ms`", func(f *scenario.Fault) { f.Latency = 100 * time.Millisecond }),
		fault("`bandwidth: 1kb/s`", func(f *scenario.Fault) { f.Bandwidth = 1000 }),
		fault("`stall: true, for: 1s`", func(f *scenario.Fault) { f.Stall, f.For = true, time.Second }),
		fault("`stall: true, leg: up`", func(f *scenario.Fault) { f.Stall, f.Leg = true, scenario.LegUp }),
		fault("`stall: true, leg: down`", func(f *scenario.Fault) { f.Stall, f.Leg = true, scenario.LegDown }),
	}
	for _, how := range []scenario.Cut{scenario.CutRST, scenario.CutFIN, scenario.CutSilent} {
		for _, leg := range []scenario.Leg{scenario.LegClient, scenario.LegServer} {
			all = append(all, cut(how, leg))
		}
	}
	for _, how := range []scenario.Cut{scenario.CutRST, scenario.CutFIN, scenario.CutSilent} {
		all = append(all, late(cut(how, scenario.LegClient)))
	}
	return all
}

// table reads the rows of the first table of docs/faults.md behind a heading.
func table(t *testing.T, heading string) (columns []string, rows map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("docs/faults.md has no heading %q", heading)
	}
	rows = map[string][]string{}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if columns != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case columns == nil:
			columns = cells[1:]
		case !strings.HasPrefix(cells[0], "-"):
			rows[cells[0]] = cells[1:]
		}
	}
	return columns, rows
}

// TestEachFaultMakesTheClassesThatTheManualSays makes each fault of the tables
// for each mode.
func TestEachFaultMakesTheClassesThatTheManualSays(t *testing.T) {
	addr, _ := serveBy(t, &target.Server{Reply: 2 * time.Second}) // less than limits.close
	modes, early := table(t, "## What becomes of a connection")
	_, late := table(t, "### While an answer is awaited")
	if len(early)+len(late) != len(weathers()) {
		t.Errorf("docs/faults.md has %d rows, and there are %d faults", len(early)+len(late), len(weathers()))
	}
	var runs sync.WaitGroup
	for _, w := range weathers() {
		rows, path := early, "/echo"
		if w.late {
			rows, path = late, "/slow-reply?delay=2s"
		}
		cells := rows[w.name]
		if cells == nil {
			t.Errorf("docs/faults.md has no row %s", w.name)
			continue
		}
		for i, cell := range cells {
			mode := scenario.Active
			if !w.late {
				mode = scenario.Mode(strings.Trim(modes[i], "`"))
			}
			runs.Go(func() {
				if got := classUnder(t, addr, path, mode, w.step); "`"+got+"`" != cell {
					t.Errorf("%s under %s on %s is `%s`, the manual says %s", mode, w.name, path, got, cell)
				}
			})
		}
	}
	runs.Wait()
}

// classUnder runs three connections of a mode under a fault and gives how all
// of them ended.
func classUnder(t *testing.T, addr, path string, mode scenario.Mode, step scenario.Fault) string {
	through, err := relay.Start(t.Context(), relay.Options{Upstream: addr, Steps: []scenario.Fault{step}})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer through.Stop()
	plan := once(3, scenario.DefaultClose(mode))
	plan.Target.URL, plan.Target.ConnectTo = "ws://"+addr+path, through.Addr().String()
	plan.Hold, _ = value.ParseDist("2s")
	plan.Limits.Close, plan.Limits.Fin = 4*time.Second, 2*time.Second
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Error(err)
		return ""
	}
	class, _ := only(t, res)
	return class.String()
}
