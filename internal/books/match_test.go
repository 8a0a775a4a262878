package books

import (
	"context"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// serve runs the embedded target on loopback.
func serve(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &target.Server{Reply: 2 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// everyMode is a mix of all that this tool does to end a connection.
func everyMode(t *testing.T) []scenario.Close {
	t.Helper()
	var mix []scenario.Close
	add := func(mode scenario.Mode, name string, change func(*scenario.Close)) {
		c := scenario.DefaultClose(mode)
		c.Name = name
		if change != nil {
			change(&c)
		}
		mix = append(mix, c)
	}
	add(scenario.Active, "active", nil)
	add(scenario.Active, "eager", func(c *scenario.Close) { c.Eager = true })
	add(scenario.Output, "output", nil)
	add(scenario.Passive, "passive", nil)
	add(scenario.Passive, "late", func(c *scenario.Close) { c.ReplyDelay = 100 * time.Millisecond })
	for _, v := range []scenario.Violate{scenario.ViolateOpcode, scenario.ViolateRSV, scenario.ViolateUnmasked, scenario.ViolateOversize} {
		add(scenario.Passive, string(v), func(c *scenario.Close) { c.Trigger = scenario.Trigger{Violate: v} })
	}
	for _, how := range []string{"rst", "fin"} {
		add(scenario.Passive, "order-"+how, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Send: "abort " + how} })
	}
	add(scenario.Simultaneous, "simultaneous", nil)
	for _, when := range []scenario.When{scenario.Idle, scenario.Receiving, scenario.MidMessage, scenario.AfterClose} {
		for _, how := range []scenario.How{scenario.RST, scenario.FIN} {
			add(scenario.Abort, string(when)+"-"+string(how), func(c *scenario.Close) { c.When, c.How = when, how })
		}
	}
	add(scenario.HalfClose, "half_close", nil)
	add(scenario.Mute, "mute", nil)
	add(scenario.Stall, "stall", func(c *scenario.Close) { c.For = 300 * time.Millisecond })
	add(scenario.BadClose, "bad_close", func(c *scenario.Close) { c.Weight = 8 })
	if wire.CanVanish() == nil {
		add(scenario.Vanish, "vanish", nil)
	}
	return mix
}

// entries names a mix as results do.
func entries(mix []scenario.Close) (all []stats.Entry) {
	for _, c := range mix {
		all = append(all, stats.Entry{Name: c.Name, Mode: string(c.Mode)})
	}
	return all
}

// bout runs every mode against one path and compares the verdicts of both ends.
func bout(t *testing.T, path string, run uint32) (*runner.Result, *result.LedgerPairs) {
	t.Helper()
	addr := serve(t)
	plan := scenario.Default()
	plan.Seed = uint64(run)
	plan.Target.URL = "ws://" + addr + path
	plan.Load = scenario.Load{Connections: 400, Rate: 400}
	plan.Hold, _ = value.ParseDist("uniform(300ms,600ms)")
	plan.Closes.Mix = everyMode(t)
	plan.Traffic.Every = 100 * time.Millisecond
	plan.Traffic.Expect = scenario.ExpectEcho
	plan.Limits.Close, plan.Limits.Fin = 4*time.Second, time.Second
	m := NewMatcher(run, entries(plan.Closes.Mix))
	follow := Follow(m, "http://"+addr+"/ended")
	res, err := runner.Run(t.Context(), plan, runner.Options{RunID: run, Settled: m.Own})
	if err != nil {
		t.Error(err)
	}
	if err := follow.End(10 * time.Second); err != nil {
		t.Error(err)
	}
	return res, m.Pairs()
}

// faults are the ways in which the target misbehaves on purpose, all of them.
func faults() (names []string) {
	for _, path := range target.Paths()[1:] { // the first is the well-behaved one
		names = append(names, strings.TrimPrefix(path, "/"))
	}
	return names
}

func TestTheGauntletHasEveryFault(t *testing.T) {
	text, err := os.ReadFile("../../configs/gauntlet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range faults() {
		if !regexp.MustCompile(`[=,]` + name + `:2[,\n]`).Match(text) {
			t.Errorf("%s is not in it", name)
		}
	}
}

func TestTheVerdictsOfBothEndsFitForEveryModeAndFault(t *testing.T) {
	for i, path := range []string{
		"/echo", "/echo?close_after=450ms&code=1012", "/echo?delay=200ms&after=450ms&keep=2s&fault=" + strings.Join(faults(), ":3,") + ":3",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			res, pairs := bout(t, path, uint32(i+1))
			if pairs.Compared < 350 || pairs.Missing > 0 || pairs.Mismatched > 0 {
				t.Errorf("compared %d, missing %d, mismatched %d: %+v", pairs.Compared, pairs.Missing, pairs.Mismatched, pairs.Mismatches)
			}
			if n := res.Total.InvalidState[stats.Unexplained] + res.Total.ProbeAccepted; n != 0 {
				t.Errorf("%d unexplained refusals and accepted probes", n)
			}
			if err := res.Total.Conserved(); err != nil {
				t.Error(err)
			}
		})
	}
}

// own and its make verdicts of an active connection.
func own(mode string, class stats.Class, sent, received int) verdict {
	return verdict{mode: mode, class: class, sent: sent, received: received}
}

