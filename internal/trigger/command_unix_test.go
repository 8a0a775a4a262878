//go:build unix

package trigger_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/trigger"
)

// A fifo is written by commands. It ends when the last process that holds it
// does: no process number, which another may have by then, is asked for.
type fifo struct {
	*os.File
	lines *bufio.Reader
}

// newFIFO makes a FIFO in dir and opens it for reading.
func newFIFO(t *testing.T, dir, name string) fifo {
	t.Helper()
	path := filepath.Join(dir, name)
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
	return fifo{File: f, lines: bufio.NewReader(f)}
}

// want waits for a line. Until somebody has opened the FIFO it reads as ended.
func (f fifo) want(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		line, err := f.lines.ReadString('\n')
		if line == want+"\n" {
			return
		}
		if line != "" || err != io.EOF || time.Now().After(deadline) {
			t.Fatalf("read %q, %v, want %q", line, err, want)
		}
	}
}

// wantEnd wants the rest, after which nobody holds the FIFO.
func (f fifo) wantEnd(t *testing.T, want string) {
	t.Helper()
	rest, err := io.ReadAll(f.lines)
	if err != nil {
		t.Errorf("a process that held it lives: %v", err)
	}
	if string(rest) != want {
		t.Errorf("the processes wrote %q, want %q", rest, want)
	}
}

func TestACommandThatEndsWellIsNoError(t *testing.T) {
	if err := fire(t.Context(), t, trigger.Command{Line: "echo much; echo more >&2", Limit: time.Minute}); err != nil {
		t.Error(err)
	}
}

func TestTheLaunchIsBeforeTheProcessIsStarted(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	err := trigger.Command{Line: "touch " + mark}.Fire(t.Context(), func() {
		time.Sleep(50 * time.Millisecond) // in which a process could have begun
		if _, err := os.Stat(mark); err == nil {
			t.Error("the process runs before the launch")
		}
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("the process never ran:", err)
	}
}

func TestTheErrorOfACommandHasItsStatusAndItsLastWords(t *testing.T) {
	for line, want := range map[string]string{
		"exit 3":                            "exec exit …: exit status 3",
		"kill -9 $$":                        "exec kill …: signal: killed",
		"echo a; echo b >&2; false":         "exec echo …: exit status 1: a; b",
		`printf '\033[31mgone\n\n'; exit 1`: "exec printf …: exit status 1: ?[31mgone",
		"i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done; exit 1": "exec …: exit status 1: " + counted(2968, 3000),
	} {
		wantError(t, fire(t.Context(), t, trigger.Command{Line: line}), want, true)
	}
}

// counted is the numbers of two lines and of those between them, as words.
func counted(from, to int) string {
	var words []string
	for i := from; i <= to; i++ {
		words = append(words, strconv.Itoa(i))
	}
	return strings.Join(words, "; ")
}

func TestACommandReadsNothing(t *testing.T) {
	if err := fire(t.Context(), t, trigger.Command{Line: "! read line && cat"}); err != nil {
		t.Error(err)
	}
}

func TestACommandThatCannotBeStartedIsNotLaunched(t *testing.T) {
	wantError(t, fire(t.Context(), t, trigger.Command{Line: "true " + strings.Repeat("x", 4<<20)}),
		"exec true …: not launched: fork/exec /bin/sh: argument list too long", false)
}

func TestACommandIsNotLaunchedAfterTheContextHasEnded(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal"))
	wantError(t, fire(ctx, t, trigger.Command{Line: "touch " + mark}), "exec touch …: not launched: given up: signal", false)
	if _, err := os.Stat(mark); err == nil {
		t.Error("the process ran")
	}
}

func TestACommandIsEndedAtItsLimit(t *testing.T) {
	wantError(t, fire(t.Context(), t, trigger.Command{Line: "sleep 60", Limit: 50 * time.Millisecond}),
		"exec sleep …: given up: it did not end within 50ms", true)
}

func TestTheEndOfTheContextEndsTheWholeGroup(t *testing.T) {
	for name, test := range map[string]struct{ line, last, words string }{
		"grandchildren of a shell that ends at once": {line: `(sleep 60 & wait) & echo ready >&3; wait`},
		"a grandchild that takes its time": {
			line: `(trap 'sleep 0.05; echo bye >&3; exit' TERM; echo ready >&3; sleep 60 & wait) >&3 2>&3 & wait`,
			last: "bye\n",
		},
		"a grandchild that ignores the signal": {line: `(trap '' TERM; echo ready >&3; exec sleep 60) & wait`},
		"a shell that ignores the signal":      {line: `trap '' TERM; echo ready >&3; sleep 60; sleep 60`},
		"a shell that ends well":               {line: `trap 'echo stopped; exit 0' TERM; echo ready >&3; sleep 60 & wait`, words: ": stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			held := newFIFO(t, dir, "held")
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error)
			go func() {
				ended <- fire(ctx, t, trigger.Command{Line: "exec 3>" + held.Name() + "; " + test.line})
			}()
			held.want(t, "ready")
			cancel(errors.New("signal"))
			wantError(t, <-ended, "exec exec …: given up: signal"+test.words, true)
			held.wantEnd(t, test.last)
		})
	}
}

func TestAProcessInTheBackgroundIsNotWaitedForAndLivesOn(t *testing.T) {
	dir := t.TempDir()
	held, orders := newFIFO(t, dir, "held"), newFIFO(t, dir, "orders")
	ctx, cancel := context.WithCancel(t.Context())
	// It holds the output of the command as its standard error.
	line := "exec 3>" + held.Name() + "; echo ready >&3; cat " + orders.Name() + " >&3 &"
	if err := fire(ctx, t, trigger.Command{Line: line, Limit: time.Hour}); err != nil {
		t.Error(err)
	}
	cancel()
	held.want(t, "ready")
	w, err := os.OpenFile(orders.Name(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	orders.Close() // from here on there is one reader
	io.WriteString(w, "alive\n")
	held.want(t, "alive")
	w.Close()
	held.wantEnd(t, "")
}
