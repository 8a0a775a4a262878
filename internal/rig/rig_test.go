package rig

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/watch"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plan is a second of closes on a target.
func plan(t *testing.T, at string) scenario.Plan {
	t.Helper()
	p := scenario.Default()
	p.Seed, p.Target.URL, p.Traffic.Expect = 1, at, scenario.ExpectAny
	p.Load = scenario.Load{Connections: 20, Rate: 200, Duration: time.Second}
	p.Hold = value.Uniform(50*time.Millisecond, 100*time.Millisecond)
	p.Interval = 100 * time.Millisecond
	p.Closes.Mix = p.Closes.Mix[:1]
	return p
}

// serve starts a server of this process and gives its URL.
func serve(t *testing.T, path string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- new(target.Server).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "ws://" + ln.Addr().String() + path
}

// around carries a plan out with its rig.
func around(t *testing.T, p scenario.Plan) (*runner.Result, Findings, int) {
	t.Helper()
	told, ready := p.Redacted(), p
	held := 0
	var r *Rig
	run := runner.Options{Tick: func(tick runner.Tick) {
		if r.Tick(&tick) != nil {
			held++
		}
	}}
	r, err := Begin(t.Context(), Options{Plan: &p, Told: &told, Say: func(string) {}}, &ready, &run)
	if err != nil {
		t.Fatal(err)
	}
	res, err := runner.Run(t.Context(), ready, run)
	found := r.End(t.Context(), err != nil)
	if err != nil {
		t.Fatal(err)
	}
	return res, found, held
}

func TestARunWithoutAnyOfItIsLeftAlone(t *testing.T) {
	res, found, held := around(t, plan(t, serve(t, "/echo")))
	if found.Drain != nil || found.Watch != nil || found.Path != nil || found.Err != nil || len(found.Warnings) != 0 || held != 0 {
		t.Errorf("%+v, held in %d intervals", found, held)
	}
	if n := res.Total.Connections.Started; n == 0 || res.Total.Ended(stats.Clean) != n {
		t.Errorf("%d of %d are clean", res.Total.Ended(stats.Clean), n)
	}
}

func TestAWatchSeesTheTargetBeforeTheLoadUnderItAndAfterIt(t *testing.T) {
	p := plan(t, serve(t, "/echo"))
	p.Watch = scenario.Watch{Sources: []string{"pid:" + strconv.Itoa(os.Getpid())}, Every: 50 * time.Millisecond, Settle: 100 * time.Millisecond}
	res, found, held := around(t, p)
	if found.Watch == nil || found.Err != nil || held == 0 {
		t.Fatalf("%+v, held in %d intervals", found, held)
	}
	var r watch.Report
	if err := json.Unmarshal(found.Watch.Target, &r); err != nil {
		t.Fatal(err)
	}
	if r.Samples < 3+10+3 || r.Closes == 0 || r.Closes > res.Total.Connections.Ended {
		t.Errorf("%d samples, %d closes of %d", r.Samples, r.Closes, res.Total.Connections.Ended)
	}
	for _, back := range r.Returns {
		if back.Quantity.Name == "fds" && back.Verdict == watch.Unknown {
			t.Errorf("descriptors: %+v", back)
		}
	}
	for _, name := range []string{"fds.after_settle", "self.fds.after_settle", "established.after_settle"} {
		if f, ok := found.Watch.Figures[name]; !ok || f.Value == nil {
			t.Errorf("%s is %+v, %v", name, f, ok)
		}
	}
}

