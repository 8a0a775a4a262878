package scenario_test

import (
	"fmt"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// A plan is built by changing the default, and every connection's script can
// be printed before anything is opened.
func Example() {
	plan := scenario.Default()
	plan.Seed = 1
	plan.Target.URL = "ws://127.0.0.1:9000/echo?user={{n}}"
	plan.Load = scenario.Load{Connections: 100, Rate: 50}
	plan.Closes.Mix = []scenario.Close{
		scenario.DefaultClose(scenario.Active),
		scenario.DefaultClose(scenario.Abort),
	}
	hold, err := value.ParseDist("uniform(1s,3s)")
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.Hold = hold
	if err := plan.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	for slot := range (scenario.Shard{Index: 1, Count: 2}).Slots(8) {
		l := plan.Lifecycle(uint64(slot))
		fmt.Printf("%s: start %v, hold %v, then %s\n", scenario.Expand(plan.Target.URL, l.N),
			l.Start, l.Hold.Round(time.Millisecond), plan.Closes.Mix[l.Entry].Name)
	}
	// Output:
	// ws://127.0.0.1:9000/echo?user=0: start 0s, hold 2.197s, then active
	// ws://127.0.0.1:9000/echo?user=2: start 40ms, hold 2.539s, then abort
	// ws://127.0.0.1:9000/echo?user=4: start 80ms, hold 1.245s, then active
	// ws://127.0.0.1:9000/echo?user=6: start 120ms, hold 2.533s, then abort
}

// A configuration file's mistakes are all reported at once.
func ExampleDecode() {
	_, err := scenario.Decode(map[string]any{
		"load":   map[string]any{"conections": 5, "rate": "fast"},
		"limits": map[string]any{"close": 2},
	})
	fmt.Println(err)
	// Output:
	// load.conections: unknown key (did you mean load.connections?)
	// load.rate: not a rate, got "fast" (write 500/s, 30/m, 3600/h or 0 for unlimited)
	// limits.close: a duration needs a unit, got 2 (write 2s)
}

// A mix may have entries of any mode, and what a mode cannot do is refused
// before anything is opened.
func ExamplePlan_Validate() {
	plan := scenario.Default()
	kicked := scenario.DefaultClose(scenario.Passive)
	kicked.Name = "kicked"
	kicked.Trigger = scenario.Trigger{HTTP: "DELETE http://127.0.0.1:8080/users/{{n}}"}
	crossed := scenario.DefaultClose(scenario.Simultaneous)
	crossed.Trigger = scenario.Trigger{Wait: true}
	stall := scenario.DefaultClose(scenario.Stall)
	stall.For = 0
	plan.Closes.Mix = []scenario.Close{kicked, crossed, stall}
	fmt.Println(plan.Validate())
	// Output:
	// closes.mix[1].trigger.wait: the own Close has no trigger to follow at once, got true (use send, http or exec)
	// closes.mix[2].for: must be above 0s and at most 24h, got 0s
}
