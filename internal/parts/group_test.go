package parts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/trace"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// ends are how many connections ended how, by entry of the mix.
func ends(s *stats.Summary) map[string]uint64 {
	all := make(map[string]uint64)
	for e, entry := range s.Entries {
		for c := range stats.Class(stats.NumClasses) {
			if n := s.Outcomes[e][c].N; n > 0 {
				all[entry.Name+" "+c.String()] = n
			}
		}
	}
	return all
}

func TestTheProcessesOfARunComeToWhatOneDoes(t *testing.T) {
	addr := serve(t)
	plan := once(40, addr)
	alone, err := runner.Run(t.Context(), plan, runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := gather(t, 3, plan, func(o *Options) {
		for i := range o.Orders {
			o.Orders[i].Books = "http://" + addr + "/ended"
		}
	})
	res, err := s.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ends(alone.Total), ends(res.Total)); diff != "" {
		t.Errorf("in three processes other connections ended (-one +three):\n%s", diff)
	}
	if diff := cmp.Diff(alone.Tally, res.Tally); diff != "" {
		t.Errorf("the tallies differ (-one +three):\n%s", diff)
	}
	if err := res.Total.Conserved(); err != nil || res.Total.Connections != alone.Total.Connections || res.Stamps != alone.Stamps {
		t.Errorf("%+v by %s, %v; want %+v by %s", res.Total.Connections, res.Stamps, err, alone.Total.Connections, alone.Stamps)
	}
	if p := res.Pairs; p == nil || p.Compared != 40 || p.Missing+p.Mismatched > 0 {
		t.Errorf("double entry came to %+v", p)
	}
	if len(res.Died)+len(s.said) > 0 {
		t.Errorf("died %q, said %q", res.Died, s.said)
	}
	for i, tick := range s.ticks {
		if tick.Last != (i == len(s.ticks)-1) {
			t.Errorf("tick %d of %d: last is %v", i+1, len(s.ticks), tick.Last)
		}
	}
}

func TestAProcessThatDiesIsToldOfAndTheOthersGoOn(t *testing.T) {
	plan := once(30, serve(t))
	plan.Load.Duration = 1500 * time.Millisecond
	s := gather(t, 3, plan, nil)
	go func() {
		for range 3 {
			<-s.tock
		}
		_ = s.members[1].Process().Kill()
	}()
	res, err := s.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const died = "process 2 of 3 died (signal: killed)"
	if !slices.Equal(res.Died, []string{died}) || len(s.said) != 1 || !strings.HasPrefix(s.said[0], "warning: "+died) {
		t.Errorf("died %q, said %q", res.Died, s.said)
	}
	if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.HasPrefix(w, died) }) {
		t.Errorf("the warnings are %q", res.Warnings)
	}
	if err := res.Total.Conserved(); err != nil {
		t.Error(err)
	}
	if n := res.Total.Peak["2/3"]; n == 0 {
		t.Error("what the process had told does not count")
	}
	if last := s.ticks[len(s.ticks)-1]; !last.Last || last.Open != 0 {
		t.Errorf("the last tick is %+v", last)
	}
}

func TestADrainWhoseHooksNobodyIsLeftToFireEnds(t *testing.T) {
	plan := once(6, serve(t))
	plan.Load.Duration, plan.Hold = 2*time.Hour, value.Uniform(time.Hour, 2*time.Hour)
	plan.Closes.Mix = plan.Closes.Mix[:1]
	plan.Drain = scenario.Drain{Hooks: []scenario.Hook{{Exec: "true"}}, After: time.Hour, Within: time.Hour}
	full := make(chan struct{}, 1)
	s := gather(t, 2, plan, func(o *Options) {
		o.Say = func(text string) {
			if strings.Contains(text, "6 connections are open; first hook in 1h") {
				full <- struct{}{}
			}
		}
	})
	go func() {
		<-full
		_ = s.members[0].Process().Kill()
	}()
	res, err := s.Run(t.Context(), nil)
	if err != nil || len(res.Died) != 1 {
		t.Fatalf("died %q, %v", res.Died, err)
	}
	if d := res.Drain; d == nil || d.Fault != leaderless || d.Took != nil || d.Held+d.StillOpen > 0 {
		t.Errorf("reported as %+v", d)
	}
}

