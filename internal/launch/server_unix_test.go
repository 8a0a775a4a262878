//go:build unix

package launch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/internal/proc"
	"go.uber.org/goleak"
)

// The variables that make the test binary something else than the tests.
const (
	serverRole = "LAUNCH_TEST_SERVE" // a server on the address that it holds
	ownerRole  = "LAUNCH_TEST_OWN"   // an owner of the server whose line it holds
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(serverRole); addr != "" {
		serve(addr)
	}
	if line := os.Getenv(ownerRole); line != "" {
		own(line)
	}
	goleak.VerifyTestMain(m)
}

// serve accepts connections and writes a line for each, until it is ended.
func serve(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(4)
		}
		fmt.Println("accepted")
		conn.Close()
	}
}

// own starts a server, says its address and is stuck then.
func own(line string) {
	s, err := launch.Command{Line: line}.Start(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.Addr)
	select {}
}

// serving is a line for the shell that runs this binary as a server.
func serving(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return serverRole + "=127.0.0.1:{port} '" + self + "'"
}

// held is a FIFO that a process holds open as long as it lives.
type held struct {
	*os.File
}

func newHeld(t *testing.T) held {
	t.Helper()
	path := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return held{f}
}

// wantNobody waits until no process holds it.
func (h held) wantNobody(t *testing.T) {
	t.Helper()
	if _, err := io.Copy(io.Discard, h); err != nil {
		t.Error("a process of the server lives on:", err)
	}
}

// start starts a server that has to start, and stops it at the end.
func start(t *testing.T, c launch.Command) *launch.Server {
	t.Helper()
	s, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

// wantText wants an error with these parts in its text.
func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

func TestAServerIsReadyWhenItAccepts(t *testing.T) {
	h := newHeld(t)
	var log bytes.Buffer
	s := start(t, launch.Command{Line: "exec 3>" + h.Name() + "; " + serving(t), Log: &log})
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, conn) // until it has been accepted and closed
	conn.Close()
	if err := s.Err(); err != nil {
		t.Error("a running server has ended:", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	h.wantNobody(t)
	if got := strings.Count(log.String(), "accepted\n"); got != 2 {
		t.Errorf("the log has %d connections, want the first one and ours: %q", got, log.String())
	}
	if err := errors.Join(s.Stop(), s.Err()); err != nil {
		t.Error("a second Stop, or the reason of an end that was asked for:", err)
	}
	if conn, err := net.Dial("tcp", s.Addr); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestAServerThatEndsBeforeItListensSaysWhy(t *testing.T) {
	h := newHeld(t)
	// What it leaves in the background ends with it.
	line := "exec 3>" + h.Name() + "; sleep 60 & echo no licence; exit 7"
	_, err := launch.Command{Line: line}.Start(t.Context())
	wantText(t, err, "start server: it ended before it listened on 127.0.0.1:", "exit status 7: no licence")
	h.wantNobody(t)
}

func TestAServerThatLeavesTheForegroundCountsAsEnded(t *testing.T) {
	_, err := launch.Command{Line: "sleep 60 &"}.Start(t.Context())
	wantText(t, err, "exit status 0 (a server must stay in the foreground)")
}

func TestAServerThatNeverListensIsGivenUpAndEnded(t *testing.T) {
	h := newHeld(t)
	line := "exec 3>" + h.Name() + "; echo warming up; sleep 60"
	_, err := launch.Command{Line: line, Ready: 300 * time.Millisecond}.Start(t.Context())
	wantText(t, err, "it does not listen on 127.0.0.1:", "after 300ms (write {port} in the command where its port belongs): warming up")
	h.wantNobody(t)
}

func TestTheEndOfTheContextEndsTheStart(t *testing.T) {
	h := newHeld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("signal")) })
	_, err := launch.Command{Line: "exec 3>" + h.Name() + "; sleep 60"}.Start(ctx)
	wantText(t, err, "start server: given up: signal")
	h.wantNobody(t)
}

