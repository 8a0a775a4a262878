package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
)

// serve serves WebSockets for a test and returns the server and its address.
func serve(t *testing.T) (*target.Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	s := new(target.Server)
	go func() { served <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, ln.Addr().String()
}

func TestEachWayToALifecycleEndsWithBothClosesAndTheServersFIN(t *testing.T) {
	for name, l := range map[string]*loop{
		"workers":     {hold: time.Millisecond},
		"receiving":   {hold: time.Millisecond, receive: true},
		"paced":       {receive: true, rate: 1000},
		"on schedule": {receive: true, schedule: newSchedule(40, 10*time.Millisecond, 4000)},
	} {
		t.Run(name, func(t *testing.T) {
			s, addr := serve(t)
			l.addr, l.path = addr, "/echo"
			r := l.run(40, 8)
			if r.Lifecycles != 40 || r.Failures != 0 {
				t.Fatalf("%d lifecycles, %d failures: %s", r.Lifecycles, r.Failures, r.FirstFailure)
			}
			for s.Ledger().Open > 0 { // its own books close a moment after its FIN
				time.Sleep(time.Millisecond)
			}
			got := s.Ledger().Modes["none"]
			if got.Opened != 40 || got.CloseReceived != 40 || got.CloseSent != 40 || got.Ended.ServerFIN != 40 {
				t.Errorf("the server saw %+v, want 40 of each, its own FIN first", got)
			}
			if (r.lateness != nil) != (l.schedule != nil) {
				t.Errorf("lateness %+v", r.lateness)
			}
			if l.schedule != nil && (r.Closes != 40 || r.P50 <= 0 || r.P99 < r.P50) {
				t.Errorf("lateness %+v, want one of 40 Closes", r.lateness)
			}
		})
	}
}

func TestALifecycleThatDoesNotEndInOrderIsAFailure(t *testing.T) {
	for _, path := range []string{"/fin-no-reply", "/statz"} {
		_, addr := serve(t)
		l := &loop{addr: addr, path: path, receive: true}
		if r := l.run(3, 1); r.Failures != 3 || r.FirstFailure == "" {
			t.Errorf("%s: %d failures, %q, want 3", path, r.Failures, r.FirstFailure)
		}
	}
}

func TestLatenessIsFromThePlannedMomentToTheWrite(t *testing.T) {
	s := newSchedule(5, time.Second, 1000)
	if l := s.lateness(); l != nil {
		t.Errorf("no Close was written, and the lateness is %+v", l)
	}
	for k, lag := range []time.Duration{3, 1, 2, 4} { // ms; the fifth was never written
		s.wrote[k].Store(int64(s.due(int64(k)) + lag*time.Millisecond))
	}
	want := lateness{Closes: 4, P50: 2000, P99: 4000, FirstToLast: 5} // from 1.002 s to 1.007 s
	if got := s.lateness(); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}

	storm := newSchedule(2, time.Second, 0)
	storm.wrote[0].Store(int64(1250 * time.Millisecond))
	storm.wrote[1].Store(int64(1010 * time.Millisecond))
	if got := storm.lateness(); got.FirstToLast != 240 || got.P99 != 250e3 {
		t.Errorf("got %+v, want 240 ms from the first to the last, the later of them 250 ms late", *got)
	}
}
