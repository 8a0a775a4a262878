package scenario_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

// drained is a valid drain of the tool's own server, as a file would give it.
func drained(t testing.TB, hooks ...any) scenario.Plan {
	t.Helper()
	plan, err := scenario.Decode(map[string]any{"drain": map[string]any{"hooks": hooks}})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestWithHooksEveryConnectionWaitsForTheServerAndOutlivesTheDrain(t *testing.T) {
	plan := drained(t, map[string]any{"signal": "SIGTERM"})
	if want := []scenario.Hook{{Signal: "TERM"}}; !reflect.DeepEqual(plan.Drain.Hooks, want) {
		t.Errorf("hooks %+v, want %+v", plan.Drain.Hooks, want)
	}
	if len(plan.Closes.Mix) != 1 || plan.Closes.Mix[0].Mode != scenario.Passive || !plan.Closes.Mix[0].Trigger.Wait {
		t.Errorf("the mix is %+v", plan.Closes.Mix)
	}
	// 1.998 s to fill, 10 s for the last to open, 5 s after, 60 s within, 5 s late.
	if span := plan.DrainSpan(); span != 81_998*time.Millisecond || plan.Hold.Draw(0) <= span {
		t.Errorf("held for %v in a drain of up to %v, want more than 81.998s", plan.Hold, span)
	}
	plan.Drain.Hooks[0].Wait = time.Minute
	if span := plan.DrainSpan(); span != 141_998*time.Millisecond {
		t.Errorf("with a first hook that waits a minute it takes up to %v", span)
	}
	if plan.Load.Duration != 0 || plan.Traffic.Every != time.Second {
		t.Errorf("duration %v and a message every %v, want 0s and 1s", plan.Load.Duration, plan.Traffic.Every)
	}
	if span := scenario.Default().Drain; len(span.Hooks) > 0 {
		t.Errorf("a plan by default is a drain: %+v", span)
	}
}

func TestWhatIsGivenBesideHooksStays(t *testing.T) {
	plan, err := scenario.Decode(map[string]any{
		"drain":   map[string]any{"hooks": []any{map[string]any{"exec": "true"}}, "within": "10s"},
		"traffic": map[string]any{"every": "0s"}, "hold": "1h", "load": map[string]any{"duration": "5m"},
		"closes": map[string]any{"mix": []any{map[string]any{"mode": "passive", "name": "kicked", "trigger": map[string]any{"wait": true}}}},
	})
	if err != nil || plan.Validate() != nil {
		t.Fatal(err, plan.Validate())
	}
	if plan.Traffic.Every != 0 || plan.Hold.String() != "1h" || plan.Load.Duration != 5*time.Minute || plan.Closes.Mix[0].Name != "kicked" {
		t.Errorf("it became %+v", plan)
	}
}

func TestADrainLastsForThoseWhoComeBackOnly(t *testing.T) {
	for reconnect, returns := range map[string]bool{"none": false, "replace": true, "backoff(1s,10s)": true} {
		plan, err := scenario.Decode(map[string]any{
			"drain": map[string]any{"hooks": []any{map[string]any{"exec": "true"}}}, "load": map[string]any{"reconnect": reconnect},
		})
		if err != nil || plan.Validate() != nil {
			t.Fatal(err, plan.Validate())
		}
		if d := plan.Load.Duration; (d > plan.DrainSpan()) != returns || !returns && d != 0 {
			t.Errorf("with load.reconnect %s the duration is %v", reconnect, d)
		}
	}
}

func TestADrainThatCannotBeIsRefused(t *testing.T) {
	drain := func(change func(*scenario.Plan)) func(*scenario.Plan) {
		return func(p *scenario.Plan) {
			*p = drained(t, map[string]any{"exec": "true"})
			change(p)
		}
	}
	hook := func(h scenario.Hook) func(*scenario.Plan) {
		return drain(func(p *scenario.Plan) { p.Drain.Hooks[0] = h })
	}
	checkRefusals(t, []refusal{
		{func(p *scenario.Plan) { p.Drain.After = -1 }, `drain.after: must be 0s to 1h, got -1ns`},
		{func(p *scenario.Plan) { p.Drain.Within = 3 * time.Hour }, `drain.within: must be 1s to 2h, got 3h`},
		{hook(scenario.Hook{}), `drain.hooks[0]: has nothing to do (set one of signal, http and exec)`},
		{hook(scenario.Hook{Signal: "TERM", HTTP: "http://h/", Exec: "true"}),
			`drain.hooks[0]: signal and http and exec exclude each other (set one of signal, http and exec)`},
		{hook(scenario.Hook{Signal: "TREM"}), `drain.hooks[0].signal: unknown signal, got "TREM" (use TERM, INT, QUIT, HUP, KILL, USR1 or USR2)`},
		{hook(scenario.Hook{Exec: "true", To: "own"}), `drain.hooks[0].to: belongs to a signal, got "own" (remove it)`},
		{hook(scenario.Hook{Exec: " "}), `drain.hooks[0].exec: the command is blank, got " " (write it, or choose another trigger)`},
		{hook(scenario.Hook{HTTP: "ws://h/"}), `drain.hooks[0].http: the scheme must be http or https, got "ws://h/" (write http:// in place of ws://)`},
		{hook(scenario.Hook{Signal: "TERM", To: "pid:1"}), `drain.hooks[0].to: is no place for a signal, got "pid:1" (write pid:123, pidfile:/run/chat.pid, port:9000 or own)`},
		{drain(func(p *scenario.Plan) {
			p.Drain.Hooks[0], p.Target.URL = scenario.Hook{Signal: "TERM"}, "ws://example.org/"
		}),
			`drain.hooks[0].to: missing: the target is not on this host, where a signal could reach it (write pid:123, pidfile:/run/chat.pid, port:9000 or own; or use exec or http)`},
		{drain(func(p *scenario.Plan) {
			p.Drain.Hooks[0], p.Target.URL = scenario.Hook{Signal: "TERM", To: "own"}, "ws://127.0.0.1/"
		}), `drain.hooks[0].to: there is no own server where a target is given, got "own" (write pid:123, pidfile:/run/chat.pid, port:9000 or own)`},
		{drain(func(p *scenario.Plan) {
			p.Drain.Hooks = append(p.Drain.Hooks, scenario.Hook{Exec: "true", Wait: time.Minute})
		}),
			`drain.hooks[1].wait: the hook would come after the end, got 1m (raise drain.within above the sum of the waits)`},
		{drain(func(p *scenario.Plan) { p.Closes.Mix = []scenario.Close{scenario.DefaultClose(scenario.Active)} }),
			`closes.mix[0].mode: in a drain nothing but the server ends a connection, got "active" (write mode passive with trigger {wait: true}, or leave closes.mix out)`},
		{drain(func(p *scenario.Plan) { p.Hold = mustDist(t, "exp(1h)") }),
			`hold: a connection may end before the drain does, which can take 1m21.998s, got "exp(1h)" (leave it out, or hold them all for longer)`},
		{drain(func(p *scenario.Plan) { p.Load.Duration = time.Minute }),
			`load.duration: ends before the drain does, which can take 1m21.998s, got 1m (leave it out for a drain from which nobody comes back, or write more: the drain ends the run)`},
		{func(p *scenario.Plan) {
			p.Watch.Sources = []string{"pidfile:/a@b", "http:/bob:hunter2@h", "http://b:hunter2/@h"}
		},
			`watch.sources[1]: not the URL of a page, got "http:/***@h" (write it with its host, as http://user:password@host:9000/metrics)
watch.sources[2]: not the URL of a page, got "***" (write it with its host, as http://user:password@host:9000/metrics)`},
		{func(p *scenario.Plan) { p.Watch.Sources = []string{"port:{{n}}"} },
			`watch.sources[0]: {{n}} has no meaning here, got "port:{{n}}" (the value is the same for all connections)`},
		{func(p *scenario.Plan) { p.Watch = scenario.Watch{Sources: []string{" "}, Every: 1, Settle: -1} },
			"watch.sources[0]: the source is empty, got \" \" (write it or remove it)\nwatch.every: must be 10ms to 1h, got 1ns\nwatch.settle: must be 0s to 1h, got -1ns"},
	})
}

func TestASignalGoesToTheTargetsPortWhereThatIsOnThisHost(t *testing.T) {
	for _, c := range []struct{ url, connectTo, to, want string }{
		{"", "", "", "own"},
		{"ws:///no-reply", "", "", "own"},
		{"ws://localhost:9000/", "", "", "port:9000"},
		{"ws://[::1]/", "", "", "port:80"},
		{"wss://127.0.0.9/{{n}}", "", "", "port:443"},
		{"wss://example.org/", "127.0.0.1:8080", "", "port:8080"},
		{"ws://127.0.0.1/", "10.0.0.1:80", "", ""},
		{"ws://example.org/", "", "", ""},
		{"ws://example.org/", "", "pid:77", "pid:77"},
	} {
		target := scenario.Target{URL: c.url, ConnectTo: c.connectTo}
		if got := target.SignalTo(&scenario.Hook{Signal: "TERM", To: c.to}); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestAHookReadsBackFromItsShortForm(t *testing.T) {
	for text, want := range map[string]scenario.Hook{
		"TERM":                       {Signal: "TERM"},
		"KILL pidfile:/a b":          {Signal: "KILL", To: "pidfile:/a b"},
		"exec kubectl rollout undo":  {Exec: "kubectl rollout undo"},
		"http GET http://h/drain?a=": {HTTP: "GET http://h/drain?a="},
	} {
		got, err := scenario.ParseHook(" " + text + " ")
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q reads as %+v, %v, and is written as %q", text, got, err, got)
		}
	}
	_, err := scenario.ParseHook("sigterm own")
	if err == nil || !strings.HasPrefix(err.Error(), `drain.hooks: neither a signal nor exec nor http, got "sigterm"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestHooksAreWrittenMaskedAndReplacedLikeTriggers(t *testing.T) {
	plan := drained(t, map[string]any{"http": "http://bob:hunter2@h/"}, map[string]any{"exec": "curl --token hunter2 ${HOST}", "wait": "1s"})
	if got := plan.Secrets(); !reflect.DeepEqual(got, []string{"bob:hunter2", "hunter2", "hunter2"}) {
		t.Errorf("secrets %q", got)
	}
	expanded, err := scenario.ExpandEnv(plan, environment)
	if err != nil || expanded.Drain.Hooks[1].Exec != "curl --token hunter2 h:9000" || plan.Drain.Hooks[1].Exec != "curl --token hunter2 ${HOST}" {
		t.Errorf("expanded to %+v from %+v, %v", expanded.Drain.Hooks, plan.Drain.Hooks, err)
	}
	data, err := json.Marshal(plan.Redacted())
	want := `"drain":{"hooks":[{"http":"http://***@h/"},{"exec":"curl --token *** ${HOST}","wait":"1s"}],"after":"5s","within":"1m"}`
	if err != nil || !strings.Contains(string(data), want) {
		t.Errorf("written as %s, %v", data, err)
	}
	var again scenario.Plan
	if err := json.Unmarshal(data, &again); err != nil || again.Validate() != nil {
		t.Errorf("the redacted plan is refused: %v, %v", err, again.Validate())
	}
}
