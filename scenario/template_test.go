package scenario_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

func TestExpandReplacesTheConnectionsNumberAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"plain":                 "plain",
		"{{n}}":                 "18446744073709551615",
		"u={{n}}&v={{ n }}.":    "u=18446744073709551615&v=18446744073709551615.",
		"{{N}} {{ }} {n} }}":    "{{N}} {{ }} {n} }}",
		"${n} {{n}}":            "${n} 18446744073709551615",
		"{{x}}{{n}}":            "{{x}}18446744073709551615",
		"a {{n":                 "a {{n",
		`{"a":{"b":{"c":{}}}}`:  `{"a":{"b":{"c":{}}}}`,
		"${open {{n}}, ${VAR}}": "${open {{n}}, ${VAR}}",
	} {
		if got := scenario.Expand(text, 1<<64-1); got != want {
			t.Errorf("Expand(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestExpandCostsNothingWhereThereIsNothingToDo(t *testing.T) {
	text := strings.Repeat("ws://example.test/", 10)
	if n := testing.AllocsPerRun(100, func() { scenario.Expand(text, 7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	text += "{{n}}"
	if n := testing.AllocsPerRun(100, func() { scenario.Expand(text, 7) }); n > 2 {
		t.Errorf("%v allocations for one replacement", n)
	}
}

func environment(name string) (string, bool) {
	value, ok := map[string]string{"HOST": "h:9000", "TOKEN": "${HOST} $1", "EMPTY": "", "_A9": "{{n}}"}[name]
	return value, ok
}

func TestVariablesAreReplacedWhereverAPlanMayHaveThem(t *testing.T) {
	plan := fullPlan(t)
	plan.Target.URL = "ws://${HOST}/${EMPTY}?id={{n}}"
	plan.Target.ConnectTo = "${HOST}"
	plan.Target.Headers = []string{"A: Bearer ${TOKEN}", "B: ${_A9}"}
	plan.Target.TLS = scenario.TLS{CA: "${HOST}.ca", Cert: "${HOST}.crt", Key: "${HOST}.key", ServerName: "${HOST}"}
	plan.OnOpen = []scenario.Step{{Send: "login ${HOST}${HOST}", Expect: "hi ${HOST}", Within: time.Second}}
	plan.Closes.Mix[1].Trigger = scenario.Trigger{Send: "bye ${HOST}"}
	plan.Closes.Mix[3].Trigger = scenario.Trigger{HTTP: "PUT http://${HOST}/{{n}}"}
	plan.Closes.Mix[4].Trigger = scenario.Trigger{Exec: "echo ${HOST} $HOST {{n}}"}
	plan.Faults.Toxiproxy = "http://${HOST}"
	plan.Watch.Sources = []string{"self", "http://${HOST}/metrics"}

	want := fullPlan(t)
	want.Target.URL = "ws://h:9000/?id={{n}}"
	want.Target.ConnectTo = "h:9000"
	want.Target.Headers = []string{"A: Bearer ${HOST} $1", "B: {{n}}"}
	want.Target.TLS = scenario.TLS{CA: "h:9000.ca", Cert: "h:9000.crt", Key: "h:9000.key", ServerName: "${HOST}"}
	want.OnOpen = []scenario.Step{{Send: "login h:9000h:9000", Expect: "hi h:9000", Within: time.Second}}
	want.Closes.Mix[1].Trigger = scenario.Trigger{Send: "bye h:9000"}
	want.Closes.Mix[3].Trigger = scenario.Trigger{HTTP: "PUT http://h:9000/{{n}}"}
	want.Closes.Mix[4].Trigger = scenario.Trigger{Exec: "echo h:9000 $HOST {{n}}"}
	want.Faults.Toxiproxy = "http://h:9000"
	want.Watch.Sources = []string{"self", "http://h:9000/metrics"}

	before := scenario.Encode(plan)
	got, err := scenario.ExpandEnv(plan, environment)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if !reflect.DeepEqual(scenario.Encode(plan), before) {
		t.Error("the plan that was given has changed")
	}
}

func TestAMissingVariableIsNamedWithItsKey(t *testing.T) {
	plan := scenario.Default()
	plan.Target.URL = "ws://${NOWHERE}/${HOST}/${NOWHERE}/${NEITHER}"
	plan.Closes.Mix[1].Trigger.Send = "bye ${NOWHERE} ${BAD:-x} ${"
	got, err := scenario.ExpandEnv(plan, environment)
	want := `target.url: the environment variable NOWHERE is not set (set it, or write the value in its place)
target.url: the environment variable NEITHER is not set (set it, or write the value in its place)
closes.mix[1].trigger.send: the environment variable NOWHERE is not set (set it, or write the value in its place)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if got.Target.URL != plan.Target.URL {
		t.Errorf("the URL became %q", got.Target.URL)
	}
}
