package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// lineWriter takes so many bytes and then fails, and remembers each call.
type lineWriter struct {
	room  int
	calls []string
}

var errFull = errors.New("no space left")

func (w *lineWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	w.room -= n
	w.calls = append(w.calls, string(b[:n]))
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestEveryLineIsOneWholeWrite(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	out := &lineWriter{room: 1 << 30}
	w, err := NewWriter(out, header(t, "1/1", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Interval(interval(t, rng, "1/1", 0, 50)), w.End(*finished())); err != nil {
		t.Fatal(err)
	}
	if len(out.calls) != 3 {
		t.Fatalf("%d writes for 3 lines", len(out.calls))
	}
	for i, first := range []string{`{"wsload":1,"run":"run-7","shard":"1/1",`, `{"interval":{"run":"run-7","shard":"1/1","from_ns":`,
		`{"end":{"run":"run-7","shard":"1/1","complete":true,"cause":"done","verdict":"none",`} {
		line := out.calls[i]
		if !strings.HasPrefix(line, first) || !strings.HasSuffix(line, "}\n") || strings.Count(line, "\n") != 1 || !json.Valid([]byte(line)) {
			t.Errorf("write %d is not one line that begins with %s:\n%.200s", i, first, line)
		}
	}
}

func TestAfterAFailedWriteNothingMoreIsWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	out := &lineWriter{room: 4000}
	w, err := NewWriter(out, header(t, "1/1", 0))
	if err != nil {
		t.Fatal(err)
	}
	err = w.Interval(interval(t, rng, "1/1", 0, 100))
	if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "write interval line of the result") {
		t.Errorf("error %v", err)
	}
	out.room = 1 << 30 // somebody made room
	if err := w.Interval(interval(t, rng, "1/1", 1, 100)); !errors.Is(err, errFull) {
		t.Errorf("a later interval: error %v, want the first one again", err)
	}
	if err := w.End(*finished()); !errors.Is(err, errFull) {
		t.Errorf("the end: error %v, want the first one again", err)
	}
	doc := read(t, strings.Join(out.calls, ""))
	if doc.Complete || len(doc.Intervals) != 0 {
		t.Errorf("complete %v with %d intervals", doc.Complete, len(doc.Intervals))
	}
	if _, err := NewWriter(&lineWriter{}, header(t, "1/1", 0)); !errors.Is(err, errFull) {
		t.Errorf("a header that cannot be written: error %v", err)
	}
}

func TestAHeaderHoldsThePlanWithoutItsSecrets(t *testing.T) {
	head := header(t, "2/3", 0)
	text, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("secret")) {
		t.Errorf("a secret is in the header: %s", text)
	}
	if head.Planned == nil || *head.Planned != 333 {
		t.Errorf("planned is %v, want the 333 connections of the second of three shards", head.Planned)
	}
	if head := header(t, "2/3", time.Second); head.Planned != nil {
		t.Errorf("planned is %d where replacements make it open", *head.Planned)
	}
	var plan scenario.Plan
	if err := json.Unmarshal(head.Plan, &plan); err != nil {
		t.Errorf("the plan cannot be used again: %v", err)
	}
}

func TestTheEnvironmentSaysWhatTheRuntimeIsSetTo(t *testing.T) {
	env := NewEnv("v1", 1024, true)
	if env.CPUs < 1 || env.GOMAXPROCS < 1 || env.Go == "" || env.OS == "" || env.Arch == "" || env.NoFile != 1024 || env.Version != "v1" {
		t.Errorf("environment %+v", env)
	}
	if env.Stamps != stats.ClockKernel || NewEnv("", 0, false).Stamps != stats.ClockUser {
		t.Error("the stamps are wrong")
	}
}

func TestTheModelOfTheProcessorIsTakenFromWhereTheSystemTellsIt(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel\t\t: 167\nmodel name\t: Intel(R) Xeon(R): 8\n\nprocessor\t: 1\nmodel name\t: other\n": "Intel(R) Xeon(R): 8",
		"processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n":                                                     "", // arm64 has no such line
		"model name\t: " + strings.Repeat("x", 300):                                                                  strings.Repeat("x", 100),
		"model name\t: a\xffb\n": "ab",
		"model name":             "",
		"":                       "",
	} {
		if got := cpuModel(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
