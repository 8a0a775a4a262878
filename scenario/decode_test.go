package scenario_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

type tree = map[string]any

// What the hints about the mix list.
const (
	useMode    = "use active, output, passive, simultaneous, abort, half_close, mute, stall, bad_close or vanish"
	usePayload = "use each, empty, code-only, long-reason, inside-message, second-close, ping-after, data-after, behind-large, " +
		"short-payload, oversize, bad-utf8, fragmented or unmasked, or code-1006 and the like for a code that must not be sent"
	closeKeys = "name, mode, weight, code, reason, eager, trigger, reply_delay, how, when, for, payload"
)

// lines splits an error into its lines, none for nil.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestDecodeTakesWhatFilesAndTheEnvironmentGive(t *testing.T) {
	want := scenario.Default()
	want.Seed = 1<<63 + 5
	want.Load = scenario.Load{Connections: 5, Rate: 2.5, Duration: time.Minute}
	want.Target.Headers = []string{"A: b"}
	want.Target.TLS.Insecure = true
	want.OnOpen = []scenario.Step{{Send: "hi", Within: 5 * time.Second}}
	want.Traffic.Expect = scenario.ExpectAny
	headers := []string{"A: b"}
	for name, given := range map[string]tree{
		"text": {
			"seed": "9223372036854775813", "load": tree{"connections": " 5", "rate": "2.5", "duration": "60s"},
			"target":  tree{"headers": []any{"A: b"}, "tls": tree{"insecure": "1"}},
			"on_open": []any{tree{"send": "hi"}}, "traffic": tree{"expect": "any"},
		},
		"Go's numbers": {
			"seed": uint64(1<<63 + 5), "load": tree{"connections": uint8(5), "rate": 2.5, "duration": time.Minute},
			"target":  tree{"headers": headers, "tls": tree{"insecure": true}},
			"on_open": []tree{{"send": "hi"}}, "traffic": tree{"expect": "any"},
		},
		"JSON's numbers and YAML's maps": {
			"seed":    json.Number("9223372036854775813"),
			"load":    map[any]any{"connections": json.Number("5e0"), "rate": json.Number("2.5"), "duration": "1m"},
			"target":  map[any]any{"headers": []any{"A: b"}, "tls": map[any]any{"insecure": true}},
			"on_open": []any{map[any]any{"send": "hi"}}, "traffic": map[any]any{"expect": "any"},
		},
		"the plan's own types": {
			"seed": uint64(1<<63 + 5), "load": want.Load, "target": tree{"headers": headers, "tls": want.Target.TLS},
			"on_open": want.OnOpen, "traffic": tree{"expect": scenario.ExpectAny}, "hold": want.Hold,
			"closes": tree{"mix": want.Closes.Mix, "shape": want.Closes.Shape},
		},
	} {
		got, err := scenario.Decode(given)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if len(got.Target.Headers) > 0 && &got.Target.Headers[0] == &headers[0] {
			t.Errorf("%s: the plan shares a list with its caller", name)
		}
	}
}

func TestNothingAndNullLeaveTheDefaults(t *testing.T) {
	for _, given := range []tree{nil, {}, {"gate": nil, "limits": nil, "closes": tree{"mix": nil}, "load": tree{"rate": nil}}} {
		if got, err := scenario.Decode(given); err != nil || !reflect.DeepEqual(got, scenario.Default()) {
			t.Errorf("%v: got %+v, %v", given, got, err)
		}
	}
}

