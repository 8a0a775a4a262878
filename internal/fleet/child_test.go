package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// long is a limit that a healthy test never meets.
const long = time.Minute

func start(t *testing.T, what string, take func(line []byte)) *Child {
	t.Helper()
	c, err := Command{Name: "helper", Args: []string{what}, Line: take}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// ready takes the first line.
func ready(t *testing.T, c *Child) {
	t.Helper()
	if line, err := c.First(t.Context(), long); err != nil || string(line) != "ready\n" {
		t.Fatalf("the first line is %q, %v", line, err)
	}
}

func TestEveryLineOfAChildIsTakenBeforeItIsGone(t *testing.T) {
	var lines []string
	c := start(t, "obedient", func(line []byte) { lines = append(lines, string(line)) })
	ready(t, c)
	if err := c.Send([]byte("to stay\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(long); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines, "|"), "one\n|two\n|told to stay\n|a line that is cut off"; got != want {
		t.Errorf("the lines are %q, want %q", got, want)
	}
	if err := c.Send([]byte("too late\n")); err == nil || !strings.HasPrefix(err.Error(), "helper: ") {
		t.Errorf("sending to a child that is gone: %v", err)
	}
}

func TestAChildThatDoesNotEndIsKilled(t *testing.T) {
	c := start(t, "deaf", nil)
	ready(t, c)
	if err := c.Err(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	err := c.Stop(time.Millisecond)
	if want := "helper: it did not end within 1ms and was killed"; err == nil || err.Error() != want {
		t.Errorf("it was stopped with %v, want %s", err, want)
	}
	if c.Err() == nil {
		t.Error("a killed child ended well")
	}
}

func TestAChildThatEndsTooEarlySaysSo(t *testing.T) {
	c := start(t, "brief", nil)
	ready(t, c)
	<-c.Gone()
	if err := c.Stop(long); !errors.Is(err, errEarly) {
		t.Errorf("it was stopped with %v", err)
	}
	if err := c.End(long); err != nil {
		t.Errorf("it was ended with %v", err)
	}
}

func TestAChildThatFailsBeforeItIsReadySaysWhy(t *testing.T) {
	c := start(t, "broken", nil)
	if line, err := c.First(t.Context(), long); err != nil || len(line) > 0 {
		t.Errorf("the first line is %q, %v", line, err)
	}
	if got, want := c.LastWords(), "; it said:\nno such luck"; got != want {
		t.Errorf("its last words are %q, want %q", got, want)
	}
	if err := c.Stop(long); err == nil || !strings.Contains(err.Error(), "exit status 7; it said:\nno such luck") {
		t.Errorf("it was stopped with %v", err)
	}
}

func TestWhatAChildWritesToItsStandardErrorGoesToTheLogToo(t *testing.T) {
	var log strings.Builder
	c, err := Command{Name: "helper", Args: []string{"broken"}, Log: &log}.Start()
	if err != nil {
		t.Fatal(err)
	}
	<-c.Gone()
	c.Release()
	if log.String() != "no such luck\n" || c.LastWords() != "; it said:\nno such luck" {
		t.Errorf("the log has %q, and the last words are %q", log.String(), c.LastWords())
	}
}

func TestWhoWaitsForAChildCanGiveUp(t *testing.T) {
	c := start(t, "mute", nil)
	if _, err := c.First(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "not ready within 1ms") {
		t.Errorf("at the limit: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := c.First(ctx, long); !errors.Is(err, cause) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestOnlyTheBeginningOfWhatAChildSaysIsKept(t *testing.T) {
	var s said
	for range 100 {
		if n, err := s.Write([]byte(strings.Repeat("x", 100))); n != 100 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := len(s.String()); got != 4096 {
		t.Errorf("%d bytes are kept", got)
	}
}
