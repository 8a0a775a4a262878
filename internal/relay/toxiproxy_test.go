package relay

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/scenario"
)

// A fakeAPI plays the HTTP API of a Toxiproxy: it keeps proxies and toxics, and
// notes each call with its time.
type fakeAPI struct {
	begin  time.Time
	listen string // what it says that a proxy listens on
	deny   string // a call that it refuses

	mu     sync.Mutex
	live   map[string]bool // names of proxies and toxics
	calls  []string
	bodies []map[string]any
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body) // a DELETE has none
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) > 1 {
		parts[1] = "P" // whatever its name
	}
	call := r.Method + " /" + strings.Join(parts, "/")
	if name, ok := body["name"].(string); ok && len(parts) > 2 {
		call += "/" + name
	}
	f.calls = append(f.calls, fmt.Sprintf("%v %s", time.Since(f.begin), call))
	f.bodies = append(f.bodies, body)
	if f.deny != "" && strings.HasPrefix(call, f.deny) {
		http.Error(w, `{"error":"no","status":409}`, http.StatusConflict)
		return
	}
	key := strings.TrimPrefix(strings.TrimPrefix(call, "POST "), "DELETE ")
	switch {
	case r.Method == http.MethodPost && len(parts) == 1 && f.live["/proxies/P"]:
		http.Error(w, `{"error":"proxy already exists","status":409}`, http.StatusConflict)
	case r.Method == http.MethodPost && !f.live[key]:
		f.live[key] = true
		if len(parts) == 1 {
			delete(f.live, key)
			f.live["/proxies/P"] = true
			body["listen"] = f.listen
			w.WriteHeader(http.StatusCreated)
		}
		_ = json.NewEncoder(w).Encode(body)
	case r.Method == http.MethodDelete && f.live[key]:
		maps.DeleteFunc(f.live, func(name string, _ bool) bool { return strings.HasPrefix(name, key) }) // with its toxics
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, `{"error":"not found","status":404}`, http.StatusNotFound)
	}
}

// RoundTrip makes it a transport, for tests in a bubble.
func (f *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result(), nil
}

func newFakeAPI() *fakeAPI {
	return &fakeAPI{begin: time.Now(), listen: "127.0.0.1:4321", live: map[string]bool{}}
}

func TestAToxiproxyGetsTheStepsAsToxicsAtTheirTimes(t *testing.T) {
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) {
			f.At, f.For, f.Latency, f.Jitter = 10*time.Second, 5*time.Second, 100*time.Millisecond, 20*time.Millisecond
		}),
		step(func(f *scenario.Fault) {
			f.At, f.Bandwidth, f.Leg, f.Share = 20*time.Second, 64_000, scenario.LegDown, 25
		}),
		step(func(f *scenario.Fault) {
			f.At, f.For, f.Stall, f.Leg = 15*time.Second, time.Second, true, scenario.LegUp
		}),
		step(func(f *scenario.Fault) { f.At, f.Cut = 30*time.Second, scenario.CutFIN }),
	}
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		p, err := startToxiproxy(t.Context(), "http://127.0.0.1:8474/", Options{Upstream: "127.0.0.1:9000", Steps: steps}, api)
		if err != nil {
			t.Fatal(err)
		}
		if p.Addr() != "127.0.0.1:4321" {
			t.Errorf("clients are to connect to %s", p.Addr())
		}
		time.Sleep(time.Minute)
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		const post, del = "POST /proxies/P/toxics/", "DELETE /proxies/P/toxics/"
		want := []string{
			"0s POST /proxies",
			"10s " + post + "step-0-up", "10s " + post + "step-0-down",
			"15s " + del + "step-0-up", "15s " + del + "step-0-down", "15s " + post + "step-2-up", "16s " + del + "step-2-up",
			"20s " + post + "step-1-down",
			"30s " + post + "step-3", "30s " + del + "step-3",
			"1m0s DELETE /proxies/P",
		}
		if !slices.Equal(api.calls, want) {
			t.Errorf("calls\n%s\nwant\n%s", strings.Join(api.calls, "\n"), strings.Join(want, "\n"))
		}
		for i, want := range map[int]string{
			1: `{"attributes":{"jitter":20,"latency":100},"name":"step-0-up","stream":"upstream","toxicity":1,"type":"latency"}`,
			2: `{"attributes":{"jitter":20,"latency":100},"name":"step-0-down","stream":"downstream","toxicity":1,"type":"latency"}`,
			5: `{"attributes":{"rate":0},"name":"step-2-up","stream":"upstream","toxicity":1,"type":"bandwidth"}`,
			7: `{"attributes":{"rate":64},"name":"step-1-down","stream":"downstream","toxicity":0.25,"type":"bandwidth"}`,
			8: `{"attributes":{"timeout":1},"name":"step-3","stream":"downstream","toxicity":1,"type":"timeout"}`,
		} {
			if got, _ := json.Marshal(api.bodies[i]); string(got) != want {
				t.Errorf("call %d has the body\n%s, want\n%s", i, got, want)
			}
		}
		if b := api.bodies[0]; b["upstream"] != "127.0.0.1:9000" || b["enabled"] != true || !strings.HasPrefix(b["name"].(string), "wsload-") {
			t.Errorf("the proxy is made of %v", b)
		}
	})
}

