package relay

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

// TestAnRSTThatARealWriteMeetsIsNoFIN fills the way to a client that resets its
// connection, so that the relay's write and not its read meets the RST.
func TestAnRSTThatARealWriteMeetsIsNoFIN(t *testing.T) {
	ln := listen(t)
	stall := step(func(f *scenario.Fault) { f.Stall, f.Leg = true, scenario.LegUp })
	r, err := Start(t.Context(), Options{Upstream: ln.Addr().String(), Steps: []scenario.Fault{stall}})
	if err != nil {
		t.Fatal(err)
	}
	client, server := connect(t, r, ln, "")
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			if _, err := server.Write(make([]byte, 1<<16)); err != nil {
				return // the window is full, then the end comes
			}
		}
	})
	if _, err := io.CopyN(io.Discard, client, 1<<20); err != nil {
		t.Fatal(err)
	}
	client.SetLinger(0)
	client.Close()
	for r.down.Load() == 0 || !resetSeen(r) {
		time.Sleep(time.Millisecond)
	}
	r.Stop() // the stall is over, and the reader comes to its end
	writing.Wait()
	if _, err := server.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) && !wasReset(server, false) {
		t.Errorf("the server reads %v, want an RST", err)
	}
}

// resetSeen reports whether a write of the relay has met an RST.
func resetSeen(r *Relay) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if l.client.dead.Load() {
			return true
		}
	}
	return false
}
