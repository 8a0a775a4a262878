package watch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario/problem"
)

// maxPage bounds a page. A process's own metrics take some 10 KB.
const maxPage = 1 << 20

// newClient makes a client that keeps its connection, so that each sample does
// not leave a socket in TIME_WAIT on the port that is watched. It believes
// certificates of roots, of the system's where that is nil.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1,
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, // which a TLSClientConfig turns off
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is told, since it may lead anywhere
		},
	}
}

// fetch asks a page for the facts in it.
func fetch(ctx context.Context, client *http.Client, page *url.URL) (reading, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return reading{}, err
	}
	req.Header.Set("Accept", "text/plain, application/json;q=0.9, */*;q=0.1")
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the rest of it shows the URL with its query
		}
		return reading{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// What is short is read, so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, maxPage)
		return reading{}, fmt.Errorf("answered %s, give the URL of the page itself", problem.Printable(resp.Status))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return reading{}, err
	}
	if len(body) > maxPage {
		return reading{}, errors.New("the page is longer than 1 MiB: give one that tells of the process alone")
	}
	return readPage(body)
}

const goroutineProfile = "goroutine profile: total "

// readPage finds out by its content what a page is, and takes the facts.
func readPage(body []byte) (reading, error) {
	trimmed := bytes.TrimSpace(body)
	if rest, ok := bytes.CutPrefix(trimmed, []byte(goroutineProfile)); ok {
		line, _, _ := strings.Cut(string(rest[:min(len(rest), 32)]), "\n")
		n, err := strconv.ParseUint(strings.TrimSpace(line), 10, 63)
		if err != nil {
			return reading{}, errors.New("a goroutine profile without its total")
		}
		return reading{Facts: Facts{Goroutines: proc.Known(int64(n))}}, nil
	}
	if bytes.HasPrefix(trimmed, []byte{0x1f, 0x8b}) {
		return reading{}, errors.New("a profile in binary form: add ?debug=1 to the URL of the goroutine profile")
	}
	var r reading
	var err error
	if bytes.HasPrefix(trimmed, []byte("{")) {
		r, err = readJSON(trimmed)
	} else {
		r, err = readPrometheus(body)
	}
	if err == nil && r.Facts == (Facts{}) {
		err = errors.New("none of its numbers is known to be about the process")
	}
	return r, err
}

// numbers reads Prometheus text. What it returns gives the first of the named
// metrics that is there, and none that is of a part or of another process.
func numbers(body []byte) (func(names ...string) (float64, bool), error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	return func(names ...string) (float64, bool) {
		for _, name := range names {
			for _, m := range families[name].GetMetric() {
				if len(m.GetLabel()) > 0 {
					continue
				}
				switch {
				case m.GetGauge() != nil:
					return m.GetGauge().GetValue(), true
				case m.GetCounter() != nil:
					return m.GetCounter().GetValue(), true
				case m.GetUntyped() != nil:
					return m.GetUntyped().GetValue(), true
				}
			}
		}
		return 0, false
	}, err
}

// legible takes out of Prometheus text with bad lines those that can be read, as
// far as they may tell of the process: what an application writes of its own
// must not hide it. Without the lines about types all are plain numbers.
func legible(body []byte) (kept []byte) {
	about := []string{"process_", "go_", "nodejs_", "jvm_"}
	for line := range bytes.Lines(body) {
		if !slices.ContainsFunc(about, func(prefix string) bool { return bytes.HasPrefix(line, []byte(prefix)) }) {
			continue
		}
		line = slices.Concat(bytes.TrimRight(line, "\r\n"), []byte("\n"))
		if _, err := numbers(line); err == nil {
			kept = append(kept, line...)
		}
	}
	return kept
}

// readPrometheus takes what the client libraries for Go, Java, Node and Python
// call the facts of their process.
func readPrometheus(body []byte) (reading, error) {
	value, bad := numbers(body)
	unread := ""
	if bad != nil {
		kept := legible(body)
		var err error
		if value, err = numbers(kept); err != nil || kept == nil {
			return reading{}, fmt.Errorf("neither JSON nor Prometheus text: %s", problem.Quote(bad.Error()))
		}
		unread = problem.Quote(bad.Error())
		if wrong, ok := errors.AsType[expfmt.ParseError](bad); ok {
			unread = fmt.Sprintf("line %d: %s", wrong.Line, problem.Quote(wrong.Msg))
		}
	}
	r := reading{unread: unread, Facts: Facts{
		FDs:        whole(value("process_open_fds")),
		RSS:        whole(value("process_resident_memory_bytes")),
		Heap:       whole(value("go_gc_heap_live_bytes", "go_memstats_heap_inuse_bytes", "nodejs_heap_size_used_bytes")),
		Threads:    whole(value("process_threads", "process_num_threads", "go_threads", "jvm_threads_current")),
		Goroutines: whole(value("go_goroutines")),
	}}
	if seconds, ok := value("process_cpu_seconds_total"); ok {
		r.CPU, r.rising = whole(seconds*1e9, true), seconds
	}
	if start, ok := value("process_start_time_seconds"); ok {
		r.members = []string{strconv.FormatFloat(start, 'f', -1, 64)}
	}
	return r, nil
}

// whole makes a fact of a number that is one.
func whole(v float64, ok bool) proc.Fact {
	if !ok || math.IsNaN(v) || v < 0 || v >= math.MaxInt64 {
		return proc.Fact{}
	}
	return proc.Known(int64(math.Round(v)))
}

// readJSON reads wsload's /statz or the page of package expvar, whose numbers
// are taken by their names.
func readJSON(body []byte) (reading, error) {
	var page map[string]json.RawMessage
	if err := json.Unmarshal(body, &page); err != nil {
		return reading{}, fmt.Errorf("read JSON: %w", err)
	}
	var r reading
	if process, ok := page["process"]; ok {
		var held struct {
			Descriptors, RSS, Heap, Threads, Goroutines proc.Fact
			CPU                                         proc.Fact `json:"cpu_ns"`
		}
		if err := json.Unmarshal(process, &held); err != nil {
			return reading{}, fmt.Errorf("read the process in JSON: %w", err)
		}
		r.Facts = Facts{FDs: held.Descriptors, RSS: held.RSS, Heap: held.Heap, Threads: held.Threads, Goroutines: held.Goroutines, CPU: held.CPU}
		if since := page["since"]; since != nil {
			r.members = []string{string(since)}
		}
		r.rising = float64(held.CPU.N)
	}
	number := func(names ...string) proc.Fact {
		for _, name := range names {
			var v float64
			if text, ok := page[name]; ok && json.Unmarshal(text, &v) == nil {
				return whole(v, true)
			}
		}
		return proc.Fact{}
	}
	r.fill(Facts{
		FDs:        number("fds", "open_fds", "process_open_fds", "descriptors"),
		RSS:        number("rss", "rss_bytes", "process_resident_memory_bytes"),
		Threads:    number("threads", "process_threads", "go_threads"),
		Goroutines: number("goroutines", "go_goroutines", "num_goroutine", "NumGoroutine"),
		CPU:        number("cpu_ns"),
	})
	if text, ok := page["memstats"]; ok {
		var stats struct{ HeapInuse, TotalAlloc float64 }
		if err := json.Unmarshal(text, &stats); err != nil {
			return reading{}, fmt.Errorf("read memstats in JSON: %w", err)
		}
		r.fill(Facts{Heap: whole(stats.HeapInuse, stats.HeapInuse > 0)})
		r.rising = stats.TotalAlloc
	}
	return r, nil
}
