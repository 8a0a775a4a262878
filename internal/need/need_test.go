package need

import (
	"net/netip"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

const (
	elsewhere = "ws://192.0.2.1/"
	loopback  = "ws://127.0.0.1:9000/"
)

// plan is the default plan against a server elsewhere, with changes.
func plan(change func(*scenario.Plan)) *scenario.Plan {
	p := scenario.Default()
	p.Target.URL = elsewhere
	if change != nil {
		change(&p)
	}
	return &p
}

// mix has one entry for each mode, all of the same weight.
func mix(modes ...scenario.Mode) []scenario.Close {
	var all []scenario.Close
	for _, m := range modes {
		all = append(all, scenario.DefaultClose(m))
	}
	return all
}

func hour(p *scenario.Plan) { p.Load.Duration = time.Hour }

func of(t *testing.T, p *scenario.Plan, shard string, host proc.Host) Need {
	t.Helper()
	part := scenario.Shard{}
	if shard != "" {
		var err error
		if part, err = scenario.ParseShard(shard); err != nil {
			t.Fatal(err)
		}
	}
	n, err := Of(p, part, 1, host)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDescriptorsAreCountedForEachConnectionAndItsRelay(t *testing.T) {
	if n := of(t, plan(nil), "", proc.Host{}); n.Descriptors != 1064 || n.Each != 1 {
		t.Errorf("%d descriptors, %d each", n.Descriptors, n.Each)
	}
	cut := []scenario.Fault{{Cut: scenario.CutRST, Leg: scenario.LegBoth, Share: 100}}
	relayed := plan(func(p *scenario.Plan) { p.Faults.Steps = cut })
	if n := of(t, relayed, "1/2", proc.Host{}); n.Descriptors != 1564 || n.Ends != 3 || n.Sockets != 1500 || n.Whose != " of the relay" {
		t.Errorf("half of a relayed plan needs %+v", n)
	}
	relayed.Faults.Toxiproxy = "http://192.0.2.2:8474"
	if n := of(t, relayed, "", proc.Host{}); n.Descriptors != 1064 || n.Ends != 1 {
		t.Errorf("a plan relayed elsewhere needs %+v", n)
	}
}

func TestAHostThatTellsNoPortsHasThoseOfLinux(t *testing.T) {
	if n := of(t, plan(nil), "", proc.Host{}); n.Ports != 28232 || n.Pairs != 1 {
		t.Errorf("%d ports, %d pairs", n.Ports, n.Pairs)
	}
	few := proc.Host{Ports: proc.Ports{Low: 1000, High: 1099, OK: true}}
	if n := of(t, plan(func(p *scenario.Plan) { p.Target.URL = loopback }), "", few); n.Ports != 100 || n.Pairs != 64 {
		t.Errorf("on loopback %d ports, %d pairs", n.Ports, n.Pairs)
	}
	if _, err := Of(plan(func(p *scenario.Plan) { p.Target.LocalAddrs = []string{"eth0"} }), scenario.Shard{}, 1, few); err == nil {
		t.Error("a source that is no address was taken")
	}
}

func TestPortsInTimeWaitAreThoseOfTheLastMinuteAndOfWhoClosesFirst(t *testing.T) {
	half := func(p *scenario.Plan) {
		hour(p)
		p.Closes.Mix = mix(scenario.HalfClose, scenario.Active)
	}
	unpaced := func(p *scenario.Plan) {
		half(p)
		p.Load.Rate = 0
	}
	reuse := func(n, stamps int64) proc.Host {
		return proc.Host{TimeWaitReuse: proc.Known(n), Timestamps: proc.Known(stamps)}
	}
	local := func(p *scenario.Plan) {
		half(p)
		p.Target.URL = "ws://localhost:9000/"
	}
	for _, r := range []struct {
		name   string
		change func(*scenario.Plan)
		shard  string
		host   proc.Host
		busy   int
	}{
		{"the server closes first", hour, "", proc.Host{}, 1000},
		{"this end does for a half", half, "", proc.Host{}, 1000 + 500*60/2},
		{"for its part of them", half, "1/2", proc.Host{}, 500 + 250*60/2},
		{"without a rate each ends once a second", unpaced, "", proc.Host{}, 1000 + 1000*60/2},
		{"also in a shard", unpaced, "1/2", proc.Host{}, 500 + 500*60/2},
		{"a short run has less", func(p *scenario.Plan) { half(p); p.Load.Duration = 8 * time.Second }, "", proc.Host{}, 1000 + 500*8/2},
		{"each lives once", func(p *scenario.Plan) { half(p); p.Load.Duration = 0 }, "", proc.Host{}, 1000},
		{"ports are taken again", half, "", reuse(1, 1), 1000 + 500/2},
		{"but not without timestamps", half, "", reuse(1, 0), 1000 + 500*60/2},
		{"nor elsewhere where it is for loopback", half, "", reuse(2, 1), 1000 + 500*60/2},
		{"on loopback they are", local, "", reuse(2, 1), 1000 + 500/2},
	} {
		if n := of(t, plan(r.change), r.shard, r.host); n.Busy != r.busy {
			t.Errorf("%s: %d ports busy, want %d", r.name, n.Busy, r.busy)
		}
	}
}

func TestTheKernelsTablesAreFilledByBothEndsOnThisHost(t *testing.T) {
	for _, r := range []struct {
		name                       string
		modes                      []scenario.Mode
		change                     func(*scenario.Plan)
		timeWait, orphans, tracked int64
	}{
		{"a server elsewhere waits itself", []scenario.Mode{scenario.Active}, nil, 0, 500, 1000 + 500*120},
		{
			"one here waits here", []scenario.Mode{scenario.Active}, func(p *scenario.Plan) { p.Target.URL = loopback },
			500 * 60, 1000, 1000 + 500*120,
		},
		{"an abort by RST leaves nothing", []scenario.Mode{scenario.Abort}, nil, 0, 0, 1000},
		{"what closes first waits", []scenario.Mode{scenario.HalfClose}, nil, 500 * 60, 500, 1000 + 500*120},
		{"what vanished is remembered", []scenario.Mode{scenario.Vanish}, nil, 0, 0, 1000 + 500*3600},
		{
			"and its server speaks to nobody for a while", []scenario.Mode{scenario.Vanish}, func(p *scenario.Plan) { p.Target.URL = loopback },
			0, 500 * 102, 1000 + 500*3600,
		},
		{
			"a storm closes all at once", []scenario.Mode{scenario.Active}, func(p *scenario.Plan) { p.Closes.Shape, _ = value.ParseShape("at_end") },
			0, 1000, 1000 + 500*120,
		},
		{
			"a relay is the server of one leg", []scenario.Mode{scenario.Active},
			func(p *scenario.Plan) {
				p.Faults.Steps = []scenario.Fault{{Cut: scenario.CutRST, Leg: scenario.LegBoth, Share: 100}}
			},
			500 * 60, 1500, 2 * (1000 + 500*120),
		},
	} {
		n := of(t, plan(func(p *scenario.Plan) {
			hour(p)
			p.Closes.Mix = mix(r.modes...)
			if r.change != nil {
				r.change(p)
			}
		}), "", proc.Host{})
		if n.TimeWait != r.timeWait || n.Orphans != r.orphans || n.Tracked != r.tracked {
			t.Errorf("%s: time wait %d, orphans %d, tracked %d; want %d, %d, %d", r.name, n.TimeWait, n.Orphans, n.Tracked, r.timeWait, r.orphans, r.tracked)
		}
	}
}

func TestMemoryAndTimeGrowWithThePlan(t *testing.T) {
	small, large := of(t, plan(nil), "", proc.Host{}), of(t, plan(func(p *scenario.Plan) { p.Load.Connections *= 10 }), "", proc.Host{})
	if grown := large.Memory - small.Memory; grown != 9000*(perClient+perSocket) {
		t.Errorf("9000 more connections take %d bytes more", grown)
	}
	if large.OfServer() <= small.OfServer() {
		t.Error("the server of more connections takes no more")
	}
	if small.CPU != 50 { // 500 of 100 µs in a second
		t.Errorf("%d thousandths of a CPU", small.CPU)
	}
	if half := of(t, plan(nil), "1/2", proc.Host{}); half.CPU != 25 {
		t.Errorf("%d thousandths of a CPU for half of it", half.CPU)
	}
	stall := plan(func(p *scenario.Plan) { p.Closes.Mix, p.Traffic.Size = mix(scenario.Stall), 5000 })
	idle := of(t, stall, "", proc.Host{}).Pages
	stall.Traffic.Every = time.Second
	if busy := of(t, stall, "", proc.Host{}).Pages; idle != 2000 || busy != 2000+1000*32 {
		t.Errorf("%d pages at rest, %d with messages that are not read", idle, busy)
	}
}

func TestABurstIsWhatNoRatePaces(t *testing.T) {
	if n := of(t, plan(nil), "", proc.Host{}); n.Burst != 0 {
		t.Errorf("%d at once at a rate", n.Burst)
	}
	if n := of(t, plan(func(p *scenario.Plan) { p.Load.Rate = 0 }), "1/4", proc.Host{}); n.Burst != 250 {
		t.Errorf("%d at once of a quarter", n.Burst)
	}
}

func TestShardsOnOneHostHaveLoopbackAddressesOfTheirOwn(t *testing.T) {
	plan := scenario.Default()
	plan.Target.URL, plan.Load.Connections = "ws://127.0.0.1:9000/", 3000
	owner := make(map[netip.Addr]string)
	for _, shard := range []scenario.Shard{{Index: 1, Count: 3}, {Index: 2, Count: 3}, {Index: 3, Count: 3}, {Index: 10_000, Count: 10_000}} {
		all, err := sources(&plan, shard, 300) // for 1000 connections, of a range of which an eighth is to be taken
		if err != nil || shard.Count == 3 && len(all) != 28 || len(all) == 0 {
			t.Fatalf("shard %v has the addresses %v, %v", shard, all, err)
		}
		for _, a := range all {
			if other, taken := owner[a]; taken || !a.IsLoopback() {
				t.Errorf("shard %v has %v, as has %q", shard, a, other)
			}
			owner[a] = shard.String()
		}
	}
	if all, err := sources(&plan, scenario.Shard{}, 30000); err != nil || len(all) != 0 {
		t.Errorf("a whole that one address is enough for has %v, %v", all, err)
	}
}