func TestAProxyThatAKilledRunLeftIsReplaced(t *testing.T) {
	api := newFakeAPI()
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) { f.Latency = time.Second }),
		step(func(f *scenario.Fault) { f.At, f.Latency = time.Hour, time.Second }),
	}
	synctest.Test(t, func(t *testing.T) {
		start := func(upstream string, shard scenario.Shard) *Toxiproxy {
			p, err := startToxiproxy(t.Context(), "http://127.0.0.1:8474", Options{Upstream: upstream, Steps: steps, Shard: shard}, api)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		one := scenario.Shard{Index: 1, Count: 3}
		killed := start("[::1]:9000", one)
		synctest.Wait()
		killed.cancel() // and its proxy stays
		killed.work.Wait()
		next := start("[::1]:9000", one)
		synctest.Wait() // its first step is there
		name, replaced := next.Name()
		if was, before := killed.Name(); was != name || before || !replaced {
			t.Errorf("%s replaced: %v; %s before it: %v", name, replaced, was, before)
		}
		if !strings.HasPrefix(name, "wsload-") || !strings.HasSuffix(name, "----1--9000-1of3") || url.PathEscape(name) != name {
			t.Errorf("it is named %s", name)
		}
		// A POST and two toxics; then the POST that was refused, and what follows.
		if len(api.calls) < 6 || !strings.HasSuffix(api.calls[4], "DELETE /proxies/P") || !strings.HasSuffix(api.calls[5], "POST /proxies") {
			t.Errorf("calls %q", api.calls)
		}
		if err := next.Stop(); err != nil {
			t.Error(err)
		}
		if began := next.Began(); !slices.Equal(began, []bool{true, false}) {
			t.Errorf("the steps began: %v", began)
		}
		others := map[string]bool{name: true}
		for upstream, shard := range map[string]scenario.Shard{"[::1]:9000": {Index: 2, Count: 3}, "[::1]:9001": one, "h:9000": {}} {
			others[proxyName(&Options{Upstream: upstream, Shard: shard})] = true
		}
		if len(others) != 4 {
			t.Errorf("the proxies of others have the same name: %v", others)
		}
	})
}