func TestTheDeathOfAServerIsNoticedWithItsLastWords(t *testing.T) {
	h := newHeld(t)
	id := filepath.Join(t.TempDir(), "id")
	// A child that keeps the output must not put the notice off.
	line := "exec 3>" + h.Name() + "; sleep 60 & echo $$ >" + id + "; echo served; " + serving(t) + "; exit 5"
	s := start(t, launch.Command{Line: line})
	text, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	shell, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(shell, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Gone()
	wantText(t, s.Err(), "server: it ended by itself: signal: killed: served")
	wantText(t, s.Stop(), "server: it ended by itself: ")
	h.wantNobody(t)
}

func TestAServerThatIgnoresTheRequestToEndIsKilled(t *testing.T) {
	h := newHeld(t)
	line := "trap '' TERM; exec 3>" + h.Name() + "; " + serving(t) + "; sleep 60"
	s := start(t, launch.Command{Line: line, Grace: 200 * time.Millisecond})
	wantText(t, s.Stop(), "it did not end within 200ms of being asked, and was killed")
	h.wantNobody(t)
}

func TestAProcessThatIgnoresTheRequestIsKilledWhenItsShellHasEnded(t *testing.T) {
	h := newHeld(t)
	line := "exec 3>" + h.Name() + "; (trap '' TERM; exec sleep 60) & " + serving(t)
	s := start(t, launch.Command{Line: line, Grace: 200 * time.Millisecond})
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	h.wantNobody(t)
}

func TestAProcessThatHasLeftTheGroupIsNotWaitedFor(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("this system has no setsid:", err)
	}
	orders := filepath.Join(t.TempDir(), "orders")
	if err := syscall.Mkfifo(orders, 0o600); err != nil {
		t.Fatal(err)
	}
	// It holds the output of the server until it is told to end.
	s := start(t, launch.Command{Line: "setsid cat " + orders + " & " + serving(t)})
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	w, err := os.OpenFile(orders, os.O_WRONLY, 0) // succeeds as long as it reads
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

func TestNoServerOutlivesItsOwner(t *testing.T) {
	h := newHeld(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Not even one that ignores what can be ignored, and has an output of its own.
	line := "trap '' TERM INT HUP; exec 3>" + h.Name() + " >/dev/null 2>&1; " + serving(t)
	owner := exec.Command(self)
	owner.Env = append(os.Environ(), ownerRole+"="+line)
	said, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	addr := make([]byte, 64)
	n, err := said.Read(addr)
	if conn, dialed := net.Dial("tcp", strings.TrimSpace(string(addr[:n]))); dialed != nil {
		t.Errorf("no server at %q, %v: %v", addr[:n], err, dialed)
	} else {
		conn.Close()
	}
	owner.Process.Kill()
	owner.Wait()
	h.wantNobody(t)
}

func TestTheUsageIsThatOfTheWholeGroup(t *testing.T) {
	s := start(t, launch.Command{Line: "sleep 60 & " + serving(t) + "; exit"})
	used := s.Usage()
	if runtime.GOOS == "linux" && (used.Alive.N != 3 || used.RSS.N == 0 || !used.CPU.OK) {
		t.Errorf("a shell, a sleep and a server use %+v", used)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if used := s.Usage(); used.Alive.OK {
		t.Errorf("a server that has ended uses %+v", used)
	}
}

func TestTwoServersOfOneLineGetDifferentPorts(t *testing.T) {
	a, b := start(t, launch.Command{Line: serving(t)}), start(t, launch.Command{Line: serving(t)})
	if a.Addr == b.Addr {
		t.Errorf("both listen on %s", a.Addr)
	}
	low := proc.ReadHost().Ports.Low // of what connections take
	for _, s := range []*launch.Server{a, b} {
		if port := netip.MustParseAddrPort(s.Addr).Port(); low > 10000 && int(port) >= low {
			t.Errorf("it listens on %s, which a connection may take", s.Addr)
		}
	}
}

func TestAServerHasTheEnvironmentItIsGiven(t *testing.T) {
	_, err := launch.Command{Line: `echo "$GREETING/$HOME."; exit 1`, Env: []string{"GREETING=hello"}}.Start(t.Context())
	wantText(t, err, "exit status 1: hello/.")
}
