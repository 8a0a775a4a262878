package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/proc"
)

func underLoad() (Phase, uint64) { return Load, 7 }

func source(t *testing.T, text string) Source {
	t.Helper()
	s, err := ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASampleIsWhatItsSourcesKnowTogether(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "process_open_fds 999999\ngo_goroutines 77\n")
	}))
	defer page.Close()
	s := Sampler{
		Sources: []Source{source(t, fmt.Sprintf("pid:%d", os.Getpid())), source(t, page.URL)},
		Epoch:   time.Now().Add(-time.Hour), State: underLoad,
	}
	defer s.Close()
	sample := s.Sample(t.Context(), 5*time.Second)
	if sample.Goroutines != proc.Known(77) || sample.At < time.Hour || sample.Phase != Load || sample.Closes != 7 || sample.Failed > 1 {
		t.Errorf("sample %+v", sample)
	}
	// The process itself goes before the page, where the system tells.
	if own := proc.Of(os.Getpid()).Descriptors; own.OK && sample.FDs.N > own.N+10 {
		t.Errorf("%d descriptors, the process has %d", sample.FDs.N, own.N)
	}
	if sample.Server.OK || sample.Client.OK {
		t.Errorf("sockets %+v without a port", sample.Server)
	}
}

func TestASourceThatFailsIsToldAndAskedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.pid")
	s := Sampler{Sources: []Source{source(t, "pidfile:"+path), Self()}, Epoch: time.Now(), State: underLoad}
	sample := s.Sample(t.Context(), time.Second)
	if sample.Failed != 1 || !strings.Contains(sample.Err, "server.pid") || !sample.Goroutines.OK {
		t.Errorf("without the file: %+v", sample)
	}
	for text, why := range map[string]string{"many": "no process id", "": "pid file", "-3": "no process id"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if sample := s.Sample(t.Context(), time.Second); sample.Failed != 1 || !strings.Contains(sample.Err, why) {
			t.Errorf("file %q: %+v", text, sample)
		}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if sample := s.Sample(t.Context(), time.Second); sample.Failed != 0 && proc.Of(os.Getpid()).RSS.OK {
		t.Errorf("with the file: %+v", sample)
	}
}

func TestARestartIsSeenByWhoAnswersAndByWhatOnlyRises(t *testing.T) {
	var page atomic.Value
	page.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page.Load()) }))
	defer server.Close()
	s := Sampler{Sources: []Source{source(t, server.URL)}, Epoch: time.Now(), State: underLoad}
	defer s.Close()
	restarts := 0
	for i, step := range []struct {
		page string
		want bool
	}{
		{"process_open_fds 4\nprocess_cpu_seconds_total 9\n", false},
		{"process_open_fds 4\nprocess_cpu_seconds_total 9.5\n", false},
		{"process_open_fds 4\nprocess_cpu_seconds_total 0.1\n", true},
		{"process_open_fds 4\nprocess_cpu_seconds_total 0.2\nprocess_start_time_seconds 100\n", false}, // it tells more now
		{"process_open_fds 4\nprocess_cpu_seconds_total 0.3\nprocess_start_time_seconds 100\n", false},
		{"<down>", false},
		{"process_open_fds 4\nprocess_cpu_seconds_total 50\nprocess_start_time_seconds 200\n", true},
	} {
		page.Store(step.page)
		if step.want {
			restarts++
		}
		if got := s.Sample(t.Context(), 5*time.Second); got.Restarted != step.want || got.Restarts != restarts {
			t.Errorf("step %d: restarted %v, want %v, and %d in all: %+v", i, got.Restarted, step.want, restarts, got)
		}
	}
}

func TestAWorkerThatJoinsIsNoRestartAndOneThatGoesIs(t *testing.T) {
	var r reader
	for i, step := range []struct {
		members string
		want    bool
	}{
		{"7 since 100", false},
		{"7 since 100,8 since 200", false}, // joins
		{"8 since 200,7 since 100", false}, // found in another order
		{"8 since 200,7 since 100,9 since 300", false},
		{"8 since 200,9 since 300", true},               // 7 is gone
		{"8 since 200,9 since 400", true},               // another 9
		{"8 since 200,10 since 500,9 since 400", false}, // joins
		{"10 since 500", true},
	} {
		if got := r.anew(reading{members: strings.Split(step.members, ",")}); got != step.want {
			t.Errorf("step %d, %s: restarted %v, want %v", i, step.members, got, step.want)
		}
	}
}

