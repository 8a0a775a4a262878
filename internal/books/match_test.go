package books

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// serve runs the embedded target on loopback.
func serve(t *testing.T) (server *target.Server, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = &target.Server{Reply: 2 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return server, ln.Addr().String()
}

// everyMode is a mix of all that this tool does to end a connection.
func everyMode(t *testing.T) []scenario.Close {
	t.Helper()
	var mix []scenario.Close
	add := func(mode scenario.Mode, name string, change func(*scenario.Close)) {
		c := scenario.DefaultClose(mode)
		c.Name = name
		if change != nil {
			change(&c)
		}
		mix = append(mix, c)
	}
	add(scenario.Active, "active", nil)
	add(scenario.Active, "eager", func(c *scenario.Close) { c.Eager = true })
	add(scenario.Output, "output", nil)
	add(scenario.Passive, "passive", nil)
	add(scenario.Passive, "late", func(c *scenario.Close) { c.ReplyDelay = 100 * time.Millisecond })
	for _, v := range []scenario.Violate{scenario.ViolateOpcode, scenario.ViolateRSV, scenario.ViolateUnmasked, scenario.ViolateOversize} {
		add(scenario.Passive, string(v), func(c *scenario.Close) { c.Trigger = scenario.Trigger{Violate: v} })
	}
	for _, how := range []string{"rst", "fin"} {
		add(scenario.Passive, "order-"+how, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Send: "abort " + how} })
	}
	add(scenario.Simultaneous, "simultaneous", nil)
	for _, when := range []scenario.When{scenario.Idle, scenario.Receiving, scenario.MidMessage, scenario.AfterClose} {
		for _, how := range []scenario.How{scenario.RST, scenario.FIN} {
			add(scenario.Abort, string(when)+"-"+string(how), func(c *scenario.Close) { c.When, c.How = when, how })
		}
	}
	add(scenario.HalfClose, "half_close", nil)
	add(scenario.Mute, "mute", nil)
	add(scenario.Stall, "stall", func(c *scenario.Close) { c.For = 300 * time.Millisecond })
	add(scenario.BadClose, "bad_close", func(c *scenario.Close) { c.Weight = 8 })
	if wire.CanVanish() == nil {
		add(scenario.Vanish, "vanish", nil)
	}
	return mix
}

// entries names a mix as results do.
func entries(mix []scenario.Close) (all []stats.Entry) {
	for _, c := range mix {
		all = append(all, stats.Entry{Name: c.Name, Mode: string(c.Mode)})
	}
	return all
}

// bout runs every mode against one path and compares the verdicts of both ends.
func bout(t *testing.T, addr, path string, run uint32) (*runner.Result, *result.LedgerPairs) {
	t.Helper()
	plan := scenario.Default()
	plan.Seed = uint64(run)
	plan.Target.URL = "ws://" + addr + path
	plan.Load = scenario.Load{Connections: 400, Rate: 400}
	plan.Hold, _ = scenario.ParseDist("uniform(300ms,600ms)")
	plan.Closes.Mix = everyMode(t)
	plan.Traffic.Every = 100 * time.Millisecond
	plan.Traffic.Expect = scenario.ExpectEcho
	plan.Limits.Close, plan.Limits.Fin = 4*time.Second, time.Second
	m := NewMatcher(run, entries(plan.Closes.Mix))
	follow := Follow(m, "http://"+addr+"/ended")
	res, err := runner.Run(t.Context(), plan, runner.Options{RunID: run, Settled: m.Own})
	if err != nil {
		t.Error(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := follow.End(); err != nil {
		t.Error(err)
	}
	return res, m.Pairs()
}

func TestMatrix(t *testing.T) {
	_, addr := serve(t)
	faults := strings.Fields(os.Getenv("FAULTS"))
	var all sync.WaitGroup
	out := make([]string, len(faults))
	sem := make(chan bool, 3)
	for i, f := range faults {
		all.Go(func() {
			sem <- true
			defer func() { <-sem }()
			res, p := bout(t, addr, "/"+f, uint32(i+1))
			for _, k := range p.Kinds {
				out[i] += fmt.Sprintf("%s | %s %v | %v %s %d\n", f, k.Mode, k.Client, k.Server, k.Fit, k.Count)
			}
			for _, x := range p.Mismatches {
				plan := scenario.Default()
				plan.Seed = uint64(i + 1)
				plan.Load = scenario.Load{Connections: 400, Rate: 400}
				plan.Hold, _ = scenario.ParseDist("uniform(300ms,600ms)")
				plan.Closes.Mix = everyMode(t)
				out[i] += fmt.Sprintf("%s : %s %+v\n", f, plan.Closes.Mix[plan.Lifecycle(x.N).Entry].Name, x)
			}
			out[i] += fmt.Sprintln(f, "compared", p.Compared, "missing", p.Missing, "unexplained", res.Total.InvalidState)
		})
	}
	all.Wait()
	for _, o := range out {
		fmt.Print(o)
	}
}
