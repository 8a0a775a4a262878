package runner

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// lab starts one of the servers of scripts/lab and returns its URL. The server
// ends with the test.
func lab(t *testing.T, name string) string {
	t.Helper()
	if out, err := exec.Command("../scripts/lab/lab.sh", "check", name).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s; run scripts/lab/lab.sh install", out)
		}
		t.Skipf("%s; run scripts/lab/lab.sh install", out)
	}
	cmd := exec.Command("../scripts/lab/lab.sh", name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // the server ends with its input
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if !ok {
		t.Fatalf("%s did not come up: %q, %v", name, line, err)
	}
	go io.Copy(io.Discard, stdout)
	return url
}

// labPlan mixes the three modes, with both ways of each.
func labPlan(url string) scenario.Plan {
	p := scenario.Default()
	p.Seed = 11
	p.Target.URL = url
	p.Load = scenario.Load{Connections: 300, Rate: 600}
	p.Hold, _ = value.ParseDist("uniform(200ms,800ms)")
	p.Traffic = scenario.Traffic{Every: 100 * time.Millisecond, Size: 128, Expect: scenario.ExpectEcho}
	p.Limits.Fin = 5 * time.Second // a slow machine is no finding
	fin := abortFIN()
	fin.Name = "abort_fin"
	own := active()
	own.Name, own.Code = "active_4000", 4000
	p.Closes.Mix = []scenario.Close{active(), own, passive(), abort(), fin}
	return p
}

func TestRealServersEndEveryConnectionAsPlanned(t *testing.T) {
	for _, name := range []string{"node", "python", "nginx"} {
		t.Run(name, func(t *testing.T) {
			plan := labPlan(lab(t, name))
			if err := plan.Validate(); err != nil {
				t.Fatal(err)
			}
			res, err := Run(t.Context(), plan, Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := res.Total
			if s.Connections.Started != 300 || s.Connections.Ended != 300 || s.Connections.Opened != 300 {
				t.Errorf("connections %+v, want 300 of each", s.Connections)
			}
			for i, e := range s.Entries {
				for c := range stats.NumClasses {
					n, class := s.Outcomes[i][c], stats.Class(c)
					if want := stats.Expected(e.Mode, class); n.N > 0 && (want == nil || !*want) {
						t.Errorf("%s: %d ended as %v %v", e.Name, n.N, class, n.Detail)
					}
				}
			}
			if n := s.InvalidState[stats.Unexplained]; n != 0 || s.ProbeAccepted != 0 {
				t.Errorf("%d unexplained refusals, %d accepted probes", n, s.ProbeAccepted)
			}
			// Nothing is asked of Lost: a server may drop the answer to a message
			// that a Close overtakes in it (RFC 6455 section 5.5.1).
			if s.Messages.Received == 0 {
				t.Errorf("messages %+v, want some received", s.Messages)
			}
			report(t, res)
		})
	}
}

// report logs what the server is like: who closes TCP first, the codes it
// answers with, and how long its FIN takes.
func report(t *testing.T, res *Result) {
	s := res.Total
	t.Logf("codes received %v, closed first: server %d client %d, messages %+v, tally %v",
		s.CodesReceived, s.ClosedFirst[stats.Server], s.ClosedFirst[stats.Client], s.Messages, res.Tally)
	for i, e := range s.Entries {
		for _, p := range []stats.Phase{stats.CloseHandshake, stats.Notice, stats.FIN} {
			if h := s.Latency[i][p].Hist; h.Count() > 0 {
				t.Logf("%-12s %-16v n=%d p50=%v p99=%v", e.Name, p, h.Count(), h.Quantile(0.5), h.Quantile(0.99))
			}
		}
	}
}
