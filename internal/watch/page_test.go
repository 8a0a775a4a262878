package watch

import (
	"bytes"
	"context"
	"expvar"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/target"
)

func TestPagesAreToldApartByTheirContent(t *testing.T) {
	for name, row := range map[string]struct {
		page string
		want reading
	}{
		"Prometheus text of a Go server": {
			"# HELP process_open_fds Number of open file descriptors.\n# TYPE process_open_fds gauge\nprocess_open_fds 41\n" +
				"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 2.5e+07\n" +
				"# TYPE go_memstats_heap_inuse_bytes gauge\ngo_memstats_heap_inuse_bytes 4096\n" +
				"# TYPE go_goroutines gauge\ngo_goroutines 12\n# TYPE go_threads gauge\ngo_threads 9\n" +
				"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n" +
				"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e+09\n" +
				"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
			reading{Facts: Facts{FDs: proc.Known(41), RSS: proc.Known(25e6), Heap: proc.Known(4096), Goroutines: proc.Known(12),
				Threads: proc.Known(9), CPU: proc.Known(15e8)}, members: []string{"1700000000"}, rising: 1.5},
		},
		"Prometheus text without types, of one process among others": {
			"process_open_fds{pid=\"7\"} 5\nprocess_open_fds 6\nprocess_threads NaN\n",
			reading{Facts: Facts{FDs: proc.Known(6)}},
		},
		"Prometheus text with lines that are none": {
			"# TYPE process_open_fds gauge\nprocess_open_fds 41\nrequests{path=\"/\"} many\nprocess_threads soon\n" +
				"go_goroutines{ 3\ngo_goroutines 12\nprocess_resident_memory_bytes 2.5e+07",
			reading{Facts: Facts{FDs: proc.Known(41), Goroutines: proc.Known(12), RSS: proc.Known(25e6)},
				unread: `line 3: "expected float as value, got \"many\""`},
		},
		"a goroutine profile": {
			"goroutine profile: total 12345\n1 @ 0x43\n", reading{Facts: Facts{Goroutines: proc.Known(12345)}},
		},
		"expvar": {
			`{"cmdline": ["x"], "goroutines": 7, "open_fds": 0, "memstats": {"HeapInuse": 8192, "TotalAlloc": 99, "Sys": 5}}`,
			reading{Facts: Facts{Goroutines: proc.Known(7), FDs: proc.Known(0), Heap: proc.Known(8192)}, rising: 99},
		},
		"statz": {
			`{"open":1,"modes":{},"since":"2026-01-02T03:04:05Z","process":{"descriptors":8,"rss":null,"heap":4096,"threads":5,"goroutines":4,"cpu_ns":30}}`,
			reading{Facts: Facts{FDs: proc.Known(8), Heap: proc.Known(4096), Threads: proc.Known(5), Goroutines: proc.Known(4), CPU: proc.Known(30)},
				members: []string{`"2026-01-02T03:04:05Z"`}, rising: 30},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readPage([]byte(row.page))
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, row.want)
			}
		})
	}
}

func TestAPageThatTellsNothingSaysWhy(t *testing.T) {
	for page, why := range map[string]string{
		"":                                "none of its numbers",
		"requests_total 4\n":              "none of its numbers",
		`{"requests": 4}`:                 "none of its numbers",
		"<html>":                          "neither JSON nor Prometheus text",
		"go_goroutines many\n":            `neither JSON nor Prometheus text: "text format parsing error in line 1: `,
		"go_info 1\n<html>":               "none of its numbers",
		"{":                               "read JSON",
		`{"memstats": 4}`:                 "memstats",
		`{"process": {"goroutines":"x"}}`: "process",
		"goroutine profile: total many":   "without its total",
		"\x1f\x8b\x08":                    "?debug=1",
	} {
		if got, err := readPage([]byte(page)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %+v, %v, want an error with %q", page, got, err, why)
		}
	}
}

// ask fetches a path of a server.
func ask(t *testing.T, address, path string) (reading, error) {
	t.Helper()
	client := newClient(nil)
	defer client.CloseIdleConnections()
	page, err := url.Parse(address + path)
	if err != nil {
		t.Fatal(err)
	}
	return fetch(context.Background(), client, page)
}

func TestTheRealPagesOfGoProgramsAreUnderstood(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	server := httptest.NewServer(mux)
	defer server.Close()

	vars, err := ask(t, server.URL, "/debug/vars")
	if err != nil || vars.Heap.N < 1<<16 || vars.rising == 0 {
		t.Errorf("expvar: %+v, %v", vars, err)
	}
	profile, err := ask(t, server.URL, "/debug/pprof/goroutine?debug=1")
	if n := runtime.NumGoroutine(); err != nil || profile.Goroutines.N < 2 || profile.Goroutines.N > int64(n)+10 {
		t.Errorf("goroutine profile: %+v, %v, there are %d", profile, err, n)
	}
	if _, err := ask(t, server.URL, "/debug/pprof/goroutine"); err == nil || !strings.Contains(err.Error(), "?debug=1") {
		t.Errorf("a profile in binary form: %v", err)
	}
}

func TestTheStatzOfWsloadsOwnServerIsUnderstood(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- new(target.Server).Serve(ctx, ln) }()
	r, err := ask(t, "http://"+ln.Addr().String(), "/statz")
	if err != nil || r.Goroutines.N < 2 || r.members == nil {
		t.Errorf("%+v, %v", r, err)
	}
	// What it tells is of this process.
	if self := ofThisProcess(nil); r.Threads.OK != self.Threads.OK || r.RSS.OK != self.RSS.OK || r.FDs.OK != self.FDs.OK {
		t.Errorf("by its page %+v, by itself %+v", r, self)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAPageThatIsNotItselfIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/metrics", http.StatusFound)
		case "/long":
			w.Write(bytes.Repeat([]byte("# a comment\n"), maxPage/12+1))
		default:
			fmt.Fprintln(w, "process_open_fds", os.Getpid())
		}
	}))
	defer server.Close()
	for path, why := range map[string]string{"/away": "302", "/long": "1 MiB"} {
		if _, err := ask(t, server.URL, path); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want an error with %q", path, err, why)
		}
	}
	if r, err := ask(t, server.URL, "/metrics"); err != nil || r.FDs.N != int64(os.Getpid()) {
		t.Errorf("metrics: %+v, %v", r, err)
	}
	server.Close()
	if _, err := ask(t, server.URL, "/metrics?token=hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a server that is gone: %v", err)
	}
}