func TestAnEntryOfTheMixTakesTheDefaultsOfItsMode(t *testing.T) {
	bye := scenario.Trigger{Send: "close 1001 bye"}
	for _, c := range []struct {
		given tree
		want  scenario.Close
	}{
		{tree{"mode": "active"}, scenario.Close{Weight: 1, Code: 1000, Reason: "done"}},
		{tree{"mode": "active", "code": 1005}, scenario.Close{Weight: 1, Code: 1005}},
		{tree{"mode": "active", "reason": "", "weight": 0}, scenario.Close{Code: 1000}},
		{tree{"mode": "output", "code": "1005"}, scenario.Close{Weight: 1, Code: 1005}},
		{tree{"mode": "output", "code": 3000}, scenario.Close{Weight: 1, Code: 3000, Reason: "done"}},
		{tree{"mode": "passive"}, scenario.Close{Weight: 1, Trigger: bye}},
		{tree{"mode": "passive", "trigger": tree{"wait": true}, "reply_delay": "1s"},
			scenario.Close{Weight: 1, Trigger: scenario.Trigger{Wait: true}, ReplyDelay: time.Second}},
		{tree{"mode": "passive", "how": "", "code": 0}, scenario.Close{Weight: 1, Trigger: bye}},
		{tree{"mode": "passive", "trigger": tree{"violate": "rsv"}},
			scenario.Close{Weight: 1, Trigger: scenario.Trigger{Violate: scenario.ViolateRSV}}},
		{tree{"mode": "simultaneous", "code": 1005}, scenario.Close{Weight: 1, Code: 1005, Trigger: bye}},
		{tree{"mode": "simultaneous", "trigger": tree{"http": "http://h/"}},
			scenario.Close{Weight: 1, Code: 1000, Reason: "done", Trigger: scenario.Trigger{HTTP: "http://h/"}}},
		{tree{"mode": scenario.Abort}, scenario.Close{Weight: 1, How: "rst", When: "idle"}},
		{tree{"mode": "abort", "how": "fin"}, scenario.Close{Weight: 1, How: "fin", When: "idle"}},
		{tree{"mode": "abort", "when": "mid_message"}, scenario.Close{Weight: 1, How: "rst", When: "mid_message"}},
		{tree{"mode": "half_close"}, scenario.Close{Weight: 1}},
		{tree{"mode": "mute", "trigger": tree{"exec": "true"}},
			scenario.Close{Weight: 1, Trigger: scenario.Trigger{Exec: "true"}}},
		{tree{"mode": "stall", "code": 1005}, scenario.Close{Weight: 1, Code: 1005, For: 10 * time.Second}},
		{tree{"mode": "stall", "for": "1m"}, scenario.Close{Weight: 1, Code: 1000, Reason: "done", For: time.Minute}},
		{tree{"mode": "bad_close"}, scenario.Close{Weight: 1, Payload: "each"}},
		{tree{"mode": "bad_close", "payload": "code-65535"}, scenario.Close{Weight: 1, Payload: "code-65535"}},
		{tree{"mode": "vanish"}, scenario.Close{Weight: 1}},
	} {
		got, err := scenario.Decode(tree{"closes": tree{"mix": []any{c.given}}})
		c.want.Mode = got.Closes.Mix[0].Mode
		c.want.Name = string(c.want.Mode)
		if err != nil || string(c.want.Mode) != fmt.Sprint(c.given["mode"]) || got.Closes.Mix[0] != c.want {
			t.Errorf("%v: got %+v, %v", c.given, got.Closes.Mix[0], err)
		}
		got.Closes.Mix[0].Weight = 1
		if err := got.Validate(); err != nil {
			t.Errorf("%v: %v", c.given, err)
		}
	}
}

