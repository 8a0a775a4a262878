package scenario_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

// fullPlan sets every key to something else than its default.
func fullPlan(t testing.TB) scenario.Plan {
	t.Helper()
	active := scenario.DefaultClose(scenario.Active)
	active.Weight, active.Code, active.Reason, active.Eager = 5, 4321, `"so" & <so>`, true
	waits := scenario.DefaultClose(scenario.Passive)
	waits.Name, waits.Trigger, waits.ReplyDelay = "kicked", scenario.Trigger{Wait: true}, 3*time.Second
	fin := scenario.DefaultClose(scenario.Abort)
	fin.How, fin.When = scenario.FIN, scenario.AfterClose
	crossed := scenario.DefaultClose(scenario.Simultaneous)
	crossed.Code, crossed.Reason, crossed.Trigger = 1005, "", scenario.Trigger{HTTP: "GET http://[::1]:80/kick?user={{n}}&a=b"}
	mute := scenario.DefaultClose(scenario.Mute)
	mute.Trigger = scenario.Trigger{Exec: `kill -TERM "$(cat ${EMPTY}/run/chat.pid)"`}
	failed := scenario.DefaultClose(scenario.Passive)
	failed.Name, failed.Trigger = "failed", scenario.Trigger{Violate: scenario.ViolateRSV}
	stall := scenario.DefaultClose(scenario.Stall)
	stall.For = 90 * time.Second
	bad := scenario.DefaultClose(scenario.BadClose)
	bad.Payload = "code-1006"
	return scenario.Plan{
		Name: "größe", Seed: math.MaxUint64,
		Target: scenario.Target{
			URL: "wss://example.test:9000/echo?user={{n}}&a=b", ConnectTo: "[::1]:9000",
			Headers: []string{"Host: other.test", "X-N: {{ n }}"}, Subprotocols: []string{"chat", "chat.v2"},
			TLS:        scenario.TLS{CA: "ca.pem", Cert: "cert.pem", Key: "key.pem", ServerName: "name.test", Insecure: true},
			LocalAddrs: []string{"127.0.0.2", "127.0.0.3"},
		},
		Load: scenario.Load{
			Connections: 7, Rate: 7.0 / 3600, Duration: time.Hour + time.Nanosecond,
			Stages:    []scenario.Stage{{For: time.Hour, Connections: 7}, {For: 1, Connections: 2}},
			Reconnect: mustReconnect(t, "backoff(1s,90s)"),
		},
		Hold:    mustDist(t, "lognormal(20s,2m)"),
		OnOpen:  []scenario.Step{{Send: "hello {{n}}", Expect: "ok", Within: 90 * time.Second}, {Send: "x", Within: 1}},
		Traffic: scenario.Traffic{Every: time.Second, Size: 64, Ping: 20 * time.Second, Expect: scenario.ExpectEcho},
		Closes: scenario.Closes{Shape: mustShape(t, "wave(10s)"), Mix: []scenario.Close{
			active, waits, fin, crossed, mute, failed, stall, bad,
			scenario.DefaultClose(scenario.Output), scenario.DefaultClose(scenario.HalfClose), scenario.DefaultClose(scenario.Vanish),
		}},
		Limits: scenario.Limits{Dial: 1, Upgrade: 2 * time.Minute, Close: time.Minute, Fin: 2 * time.Second, Drain: time.Hour},
		Faults: scenario.Faults{Toxiproxy: "http://127.0.0.1:8474", Steps: []scenario.Fault{
			{At: time.Second, For: time.Minute, Latency: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Leg: scenario.LegUp, Share: 12.5},
			{Bandwidth: 64_500, Leg: scenario.LegDown, Share: 100}, {Stall: true, Leg: scenario.LegBoth, Share: 100},
			{At: 2 * time.Second, Cut: scenario.CutSilent, Leg: scenario.LegClient, Share: 0.1},
		}},
		Interval: 500 * time.Millisecond,
		Drain:    scenario.Drain{After: time.Second, Within: time.Hour},
		Watch:    scenario.Watch{Sources: []string{"self"}, Every: 250 * time.Millisecond, Settle: time.Minute},
		Gate:     scenario.Gate{Rules: []string{"premature.rate == 0"}, AbortOnFail: true, Grace: 20 * time.Second},
	}
}