func TestVerdictsThatCannotBeOfOneConnectionAreAMismatch(t *testing.T) {
	rows := []struct {
		name string
		own  verdict
		its  verdict
		want fit
	}{
		{"both clean", own("active", stats.Clean, 1000, 1000), own("", stats.Clean, 1000, 1000), consistent},
		{"another code arrived than was sent", own("active", stats.Clean, 1000, 1000), own("", stats.Clean, 1000, 1001), mismatch},
		{"a Close arrived that nobody sent", own("half_close", stats.Cut, 0, 0), own("", stats.PrematureEOF, 0, 1000), mismatch},
		{"an answer arrived that nobody sent", own("active", stats.Clean, 1000, 1000), own("", stats.Clean, 0, 1000), mismatch},
		{"clean here, and ended before its time there", own("active", stats.Clean, 1000, 1000), own("", stats.PrematureRST, 1000, 1000), mismatch},
		{"a violation of a server that behaves", own("active", stats.Violation, 1000, 1000), own("", stats.Clean, 1000, 1000), mismatch},
		{"a violation of a client that behaves", own("active", stats.Clean, 1000, 1000), own("", stats.Violation, 1000, 1000), mismatch},
		{"a violation that the client was to make", own("bad_close", stats.Clean, 1006, 1002), own("", stats.Violation, 1002, 1006), consistent},
		{"an abort is a premature end there", own("abort", stats.Cut, 0, 0), own("", stats.PrematureRST, 0, 0), consistent},
		{"an abort that met the server's Close", own("abort", stats.Cut, 0, 0), own("", stats.UnansweredRST, 1012, 0), race},
		{"a reset that the server does not know of", own("active", stats.PrematureRST, 0, 0), own("", stats.Clean, 1000, 1000), mismatch},
		{"an answer that came behind the server's limit", own("passive", stats.CleanRST, 1001, 1001), own("", stats.CloseTimeout, 1001, 0), consistent},
		{"an answer that crossed the server's limit", own("passive", stats.Clean, 1001, 1001), own("", stats.CloseTimeout, 1001, 0), race},
		{"an own Close that the server waited for in vain", own("active", stats.CleanRST, 1000, 1000), own("", stats.CloseTimeout, 1000, 0), mismatch},
		{"a run that was interrupted", own("active", stats.Interrupted, 0, 0), own("", stats.PrematureRST, 0, 0), consistent},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if got := judge(r.own, r.its); got != r.want {
				t.Errorf("%v, want %v", got, r.want)
			}
		})
	}
	misbehaved := own("", stats.Cut, 0, 1000)
	misbehaved.fault = "rst-no-reply"
	if got := judge(own("active", stats.UnansweredRST, 1000, 0), misbehaved); got != consistent {
		t.Errorf("a fault on purpose: %v", got)
	}
	if misbehaved.fault = ""; judge(own("active", stats.UnansweredRST, 1000, 0), misbehaved) != race {
		t.Error("without a fault the same is only a race")
	}
}

// outcomeOf is this end's verdict of connection n.
func outcomeOf(n uint64, class stats.Class) *stats.Outcome {
	return &stats.Outcome{N: n, Opened: true, Class: class, CodeSent: 1000, CodeReceived: 1000}
}

// endOf is the server's.
func endOf(run uint32, n uint64, class stats.Class) *target.End {
	return &target.End{ID: target.ID{Run: run, N: n}, Mode: "active", Class: class, Sent: 1000, Received: 1000}
}

func TestEachVerdictIsPairedOnceWhicheverComesFirst(t *testing.T) {
	m := NewMatcher(7, []stats.Entry{{Name: "active", Mode: "active"}})
	m.Own(outcomeOf(1, stats.Clean))
	m.Its(endOf(7, 1, stats.Clean))
	m.Its(endOf(7, 2, stats.PrematureEOF))
	m.Own(outcomeOf(2, stats.Clean))
	m.Its(endOf(8, 3, stats.Clean)) // of another run
	m.Own(outcomeOf(4, stats.Clean))
	m.Its(endOf(7, 5, stats.Clean))
	m.Missed(3)
	p := m.Pairs()
	if p.Compared != 2 || p.Mismatched != 1 || p.Missing != 5 {
		t.Errorf("compared %d, mismatched %d, missing %d; want 2, 1, 5", p.Compared, p.Mismatched, p.Missing)
	}
	if len(p.Mismatches) != 1 || p.Mismatches[0].N != 2 || p.Mismatches[0].Server != stats.PrematureEOF {
		t.Errorf("mismatches %+v", p.Mismatches)
	}
}

func TestTheMatchersMemoryIsBounded(t *testing.T) {
	m := NewMatcher(7, []stats.Entry{{Name: "active", Mode: "active"}})
	for n := range uint64(maxWaiting + 10) {
		m.Own(outcomeOf(n, stats.Clean))
	}
	if len(m.own) != maxWaiting || m.Pairs().Missing != maxWaiting+10 {
		t.Errorf("%d verdicts wait and %d are missing", len(m.own), m.Pairs().Missing)
	}
	for n := range uint64(2 * maxListed) {
		m.Its(endOf(7, n, stats.PrematureRST))
	}
	if p := m.Pairs(); len(p.Mismatches) != maxListed || p.Mismatched != 2*maxListed {
		t.Errorf("%d of %d mismatches are listed, want %d", len(p.Mismatches), p.Mismatched, maxListed)
	}
}
