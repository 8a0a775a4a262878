package scenario_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// FuzzDecode gives Decode any tree that JSON can hold. Whatever it is, the
// steps must not panic and must explain every refusal. What they accept must
// survive each way of writing it, and give lifecycles within its bounds.
func FuzzDecode(f *testing.F) {
	full, err := json.Marshal(fullPlan(f))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(full), `{}`, `{"limits":{"close":2}}`, `{"closes":{"mix":[{"mode":"active","code":1005}]}}`,
		`{"closes":{"mix":[null,{"mode":"passive","trigger":{"wait":true}},5]}}`,
		`{"target":{"url":"ws://u:p@h/?token=a{{n}}#","headers":["A: b"]},"load":{"rate":"7/h"}}`,
		`{"on_open":[{"send":"token=a ${HOST}"}],"hold":"exp(30s)","seed":1e3}`,
		`{"closes":{"mix":[{"mode":"simultaneous","code":"1005","trigger":{"http":"PUT https://u:p@${HOST}/?key=a&n={{ n }}"}}]}}`,
		`{"closes":{"mix":[{"mode":"passive","reply_delay":"35s","trigger":{"http":"http://h/ #x","exec":" "}}]}}`,
		`{"closes":{"mix":[{"mode":"mute","trigger":{"exec":"curl -u a:b --token 'x y' -H \"Authorization: Basic z\" http://c:d@h"}}]}}`,
		`{"closes":{"mix":[{"mode":"bad_close","payload":"code-1015"},{"mode":"stall","for":"1m"},{"mode":"passive","trigger":{"violate":"rsv"}}]}}`,
		`{"faults":{"toxiproxy":"http://u:p@${HOST}/?key=a","steps":[{"at":"1s","latency":"5ms","jitter":"5ms","leg":"up","share":"5e-1%"},{"bandwidth":"1.5mb/s"}]}}`,
		`{"faults":{"steps":[null,{"cut":"fin","leg":"server","for":"1s"},{"stall":true,"bandwidth":"0"},{"jitter":"1s","share":50}]}}`,
		`{"closes":{"mix":[{"mode":"abort","how":"fin","when":"receiving"},{"mode":"half_close","payload":""},{"mode":"vanish","weight":0}]}}`,
		`{"load":{"rate":0,"stages":[{"for":"1m","connections":40},{"for":"0s","connections":5},{"for":"1ns","connections":9}]}}`,
		`{"load":{"stages":[{"for":"60s","connections":1e2}],"connections":100,"duration":"1m","reconnect":"backoff(1s,30s)"}}`,
		`{"drain":{"hooks":[{"signal":"TERM"},{"http":"GET http://u:p@h/?key=a","wait":"1s"},{"exec":"curl -u a:b http://h"}],"after":0}}`,
		`{"target":{"url":"ws://127.0.0.1/"},"drain":{"hooks":[{"signal":"SIGHUP","to":"pidfile:${HOST}"}]},"load":{"rate":1e-5,"duration":"1h"},"watch":{"sources":[" "]}}`,
		`{"load":{"stages":[{"for":"9000000h","connections":-1},{},null,5],"reconnect":" none"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var given map[string]any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if decoder.Decode(&given) != nil {
			return
		}
		plan, err := scenario.Decode(given)
		expanded, err2 := scenario.ExpandEnv(plan, environment)
		err = problem.Join(err, err2, expanded.Validate())
		if err != nil {
			checkProblems(t, err)
			return
		}
		checkWritten(t, plan)
		checkWritten(t, expanded)
		for n := range uint64(4) {
			l := expanded.Lifecycle(n << 62)
			if l.Hold < 0 || l.Hold > year || l.Entry < 0 || l.Entry >= len(expanded.Closes.Mix) || l.Slot >= expanded.Load.Connections {
				t.Fatalf("lifecycle %+v", l)
			}
			if at := expanded.CloseAt(year, l); at < year {
				t.Fatalf("lifecycle %+v opens at a year and closes at %v", l, at)
			}
			first := expanded.Load.OnAt(l.Slot, 0)
			if off := expanded.Load.OffAt(l.Slot, first); first < 0 || first == scenario.Never || off <= first {
				t.Fatalf("slot %d is on from %v to %v", l.Slot, first, off)
			}
			if wait := expanded.Backoff(n<<62, int(n)); wait < 0 || wait > expanded.Load.Reconnect.Most() {
				t.Fatalf("connection %d waits %v", n<<62, wait)
			}
		}
	})
}

func checkProblems(t *testing.T, err error) {
	problems, ok := errors.AsType[problem.List](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	for _, p := range problems {
		if p.Msg == "" {
			t.Fatalf("%+v says nothing", p)
		}
	}
}

// checkWritten writes a valid plan in all ways and reads it back.
func checkWritten(t *testing.T, plan scenario.Plan) {
	again, err := scenario.Decode(scenario.Encode(plan))
	if err != nil || !reflect.DeepEqual(again, plan) {
		t.Fatalf("%+v is written as a tree that reads as %+v, %v", plan, again, err)
	}
	redacted := plan.Redacted()
	for _, p := range []scenario.Plan{plan, redacted} {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var stored scenario.Plan
		if err := json.Unmarshal(data, &stored); err != nil || !reflect.DeepEqual(stored, p) {
			t.Fatalf("%s reads as %+v, %v", data, stored, err)
		}
	}
	if err := redacted.Validate(); err != nil {
		t.Fatalf("redacted, %+v is refused: %v", plan, err)
	}
	if twice := redacted.Redacted(); !reflect.DeepEqual(twice, redacted) {
		t.Fatalf("redacted again, %+v becomes %+v", redacted, twice)
	}
}

// FuzzRedacted gives the three forms of a trigger any text. A valid one must
// stay valid when it is masked, and as it is when it is masked again. A request
// with a variable is hardly checked, so it is no URL yet.
func FuzzRedacted(f *testing.F) {
	for _, seed := range []string{
		`{"token":"a\"b","m":"{\"key\":\"x\"}"}`, "GET http://bob:pw@h/?key=a b#c", "${M} https://${U}:${P}@h/{{ n }}?sig=${S}x",
		`curl -u "a:$B" --token 'x y' -H "Authorization: Basic z" http://c:d@h --key $(cat k)`, "signal: token=--pass :@://@ `x`", `token:""000`, `token:"'x"0`, "GET h #",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, trigger := range []scenario.Trigger{{Send: text}, {HTTP: text}, {Exec: text}} {
			plan := scenario.Default()
			plan.Closes.Mix[1].Trigger = trigger
			redacted := plan.Redacted()
			plan.Secrets()
			if plan.Validate() != nil || trigger.HTTP != "" && strings.Contains(text, "${") {
				continue
			}
			if twice := redacted.Redacted(); !reflect.DeepEqual(twice, redacted) {
				t.Errorf("redacted again, %#v becomes %#v", redacted.Closes.Mix[1].Trigger, twice.Closes.Mix[1].Trigger)
			}
			if err := redacted.Validate(); err != nil {
				t.Errorf("redacted, %+v is refused: %v", trigger, err)
			}
		}
	})
}
