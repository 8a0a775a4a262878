package arbiter_test

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wsload/wsload/internal/arbiter"
	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is the address of a server in this process.
func serve(t *testing.T, path string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&target.Server{Drain: time.Second}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return "ws://" + ln.Addr().String() + path
}

// small is a plan of a few closes at once.
func small(t *testing.T) *arbiter.Plan {
	t.Helper()
	plan := scenario.Default()
	plan.Seed = 7
	plan.Load = scenario.Load{Connections: 12}
	hold, err := value.ParseDist("1ms")
	if err != nil {
		t.Fatal(err)
	}
	plan.Hold = hold
	plan.Closes.Mix = []scenario.Close{scenario.DefaultClose(scenario.Active)}
	plan.Traffic.Expect = scenario.ExpectAny
	plan.Limits.Close = 5 * time.Second
	return &arbiter.Plan{Shown: plan, Ready: plan, Version: "test"}
}

// setup gates the median of two addresses.
func setup(a, b string) arbiter.Setup {
	return arbiter.Setup{
		A: []string{a}, B: []string{b}, Metrics: []string{"close_handshake.p50"}, Contract: contest.Default,
		Slices: 2, Pairs: 10, Budget: time.Hour, Ready: time.Second, Grace: time.Second,
	}
}