func TestWhatAToxiproxyCannotDoIsRefusedByName(t *testing.T) {
	for _, row := range []struct {
		step scenario.Fault
		want string
	}{
		{step(func(f *scenario.Fault) { f.Latency = 1500 * time.Microsecond }),
			"faults.steps[0].latency: a toxiproxy counts latency and jitter in whole milliseconds, got 1.5ms (remove faults.toxiproxy: the own relay can)"},
		{step(func(f *scenario.Fault) { f.Bandwidth = 1500 }),
			"faults.steps[0].bandwidth: a toxiproxy counts bandwidth in whole kb/s, got 1500b/s (remove faults.toxiproxy: the own relay can)"},
		{step(func(f *scenario.Fault) { f.Cut = scenario.CutRST }),
			"faults.steps[0].cut: a toxiproxy sends an RST only on connections that opened under its reset_peer, which lets none open, got rst (remove faults.toxiproxy: the own relay can; or cut by fin)"},
		{step(func(f *scenario.Fault) { f.Cut = scenario.CutSilent }),
			"faults.steps[0].cut: a toxiproxy drops bytes also of connections that open later, and passes a FIN on, got silent (remove faults.toxiproxy: the own relay can)"},
		{step(func(f *scenario.Fault) { f.Cut, f.Leg = scenario.CutFIN, scenario.LegClient }),
			"faults.steps[0].leg: a toxiproxy ends both legs of a connection, got client (write both, or remove faults.toxiproxy: the own relay can)"},
		{step(func(f *scenario.Fault) { f.Cut, f.Share = scenario.CutFIN, 50 }),
			"faults.steps[0].share: a toxiproxy ends all connections where its timeout is removed, got 50% (write 100%, or remove faults.toxiproxy: the own relay can)"},
		{step(func(f *scenario.Fault) { f.Stall, f.Share = true, 50 }),
			"faults.steps[0].share: a toxiproxy draws for each direction by itself, so the two would meet different connections, got 50% (name one leg, or remove faults.toxiproxy: the own relay can)"},
	} {
		api := newFakeAPI()
		_, err := startToxiproxy(t.Context(), "http://127.0.0.1:8474", Options{Steps: []scenario.Fault{row.step}}, api)
		if err == nil || err.Error() != row.want {
			t.Errorf("got  %v\nwant %s", err, row.want)
		}
		if len(api.calls) != 0 {
			t.Errorf("calls were made before the refusal: %v", api.calls)
		}
	}
}

func TestATroubledToxiproxyIsTold(t *testing.T) {
	latency := []scenario.Fault{step(func(f *scenario.Fault) { f.Latency, f.For = time.Second, time.Second })}
	for _, row := range []struct {
		name, api, deny, listen string
		started                 bool
		want                    string
	}{
		{"no URL", "127.0.0.1:8474", "", "", false, "toxiproxy: the address of its API is no URL (write http://127.0.0.1:8474)"},
		{"a proxy is refused", "http://u:hunter2@h", "POST /proxies", "", false,
			`toxiproxy: POST /proxies: status 409, "{\"error\":\"no\",\"status\":409}"`},
		{"no address", "http://h", "", "nowhere", false, `toxiproxy: it listens on "nowhere", which is no address`},
		{"a toxic is refused", "http://h", "POST /proxies/P/toxics", "[::]:4321", true,
			`toxic step-0-up: toxiproxy: POST /proxies/wsload-X/toxics: status 409, "{\"error\":\"no\",\"status\":409}"`},
		{"the deletion is refused", "http://h", "DELETE /proxies/P", "[::]:4321", true,
			`toxiproxy: DELETE /proxies/wsload-X: status 409, "{\"error\":\"no\",\"status\":409}"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI()
				api.deny, api.listen = row.deny, row.listen
				p, err := startToxiproxy(t.Context(), row.api, Options{Steps: latency}, api)
				if (err == nil) != row.started {
					t.Fatal(err)
				}
				if row.started {
					if p.Addr() != "h:4321" {
						t.Errorf("clients are to connect to %s, want the host of the API", p.Addr())
					}
					synctest.Wait() // the toxic is there
					err = p.Stop()
				}
				if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), nameOf(p), "wsload-X"), row.want) {
					t.Errorf("got  %v\nwant %s", err, row.want)
				}
			})
		})
	}
}

// nameOf is the name of a proxy, where there is one.
func nameOf(p *Toxiproxy) string {
	if p == nil {
		return "none"
	}
	return p.name
}

func TestAToxiproxyIsCalledOverPlainHTTP(t *testing.T) {
	api := newFakeAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	p, err := StartToxiproxy(t.Context(), server.URL, Options{Upstream: "127.0.0.1:9000"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if len(api.calls) != 2 || len(api.live) != 0 {
		t.Errorf("calls %v leave %v", api.calls, api.live)
	}
	server.Close()
	if _, err := StartToxiproxy(t.Context(), server.URL, Options{}); err == nil || !strings.Contains(err.Error(), "POST /proxies: ") {
		t.Errorf("an API that is not there gives %v", err)
	}
}