func TestFaultsOfThePathAreBetweenTheRunAndItsTarget(t *testing.T) {
	p := plan(t, serve(t, "/echo"))
	p.Hold = value.Constant(10 * time.Second) // to the end, but for the fault
	cut := scenario.DefaultFault()
	cut.At, cut.Cut, cut.Leg, cut.Share = 500*time.Millisecond, scenario.CutRST, scenario.LegClient, 100
	p.Faults.Steps = []scenario.Fault{cut}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	res, found, _ := around(t, p)
	if n := res.Total.Ended(stats.PrematureRST); n < 20 {
		t.Errorf("%d connections ended by an RST, want the 20 that were there", n)
	}
	if found.Path == nil || *found.Path.Accepted < 20 || len(found.Path.Steps) != 1 || *found.Path.Steps[0].Hit < 20 || found.Path.Steps[0].What != "cut rst, client, at 500ms" {
		t.Errorf("%+v", found.Path)
	}
}

func TestWhatCannotBeSetUpIsRefusedWithItsPlaceAndRemedy(t *testing.T) {
	p := plan(t, "ws://chat.example.org/")
	p.Watch.Sources = []string{"auto", "prot:80", "port:80"}
	p.Faults.Toxiproxy = "http://127.0.0.1:8474"
	cut := scenario.DefaultFault()
	cut.Cut, cut.Leg = scenario.CutRST, scenario.LegClient
	p.Faults.Steps = []scenario.Fault{cut}
	text := Check(&p).Error()
	for _, want := range []string{
		"watch.sources[0]: auto is a target on this host, and this one is elsewhere (name a page with metrics, as http://host:9000/metrics)",
		`watch.sources[1]: unknown kind of source, got "prot:80" (did you mean port?`,
		"faults.steps[0]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if lines := strings.Count(text, "\n") + 1; lines != 3 {
		t.Errorf("%d problems in\n%s", lines, text)
	}
}

func TestATargetOfWhichNothingIsSeenIsTold(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there any more
	p := plan(t, serve(t, "/echo"))
	p.Watch = scenario.Watch{Sources: []string{"http://" + ln.Addr().String() + "/metrics"}, Every: 50 * time.Millisecond}
	_, found, _ := around(t, p)
	if len(found.Warnings) != 1 || !strings.Contains(found.Warnings[0], "samples a source did not answer (http://127.0.0.1:") {
		t.Errorf("%q", found.Warnings)
	}
	if f := found.Watch.Figures["leak.fds.per_1000"]; f.Value != nil || !strings.HasPrefix(f.Basis, "known at 0 points") {
		t.Errorf("%+v", f)
	}
}

func TestAPageIsBelievedByTheAuthorityOfTheTarget(t *testing.T) {
	page := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "process_open_fds 9") }))
	page.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	page.StartTLS()
	defer page.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: page.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p := plan(t, serve(t, "/echo"))
	p.Watch = scenario.Watch{Sources: []string{page.URL}, Every: 50 * time.Millisecond}
	for _, c := range []struct{ ca, warning string }{{"", "certificate"}, {ca, ""}} {
		p.Target.TLS.CA = c.ca
		_, found, _ := around(t, p)
		if text := strings.Join(found.Warnings, "; "); c.warning == "" && text != "" || !strings.Contains(text, c.warning) {
			t.Errorf("with the authority %q: %q", c.ca, text)
		}
		if f := found.Watch.Figures["fds.after_settle"]; (f.Value != nil) != (c.ca != "") {
			t.Errorf("with the authority %q: %+v", c.ca, f)
		}
	}
}

func TestStepsCountFromTheBeginOfTheRunHoweverLongTheWatchLooksBefore(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	p := plan(t, serve(t, "/echo"))
	p.Hold = value.Constant(10 * time.Second)
	cut := scenario.DefaultFault()
	cut.At, cut.Cut, cut.Leg = 500*time.Millisecond, scenario.CutRST, scenario.LegClient
	p.Faults.Steps = []scenario.Fault{cut}
	p.Watch = scenario.Watch{Sources: []string{"http://" + mute.Addr().String() + "/metrics"}, Every: 50 * time.Millisecond}
	res, found, _ := around(t, p)
	if n := res.Total.Ended(stats.PrematureRST); n < 20 || *found.Path.Steps[0].Hit < 20 {
		t.Errorf("%d connections ended by an RST, and the step hit %d, want the 20 that were there", n, *found.Path.Steps[0].Hit)
	}
}