func TestEveryMistakeInAConfigurationIsNamed(t *testing.T) {
	mix := func(entries ...any) tree { return tree{"closes": tree{"mix": entries}} }
	for _, c := range []struct {
		given tree
		want  string
	}{
		// Keys.
		{tree{"limits": tree{"clsoe": "2s"}}, "limits.clsoe: unknown key (did you mean limits.close?)"},
		{tree{"limit": tree{}}, "limit: unknown key (did you mean limits?)"},
		{tree{"Limits": tree{}}, "Limits: unknown key (did you mean limits?)"},
		{tree{"close": "2s"}, "close: unknown key (did you mean limits.close?)"},
		{tree{"conections": 5}, "conections: unknown key (did you mean load.connections?)"},
		{tree{"load": tree{"hold": "2s"}}, "load.hold: unknown key (did you mean hold?)"},
		{tree{"code": 1001}, "code: unknown key (did you mean closes.mix[].code?)"},
		{tree{"zebra": 1}, "zebra: unknown key"},
		{tree{"limits.close": "2s"}, "limits.close: unknown key (write it as close below limits)"},
		{tree{"target": map[any]any{7: "x"}}, "target.7: unknown key"},
		{tree{"a\x1b[31m": 1}, `"a\x1b[31m": unknown key`},
		{mix(tree{"mode": "abort", "wieght": 5}), "closes.mix[0].wieght: unknown key (did you mean closes.mix[0].weight?)"},
		{mix(tree{"mode": "passive", "trigger": tree{"Send": "x"}}),
			"closes.mix[0].trigger.Send: unknown key (did you mean closes.mix[0].trigger.send?)"},
		// Sections and lists.
		{tree{"load": 5}, "load: takes a mapping, got 5 (write its keys below it: connections, rate, duration, stages, reconnect)"},
		{tree{"limits": []any{"2s"}}, "limits: takes a mapping, got a list (write its keys below it: dial, upgrade, close, fin, drain)"},
		{tree{"target": tree{"headers": "A: b,C: d"}},
			`target.headers: takes a list, got "A: ***" (write ["one", "two"], or ["one"] for a single entry)`},
		{tree{"closes": tree{"mix": "active=60"}},
			`closes.mix: takes a list, got "active=60" (write [{mode: active, weight: 60}, {mode: abort, weight: 40}])`},
		{tree{"on_open": tree{"send": "x"}},
			`on_open: takes a list, got a mapping (write [{send: "hello", expect: "welcome"}])`},
		{mix("active"), `closes.mix[0]: takes a mapping, got "active" ` +
			`(write its keys below it: ` + closeKeys + `)`},
		{mix(nil), "closes.mix[0]: the entry is empty, got nothing (fill it or remove it)"},
		{tree{"gate": tree{"rules": []any{"a", 5}}}, `gate.rules[1]: is not of type text, got 5 (write it in quotes)`},
		// Values.
		{tree{"limits": tree{"close": 2}}, "limits.close: a duration needs a unit, got 2 (write 2s)"},
		{tree{"limits": tree{"close": json.Number("2.5")}}, "limits.close: a duration needs a unit, got 2.5 (write 2.5s)"},
		{tree{"limits": tree{"close": "soon"}}, `limits.close: not a duration, got "soon" (write 500ms, 2s or 1m30s)`},
		{tree{"limits": tree{"close": true}}, "limits.close: is not of type duration, got true"},
		{tree{"limits": tree{"close": tree{}}}, "limits.close: is not of type duration, got a mapping"},
		{tree{"hold": 10}, `hold: a duration needs a unit: "10" at position 1, got 10 (write 10s)`},
		{tree{"hold": "uniform(3s,1s)"}, `hold: the least is above the most, got "uniform(3s,1s)" ` +
			`(write uniform(least,most), as in uniform(1s,3s))`},
		{tree{"load": tree{"rate": "fast"}}, `load.rate: not a rate, got "fast" (write 500/s, 30/m, 3600/h or 0 for unlimited)`},
		{tree{"load": tree{"connections": 2.5}}, "load.connections: takes a whole number, got 2.5 (write digits only)"},
		{tree{"load": tree{"connections": "10k"}}, `load.connections: takes a whole number, got "10k" (write digits only)`},
		{tree{"seed": -1}, "seed: takes a whole number, got -1 (write digits only)"},
		{tree{"seed": 1e18}, "seed: takes a whole number, got 1e+18 (write digits only)"},
		{tree{"name": 5}, `name: is not of type text, got 5 (write it in quotes)`},
		{tree{"name": true}, `name: is not of type text, got true (write it in quotes)`},
		{tree{"name": time.Unix(0, 0).UTC()}, `name: is not of type text, got "1970-01-01T00:00:00Z" (write it in quotes)`},
		{tree{"name": tree{}}, `name: is not of type text, got a mapping (write it in quotes)`},
		{tree{"closes": tree{"mix": []any{tree{"mode": "abort", "how": true}}}}, "closes.mix[0].how: is not of type how, got true"},
		{tree{"name": "\xff"}, `name: is not UTF-8, got "\xff"`},
		{tree{"target": tree{"tls": tree{"insecure": "yes"}}}, `target.tls.insecure: takes true or false, got "yes"`},
		{tree{"target": tree{"tls": tree{"insecure": 1}}}, "target.tls.insecure: takes true or false, got 1"},
		{tree{"target": tree{"tls": tree{"insecure": []any{}}}}, "target.tls.insecure: takes true or false, got a list"},
		{tree{"traffic": tree{"expect": "ehco"}}, `traffic.expect: unknown expectation, got "ehco" (did you mean echo? use any or echo)`},
		{tree{"closes": tree{"shape": "wave"}}, `closes.shape: wave: the number of values is 0 and must be 1, got "wave" ` +
			`(use each, wave(10s), at_end or rate(500/s))`},
		{mix(tree{"mode": "actve"}), `closes.mix[0].mode: unknown mode, got "actve" (did you mean active? ` + useMode + `)`},
		{mix(tree{"mode": "kill"}), `closes.mix[0].mode: unknown mode, got "kill" (` + useMode + `)`},
		{mix(tree{"mode": "abort", "how": "kill"}), `closes.mix[0].how: unknown way to abort, got "kill" (use rst or fin)`},
		{mix(tree{"mode": "abort", "when": "never"}),
			`closes.mix[0].when: unknown moment to abort, got "never" (use idle, receiving, mid_message or after_close)`},
		{mix(tree{"mode": "stall", "for": 10}), `closes.mix[0].for: a duration needs a unit, got 10 (write 10s)`},
		{mix(tree{"mode": "passive", "reply_delay": "soon"}),
			`closes.mix[0].reply_delay: not a duration, got "soon" (write 500ms, 2s or 1m30s)`},
		{mix(tree{"mode": "passive", "trigger": tree{"violate": "opcode"}}), `closes.mix[0].trigger.violate: unknown violation, ` +
			`got "opcode" (use reserved-opcode, rsv, unmasked or oversize-control)`},
		{mix(tree{"mode": "bad_close", "payload": "shrt-payload"}), `closes.mix[0].payload: unknown payload, ` +
			`got "shrt-payload" (did you mean short-payload? ` + usePayload + `)`},
		{mix(tree{"mode": "bad_close", "payload": "code-1000"}), `closes.mix[0].payload: a Close may carry that code, ` +
			`got "code-1000" (set it as the code of mode active)`},
		// Secrets in the wrong place.
		{tree{"target": "ws://user:hunter2@host/?token=abc"}, `target: takes a mapping, got "ws://***@host/?token=***" ` +
			`(write its keys below it: url, connect_to, headers, subprotocols, tls, local_addrs)`},
		{tree{"on_open": `{"token":"abc"}`},
			`on_open: takes a list, got "{\"token\":\"***\"}" (write [{send: "hello", expect: "welcome"}])`},
		{tree{"watch": "http://bob:hunter2@h/?token=abc"}, `watch: takes a mapping, got "http://***@h/?token=***" ` +
			"(write its keys below it: sources, every, settle)"},
		{tree{"watch": tree{"sources": "http://bob:hunter2@h/"}}, `watch.sources: takes a list, got "http://***@h/" (write ["one", "two"], or ["one"] for a single entry)`},
		{tree{"watch": tree{"sources": "port:1, http://h/?token=abc, https://bob:hunter2@h/"}},
			`watch.sources: takes a list, got "port:1, http://h/?token=***" (write ["one", "two"], or ["one"] for a single entry)`},
		{tree{"watch": tree{"sources": "port:1, http:/bob:hunter2@h/"}}, `watch.sources: takes a list, got "***" (write ["one", "two"], or ["one"] for a single entry)`},
		{tree{"watch": tree{"every": "http:bob:hunter2@h"}}, `watch.every: not a duration, got "***@h" (write 500ms, 2s or 1m30s)`},
		{tree{"faults": tree{"steps": "http//bob:hunter2@h"}}, `faults.steps: takes a list, got "***" ` +
			"(write [{at: 10s, for: 5s, latency: 100ms}, {at: 20s, cut: rst, share: 50%}])"},
		{tree{"drain": tree{"hooks": "POST http:/bob:hunter2@h"}}, `drain.hooks: takes a list, got "***" (write [{signal: TERM, to: "port:9000"}])`},
		{mix(tree{"mode": "passive", "trigger": "POST http://bob:hunter2@h/?token=abc"}),
			`closes.mix[0].trigger: takes a mapping, got "POST http://***@h/?token=***" ` +
				`(write its keys below it: send, violate, http, exec, wait)`},
		{mix("curl --token hunter2"), `closes.mix[0]: takes a mapping, got "curl --token ***" ` +
			`(write its keys below it: ` + closeKeys + `)`},
		{tree{"closes": tree{"mix": "active=60,passive=40"}}, `closes.mix: takes a list, got "active=60,passive=40" ` +
			`(write [{mode: active, weight: 60}, {mode: abort, weight: 40}])`},
	} {
		_, err := scenario.Decode(c.given)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v:\n got %v\nwant %s", c.given, err, c.want)
		}
	}
}

