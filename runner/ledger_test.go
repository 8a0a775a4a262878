package runner

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// serve runs the embedded target on loopback and returns its address and its
// ledger, to be read once nothing is open.
func serve(t *testing.T) (addr string, ledger func() target.Ledger) {
	t.Helper()
	return serveBy(t, &target.Server{})
}

// serveBy is serve with a server of the test's own.
func serveBy(t *testing.T, server *target.Server) (addr string, ledger func() target.Ledger) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), func() target.Ledger {
		for range 500 {
			if l := server.Ledger(); l.Open == 0 {
				return l
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatal("the server still has connections open 5 s after the run")
		return target.Ledger{}
	}
}

// agree compares both ends' books, mode by mode.
func agree(t *testing.T, tally map[string]Tally, ledger target.Ledger) {
	t.Helper()
	if len(tally) != len(ledger.Modes) {
		t.Errorf("modes: client %v, server %v", tally, ledger.Modes)
	}
	for mode, own := range tally {
		other := ledger.Modes[mode]
		pairs := []struct {
			what         string
			client, serv uint64
		}{
			{"opened", own.Opened, other.Opened},
			{"client's Close", own.CloseSent, other.CloseReceived},
			{"server's Close", own.CloseReceived, other.CloseSent},
			{"ended by client's FIN", own.Ended["client_fin"], other.Ended.ClientFIN},
			{"ended by client's RST", own.Ended["client_rst"], other.Ended.ClientRST},
			{"ended by server's FIN", own.Ended["server_fin"], other.Ended.ServerFIN},
			{"ended by server's RST", own.Ended["server_rst"], other.Ended.ServerRST},
			{"failed", own.Ended["error"], other.Ended.Error},
		}
		for _, p := range pairs {
			if p.client != p.serv {
				t.Errorf("%s, %s: client counts %d, server %d", mode, p.what, p.client, p.serv)
			}
		}
	}
}

func TestBothEndsBooksAgreeOverAThousandConnections(t *testing.T) {
	addr, ledger := serve(t)
	plan := scenario.Default()
	plan.Seed = 5
	plan.Target.URL = "ws://" + addr + "/echo"
	plan.Load = scenario.Load{Connections: 1000, Rate: 1000, Duration: 3 * time.Second}
	plan.Hold, _ = value.ParseDist("uniform(500ms,1500ms)")
	plan.Traffic = scenario.Traffic{Every: 500 * time.Millisecond, Size: 128, Expect: scenario.ExpectEcho}
	plan.Limits.Fin = 5 * time.Second // a slow machine is no finding
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, res.Tally, ledger())
	s := res.Total
	if s.Connections.Started < 1000 || s.Connections.Started != s.Connections.Ended {
		t.Errorf("connections %+v, want over 1000, all ended", s.Connections)
	}
	if s.Unexpected() != 0 || s.InvalidState[stats.Unexplained] != 0 || s.ProbeAccepted != 0 || s.Messages.Lost != 0 {
		t.Errorf("%d unexpected ends, %v refusals, %d accepted probes, messages %+v",
			s.Unexpected(), s.InvalidState, s.ProbeAccepted, s.Messages)
	}
	if res.Stamps == "kernel" {
		row := s.Latency[0][stats.CloseHandshake]
		if row.Clock(stats.CloseHandshake) != "kernel" || row.Unstamped*100 > row.Hist.Count() {
			t.Errorf("close_handshake: %d of %d samples lack the kernel's stamp", row.Unstamped, row.Hist.Count())
		}
	}
}

