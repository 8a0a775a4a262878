package main

import (
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/proc"
)

func TestAnOwnServerThatCannotStartSaysWhy(t *testing.T) {
	// The runtime ends a process at once whose memory limit is no number.
	a := &app{environ: []string{"GOMEMLIMIT=none"}}
	s, err := a.startServer(t.Context(), 1, false, func(string) {})
	if err == nil {
		s.Kill()
		t.Fatal("the server started")
	}
	for _, part := range []string{"start own server: ", "it did not say where it listens", "GOMEMLIMIT"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

func TestTheOwnServerHasProcessesForAllConnections(t *testing.T) {
	for _, row := range []struct {
		procs, connections int
		limit              proc.Fact
		want               int
	}{
		{1, 19_936, proc.Known(20_000), 1}, // as it always was
		{2, 30_000, proc.Known(20_000), 2},
		{2, 39_000, proc.Known(20_000), 3}, // a process may get some more than its half
		{6, 100_000, proc.Known(20_000), 6},
		{6, 119_000, proc.Known(20_000), 7},
		{6, 1_000_000, proc.Known(proc.Unlimited), 6},
		{6, 100_000, proc.Fact{}, 6},
		{256, 1_000_000, proc.Known(1_000), 256}, // a server takes no more
	} {
		if got := processesFor(row.procs, row.connections, row.limit); got != row.want {
			t.Errorf("%d connections of %d processes, limit %+v: %d processes, want %d", row.connections, row.procs, row.limit, got, row.want)
		}
	}
}
