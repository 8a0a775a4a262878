package main

import (
	"strings"
	"testing"
)

func TestAnOwnServerThatCannotStartSaysWhy(t *testing.T) {
	// The runtime ends a process at once whose memory limit is no number.
	a := &app{environ: []string{"GOMEMLIMIT=none"}}
	s, err := a.startServer(t.Context(), 1, false)
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
