package runner

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// serve runs the embedded target on loopback and returns its address and its
// ledger, to be read once nothing is open.
func serve(t *testing.T) (addr string, ledger func() target.Ledger) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &target.Server{}
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
	plan.Hold, _ = scenario.ParseDist("uniform(500ms,1500ms)")
	plan.Traffic = scenario.Traffic{Every: 500 * time.Millisecond, Size: 128, Expect: scenario.ExpectEcho}
	plan.Limits.Fin = 5 * time.Second // a slow machine is no finding
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, res.Tally, ledger())
	s := res.Total
	if s.Connections.Started < 2000 || s.Connections.Started != s.Connections.Ended {
		t.Errorf("connections %+v, want over 2000, all ended", s.Connections)
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
	rows := []struct {
		path  string
		class stats.Class
	}{
		{"/echo", stats.Clean},
		{"/slow-reply?delay=300ms", stats.Clean},
		{"/no-reply", stats.CloseTimeout},
		{"/fin-no-reply", stats.UnansweredEOF},
		{"/early-fin?after=100ms", stats.PrematureEOF},
		{"/early-rst?after=100ms", stats.PrematureRST},
	}
	for _, r := range rows {
		name, _, _ := strings.Cut(r.path, "?")
		t.Run(name+" is "+r.class.String(), func(t *testing.T) {
			plan := once(20, active())
			plan.Target.URL = "ws://" + addr + r.path
			plan.Load.Rate = 400
			plan.Hold, _ = scenario.ParseDist("1s") // long after what comes early
			plan.Limits.Close, plan.Limits.Fin = 2*time.Second, 5*time.Second
			res, err := Run(t.Context(), plan, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if class, details := only(t, res); class != r.class {
				t.Errorf("class %v %v", class, details)
			}
		})
	}
	if l := ledger(); l.Modes["active"].Opened != 120 {
		t.Errorf("the server opened %+v, want 120", l.Modes)
	}
}