// A Toxiproxy that carries nothing: it answers as one does, and says that it
// listens where the target is.
func TestTheStepsOfAToxiproxyAreToldWithoutWhomTheyMet(t *testing.T) {
	p := plan(t, serve(t, "/echo"))
	at, err := p.Target.Address()
	if err != nil {
		t.Fatal(err)
	}
	there := true // what a killed run has left
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			there = false
		case r.URL.Path == "/proxies" && there:
			w.WriteHeader(http.StatusConflict)
		case r.URL.Path == "/proxies":
			there = true
			fmt.Fprintf(w, `{"listen": %q}`, at)
		}
	}))
	defer api.Close()
	now, later := scenario.DefaultFault(), scenario.DefaultFault()
	now.Latency = 5 * time.Millisecond
	later.At, later.Latency = time.Hour, 5*time.Millisecond
	p.Faults = scenario.Faults{Toxiproxy: api.URL, Steps: []scenario.Fault{now, later}}
	_, found, _ := around(t, p)
	want := &result.Path{Steps: []result.PathStep{{What: "latency 5ms, both, at 0s"}, {What: "latency 5ms, both, at 1h"}}}
	if diff := cmp.Diff(want, found.Path); diff != "" || found.Err != nil {
		t.Errorf("%v\n%s", found.Err, diff)
	}
	if w := found.Warnings; len(w) != 2 || w[0] != "the fault latency 5ms, both, at 1h never came into force" || !strings.Contains(w[1], "which was replaced") {
		t.Errorf("%q", w)
	}
}

func TestAFaultThatNobodyMetIsTold(t *testing.T) {
	p := plan(t, serve(t, "/echo"))
	late := scenario.DefaultFault()
	late.At, late.Cut, late.Leg = time.Hour, scenario.CutRST, scenario.LegClient
	p.Faults.Steps = []scenario.Fault{late}
	_, found, _ := around(t, p)
	if len(found.Warnings) != 1 || found.Warnings[0] != "no connection met the fault cut rst, client, at 1h" {
		t.Errorf("%q", found.Warnings)
	}
}

func TestARunThatFailedIsNotGivenTimeToSettle(t *testing.T) {
	p := plan(t, "ws://127.0.0.1:1/")
	p.Watch = scenario.Watch{Sources: []string{"self"}, Every: 50 * time.Millisecond, Settle: time.Hour}
	told, ready, run := p.Redacted(), p, runner.Options{}
	r, err := Begin(t.Context(), Options{Plan: &p, Told: &told, Say: func(string) {}}, &ready, &run)
	if err != nil {
		t.Fatal(err)
	}
	found := r.End(t.Context(), true) // else it takes an hour
	if found.Watch == nil || len(found.Warnings) == 0 {
		t.Errorf("%+v", found)
	}
}

func TestALoadIsJudgedWhereItsPopulationIsHeld(t *testing.T) {
	stage := func(d time.Duration, n int) scenario.Stage { return scenario.Stage{For: d, Connections: n} }
	for _, c := range []struct {
		load     scenario.Load
		from, to time.Duration
	}{
		{scenario.Load{Connections: 101, Rate: 100}, time.Second, math.MaxInt64},
		{scenario.Load{Stages: []scenario.Stage{stage(time.Minute, 100), stage(time.Hour, 100), stage(time.Minute, 0)}}, time.Minute, 61 * time.Minute},
		{scenario.Load{Stages: []scenario.Stage{stage(1, 10), stage(5, 10), stage(1, 20), stage(9, 20)}}, 7, 16},
		{scenario.Load{Stages: []scenario.Stage{stage(10, 100), stage(10, 200), stage(5, 0), stage(50, 0)}}, 0, 0},
	} {
		if from, to := level(&c.load); from != c.from || to != c.to {
			t.Errorf("%+v is level from %v to %v, want %v to %v", c.load, from, to, c.from, c.to)
		}
	}
}
