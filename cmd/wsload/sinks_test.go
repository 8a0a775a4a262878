package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// ticks feeds a progress with a tick per second, and returns what was shown.
func ticks(p *progress, from, to time.Duration) {
	for at := from; at <= to; at += time.Second {
		s := stats.NewSummary([]stats.Entry{{Name: "active", Mode: "active"}})
		s.From, s.To = at-time.Second, at
		s.Connections.Ended = 2
		p.tick(runner.Tick{Summary: s, Open: 7})
	}
}

func TestTheLinesOfALongLogBecomeRare(t *testing.T) {
	var shown bytes.Buffer
	p := (&app{stderr: &shown}).newProgress(false)
	count := func(from, to time.Duration) int {
		shown.Reset()
		ticks(p, from, to)
		return strings.Count(shown.String(), "\n")
	}
	if n := count(time.Second, 5*time.Second); n != 5 {
		t.Errorf("%d lines in the first 5 seconds", n)
	}
	if n := count(10*time.Minute+time.Second, 11*time.Minute); n != 6 {
		t.Errorf("%d lines in the eleventh minute", n)
	}
	if n := count(time.Hour+time.Second, time.Hour+5*time.Minute); n != 5 {
		t.Errorf("%d lines in five minutes after the first hour", n)
	}
	if !strings.Contains(shown.String(), "ended 612 ") {
		t.Errorf("what ended is not counted from the beginning:\n%s", shown.String())
	}
}

func TestANoticeTakesTheLineOffTheTerminalFirst(t *testing.T) {
	var shown bytes.Buffer
	a := &app{stderr: &shown, width: func() int { return 60 }}
	p := a.newProgress(false)
	ticks(p, time.Second, 2*time.Second)
	if strings.Contains(shown.String(), "\n") {
		t.Errorf("a terminal's line is not rewritten: %q", shown.String())
	}
	before := shown.Len()
	p.say("stopping")
	if said := shown.String()[before:]; !strings.HasPrefix(said, "\r ") || !strings.HasSuffix(said, " \rwsload: stopping\n") {
		t.Errorf("the notice is %q", said)
	}
}

func TestAQuietRunShowsNoProgress(t *testing.T) {
	var shown bytes.Buffer
	p := (&app{stderr: &shown}).newProgress(true)
	ticks(p, time.Second, 3*time.Second)
	p.end()
	if shown.Len() > 0 {
		t.Errorf("shown: %q", shown.String())
	}
}

func TestAFileIsOnlyRemovedWhereItWasMadeForNothing(t *testing.T) {
	dir := t.TempDir()
	exists := func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	}
	open := func(name string, force bool) *output {
		t.Helper()
		o, err := new(app).openOutput(&cobra.Command{}, outFlags{out: name, force: force}, false, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}

	made := filepath.Join(dir, "made")
	open(made, false).discard()
	if exists(made) {
		t.Error("a file for a run that never was is left behind")
	}

	kept := filepath.Join(dir, "kept")
	o := open(kept, false)
	o.kept = true
	o.discard()
	if !exists(kept) {
		t.Error("a result was removed")
	}

	if _, err := new(app).openOutput(&cobra.Command{}, outFlags{out: kept}, false, func(string) {}); err == nil {
		t.Error("a file that exists was opened without force")
	}
	if err := os.WriteFile(kept, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(kept, true).discard()
	if text, err := os.ReadFile(kept); err != nil || string(text) != "before" {
		t.Errorf("a file that was there before has %q, %v", text, err)
	}
}
