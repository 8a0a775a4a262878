package parts

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// TestMain is also the program of the processes that the tests start.
func TestMain(m *testing.M) {
	if os.Args[0] == "wsload" {
		if err := Work(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serve starts a server of this process and gives its address.
func serve(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- new(target.Server).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// once opens so many connections once each.
func once(n int, addr string) scenario.Plan {
	p := scenario.Default()
	p.Seed, p.Target.URL, p.Traffic.Expect = 7, "ws://"+addr+"/echo", scenario.ExpectAny
	p.Load = scenario.Load{Connections: n, Rate: 500}
	p.Hold = value.Uniform(50*time.Millisecond, 100*time.Millisecond)
	p.Interval = 100 * time.Millisecond
	return p
}

// A stage is a group with what it told.
type stage struct {
	*Group
	mu    sync.Mutex
	said  []string
	ticks []runner.Tick // without their summaries
	tock  chan struct{} // one for each tick
}

// gather musters so many processes for a plan.
func gather(t *testing.T, n int, plan scenario.Plan, change func(*Options)) *stage {
	t.Helper()
	s := &stage{tock: make(chan struct{}, 10_000)}
	opt := Options{
		Say: func(text string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.said = append(s.said, text)
		},
		Tick: func(tick runner.Tick) {
			tick.Summary = nil
			s.ticks = append(s.ticks, tick)
			s.tock <- struct{}{}
		},
	}
	for k := range n {
		opt.Orders = append(opt.Orders, Orders{
			Plan: plan, Told: plan, Target: plan.Target.URL, Run: "test", RunID: uint32(k + 1),
			Shard: scenario.Shard{}.Split(k+1, n), Leads: k == 0,
		})
	}
	if change != nil {
		change(&opt)
	}
	var err error
	if s.Group, err = Muster(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}