func TestKeysListEveryKeyInOrderWithItsTypeAndDefault(t *testing.T) {
	var lines []string
	for _, k := range scenario.Keys() {
		lines = append(lines, fmt.Sprintf("%s | %v | %s | %s", k.Name, k.List, k.Type, k.Default))
	}
	want := `name | false | text | 
seed | false | uint | 0
target.url | false | text | 
target.connect_to | false | text | 
target.headers | true | list of text | []
target.subprotocols | true | list of text | []
target.tls.ca | false | text | 
target.tls.cert | false | text | 
target.tls.key | false | text | 
target.tls.server_name | false | text | 
target.tls.insecure | false | bool | false
target.local_addrs | true | list of text | []
load.connections | false | int | 1000
load.rate | false | rate | 500/s
load.duration | false | duration | 8s
load.stages | true | list of {for, connections} | []
load.reconnect | false | reconnect | replace
hold | false | dist | uniform(1s,3s)
on_open | true | list of {send, expect, within} | []
traffic.every | false | duration | 0s
traffic.size | false | int | 128
traffic.ping | false | duration | 0s
traffic.expect | false | expect | 
closes.shape | false | shape | each
closes.mix | true | list of {` + closeKeys + `} | ` +
		`[{"name":"active","mode":"active","weight":60,"code":1000,"reason":"done","eager":false},` +
		`{"name":"passive","mode":"passive","weight":30,"trigger":{"send":"close 1001 bye"},"reply_delay":"0s"},` +
		`{"name":"abort","mode":"abort","weight":10,"how":"rst","when":"idle"}]
limits.dial | false | duration | 5s
limits.upgrade | false | duration | 5s
limits.close | false | duration | 35s
limits.fin | false | duration | 1s
limits.drain | false | duration | 45s
faults.toxiproxy | false | text | 
faults.steps | true | list of {at, for, latency, jitter, bandwidth, stall, cut, leg, share} | []
interval | false | duration | 1s
drain.hooks | true | list of {signal, to, http, exec, wait} | []
drain.after | false | duration | 5s
drain.within | false | duration | 1m
watch.sources | true | list of text | []
watch.every | false | duration | 1s
watch.settle | false | duration | 10s
gate.rules | true | list of text | []
gate.abort_on_fail | false | bool | false
gate.grace | false | duration | 10s`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestADefaultGivenBackAsTextIsTheDefault(t *testing.T) {
	for _, k := range scenario.Keys() {
		var value any = k.Default
		if k.List {
			if err := json.Unmarshal([]byte(k.Default), &value); err != nil {
				t.Fatal(err)
			}
		}
		names := strings.Split(k.Name, ".")
		for i := len(names) - 1; i > 0; i-- {
			value = map[string]any{names[i]: value}
		}
		plan, err := scenario.Decode(map[string]any{names[0]: value})
		if err != nil || !reflect.DeepEqual(plan, scenario.Default()) {
			t.Errorf("%s: %s: got %+v, %v", k.Name, k.Default, plan, err)
		}
	}
}

func TestAWrittenPlanReadsBackEqual(t *testing.T) {
	for name, plan := range map[string]scenario.Plan{"default": scenario.Default(), "full": fullPlan(t)} {
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := scenario.Decode(scenario.Encode(plan))
		if err != nil || !reflect.DeepEqual(again, plan) {
			t.Errorf("%s: its tree reads as %+v, %v", name, again, err)
		}
		data, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		var stored scenario.Plan
		if err := json.Unmarshal(data, &stored); err != nil || !reflect.DeepEqual(stored, plan) {
			t.Errorf("%s: its JSON %s reads as %+v, %v", name, data, stored, err)
		}
	}
}

func TestThePlansJSONKeepsTheOrderOfDeclaration(t *testing.T) {
	plan := fullPlan(t)
	data, err := plan.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"größe","seed":18446744073709551615,` +
		`"target":{"url":"wss://example.test:9000/echo?user={{n}}&a=b","connect_to":"[::1]:9000",` +
		`"headers":["Host: other.test","X-N: {{ n }}"],"subprotocols":["chat","chat.v2"],` +
		`"tls":{"ca":"ca.pem","cert":"cert.pem","key":"key.pem","server_name":"name.test","insecure":true},` +
		`"local_addrs":["127.0.0.2","127.0.0.3"]},` +
		`"load":{"connections":7,"rate":"7/h","duration":"1h0m0.000000001s",` +
		`"stages":[{"for":"1h","connections":7},{"for":"1ns","connections":2}],"reconnect":"backoff(1s,1m30s)"},"hold":"lognormal(20s,2m)",` +
		`"on_open":[{"send":"hello {{n}}","expect":"ok","within":"1m30s"},{"send":"x","expect":"","within":"1ns"}],` +
		`"traffic":{"every":"1s","size":64,"ping":"20s","expect":"echo"},` +
		`"closes":{"shape":"wave(10s)","mix":[` +
		`{"name":"active","mode":"active","weight":5,"code":4321,"reason":"\"so\" & <so>","eager":true},` +
		`{"name":"kicked","mode":"passive","weight":1,"trigger":{"wait":true},"reply_delay":"3s"},` +
		`{"name":"abort","mode":"abort","weight":1,"how":"fin","when":"after_close"},` +
		`{"name":"simultaneous","mode":"simultaneous","weight":1,"code":1005,"reason":"",` +
		`"trigger":{"http":"GET http://[::1]:80/kick?user={{n}}&a=b"}},` +
		`{"name":"mute","mode":"mute","weight":1,"trigger":{"exec":"kill -TERM \"$(cat ${EMPTY}/run/chat.pid)\""}},` +
		`{"name":"failed","mode":"passive","weight":1,"trigger":{"violate":"rsv"},"reply_delay":"0s"},` +
		`{"name":"stall","mode":"stall","weight":1,"code":1000,"reason":"done","for":"1m30s"},` +
		`{"name":"bad_close","mode":"bad_close","weight":1,"payload":"code-1006"},` +
		`{"name":"output","mode":"output","weight":1,"code":1000,"reason":"done"},` +
		`{"name":"half_close","mode":"half_close","weight":1},{"name":"vanish","mode":"vanish","weight":1}]},` +
		`"limits":{"dial":"1ns","upgrade":"2m","close":"1m","fin":"2s","drain":"1h"},` +
		`"faults":{"toxiproxy":"http://127.0.0.1:8474","steps":[` +
		`{"at":"1s","for":"1m","latency":"100ms","jitter":"20ms","leg":"up","share":"12.5%"},` +
		`{"at":"0s","for":"0s","bandwidth":"64500b/s","leg":"down","share":"100%"},` +
		`{"at":"0s","for":"0s","stall":true,"leg":"both","share":"100%"},` +
		`{"at":"2s","cut":"silent","leg":"client","share":"0.1%"}]},` +
		`"interval":"500ms","drain":{"hooks":[],"after":"1s","within":"1h"},` +
		`"watch":{"sources":["self"],"every":"250ms","settle":"1m"},"gate":{"rules":["premature.rate == 0"],"abort_on_fail":true,"grace":"20s"}}`
	if string(data) != want {
		t.Errorf("got\n%s\nwant\n%s", data, want)
	}
}

// TestEveryModeIsWrittenWithItsKeysAndReadBackEqual takes each mode's defaults,
// written in full, and as they are when only the mode is given.
func TestEveryModeIsWrittenWithItsKeysAndReadBackEqual(t *testing.T) {
	for mode, want := range map[scenario.Mode]string{
		scenario.Active:       `"code":1000,"reason":"done","eager":false`,
		scenario.Output:       `"code":1000,"reason":"done"`,
		scenario.Passive:      `"trigger":{"send":"close 1001 bye"},"reply_delay":"0s"`,
		scenario.Simultaneous: `"code":1000,"reason":"done","trigger":{"send":"close 1001 bye"}`,
		scenario.Abort:        `"how":"rst","when":"idle"`,
		scenario.HalfClose:    ``,
		scenario.Mute:         `"trigger":{"send":"close 1001 bye"}`,
		scenario.Stall:        `"code":1000,"reason":"done","for":"10s"`,
		scenario.BadClose:     `"payload":"each"`,
		scenario.Vanish:       ``,
	} {
		if want != "" {
			want = "," + want
		}
		want = fmt.Sprintf(`{"name":%q,"mode":%q,"weight":1%s}`, mode, mode, want)
		plan := scenario.Default()
		plan.Closes.Mix = []scenario.Close{scenario.DefaultClose(mode)}
		data, err := json.Marshal(plan)
		if err != nil || !strings.Contains(string(data), `"mix":[`+want+`]`) {
			t.Errorf("%s is written as %s, %v; want %s", mode, data, err, want)
		}
		for _, text := range []string{want, fmt.Sprintf(`{"mode":%q}`, mode)} {
			var again scenario.Plan
			err := json.Unmarshal([]byte(`{"closes":{"mix":[`+text+`]}}`), &again)
			if err != nil || !reflect.DeepEqual(again, plan) {
				t.Errorf("%s reads as %+v, %v", text, again.Closes.Mix, err)
			}
		}
	}
}

func TestAKeyOfAnotherModeIsWrittenWhereItIsSet(t *testing.T) {
	plan := scenario.Default()
	plan.Closes.Mix[1].Code = 1001
	again, err := scenario.Decode(scenario.Encode(plan))
	if err != nil || again.Closes.Mix[1].Code != 1001 {
		t.Errorf("code 1001 of a passive entry is lost: %+v, %v", again.Closes.Mix[1], err)
	}
}

func TestStoredJSONIsReadAsStrictlyAsAFile(t *testing.T) {
	plan := fullPlan(t)
	for data, want := range map[string]string{
		`{"limits":{"clsoe":"1s"}}`: "limits.clsoe: unknown key (did you mean limits.close?)",
		`[]`:                        "decode plan: json: cannot unmarshal array into Go value of type map[string]interface {}",
	} {
		if err := json.Unmarshal([]byte(data), &plan); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
	}
	if err := json.Unmarshal([]byte("null"), &plan); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(plan, fullPlan(t)) {
		t.Error("a refused document or a null has changed the plan")
	}
}

// TestEveryFieldHasAKey keeps a new field from being settable only in Go.
func TestEveryFieldHasAKey(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		seen := make(map[string]bool)
		for f := range typ.Fields() {
			key := f.Tag.Get("key")
			if key == "" || key != strings.ToLower(key) || strings.ContainsAny(key, ".[] ") || seen[key] {
				t.Errorf("%s.%s has the key %q", typ.Name(), f.Name, key)
			}
			seen[key] = true
			next := f.Type
			if next.Kind() == reflect.Slice {
				next = next.Elem()
			}
			if _, hasText := reflect.New(next).Interface().(interface{ UnmarshalText([]byte) error }); hasText {
				continue
			}
			if next.Kind() == reflect.Struct {
				walk(next)
			}
		}
	}
	walk(reflect.TypeFor[scenario.Plan]())
}
