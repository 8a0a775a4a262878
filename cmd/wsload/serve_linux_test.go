package main

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/fleet"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// serveIn starts a server in so many processes, which ends with the test, and
// wants it to end well.
func serveIn(t *testing.T, procs string, more ...string) (r ready, c *fleet.Child) {
	t.Helper()
	cmd := fleet.Command{
		Name: "server", Env: os.Environ(),
		Args: append([]string{"serve", "--listen", "127.0.0.1:0", "--json", "--quiet", "--until-eof", "--procs", procs}, more...),
	}
	c, err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(patience); err != nil {
			t.Error(err)
		}
	})
	line, err := c.First(t.Context(), patience)
	if err != nil || json.Unmarshal(line, &r) != nil {
		t.Fatalf("%q, %v%s", line, err, c.LastWords())
	}
	return r, c
}

// load runs every usual mode against the server and holds both ends' verdicts
// against each other.
func load(t *testing.T, r ready, run uint32) (*runner.Result, *books.Matcher) {
	plan := scenario.Default()
	plan.Seed = uint64(run)
	plan.Target.URL = r.URL
	plan.Load = scenario.Load{Connections: 300, Rate: 600}
	plan.Hold, _ = value.ParseDist("uniform(200ms,400ms)")
	plan.Closes.Mix = nil
	var entries []stats.Entry
	for _, mode := range []scenario.Mode{scenario.Active, scenario.Passive, scenario.Simultaneous, scenario.Abort, scenario.HalfClose} {
		c := scenario.DefaultClose(mode)
		c.Name = string(mode)
		plan.Closes.Mix = append(plan.Closes.Mix, c)
		entries = append(entries, stats.Entry{Name: c.Name, Mode: c.Name})
	}
	m := books.NewMatcher(run, entries)
	follow := books.Follow(m, "http://"+r.Listen+"/ended")
	res, err := runner.Run(t.Context(), plan, runner.Options{RunID: run, Settled: m.Own})
	if err != nil {
		t.Error(err)
	}
	if err := follow.End(patience); err != nil {
		t.Error(err)
	}
	return res, m
}

func TestBothEndsAgreeOfEveryConnectionToAServerInSeveralProcesses(t *testing.T) {
	r, _ := serveIn(t, "3")
	const runs = 2 // at once, each with its own verdicts
	var loading sync.WaitGroup
	var tally [runs]map[string]runner.Tally
	for i := range runs {
		loading.Go(func() {
			res, m := load(t, r, uint32(i+1))
			tally[i] = res.Tally
			if p := m.Pairs(); p.Compared != 300 || p.Missing > 0 || p.Mismatched > 0 {
				t.Errorf("run %d: compared %d, missing %d, mismatched %d: %+v", i+1, p.Compared, p.Missing, p.Mismatched, p.Mismatches)
			}
		})
	}
	loading.Wait()
	book, err := books.Await(t.Context(), r.Statz, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for mode, c := range book.Modes {
		opened, sent, received := uint64(0), uint64(0), uint64(0)
		for _, t := range tally {
			opened, sent, received = opened+t[mode].Opened, sent+t[mode].CloseSent, received+t[mode].CloseReceived
		}
		if c.Opened != opened || c.CloseReceived != sent || mode != "abort" && c.CloseSent != received {
			t.Errorf("%s: the server counted %+v, the runs %d opened, %d and %d Closes", mode, c, opened, sent, received)
		}
	}
	if len(book.Modes) != 5 || book.Lost != 0 {
		t.Errorf("the ledger is %+v", book)
	}

	var page target.Ended
	resp, err := http.Get("http://" + r.Listen + "/ended")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || len(page.Ends) != 2*300 {
		t.Fatalf("%d ends, %v", len(page.Ends), err)
	}
	if page.Next.At(0) == 0 || page.Next.At(1) == 0 || page.Next.At(2) == 0 {
		t.Errorf("a process had no connection: %v", page.Next)
	}
}

// A signal that is meant for the server, and a watch of its port, find the
// process that all others come from.
func TestTheServerBehindASharedPortIsThatOfAllItsProcesses(t *testing.T) {
	r, c := serveIn(t, "3")
	at, err := netip.ParseAddrPort(r.Listen)
	if err != nil {
		t.Fatal(err)
	}
	port := int(at.Port())
	pids, err := proc.Holders(port)
	if err != nil || len(pids) != 4 {
		t.Errorf("processes %v hold the port, %v; want 4", pids, err)
	}
	if pid, err := proc.Listener(port); err != nil || pid != c.Process().Pid {
		t.Errorf("the server behind the port is %d, %v; want %d", pid, err, c.Process().Pid)
	}
}

func TestAProcessOfTheOwnServerThatDiesIsToldAtOnceAndItsCauseOnce(t *testing.T) {
	said := make(chan string, 10)
	a := &app{environ: os.Environ()}
	s, err := a.startServer(t.Context(), 2, false, func(text string) { said <- text })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	pid := strconv.Itoa(s.Process().Pid)
	tasks, err := filepath.Glob("/proc/" + pid + "/task/*/children") // by the thread that started them
	if err != nil {
		t.Fatal(err)
	}
	var workers []string
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		workers = append(workers, strings.Fields(string(text))...)
	}
	if len(workers) != 2 {
		t.Fatalf("the server has the processes %q", workers)
	}
	worker, err := strconv.Atoi(workers[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	text := <-said
	cause, ok := strings.CutPrefix(text, "warning: own server: process ")
	if !ok || !strings.HasSuffix(cause, "/2 of the server has ended: signal: killed") {
		t.Errorf("said %q", text)
	}
	if err := s.stop(); err == nil || err.Error() != "own server: process "+cause || len(said) > 0 {
		t.Errorf("it ended with %v, and %d texts more were said", err, len(said))
	}
}
