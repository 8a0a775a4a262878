package contest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"go.uber.org/goleak"
)

// serverRole is the variable that makes the test binary a server on the address
// it holds.
const serverRole = "CONTEST_TEST_SERVE"

func TestMain(m *testing.M) {
	if addr := os.Getenv(serverRole); addr != "" {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		fmt.Println("serving")
		fmt.Println((&target.Server{Drain: time.Second}).Serve(context.Background(), ln))
		os.Exit(4)
	}
	goleak.VerifyTestMain(m)
}

// serving is a side whose command runs this binary as a server, with this path.
// Lines of the shell may come before.
func serving(t *testing.T, before, path string) contest.Side {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return contest.Side{
		Command: launch.Command{Line: before + serverRole + "=127.0.0.1:{port} exec '" + self + "'"},
		Path:    path,
	}
}

// serve is the address of a server in this process.
func serve(t *testing.T) string {
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
	return "ws://" + ln.Addr().String() + "/echo"
}

// small is a plan of a few closes at once.
func small(t *testing.T) scenario.Plan {
	t.Helper()
	plan := scenario.Default()
	plan.Seed = 7
	plan.Load = scenario.Load{Connections: 12}
	hold, err := value.ParseDist("5ms")
	if err != nil {
		t.Fatal(err)
	}
	plan.Hold = hold
	plan.Closes.Mix = []scenario.Close{scenario.DefaultClose(scenario.Active)}
	plan.Traffic.Expect = scenario.ExpectAny
	plan.Limits.Close = 5 * time.Second
	return plan
}

// A played contest is what it handed out.
type played struct {
	pairs    []trial.Pair
	warnings []string
	record   bytes.Buffer
	err      error
}

// play runs a contest to its end.
func play(ctx context.Context, opt contest.Options) *played {
	p := new(played)
	if opt.Pair == nil {
		opt.Pair = func(trial.Pair) bool { return true }
	}
	more := opt.Pair
	opt.Pair = func(pair trial.Pair) bool {
		p.pairs = append(p.pairs, pair)
		return more(pair)
	}
	opt.Warn = func(text string) { p.warnings = append(p.warnings, text) }
	if opt.Record == nil {
		opt.Record = &p.record
	}
	p.err = contest.Run(ctx, opt)
	return p
}

// A line of a record.
type line struct {
	Contest int
	Seed    uint64
	Slice   *contest.Slice
	End     *contest.End
}

// lines reads the record.
func (p *played) lines(t *testing.T) (all []line) {
	t.Helper()
	for text := range bytes.Lines(p.record.Bytes()) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}
