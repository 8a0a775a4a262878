package scenario_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

func TestAFaultTakesBothLegsAndAllConnectionsWhereItNamesNone(t *testing.T) {
	plan, err := scenario.Decode(tree{"faults": tree{"steps": []any{
		tree{"at": "10s", "for": "5s", "latency": "100ms", "jitter": "20ms"},
		tree{"at": "20s", "bandwidth": "64kb/s", "leg": "down"},
		tree{"at": "40s", "cut": "rst", "leg": "client", "share": "50%"},
	}}})
	want := []scenario.Fault{
		{At: 10 * time.Second, For: 5 * time.Second, Latency: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Leg: scenario.LegBoth, Share: 100},
		{At: 20 * time.Second, Bandwidth: 64_000, Leg: scenario.LegDown, Share: 100},
		{At: 40 * time.Second, Cut: scenario.CutRST, Leg: scenario.LegClient, Share: 50},
	}
	if err != nil || !reflect.DeepEqual(plan.Faults.Steps, want) {
		t.Errorf("got %+v, %v", plan.Faults.Steps, err)
	}
	kinds := []scenario.FaultKind{scenario.FaultLatency, scenario.FaultBandwidth, scenario.FaultCut}
	for i, f := range plan.Faults.Steps {
		if f.Kind() != kinds[i] {
			t.Errorf("step %d is of kind %q, want %q", i, f.Kind(), kinds[i])
		}
	}
}