func TestALineOfAPageThatCannotBeReadIsToldOnceAndTheRestIsUsed(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "orders_total five\nprocess_open_fds 9\n")
	}))
	defer page.Close()
	s := Sampler{Sources: []Source{source(t, page.URL)}, Epoch: time.Now(), State: underLoad}
	defer s.Close()
	var series Series
	for range 3 {
		sample := s.Sample(t.Context(), 5*time.Second)
		if sample.Failed != 0 || sample.FDs != proc.Known(9) {
			t.Fatalf("sample %+v", sample)
		}
		series.Add(sample)
	}
	text, err := json.Marshal(series.Report())
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Join(r.Lines(1000), "\n")
	if want := "of a page not all could be read, and the rest was used: " + page.URL + `: line 1: "expected float as value`; strings.Count(lines, want) != 1 {
		t.Errorf("%q is not once in\n%s", want, lines)
	}
}

func TestSocketsOfAServerThatWasNotSeenAreUnknown(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if _, err := proc.SocketsOn(port); err != nil {
		t.Skip(err)
	}
	s := Sampler{Port: port, Epoch: time.Now(), State: underLoad}
	here := s.Sample(t.Context(), time.Second)
	ln.Close()
	gone := s.Sample(t.Context(), time.Second)
	if here.Server.in(proc.Listen) != proc.Known(1) || gone.Server.in(proc.Listen) != proc.Known(0) {
		t.Errorf("listeners %+v, then %+v, want 1 and 0", here.Server, gone.Server)
	}
	other := Sampler{Port: port, Epoch: time.Now(), State: underLoad}
	if sample := other.Sample(t.Context(), time.Second); sample.Server.OK || !sample.Client.OK {
		t.Errorf("a server that never was: %+v and %+v", sample.Server, sample.Client)
	}
}

// The bubble has no network: the source is this process, which needs none.
func TestSamplesComeEachIntervalAndNeverQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := Sampler{Sources: []Source{Self()}, Epoch: time.Now(), State: underLoad}
		var at []time.Duration
		s.Run(ctx, time.Second, func(sample Sample) {
			at = append(at, sample.At)
			switch len(at) {
			case 3:
				time.Sleep(3500 * time.Millisecond) // late: what is due meanwhile is left out
			case 6:
				cancel()
			}
		})
		// The tick at 3 s waited, those at 4 s and 5 s are left out.
		want := []time.Duration{0, time.Second, 2 * time.Second, 5500 * time.Millisecond, 6 * time.Second, 7 * time.Second}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
	})
}

func TestAServerThatDoesNotAnswerHoldsUpASampleForItsLimitOnly(t *testing.T) {
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done() // for ever
	}))
	defer server.Close()
	s := Sampler{Sources: []Source{source(t, server.URL), Self()}, Epoch: time.Now(), State: underLoad}
	defer s.Close()
	sample := s.Sample(t.Context(), 50*time.Millisecond)
	<-asked
	if sample.Failed != 1 || !strings.Contains(sample.Err, "deadline") || !sample.Goroutines.OK {
		t.Errorf("sample %+v", sample)
	}
}

func TestASampleIsALineThatCanBeReadBack(t *testing.T) {
	sample := Sample{At: time.Second, Phase: After, Closes: 12, Facts: Facts{FDs: proc.Known(0), RSS: proc.Known(5)},
		Client: Sockets{OK: true}, Restarted: true, Failed: 1, Err: "port:1: gone"}
	sample.Server.OK = true
	sample.Server.States[proc.CloseWait] = 3
	const want = `{"at_ns":1000000000,"phase":"after","closes":12,"fds":0,"rss":5,"heap":null,"threads":null,` +
		`"goroutines":null,"cpu_ns":null,"server":{"close_wait":3},"client":{},"restarted":true,"failed":1,"err":"port:1: gone"}`
	line, err := json.Marshal(sample)
	if err != nil || string(line) != want {
		t.Errorf("%v\n%s, want\n%s", err, line, want)
	}
	var back Sample
	if err := json.Unmarshal(line, &back); err != nil || back != sample {
		t.Errorf("read back as %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"server":null}`), &back); err != nil || back.Server != (Sockets{}) {
		t.Errorf("unknown sockets are read as %+v, %v", back.Server, err)
	}
	if err := json.Unmarshal([]byte(`{"server":{"asleep":3}}`), &back); err == nil {
		t.Error("a state that is none was read")
	}
}