func TestEachMisbehavingPathEndsInItsClass(t *testing.T) {
	addr, ledger := serve(t)
	a, p := active(), passive()
	rows := []struct {
		path   string
		entry  scenario.Close
		class  stats.Class
		detail string
	}{
		{"/echo", a, stats.Clean, ""},
		{"/echo?close_after=500ms&code=1011", waiting(), stats.Clean, ""},
		{"/echo?close_after=500ms&code=1001", a, stats.PeerFirst, "code:1001 fin"},
		{"/echo?fault=masked:100", a, stats.Violation, "rule:masked"},
		{"/slow-reply?delay=100ms&jitter=200ms", a, stats.Clean, ""},
		{"/no-reply", a, stats.CloseTimeout, "acked"},
		{"/fin-no-reply", a, stats.UnansweredEOF, ""},
		{"/rst-no-reply", a, stats.UnansweredRST, ""},
		{"/reply-no-fin", a, stats.CleanNoFIN, ""},
		{"/reply-no-fin", p, stats.CleanNoFIN, ""},
		{"/reply-rst", a, stats.CleanRST, ""},
		{"/close-before-reading-reply", p, stats.CleanRST, ""},
		{"/half-frame", a, stats.UnansweredEOF, "truncated"},
		{"/half-frame", p, stats.PrematureEOF, "truncated"},
		{"/byte-by-byte", a, stats.Clean, ""},
		{"/byte-by-byte", p, stats.Clean, ""},
		{"/data-before-close?n=20", a, stats.Clean, ""},
		{"/data-after-close", a, stats.Violation, "rule:data-after-close"},
		{"/data-after-close", p, stats.Violation, "rule:data-after-close"},
		{"/second-close", a, stats.Violation, "rule:second-close"},
		{"/second-close", p, stats.Violation, "rule:second-close"},
		{"/bad-code?code=0", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=999", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=1004", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=1005", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=1006", p, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=1015", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=2999", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=5000", a, stats.Violation, "rule:bad-code"},
		{"/bad-code?code=1011", a, stats.FailedByPeer, "code:1011"},
		{"/short-payload", a, stats.Violation, "rule:short-payload"},
		{"/bad-utf8", a, stats.Violation, "rule:bad-utf8"},
		{"/oversize", a, stats.Violation, "rule:oversize-control"},
		{"/fragmented", a, stats.Violation, "rule:fragmented-control"},
		{"/masked", a, stats.Violation, "rule:masked"},
		{"/rsv", a, stats.Violation, "rule:rsv"},
		{"/rsv", p, stats.Violation, "rule:rsv"},
		{"/opcode", a, stats.Violation, "rule:opcode"},
		{"/opcode", p, stats.Violation, "rule:opcode"},
		{"/early-fin?after=100ms", a, stats.PrematureEOF, ""},
		{"/early-rst?after=100ms", a, stats.PrematureRST, ""},
		{"/ignore-half-close?keep=1s", abortFIN(), stats.Cut, ""},
		{"/leak-on-abort?keep=1s", abort(), stats.Cut, ""},
		{"/leak-memory", a, stats.Clean, ""},
		{"/foreign-message", a, stats.Violation, "rule:foreign-message"},
	}
	const each = 20
	results := make([]*Result, len(rows))
	errs := make([]error, len(rows))
	var runs sync.WaitGroup
	for i, r := range rows {
		plan := once(each, r.entry)
		plan.Target.URL = "ws://" + addr + r.path
		plan.Load.Rate = 400
		plan.Hold, _ = value.ParseDist("1s") // long after what comes early
		plan.Limits.Close, plan.Limits.Fin = 3*time.Second, 5*time.Second
		if r.path == "/foreign-message" {
			plan.Traffic = scenario.Traffic{Every: 200 * time.Millisecond, Size: 128, Expect: scenario.ExpectEcho}
		}
		runs.Go(func() { results[i], errs[i] = Run(t.Context(), plan, Options{}) })
	}
	runs.Wait()
	for i, r := range rows {
		t.Run(fmt.Sprintf("%s %s is %s %s", r.entry.Mode, r.path, r.class, r.detail), func(t *testing.T) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			class, details := only(t, results[i])
			if class != r.class {
				t.Errorf("class %v %v", class, details)
			}
			if r.detail != "" && details[r.detail] != each {
				t.Errorf("details %v, want %d of %s", details, each, r.detail)
			}
		})
	}
	var opened uint64
	for _, counts := range ledger().Modes {
		opened += counts.Opened
	}
	if want := uint64(each * len(rows)); opened != want {
		t.Errorf("the server opened %d connections, want %d", opened, want)
	}
}
