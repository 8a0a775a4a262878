package prefork

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/target"
)

// many connections leave no process without one, but by a chance of 1 in 10^15.
const many = 90

// followed reads /ended to its end, page by page, of one run or of all.
func (h *host) followed(run string) (ends []target.End, next target.Cursor) {
	h.t.Helper()
	for range many {
		after, err := next.MarshalText()
		if err != nil {
			h.t.Fatal(err)
		}
		var page target.Ended
		h.get("/ended?"+url.Values{"after": {string(after)}, "run": {run}}.Encode(), &page)
		next = page.Next
		if len(page.Ends) == 0 {
			return ends, next
		}
		ends = append(ends, page.Ends...)
	}
	h.t.Fatalf("there is no end to the ends, %v is not the last", next)
	return nil, nil
}

func TestWhicheverProcessIsAskedTheAnswerIsOfAll(t *testing.T) {
	h := serve(t, options())
	all := h.openAll(many)
	for range 5 * procs {
		var s target.Statz
		h.get("/statz", &s)
		if s.Open != many || s.Modes["active"].Opened != many {
			t.Fatalf("%d are open of %d, want %d", s.Open, s.Modes["active"].Opened, many)
		}
		if n := s.Process.Descriptors.N; n < many || s.Process.Threads.N < procs || s.Process.Goroutines < many {
			t.Fatalf("the processes hold %+v", s.Process)
		}
	}
	h.closeAllOf(all)
	h.closeAllOf([]*websocket.Conn{h.open(2, 7), h.open(2, 8)})
	h.settled()

	seen := map[target.ID]int{}
	ends, next := h.followed("")
	for _, e := range ends {
		seen[e.ID]++
	}
	if len(ends) != many+2 || len(seen) != many+2 {
		t.Errorf("%d ends of %d connections, want %d", len(ends), len(seen), many+2)
	}
	sum := uint64(0)
	for i := range procs {
		if next.At(i) == 0 {
			t.Errorf("process %d had no connection: the cursor is %v", i+1, next)
		}
		sum += next.At(i)
	}
	if len(next) != procs || sum != many+2 {
		t.Errorf("the cursor is %v, want %d numbers that make %d", next, procs, many+2)
	}
	var page target.Ended
	h.get("/ended?"+target.Inquiry{After: target.Cursor{next[0], 0, next[2]}}.Query(), &page)
	if len(page.Ends) != int(next[1]) || !slices.Equal(page.Next, next) {
		t.Errorf("process 2 has %d ends, told of are %d, up to %v", next[1], len(page.Ends), page.Next)
	}
	if own, at := h.followed("00000002"); len(own) != 2 || len(at) != procs || at[0] != next[0] {
		t.Errorf("run 2 is told of %+v, up to %v", own, at)
	}

	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	book := h.Ledger()
	if c := book.Modes["active"]; c.Opened != many+2 || c.CloseReceived != many+2 || c.Ended.Total() != many+2 || book.Lost != 0 {
		t.Errorf("the ledger at the end is %+v", book)
	}
	if said := h.told(); len(said) > 0 {
		t.Errorf("it was said: %q", said)
	}
}

