package drain

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/scenario"
)

// A stage is a conductor with a clock, and what it said.
type stage struct {
	*Conductor
	begun time.Time
	end   func(failed bool)
	mu    sync.Mutex
	said  []string
}

// play starts the conducting of a plan.
func play(ctx context.Context, p *scenario.Plan) *stage {
	s := &stage{begun: time.Now()}
	s.Conductor = &Conductor{
		Observer: NewObserver(p, scenario.Shard{}), Plan: p, Hide: func(text string) string { return text },
		Say: func(text string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.said = append(s.said, text)
		},
	}
	for _, h := range p.Drain.Hooks {
		s.What = append(s.What, h.String())
	}
	s.end = s.Start(ctx)
	s.Clock(s.now)
	return s
}

func (s *stage) now() time.Duration { return time.Since(s.begun) }

func (s *stage) fill() {
	for range s.population {
		s.Opened(s.now())
	}
}

// over ends the run and reports.
func (s *stage) over() (*result.Drain, error) {
	<-s.End()
	s.end(false)
	return s.Report()
}

// nowhere is a hook that fails at once, without a process: a signal to nobody.
var nowhere = scenario.Hook{Signal: "TERM", To: "pidfile:/does/not/exist"}

func TestAPopulationThatNeverIsCompleteIsAFaultAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(3, true, nowhere)
		s := play(t.Context(), p)
		s.Opened(0)
		s.Settled(refused(0, time.Second))
		d, err := s.over()
		if s.now() != p.FullBy() {
			t.Errorf("it took %v, want %v", s.now(), p.FullBy())
		}
		if err == nil || err.Error() != "drain: the population never was complete: 1 of 3 open" || d.Fault != err.Error()[len("drain: "):] {
			t.Errorf("the error is %v, the fault %q", err, d.Fault)
		}
		if d.Took != nil || d.Hooks[0].Planned != nil {
			t.Errorf("a hook was planned: %+v", d)
		}
	})
}

func TestWhereNobodyComesBackAFailedOpeningIsAFaultAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t.Context(), plan(3, false, nowhere))
		s.Opened(0)
		s.Opened(0)
		s.Settled(refused(0, 0))
		if _, err := s.over(); err == nil || s.now() != 0 {
			t.Errorf("the error is %v after %v", err, s.now())
		}
	})
}

func TestAHookThatCannotBeLaunchedEndsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(2, false, nowhere, nowhere)
		p.Drain.Hooks[0].Wait = 3 * time.Second
		s := play(t.Context(), p)
		s.fill()
		d, err := s.over()
		if want := p.Drain.After + 3*time.Second; s.now() != want {
			t.Errorf("it took %v, want %v", s.now(), want)
		}
		const why = "hook 1 (TERM pidfile:/does/not/exist): not launched: find the process at pidfile:/does/not/exist"
		if err == nil || !strings.HasPrefix(err.Error(), "drain: "+why) {
			t.Errorf("the error is %v", err)
		}
		if h := d.Hooks[0]; d.Held != 0 || d.Took != nil || h.Launched != nil || h.Error == nil || *h.Planned != s.now() || d.Hooks[1].Planned != nil {
			t.Errorf("reported as %+v", d)
		}
	})
}

func TestADrainEndsWhenAllThatWasHeldHasEndedAndElseAtItsLimit(t *testing.T) {
	for _, left := range []int{0, 1} {
		p := plan(3, false, scenario.Hook{Exec: "true"})
		p.Drain.After, p.Drain.Within = 10*time.Millisecond, time.Second
		s := play(t.Context(), p)
		s.fill()
		for !s.hasLaunched() {
			time.Sleep(time.Millisecond)
		}
		for range 3 - left {
			s.Settled(closed(0, s.now(), 1001))
		}
		d, err := s.over()
		if err != nil || d.Limited != (left > 0) || d.Closed.Count != uint64(3-left) {
			t.Errorf("with %d left: %+v, %v", left, d, err)
		}
		if h := d.Hooks[0]; h.Launched == nil || h.Took == nil || h.Error != nil {
			t.Errorf("the hook is %+v", h)
		}
		if limit := d.Took != nil && *d.Took >= time.Second; limit != d.Limited {
			t.Errorf("with %d left it took %v", left, d.Took)
		}
	}
}