func TestAllMistakesAreReportedAtOnceInTheOrderOfTheKeys(t *testing.T) {
	_, err := scenario.Decode(tree{
		"limits": tree{"fin": 1, "dial": "x", "zzz": 1}, "zebra": 1, "load": tree{"rate": "x", "connections": "x"},
	})
	var keys []string
	problems, ok := errors.AsType[problem.List](err)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	want := []string{"zebra", "load.connections", "load.rate", "limits.zzz", "limits.dial", "limits.fin"}
	if !reflect.DeepEqual(keys, want) {
		t.Errorf("got %v, want %v", keys, want)
	}
}

func TestAReadableRestIsKeptBesideMistakes(t *testing.T) {
	got, err := scenario.Decode(tree{"load": tree{"rate": "x", "connections": 5}})
	if err == nil || got.Load.Connections != 5 || got.Load.Rate != 500 {
		t.Errorf("got %+v, %v", got.Load, err)
	}
}

func TestJoinedProblemsLeaveOutWhatFollowsFromAnEarlierStep(t *testing.T) {
	plan, err := scenario.Decode(tree{
		"load":   tree{"connections": -1},
		"closes": tree{"mix": []any{tree{"mode": "actve", "code": 5}, tree{"mode": "active", "wieght": 1}, "abort"}},
		"target": tree{"url": "http://${HOST}"},
	})
	plan, err2 := scenario.ExpandEnv(plan, func(string) (string, bool) { return "", false })
	got := lines(problem.Join(err, err2, plan.Validate(), nil, errors.New("another error")))
	want := []string{
		`closes.mix[0].mode: unknown mode, got "actve" (did you mean active? ` + useMode + `)`,
		`closes.mix[1].wieght: unknown key (did you mean closes.mix[1].weight?)`,
		`closes.mix[2]: takes a mapping, got "abort" ` +
			`(write its keys below it: ` + closeKeys + `)`,
		`target.url: the environment variable HOST is not set (set it, or write the value in its place)`,
		`load.connections: must be 1 to 10000000, got -1 (share more among machines with shards)`,
		`another error`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := problem.Join(nil, nil); err != nil {
		t.Errorf("no errors join to %v", err)
	}
}