func TestABandwidthIsReadInBytesAndWrittenInItsLargestUnit(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "1b/s": "1b/s", "999b/s": "999b/s", "1000b/s": "1kb/s", "64 kb/s": "64kb/s", "64kB/s": "64kb/s",
		"1.5mb/s": "1500kb/s", "2MB/s": "2mb/s", "0.5kb/s": "500b/s", "1000mb/s": "1000mb/s",
	} {
		if b, err := scenario.ParseBandwidth(text); err != nil || b.String() != want {
			t.Errorf("%q reads as %s, %v; want %s", text, b, err, want)
		}
	}
	const hint = " (write 500b/s, 64kb/s or 1.5mb/s, in bytes and powers of 1000)"
	for text, want := range map[string]string{
		"64":        `parse bandwidth "64": a bandwidth needs a unit` + hint,
		"64kbit/s":  `parse bandwidth "64kbit/s": a bandwidth needs a unit` + hint,
		"-1kb/s":    `parse bandwidth "-1kb/s": not a bandwidth` + hint,
		"infb/s":    `parse bandwidth "infb/s": not a bandwidth` + hint,
		"1001mb/s":  `parse bandwidth "1001mb/s": more than 1000mb/s, which is no limit here` + hint,
		"0.0001b/s": `parse bandwidth "0.0001b/s": less than a byte per second` + hint,
	} {
		if _, err := scenario.ParseBandwidth(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestAShareIsAboveNothingAndAtMostAll(t *testing.T) {
	for _, text := range []string{"50%", "100%", "0.5%", "33.3%", "1e-07%"} {
		if s, err := scenario.ParseShare(text); err != nil || s.String() != text {
			t.Errorf("%q reads as %s, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"0.5":  `parse share "0.5": a share is given in percent (write 50% or 0.5%)`,
		"0%":   `parse share "0%": must be above 0% and at most 100% (write 50% or 0.5%)`,
		"101%": `parse share "101%": must be above 0% and at most 100% (write 50% or 0.5%)`,
		"nan%": `parse share "nan%": not a share (write 50% or 0.5%)`,
	} {
		if _, err := scenario.ParseShare(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWhatAPathCannotDoIsRefused(t *testing.T) {
	step := func(change func(*scenario.Fault)) func(*scenario.Plan) {
		return func(p *scenario.Plan) {
			f := scenario.DefaultFault()
			change(&f)
			p.Faults.Steps = []scenario.Fault{f}
		}
	}
	for _, row := range []struct {
		change func(*scenario.Plan)
		want   string
	}{
		{step(func(f *scenario.Fault) {}), `faults.steps[0]: nothing happens (set latency, bandwidth, stall or cut)`},
		{step(func(f *scenario.Fault) { f.Latency, f.Stall = time.Second, true }),
			`faults.steps[0]: latency and stall are two faults (give each its own step; steps may overlap)`},
		{step(func(f *scenario.Fault) { f.Stall, f.At = true, -time.Second }), `faults.steps[0].at: must be 0s to 8760h, got -1s`},
		{step(func(f *scenario.Fault) { f.Stall, f.At = true, time.Minute }),
			`faults.steps[0].at: the run is over 53s after its begin at the latest, got 1m (write less, or raise load.duration)`},
		{step(func(f *scenario.Fault) { f.Latency = 2 * time.Minute }), `faults.steps[0].latency: must be above 0s and at most 1m, got 2m`},
		{step(func(f *scenario.Fault) { f.Latency, f.Jitter = time.Second, 2*time.Second }),
			`faults.steps[0].jitter: must be 0s to 1s, got 2s (nothing leaves before it has come)`},
		{step(func(f *scenario.Fault) { f.Jitter = time.Second }), `faults.steps[0].latency: must be above 0s and at most 1m, got 0s
faults.steps[0].jitter: must be 0s to 0s, got 1s (nothing leaves before it has come)`},
		{step(func(f *scenario.Fault) { f.Bandwidth = -1 }), `faults.steps[0].bandwidth: must be 1 to 1000000000, got -1 ` +
			`(write 500b/s, 64kb/s or 1.5mb/s, in bytes and powers of 1000)`},
		{step(func(f *scenario.Fault) { f.Cut = "off" }), `faults.steps[0].cut: unknown way to cut, got "off" (use rst, fin or silent)`},
		{step(func(f *scenario.Fault) { f.Cut, f.For = scenario.CutFIN, time.Second }),
			`faults.steps[0].for: a cut has no length, got 1s (remove it: what is cut stays cut)`},
		{step(func(f *scenario.Fault) { f.Cut, f.Leg = scenario.CutFIN, scenario.LegUp }),
			`faults.steps[0].leg: a cut ends a side; up and down are for bytes, got "up" (use client, server or both)`},
		{step(func(f *scenario.Fault) { f.Stall, f.Leg = true, scenario.LegServer }),
			`faults.steps[0].leg: bytes go up or down; client and server are for a cut, got "server" (use up, down or both)`},
		{step(func(f *scenario.Fault) { f.Stall, f.Leg = true, "" }), `faults.steps[0].leg: unknown leg, got "" (use up, down or both)`},
		{step(func(f *scenario.Fault) { f.Stall, f.Share = true, 0 }),
			`faults.steps[0].share: must be above 0% and at most 100%, got "0%" (write 50% or 0.5%)`},
		{step(func(f *scenario.Fault) { f.Stall, f.Share = true, scenario.Share(math.NaN()) }),
			`faults.steps[0].share: must be above 0% and at most 100%, got "NaN%" (write 50% or 0.5%)`},
		{func(p *scenario.Plan) { p.Faults.Steps = make([]scenario.Fault, 65) },
			`faults.steps: must have at most 64 entries, got 65 (one step may last for long)`},
		{func(p *scenario.Plan) { p.Faults.Toxiproxy = "http://127.0.0.1:8474" },
			`faults.toxiproxy: has nothing to do, got "http://127.0.0.1:8474" (list faults.steps, or remove it)`},
		{func(p *scenario.Plan) {
			step(func(f *scenario.Fault) { f.Stall = true })(p)
			p.Faults.Toxiproxy = "127.0.0.1:8474"
		}, `faults.toxiproxy: has no scheme, got "127.0.0.1:8474" (write http:// or https:// in front of it)`},
		{func(p *scenario.Plan) {
			step(func(f *scenario.Fault) { f.Stall = true })(p)
			p.Faults.Toxiproxy = "http//joe:hunter2@127.0.0.1:8474"
		}, `faults.toxiproxy: has no scheme, got "***" (write http:// or https:// in front of it)`},
	} {
		plan := scenario.Default()
		row.change(&plan)
		if err := plan.Validate(); err == nil || err.Error() != row.want {
			t.Errorf("got  %v\nwant %s", err, row.want)
		}
	}
}

func TestAFaultHitsItsShareAndTheSameConnectionsEachTime(t *testing.T) {
	const all = 20_000
	f := scenario.DefaultFault()
	for _, share := range []scenario.Share{100, 50, 5} {
		f.Share = share
		hits, both := 0, 0
		for n := range uint64(all) {
			hit := f.Hits(7, 0, n)
			if hit != f.Hits(7, 0, n) {
				t.Fatalf("connection %d is hit and is not", n)
			}
			if hit {
				hits++
			}
			if hit && f.Hits(7, 1, n) {
				both++
			}
		}
		p := float64(share) / 100
		for _, c := range []struct {
			what string
			n    int
			p    float64
		}{{"hit", hits, p}, {"hit by two steps", both, p * p}} {
			want := c.p * all
			if off := math.Abs(float64(c.n) - want); off > 4*math.Sqrt(want*(1-c.p)) {
				t.Errorf("share %s: %d of %d %s, want about %.0f", share, c.n, all, c.what, want)
			}
		}
	}
}

func TestTheCredentialsOfAToxiproxyAreHidden(t *testing.T) {
	plan := scenario.Default()
	plan.Faults.Toxiproxy = "http://user:hunter22@127.0.0.1:8474"
	redacted := plan.Redacted()
	if got := redacted.Faults.Toxiproxy; got != "http://***@127.0.0.1:8474" {
		t.Errorf("redacted to %s", got)
	}
	if hidden := scenario.Hider(plan.Secrets()).Replace("as hunter22"); hidden != "as ***" {
		t.Errorf("hidden as %q", hidden)
	}
}
