//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/drain"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

// deploy holds n connections to url and fires the hooks.
func deploy(t *testing.T, url string, n int, change func(*scenario.Plan), hooks ...scenario.Hook) *result.Drain {
	t.Helper()
	plan, err := scenario.Decode(map[string]any{
		"target": map[string]any{"url": url}, "seed": 5, "load": map[string]any{"connections": n, "rate": "1000/s"},
		"traffic": map[string]any{"every": "100ms", "expect": "echo"}, "drain": map[string]any{"hooks": hooks, "after": "300ms", "within": "20s"},
		"limits": map[string]any{"fin": "10s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&plan)
	}
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	c := &drain.Conductor{
		Observer: drain.NewObserver(&plan, scenario.Shard{}), Plan: &plan,
		Say: func(text string) { t.Log(text) }, Hide: func(text string) string { return text },
	}
	for _, h := range hooks {
		c.What = append(c.What, h.String())
	}
	end := c.Start(t.Context())
	_, err = runner.Run(t.Context(), plan, runner.Options{Clock: c.Clock, Opened: c.Opened, Settled: c.Settled, End: c.End()})
	end(err != nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	return d
}

// A listed is a server in a language of its own, with a log that its last line is.
type listed struct {
	url string
	log func() string
}

// start runs a server that prints its port, and at its end its log.
func startListed(t *testing.T, name string, args ...string) listed {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join("..", "..", "scripts", "lab", "node-ws")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Skipf("%s is not installed: %v", name, err)
	}
	out := bufio.NewReader(stdout)
	port, err := out.ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Skipf("%s; run scripts/lab/lab.sh install", said.String())
	}
	var once sync.Once
	var rest []byte
	end := func() string {
		once.Do(func() {
			stuck := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
			defer stuck.Stop()
			rest, _ = io.ReadAll(out)
			cmd.Wait()
		})
		return string(rest)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		end()
	})
	return listed{url: "ws://127.0.0.1:" + strings.TrimSpace(port) + "/", log: end}
}

// nodeServer says goodbye to two of three clients, with two codes, and cuts the
// third.
const nodeServer = `
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096, perMessageDeflate: false });
const log = { 1001: 0, 1012: 0, cut: 0 };
server.on('connection', (c) => { c.on('error', () => {}); c.on('message', (m, binary) => c.send(m, { binary })); });
server.on('listening', () => console.log(server.address().port));
process.on('SIGTERM', () => {
  let n = 0;
  for (const c of server.clients) {
    if (n % 3 == 2) { log.cut++; c.terminate(); } else { const code = n % 3 ? 1012 : 1001; log[code]++; c.close(code, 'deploy'); }
    n++;
  }
  server.close(() => { console.log(JSON.stringify(log)); process.exit(0); });
});
`

// pythonServer closes all as its library does.
const pythonServer = `
import asyncio, collections, json, signal, websockets
log = collections.Counter()
async def serve_one(ws):
    try:
        async for m in ws:
            await ws.send(m)
    except websockets.ConnectionClosed:
        pass
    finally:
        await ws.wait_closed()
        log[str(ws.close_code)] += 1
async def main():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = await websockets.serve(serve_one, "127.0.0.1", 0, backlog=4096, compression=None, ping_interval=None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()
    await server.wait_closed()
    print(json.dumps(log), flush=True)
asyncio.run(main())
`

func TestADrainAgreesWithTheLogsOfServersInOtherLanguages(t *testing.T) {
	const n = 300
	for name, args := range map[string][]string{"node": {"-e", nodeServer}, "/usr/bin/python3": {"-c", pythonServer}} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := startListed(t, name, args...)
			d := deploy(t, s.url, n, nil, scenario.Hook{Signal: "TERM"})
			var log map[string]uint64
			if err := json.Unmarshal([]byte(s.log()), &log); err != nil {
				t.Fatalf("the log %q: %v", s.log(), err)
			}
			cut := log["cut"]
			delete(log, "cut")
			if d.Held != n || d.Cut.Count != cut || d.Closed.Count != n-cut || d.StillOpen != 0 || d.Other != 0 {
				t.Errorf("of %d held %d were closed and %d cut, and the server cut %d", d.Held, d.Closed.Count, d.Cut.Count, cut)
			}
			if len(log) != len(d.Codes) {
				t.Errorf("codes %v, and the server sent %v", d.Codes, log)
			}
			for code, sent := range log {
				if d.Codes[code] != sent {
					t.Errorf("codes %v, and the server sent %v", d.Codes, log)
				}
			}
			if d.Limited {
				t.Error("the drain did not end by itself")
			}
		})
	}
}

// A backend is one server behind a balancer. It can be replaced.
type backend struct {
	mu    sync.Mutex
	addr  string
	end   func() target.Ledger // the end of what runs now, with its books
	books []target.Ledger
}

func (b *backend) start(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	s := new(target.Server)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addr = ln.Addr().String()
	b.end = func() target.Ledger {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return s.Ledger()
	}
}

// replace starts a new server and then ends the old one, as a rollout does.
func (b *backend) replace(t *testing.T) {
	b.mu.Lock()
	end := b.end
	b.mu.Unlock()
	b.start(t)
	b.books = append(b.books, end())
}

func (b *backend) at() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addr
}

// balancer gives each TCP connection to the backends in turn.
func balancer(t *testing.T, backends []*backend) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", backends[n%len(backends)].at())
			if err != nil {
				client.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				all.Go(func() {
					io.Copy(way[0], way[1])
					way[0].(*net.TCPConn).CloseWrite()
				})
			}
		}
	})
	t.Cleanup(func() {
		ln.Close()
		for _, b := range backends {
			b.end()
		}
		all.Wait()
	})
	return ln.Addr().String()
}

func TestARollingDeployHitsThoseTwiceWhoWereMovedToAServerThatWasReplacedNext(t *testing.T) {
	const n = 60
	backends := []*backend{{}, {}}
	for _, b := range backends {
		b.start(t)
	}
	addr := balancer(t, backends)
	var asked atomic.Int32
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backends[asked.Add(1)-1].replace(t)
	}))
	defer admin.Close()
	d := deploy(t, "ws://"+addr+"/echo", n, func(p *scenario.Plan) {
		p.Load.Duration, p.Drain.Within = time.Hour, 3*time.Second
	}, scenario.Hook{HTTP: admin.URL}, scenario.Hook{HTTP: admin.URL, Wait: time.Second})
	opened := func(l target.Ledger) (n uint64) {
		for _, m := range l.Modes {
			n += m.Opened
		}
		return n
	}
	first, second := opened(backends[0].books[0]), opened(backends[1].books[0])
	if d.Held != n || d.Closed.Count != n || d.Cut.Count != 0 || d.Codes["1001"] != n {
		t.Errorf("of %d held %d were closed, codes %v", d.Held, d.Closed.Count, d.Codes)
	}
	// What the two servers had in all is what was held, and who came to the
	// second from the first.
	if twice := first + second - n; twice == 0 || d.Again.Ended != twice {
		t.Errorf("%d users were hit twice, and the servers say %d", d.Again.Ended, twice)
	}
	if h := d.Herd; h.Attempts != n+d.Again.Ended || len(h.Failed) > 0 || h.Back == nil || *h.Back < time.Second {
		t.Errorf("the herd is %+v", h)
	}
	if !d.Limited || len(d.Hooks) != 2 || d.Hooks[1].Took == nil {
		t.Errorf("hooks %+v", fmt.Sprint(d.Hooks))
	}
}
