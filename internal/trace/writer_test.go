package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A gate lets writes pass once it is open.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buf.Write(p)
}

func (g *gate) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Split(strings.TrimSuffix(g.buf.String(), "\n"), "\n")
}

func opened() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func TestATraceIsItsHeaderAndThenTheLinesInTheirOrder(t *testing.T) {
	g := opened()
	w := NewWriter(g, Header{Schema: Schema, Run: "r", Only: "all"})
	for n := range uint64(3) {
		w.Add(&Line{N: n, Events: []Event{{At: 5, Kind: "close", Code: 1000, Reason: "\x1b[31m\"\n\xff"}}})
	}
	if dropped, err := w.End(); dropped != 0 || err != nil {
		t.Fatalf("dropped %d, %v", dropped, err)
	}
	lines := g.lines()
	if len(lines) != 4 || !strings.HasPrefix(lines[0], `{"wsload_trace":1,"run":"r"`) {
		t.Fatalf("got %q", lines)
	}
	for n, text := range lines[1:] {
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.N != uint64(n) {
			t.Errorf("line %d is %s: %v", n, text, err)
		}
		if strings.Contains(text, "\x1b") || !strings.Contains(text, `\u001b[31m\"\n`) {
			t.Errorf("hostile text is not escaped: %s", text)
		}
	}
}

func TestTheFlagsOfALineAreAListAndAbsentWhereThereAreNone(t *testing.T) {
	g := opened()
	w := NewWriter(g, Header{})
	w.Add(&Line{Class: "clean"})
	w.Add(&Line{Class: "clean", Flags: []string{"simultaneous", "code_echo"}})
	if _, err := w.End(); err != nil {
		t.Fatal(err)
	}
	lines := g.lines()
	if strings.Contains(lines[1], "flags") || !strings.Contains(lines[2], `"flags":["simultaneous","code_echo"]`) {
		t.Errorf("got %q", lines[1:])
	}
}

func TestASlowDiskCostsLinesAndNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		w := NewWriter(g, Header{})
		big := strings.Repeat("x", bufferBytes) // each line is written through
		w.Add(&Line{Class: big})
		synctest.Wait() // the writer is held up by it
		began := time.Now()
		const lines = queueLines + 100
		for range lines {
			w.Add(&Line{})
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the run waited %v", took)
		}
		close(g.open)
		dropped, err := w.End()
		if dropped != 100 || err != nil {
			t.Errorf("dropped %d, %v, want 100", dropped, err)
		}
		if n := len(g.lines()); n != 1+1+queueLines {
			t.Errorf("%d lines written, want the header, the big one and %d", n, queueLines)
		}
	})
}

func TestWhatHasSettledIsOnDiskASecondLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := opened()
		w := NewWriter(g, Header{})
		w.Add(&Line{N: 7})
		time.Sleep(flushEvery + time.Millisecond)
		synctest.Wait()
		if lines := g.lines(); len(lines) != 2 || !strings.Contains(lines[1], `"n":7`) {
			t.Errorf("on disk: %q", lines)
		}
		w.End()
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAFullDiskEndsTheTraceWithItsError(t *testing.T) {
	w := NewWriter(full{}, Header{})
	for range 10 * queueLines {
		w.Add(&Line{})
	}
	if _, err := w.End(); err == nil || err.Error() != "write trace: no space left" {
		t.Errorf("got %v", err)
	}
}