func TestTheEndOfTheContextEndsADrainWithoutAFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := plan(1, false, scenario.Hook{Exec: "sleep 60"})
	p.Drain.After = 0
	s := play(ctx, p)
	s.fill()
	for !s.hasLaunched() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	d, err := s.over()
	if err != nil || d.Took == nil || d.Hooks[0].Error == nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestHooksAreFiredInOrderAndAFailureOfALaterOneIsAFault(t *testing.T) {
	var asked []string
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path) // one after the other
		if r.URL.Path == "/b" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer admin.Close()
	p := plan(1, false, scenario.Hook{HTTP: "PUT " + admin.URL + "/a"}, scenario.Hook{HTTP: admin.URL + "/b"}, scenario.Hook{HTTP: admin.URL + "/c"})
	p.Drain.After = 0
	s := play(t.Context(), p)
	s.fill()
	for !s.hasLaunched() {
		time.Sleep(time.Millisecond)
	}
	s.Settled(closed(0, s.now(), 1001))
	d, err := s.over()
	if got := strings.Join(asked, ", "); got != "PUT /a, POST /b, POST /c" {
		t.Errorf("asked %s", got)
	}
	if err == nil || !strings.Contains(err.Error(), "hook 2 (http") || !strings.Contains(err.Error(), "status 403") || d.Hooks[2].Took == nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestOnlyTheFirstShardFiresAndTheOthersCountFromTheirPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(4, false, nowhere)
		p.Target.URL = "ws://127.0.0.1/"
		s := &stage{begun: time.Now()}
		s.Conductor = &Conductor{
			Observer: NewObserver(p, scenario.Shard{Index: 2, Count: 2}), Plan: p, Shard: scenario.Shard{Index: 2, Count: 2},
			What: []string{"TERM"}, Say: func(string) {}, Hide: func(text string) string { return text },
		}
		if own := (scenario.Hook{Signal: "TERM", To: "own"}); !s.Leaves() || !s.fires(&own) {
			t.Error("a second shard fires what is shared, or leaves a server of its own alone")
		}
		s.end = s.Start(t.Context())
		s.Clock(s.now)
		s.fill()
		time.Sleep(p.Drain.After + 2*time.Second)
		s.Settled(closed(0, s.now(), 1001))
		s.Settled(closed(0, s.now(), 1001))
		d, err := s.over()
		if err != nil || d.Population != 2 || d.Hooks[0].Launched != nil || *d.Hooks[0].Planned != p.Drain.After || *d.Closed.First != 2*time.Second {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestASignalReachesTheProcessByItsNumberItsFileAndItsPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file := filepath.Join(t.TempDir(), "pid")
	for _, kind := range []string{"pid", "pidfile", "own"} {
		cmd := exec.Command("sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		to := map[string]string{"pid": "pid:" + strconv.Itoa(cmd.Process.Pid), "pidfile": "pidfile:" + file, "own": "own"}[kind]
		p := plan(1, false)
		p.Target.URL = "ws://127.0.0.1/"
		launches := 0
		c := &Conductor{Plan: p, Own: cmd.Process}
		if err := c.signal(&scenario.Hook{Signal: "KILL", To: to}, func() { launches++ }); err != nil || launches != 1 {
			t.Errorf("%s: %v, launched %d times", kind, err, launches)
			cmd.Process.Kill()
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("%s: it ended by %v", kind, err)
		}
		launches = 0
		if err := c.signal(&scenario.Hook{Signal: "KILL", To: to}, func() { launches++ }); err == nil || launches != 1 {
			t.Errorf("%s: a process that is gone: %v, launched %d times", kind, err, launches)
		}
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if p, err := process("port:"+strconv.Itoa(port), nil); err != nil || p.Pid != os.Getpid() {
		t.Errorf("port: %v, %v", p, err)
	}
	for _, to := range []string{"own", "pid:0", "pid:x", "pidfile:" + filepath.Dir(file), "port:1"} {
		if _, err := process(to, nil); err == nil {
			t.Errorf("%s was found", to)
		}
	}
}

func TestProcessesOfOneRunCountFromTheSameMoment(t *testing.T) {
	for _, name := range []string{"the first hook comes", "the run ends before it"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan(2, false, scenario.Hook{Signal: "TERM", To: "own"})
				p.Drain.After, p.Drain.Within = 3*time.Second, 10*time.Second
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s := &stage{begun: time.Now()}
				s.Conductor = &Conductor{
					Observer: NewObserver(p, scenario.Shard{Index: 2, Count: 3}), Plan: p, Shard: scenario.Shard{Index: 2, Count: 3},
					Follows: true, What: []string{"TERM own"}, Say: func(string) {}, Hide: func(text string) string { return text },
					Meet: func(_ context.Context, open int) (int, time.Duration, bool) {
						time.Sleep(time.Second) // the others are full later, and this one hears of it later still
						return 3 * open, 700 * time.Millisecond, true
					},
				}
				s.end = s.Start(ctx)
				s.Clock(s.now)
				s.fill()
				time.Sleep(2 * time.Second)
				if name != "the first hook comes" {
					cancel()
					d, err := s.over()
					if err != nil || d.Took != nil || d.Held != 0 {
						t.Errorf("reported as %+v, %v", d, err)
					}
					return
				}
				time.Sleep(1700*time.Millisecond - time.Millisecond) // a moment before this process would count by itself
				s.Settled(closed(0, 3700*time.Millisecond+time.Microsecond, 1001))
				d, err := s.over()
				if err != nil || d.Held != 1 || d.Closed.Count != 1 || *d.Closed.First != time.Microsecond {
					t.Errorf("reported as %+v, %v", d, err)
				}
				if d.Hooks[0].Launched != nil {
					t.Error("a process that leaves the hooks to another fired one")
				}
			})
		})
	}
}