func TestAnOrderlyEndClosesTheConnectionsOfAllProcesses(t *testing.T) {
	h := serve(t, options())
	all := h.openAll(many)
	var reading sync.WaitGroup
	status := make([]websocket.StatusCode, many)
	for i, c := range all {
		reading.Go(func() {
			_, _, err := c.Read(context.Background())
			status[i] = websocket.CloseStatus(err)
		})
	}
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	for i, code := range status {
		if code != websocket.StatusGoingAway {
			t.Errorf("connection %d got %d, want 1001", i, code)
		}
	}
	if conn, err := net.Dial("tcp", h.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestAServerThatEndsTakesNoNewConnections(t *testing.T) {
	opt := options()
	opt.Drain = patience
	h := serve(t, opt)
	all := h.openAll(many) // which nobody reads: no Close is answered
	ended := make(chan error)
	go func() { ended <- h.end() }()
	h.until("it refuses connections", func() bool {
		conn, err := net.Dial("tcp", h.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("it ended before its connections: %v", err)
	default:
	}
	for _, c := range all {
		_ = c.CloseNow()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhereOneProcessDiesTheOthersGoOn(t *testing.T) {
	h := serve(t, options())
	all := h.openAll(many)
	var before target.Statz
	h.get("/statz", &before)
	if err := h.workers[0].Process().Kill(); err != nil {
		t.Fatal(err)
	}
	h.until("it is told", func() bool { return len(h.told()) == 1 })
	const want = "process 1/3 of the server has ended: signal: killed"
	if got := h.told()[0]; got != want {
		t.Errorf("it is told as %q, want %q", got, want)
	}
	var after target.Statz
	h.get("/statz", &after)
	if after.Lost != 1 || after.Open == 0 || after.Open >= before.Open {
		t.Errorf("%d processes are lost, and %d connections open of %d", after.Lost, after.Open, before.Open)
	}
	for i := range many { // none of them goes to the dead
		h.open(2, i)
	}
	for _, c := range all {
		_ = c.CloseNow()
	}
	if err := h.end(); err == nil || err.Error() != want {
		t.Errorf("it ended with %v, want %q", err, want)
	}
	if book := h.Ledger(); book.Lost != 1 || book.Modes["active"].Opened != after.Modes["active"].Opened+many {
		t.Errorf("the ledger at the end is %+v, and was %+v", book, after.Ledger)
	}
}

func TestAProcessThatDoesNotEndInOrderIsAnError(t *testing.T) {
	opt := options()
	opt.Drain = time.Millisecond
	h := serve(t, opt)
	if err := h.workers[0].Process().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := h.end()
	if want := "process 1/3 of the server has ended: it did not end within 5.001s of being told, and was killed"; err == nil || err.Error() != want {
		t.Errorf("one that stands still: %v, want %s", err, want)
	}

	opt.Drain = patience
	h = serve(t, opt)
	h.openAll(many) // which nobody reads, so that the end takes its time
	ended := make(chan error)
	go func() { ended <- h.end() }()
	<-h.ending
	for _, c := range h.workers {
		if err := c.Process().Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err == nil || strings.Count(err.Error(), "has ended: signal: killed") != procs || h.Ledger().Lost != procs {
		t.Errorf("processes that are killed while they end: %v, %d lost", err, h.Ledger().Lost)
	}
}

func TestAServerWithoutProcessesEnds(t *testing.T) {
	h := serve(t, options())
	for _, c := range h.workers {
		if err := c.Process().Kill(); err != nil {
			t.Fatal(err)
		}
	}
	<-h.none
	err := h.end()
	if err == nil || strings.Count(err.Error(), "signal: killed") != procs {
		t.Errorf("it ended with %v", err)
	}
	if lost := h.Ledger().Lost; lost != procs {
		t.Errorf("%d processes are lost", lost)
	}
}

// A service manager may signal all processes of a group.
func TestAProcessThatIsAskedToEndAloneLeavesItsLedger(t *testing.T) {
	h := serve(t, options())
	h.closeAllOf(h.openAll(many))
	h.settled()
	if err := h.workers[1].Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.until("it is told", func() bool { return len(h.told()) == 1 })
	if s := h.settled(); s.Modes["active"].Opened != many || s.Lost != 0 {
		t.Errorf("the ledger is %+v", s.Ledger)
	}
	if err := h.end(); err == nil || !strings.Contains(err.Error(), "process 2/3 of the server has ended: by itself") {
		t.Errorf("it ended with %v", err)
	}
	if book := h.Ledger(); book.Modes["active"].Opened != many || book.Lost != 0 {
		t.Errorf("the ledger at the end is %+v", book)
	}
}

func TestAKilledServerLeavesNothingBehind(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: []string{"wsload", "server"}}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr = strings.TrimSpace(addr)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []*websocket.Conn
	for range many {
		c, _, err := websocket.Dial(ctx, "ws://"+addr+"/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		all = append(all, c)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for i, c := range all {
		if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil || websocket.CloseStatus(err) != -1 {
			t.Fatalf("connection %d ended with %v, want it cut as by the kernel", i, err)
		}
	}
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		conn.Close()
		if ctx.Err() != nil {
			t.Fatal("a process lives on")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAllProcessesHaveTheOneCertificate(t *testing.T) {
	cert, ca, err := target.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	h := serve(t, opt)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	h.trust(&tls.Config{RootCAs: roots})
	h.closeAllOf(h.openAll(many))
	h.settled()
	if ends, next := h.followed(""); len(ends) != many || next.At(0)*next.At(1)*next.At(2) == 0 {
		t.Errorf("%d connections ended, by process %v", len(ends), next)
	}
}

func TestAnAddressInUseIsRefused(t *testing.T) {
	h := serve(t, options()) // it shares the port, but with nobody else
	if s, err := Start(t.Context(), h.Addr().String(), options()); !errors.Is(err, syscall.EADDRINUSE) {
		if err == nil {
			s.kill()
		}
		t.Errorf("a second server on the same port: %v", err)
	}
}

func TestAServerWhoseProcessesDoNotStartSaysWhy(t *testing.T) {
	opt := options()
	opt.Args = []string{"broken"}
	_, err := Start(t.Context(), "127.0.0.1:0", opt)
	if want := "start server in 3 processes: process 1/3: it does not serve; it said:\nno such luck"; err == nil || err.Error() != want {
		t.Errorf("it failed with %v, want %s", err, want)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := Start(ctx, "127.0.0.1:0", options()); !errors.Is(err, enough) {
		t.Errorf("it was given up with %v", err)
	}
}
