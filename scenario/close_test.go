package scenario_test

import (
	"math"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestARequestIsAMethodAndAURLAndThePOSTOfOneWithout(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                                {"", ""},
		" \t":                             {"POST", ""},
		"http://h/kick?user={{n}}":        {"POST", "http://h/kick?user={{n}}"},
		" DELETE  https://h/{{ n }}?a b ": {"DELETE", "https://h/{{ n }}?a b"},
		"GET\thttp://h":                   {"GET", "http://h"},
		"http://h/{{ n }}":                {"POST", "http://h/{{ n }}"},
		"${URL}/a b":                      {"POST", "${URL}/a b"},
		"${URL}{{ n }}":                   {"POST", "${URL}{{ n }}"},
		"GET ${URL}":                      {"GET", "${URL}"},
		"GET":                             {"POST", "GET"},
	} {
		trigger := scenario.Trigger{HTTP: text}
		if method, url := trigger.Request(); method != want[0] || url != want[1] {
			t.Errorf("%q is %q %q, want %q", text, method, url, want)
		}
	}
}

func TestATriggerSaysWhatItAsksFor(t *testing.T) {
	for _, c := range []struct {
		trigger     scenario.Trigger
		shared, cut bool
		asks        map[int]bool
	}{
		{scenario.Trigger{Send: "close 1011 bye"}, false, false, map[int]bool{1011: true, 1000: false}},
		{scenario.Trigger{Send: `{"close":4001,"n":12}`}, false, false, map[int]bool{4001: true, 12: false}},
		{scenario.Trigger{Send: "abort rst"}, false, true, map[int]bool{1000: false}},
		{scenario.Trigger{Send: "abortive"}, false, false, map[int]bool{1000: false}},
		{scenario.Trigger{Violate: scenario.ViolateRSV}, false, false, map[int]bool{1002: true, 1007: true, 1011: false}},
		{scenario.Trigger{HTTP: "http://h/"}, true, false, map[int]bool{1000: true, 1011: true}},
		{scenario.Trigger{Exec: "abort rst"}, true, false, map[int]bool{1000: true, 1011: true}},
		{scenario.Trigger{Wait: true}, false, false, map[int]bool{1000: true, 1011: true}},
	} {
		if c.trigger.Shared() != c.shared || c.trigger.OrdersCut() != c.cut {
			t.Errorf("%+v: shared %v, orders a cut %v", c.trigger, c.trigger.Shared(), c.trigger.OrdersCut())
		}
		for code, want := range c.asks {
			if c.trigger.Asks(code) != want {
				t.Errorf("%+v asks for %d: %v", c.trigger, code, !want)
			}
		}
	}
}

func TestAPayloadIsLegalOrTrailedOrMalformed(t *testing.T) {
	for _, p := range everyPayload() {
		code, isCode := p.Code()
		_, legal := map[scenario.Payload]bool{
			scenario.PayloadEmpty: true, scenario.PayloadCodeOnly: true, scenario.PayloadLongReason: true, scenario.PayloadInside: true,
		}[p]
		kinds := 0
		for _, is := range []bool{legal, p.Trails(), p.Malformed()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || isCode && !p.Malformed() {
			t.Errorf("%s: legal %v, trails %v, malformed %v, code %d %v", p, legal, p.Trails(), p.Malformed(), code, isCode)
		}
	}
	if code, ok := scenario.Payload("code-65535").Code(); code != 65535 || !ok {
		t.Errorf("code-65535 is %d, %v", code, ok)
	}
	for _, none := range []scenario.Payload{"", "each", "code-", "code-only", "code-+1", "code-007", "code-65536", "1006"} {
		if code, ok := none.Code(); ok || code != 0 {
			t.Errorf("%q has the code %d", none, code)
		}
	}
}

// everyPayload gives what each stands for, in its order.
func everyPayload() []scenario.Payload {
	var all []scenario.Payload
	for n := uint64(0); ; n++ {
		p := scenario.PayloadEach.Of(n)
		if n > 0 && p == all[0] {
			return all
		}
		all = append(all, p)
	}
}

func TestEachGivesEveryPayloadInTurnAndOthersThemselves(t *testing.T) {
	all, seen := everyPayload(), make(map[scenario.Payload]bool)
	for i, p := range all {
		if again := scenario.PayloadEach.Of(uint64(i + 5*len(all))); again != p || p.Of(uint64(i)) != p || p.Of(math.MaxUint64) != p {
			t.Errorf("%s is %s five turns later", p, again)
		}
		seen[p] = true
	}
	if len(all) != 23 || len(seen) != 23 {
		t.Errorf("there are %d in turn, %d different: %v", len(all), len(seen), all)
	}
}

// TestEveryPayloadIsReached wants all payloads where the number of a connection
// has a pattern: a population that is a multiple of the payloads ties each slot
// to one of them, and so does a share of as many shards. Then the slots of the
// population reach all, and the shards together. The entry is drawn from seed
// and number by a generator, which no residue of the number shows in.
func TestEveryPayloadIsReached(t *testing.T) {
	const payloads = 23
	for _, connections := range []int{1, 2, payloads - 1, payloads, payloads + 1, 10 * payloads, 1000} {
		for _, shards := range []int{1, 2, payloads} {
			plan := scenario.Default()
			plan.Seed, plan.Load.Connections = 1, connections
			plan.Closes.Mix = append(plan.Closes.Mix, scenario.DefaultClose(scenario.BadClose))
			plan.Closes.Mix[3].Weight = 10 // 1 in 11
			counts, total := make(map[scenario.Payload]int), 0
			generations := 40_000 / uint64(connections)
			for shard := range shards {
				for slot := range (scenario.Shard{Index: shard + 1, Count: shards}).Slots(connections) {
					for generation := range generations {
						l := plan.Lifecycle(generation*uint64(connections) + uint64(slot))
						if entry := plan.Closes.Mix[l.Entry]; entry.Mode == scenario.BadClose {
							counts[entry.Payload.Of(l.N)]++
							total++
						}
					}
				}
			}
			spread := make([]int, 0, payloads)
			for _, n := range counts {
				spread = append(spread, n)
			}
			// 22 degrees of freedom: 1 in 10,000 exceeds 54.
			if x := chiSquare(spread, total); len(counts) != payloads || x > 54 {
				t.Errorf("%d connections, %d shards: %d payloads, chi-square %.0f: %v", connections, shards, len(counts), x, counts)
			}
		}
	}
}

func TestATriggerThatNamesItsConnectionActsOnThatOne(t *testing.T) {
	for _, c := range []struct {
		trigger scenario.Trigger
		want    bool
	}{
		{scenario.Trigger{Exec: "systemctl restart chat"}, false},
		{scenario.Trigger{Exec: "kick --user {{n}}"}, true},
		{scenario.Trigger{HTTP: "http://localhost/kick?user={{ n }}"}, true},
		{scenario.Trigger{Send: "close 1001"}, false},
	} {
		if got := c.trigger.Names(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.trigger, got, c.want)
		}
	}
}
