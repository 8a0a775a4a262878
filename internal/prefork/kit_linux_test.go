package prefork

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/wsload/wsload/internal/target"
)

// TestMain is also the program of the processes that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[0] == "wsload" {
		os.Exit(process(os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

// process is what such a process does, by its first argument.
func process(what string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch what {
	case "worker":
		err = Work(ctx, os.Stdin, os.Stdout, os.Stderr)
		stop() // which must have no effect any more, and time to have it
		time.Sleep(50 * time.Millisecond)
	case "server": // says where it listens, and serves
		var s *Server
		if s, err = Start(ctx, "127.0.0.1:0", options()); err == nil {
			fmt.Println(s.Addr())
			err = s.Serve(ctx)
		}
	default:
		err = fmt.Errorf("no such luck")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// procs are the processes of the servers here.
const procs = 3

// patience bounds every wait that is to come to its end.
const patience = 20 * time.Second

func options() Options {
	return Options{Procs: procs, Drain: time.Second, Say: func(string) {}, Args: []string{"worker"}}
}

// A host is a server under test.
type host struct {
	*Server
	t      *testing.T
	scheme string // of its pages
	client *http.Client
	end    func() error // ends it in order, once; it also ends with the test

	mu   sync.Mutex
	said []string
}

// serve starts a server that ends with the test.
func serve(t *testing.T, opt Options) *host {
	t.Helper()
	h := &host{t: t, scheme: "http", client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}}
	opt.Say = func(text string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.said = append(h.said, text)
	}
	var err error
	if h.Server, err = Start(t.Context(), "127.0.0.1:0", opt); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx) }()
	h.end = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() { _ = h.end() })
	return h
}

// trust makes the clients speak TLS.
func (h *host) trust(config *tls.Config) {
	h.scheme = "https"
	h.client.Transport.(*http.Transport).TLSClientConfig = config
}

// open opens a WebSocket, connection n of a run.
func (h *host) open(run uint32, n int) *websocket.Conn {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, h.scheme+"://"+h.Addr().String()+"/echo", &websocket.DialOptions{
		HTTPClient: h.client,
		HTTPHeader: http.Header{target.IDHeader: {fmt.Sprintf("%08x/%d", run, n)}, target.ModeHeader: {"active"}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// openAll opens connections 0 to n-1 of run 1.
func (h *host) openAll(n int) (all []*websocket.Conn) {
	h.t.Helper()
	for i := range n {
		all = append(all, h.open(1, i))
	}
	return all
}

// closeAllOf closes them in order.
func (h *host) closeAllOf(all []*websocket.Conn) {
	h.t.Helper()
	for _, c := range all {
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			h.t.Fatal(err)
		}
	}
}

// get reads a page.
func (h *host) get(page string, into any) {
	h.t.Helper()
	resp, err := h.client.Get(h.scheme + "://" + h.Addr().String() + page)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: %s %s, %v", page, resp.Status, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		h.t.Fatalf("%s: %v in %s", page, err, body)
	}
}

// settled is /statz when nothing is open any more.
func (h *host) settled() (s target.Statz) {
	h.t.Helper()
	h.until("nothing is open", func() bool {
		s = target.Statz{}
		h.get("/statz", &s)
		return s.Open == 0
	})
	return s
}

// until polls a condition.
func (h *host) until(what string, met func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// told is what was said of processes so far.
func (h *host) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.said...)
}