func TestTheOtherProcessesHearOfTheFirstHookWhenItIsLaunchedAndOfNoneThatWasNot(t *testing.T) {
	for name, after := range map[string]time.Duration{"launched": time.Second, "the run ends before": time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			p := plan(1, false, nowhere)
			p.Drain.After = after
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			heard := time.Duration(0)
			s := &stage{begun: time.Now()}
			s.Conductor = &Conductor{
				Observer: NewObserver(p, scenario.Shard{Index: 2, Count: 2}), Plan: p, Shard: scenario.Shard{Index: 2, Count: 2},
				What: []string{"TERM"}, Say: func(string) {}, Hide: func(text string) string { return text },
				Launched: func() { heard = s.now() },
			}
			s.end = s.Start(ctx)
			s.Clock(s.now)
			s.fill()
			time.Sleep(30 * time.Second)
			cancel()
			if _, err := s.over(); err != nil {
				t.Error(err)
			}
			if want := after; name == "launched" && heard != want || name != "launched" && heard != 0 {
				t.Errorf("%s: heard at %v", name, heard)
			}
		})
	}
}

func TestADrainDoesNotBeginWhereAnotherProcessNeverIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(1, false, nowhere)
		s := &stage{begun: time.Now()}
		s.Conductor = &Conductor{
			Observer: NewObserver(p, scenario.Shard{}), Plan: p, What: []string{"TERM"}, Say: func(string) {},
			Meet: func(context.Context, int) (int, time.Duration, bool) { return 0, 0, false },
		}
		s.end = s.Start(t.Context())
		s.Clock(s.now)
		s.fill()
		if d, err := s.over(); err != nil || d.Took != nil || d.Hooks[0].Planned != nil {
			t.Errorf("reported as %+v, %v", d, err)
		}
	})
}