func TestARunWhoseProcessesAllDieIsAnError(t *testing.T) {
	plan := once(4, serve(t))
	plan.Load.Duration = time.Hour
	s := gather(t, 2, plan, nil)
	go func() {
		<-s.tock
		for _, m := range s.members {
			_ = m.Process().Kill()
		}
	}()
	res, err := s.Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "all processes of the run died: process 1 of 2 died (signal: killed); process 2 of 2") {
		t.Errorf("the error is %v", err)
	}
	if res == nil || len(res.Died) != 2 || res.Total.Connections.Started == 0 {
		t.Errorf("the result is %+v", res)
	}
}

func TestTheEndOfTheContextEndsAllInOrderAndCutCutsThem(t *testing.T) {
	for _, cut := range []bool{false, true} {
		addr := serve(t)
		plan := once(12, addr)
		plan.Load.Duration = time.Hour
		plan.Closes.Mix = plan.Closes.Mix[:1]
		if cut {
			plan.Target.URL = "ws://" + addr + "/no-reply"
		}
		s := gather(t, 3, plan, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cutting := make(chan struct{})
		go func() {
			<-s.tock
			cancel(errors.New("enough"))
			if cut {
				close(cutting)
			}
		}()
		res, err := s.Run(ctx, cutting)
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Connections; n.Started != n.Ended || n.Started == 0 {
			t.Errorf("cut %v: %+v", cut, n)
		}
		if n := res.Total.Ended(stats.Interrupted); cut != (n > 0) {
			t.Errorf("cut %v: %d were interrupted", cut, n)
		}
	}
}

func TestTheTracesOfAllBecomeOne(t *testing.T) {
	var all bytes.Buffer
	s := gather(t, 3, once(9, serve(t)), func(o *Options) {
		o.Trace, o.Shard = &all, scenario.Shard{Index: 1, Count: 1}
		for i := range o.Orders {
			o.Orders[i].Trace = "all"
		}
	})
	if _, err := s.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	first, rest, _ := bytes.Cut(all.Bytes(), []byte("\n"))
	var head trace.Header
	if err := json.Unmarshal(first, &head); err != nil || head.Schema != trace.Schema || head.Shard != "1/1" || head.Run != "test" {
		t.Errorf("the header is %s, %v", first, err)
	}
	seen := make(map[uint64]bool)
	for text := range bytes.Lines(rest) {
		var line trace.Line
		if err := json.Unmarshal(text, &line); err != nil || line.Class == "" || seen[line.N] {
			t.Errorf("a line is %s, %v", text, err)
		}
		seen[line.N] = true
	}
	if len(seen) != 9 {
		t.Errorf("%d connections of 9 are in it", len(seen))
	}
}

func TestWhereNothingOpensTheErrorSaysWhyAsInOneProcess(t *testing.T) {
	s := gather(t, 2, once(20, "127.0.0.1:1"), nil)
	res, err := s.Run(t.Context(), nil)
	none, ok := errors.AsType[*runner.NothingOpenedError](err)
	if !ok || none.Tries != 20 || !strings.Contains(none.Error(), "refused") || res == nil {
		t.Errorf("the error is %v", err)
	}
}

func TestOrdersThatCannotBeCarriedOutAreRefusedWithTheirReason(t *testing.T) {
	plan := once(4, "127.0.0.1:1")
	plan.Target.LocalAddrs = []string{"not an address"}
	s := gather(t, 2, plan, nil)
	if _, err := s.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "exit status 1; it said:\ntarget.local_addrs") {
		t.Errorf("the error is %v", err)
	}
}
