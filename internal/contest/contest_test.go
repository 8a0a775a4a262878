//go:build unix

package contest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

func TestBothSidesGetTheSameLoadInTheOrderOfTheCoin(t *testing.T) {
	plan := small(t)
	const pairs, blocks = 3, 2
	p := play(t.Context(), contest.Options{
		A: serving(t, "", "/echo"), B: serving(t, "", "/echo"), Plan: plan, Blocks: blocks, Pairs: pairs,
	})
	if p.err != nil || len(p.warnings) > 0 {
		t.Fatal(p.err, p.warnings)
	}
	if len(p.pairs) != pairs {
		t.Fatalf("%d pairs, want %d", len(p.pairs), pairs)
	}
	for i, pair := range p.pairs {
		if want := trial.Order(plan.Seed, i); pair.Order != want {
			t.Errorf("pair %d has the order %s, by the coin %s", i+1, pair.Order, want)
		}
		for name, arm := range map[string]trial.Arm{"a": pair.A, "b": pair.B} {
			s := summary(t, plan, arm.Span)
			n := uint64(2 * blocks * plan.Load.Connections) // and none of the warm-up
			if s.Connections.Started != n || s.Ended(stats.Clean) != n || s.Row(stats.CloseHandshake).Hist.Count() != n {
				t.Errorf("pair %d, %s: %d started, %d clean, want %d", i+1, name, s.Connections.Started, s.Ended(stats.Clean), n)
			}
			if arm.Fault != "" || arm.CPU <= 0 || arm.CPU > 1 {
				t.Errorf("pair %d, %s: fault %q, CPU %v", i+1, name, arm.Fault, arm.CPU)
			}
		}
	}
	checkTurns(t, p.lines(t), pairs, blocks)
	f := trial.File{
		Schema: trial.Schema, Seed: plan.Seed, Contract: trial.DefaultContract(),
		Mix: []stats.Entry{{Name: "active", Mode: "active"}}, Pairs: p.pairs,
	}
	if v, err := f.Judge(); err != nil || v.Pairs != pairs {
		t.Errorf("the pairs are judged as %+v, %v", v, err)
	}
}

// checkTurns holds the record against the layout.
func checkTurns(t *testing.T, all []line, pairs, blocks int) {
	t.Helper()
	if all[0].Contest != 1 || all[0].Seed != 7 || all[len(all)-1].End == nil || all[len(all)-1].End.Pairs != pairs {
		t.Fatalf("the record begins with %+v and ends with %+v", all[0], all[len(all)-1])
	}
	all = all[1 : len(all)-1]
	turns := 2 + 4*blocks
	if len(all) != pairs*turns {
		t.Fatalf("the record has %d slices, want %d", len(all), pairs*turns)
	}
	seeds := make(map[string]map[uint64]bool)
	for i, l := range all {
		s, want := l.Slice, strings.ToLower(strings.Repeat(l.Slice.Order, blocks))
		want = want[:2] + want // of the warm-up
		if s.Pair != i/turns+1 || s.Side != want[i%turns:i%turns+1] || s.WarmUp != (i%turns < 2) || s.WarmUp != (s.Slice == 0) {
			t.Errorf("line %d is pair %d, %s of side %s", i, s.Pair, s.Order, s.Side)
		}
		if s.Span.Connections.Started != s.Planned || s.Took <= 0 || s.Begun.IsZero() || s.Censored != 0 {
			t.Errorf("line %d: %+v", i, s)
		}
		place := fmt.Sprint(s.Pair, s.Slice)
		if seeds[place] == nil {
			seeds[place] = make(map[uint64]bool)
		}
		seeds[place][s.Seed] = true
	}
	distinct := make(map[uint64]bool)
	for place, of := range seeds {
		if len(of) != 1 {
			t.Errorf("the sides have different scripts in slice %s", place)
		}
		for seed := range of {
			distinct[seed] = true
		}
	}
	if len(distinct) != len(seeds) {
		t.Errorf("%d places have %d seeds", len(seeds), len(distinct))
	}
}

// summary is a span as a summary.
func summary(t *testing.T, plan scenario.Plan, span result.Span) *stats.Summary {
	t.Helper()
	s := stats.NewSummary([]stats.Entry{{Name: plan.Closes.Mix[0].Name, Mode: string(plan.Closes.Mix[0].Mode)}})
	if err := span.AddTo(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheRecordHasWhatThePairsAreMadeOf(t *testing.T) {
	plan := small(t)
	p := play(t.Context(), contest.Options{A: serving(t, "", "/echo"), B: serving(t, "", "/slow-reply?delay=3ms"), Plan: plan, Blocks: 1, Pairs: 1})
	if p.err != nil {
		t.Fatal(p.err)
	}
	for name, arm := range map[string]trial.Arm{"a": p.pairs[0].A, "b": p.pairs[0].B} {
		sum := stats.NewSummary([]stats.Entry{{Name: "active", Mode: "active"}})
		for _, l := range p.lines(t) {
			if l.Slice != nil && l.Slice.Side == name && !l.Slice.WarmUp {
				if err := l.Slice.Span.AddTo(sum); err != nil {
					t.Fatal(err)
				}
			}
		}
		again := result.NewSpan(sum, new(stats.Encoder))
		again.From, again.To = arm.Span.From, arm.Span.To
		if diff := cmp.Diff(arm.Span, again); diff != "" {
			t.Errorf("%s (-pair +record):\n%s", name, diff)
		}
	}
	// The path of b alone answers late.
	a, b := summary(t, plan, p.pairs[0].A.Span), summary(t, plan, p.pairs[0].B.Span)
	if slow := b.Row(stats.CloseHandshake).Hist.Min(); slow < 3*time.Millisecond {
		t.Errorf("b answers after %v", slow)
	}
	if fast := a.Row(stats.CloseHandshake).Hist.Min(); fast >= 3*time.Millisecond {
		t.Errorf("a answers after %v at the earliest", fast)
	}
}

// holding is a line of the shell that lets its process, and those that come
// from it, hold a FIFO; the function waits until none does.
func holding(t *testing.T) (before string, wantNobody func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return "exec 3>" + path + "; ", func() {
		t.Helper()
		if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, f); err != nil {
			t.Error("a server lives on:", err)
		}
	}
}

// seedFor is a seed by whose coin the first pair has this order.
func seedFor(order string) (seed uint64) {
	for seed = 1; trial.Order(seed, 0) != order; seed++ {
	}
	return seed
}

func TestAServerThatDiesMakesItsSideFaultyAndEndsTheContest(t *testing.T) {
	plan := small(t)
	plan.Seed = seedFor(trial.OrderBAAB)
	plan.Load.Rate = 0.01 // a slice takes 20 minutes, unless the death is noticed
	before, wantNobody := holding(t)
	b := serving(t, before, "/echo")
	b.Command.Line = strings.Replace(b.Command.Line, "exec '", "'", 1) + " & sleep 0.5; echo out of luck; exit 9"
	p := play(t.Context(), contest.Options{A: serving(t, before, "/echo"), B: b, Plan: plan, Blocks: 1, Pairs: 5})
	if p.err != nil || len(p.pairs) != 1 {
		t.Fatalf("%d pairs, %v", len(p.pairs), p.err)
	}
	fault := p.pairs[0].B.Fault
	if p.pairs[0].A.Fault != "" || !strings.Contains(fault, "it ended by itself: exit status 9: serving; out of luck") {
		t.Errorf("the fault of a is %q, of b %q", p.pairs[0].A.Fault, fault)
	}
	f := trial.File{
		Schema: trial.Schema, Seed: plan.Seed, Contract: trial.DefaultContract(),
		Mix: []stats.Entry{{Name: "active", Mode: "active"}}, Pairs: p.pairs,
	}
	if v, err := f.Judge(); err != nil || v.Verdict != "not_comparable" || !strings.Contains(v.Reason, "out of luck") {
		t.Errorf("it is judged as %+v, %v", v, err)
	}
	wantNobody()
}

// A killer is a record that kills a process after the line with this text.
type killer struct {
	after, id string // the file that holds its number
}

func (k killer) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), k.after) {
		return len(p), nil
	}
	text, err := os.ReadFile(k.id)
	if err != nil {
		return 0, err
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, err
	}
	return len(p), syscall.Kill(id, syscall.SIGKILL)
}

func TestAServerThatDiesBehindItsLastTurnIsNoticedToo(t *testing.T) {
	plan := small(t)
	plan.Seed = seedFor(trial.OrderABBA) // the last turn is that of a
	id := filepath.Join(t.TempDir(), "id")
	p := play(t.Context(), contest.Options{
		A: serving(t, "", "/echo"), B: serving(t, "echo $$ >"+id+"; ", "/echo"), Plan: plan, Blocks: 1, Pairs: 5,
		Record: killer{`"slice":2,"side":"b"`, id},
	})
	if p.err != nil || len(p.pairs) != 1 {
		t.Fatalf("%d pairs, %v", len(p.pairs), p.err)
	}
	if p.pairs[0].A.Fault != "" || !strings.Contains(p.pairs[0].B.Fault, "it ended by itself: signal: killed") {
		t.Errorf("the fault of a is %q, of b %q", p.pairs[0].A.Fault, p.pairs[0].B.Fault)
	}
}

func TestASideThatCannotBeOpenedIsFaulty(t *testing.T) {
	for name, test := range map[string]struct {
		b    contest.Side
		want string
	}{
		"ends at once":      {serving(t, "echo no licence; exit 3; ", "/echo"), "start server: it ended before it listened on 127.0.0.1:"},
		"knows no such URL": {serving(t, "", "/nothing-there"), "no connection opened in 12 tries; the last one failed: "},
		"nobody listens":    {contest.Side{URLs: []string{"ws://127.0.0.1:1/"}}, "no connection opened in 12 tries; the last one failed: "},
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t.Context(), contest.Options{A: serving(t, "", "/echo"), B: test.b, Plan: small(t), Blocks: 1, Pairs: 5})
			if p.err != nil || len(p.pairs) != 1 {
				t.Fatalf("%d pairs, %v", len(p.pairs), p.err)
			}
			if p.pairs[0].A.Fault != "" || !strings.HasPrefix(p.pairs[0].B.Fault, test.want) {
				t.Errorf("the fault of a is %q, of b %q", p.pairs[0].A.Fault, p.pairs[0].B.Fault)
			}
		})
	}
}

func TestWhatAServerSaysOfSecretsIsHidden(t *testing.T) {
	plan := small(t)
	plan.Target.Headers = []string{"Authorization: Bearer of-the-header"}
	says := func(text string) contest.Side {
		return serving(t, "echo '"+text+"'; exit 3; ", "/echo?token=of-the-path")
	}
	for name, b := range map[string]contest.Side{
		"of a header":   says("bad token of-the-header"),
		"of a variable": says("bad key of-the-environment"),
		"of a path":     says("GET /echo?token=of-the-path"),
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t.Context(), contest.Options{
				A: serving(t, "", "/echo"), B: b, Plan: plan, Blocks: 1, Pairs: 1, Secrets: []string{"of-the-environment"},
			})
			if p.err != nil || len(p.pairs) != 1 {
				t.Fatalf("%d pairs, %v", len(p.pairs), p.err)
			}
			fault := p.pairs[0].B.Fault
			if !strings.Contains(fault, "***") || strings.Contains(fault, "of-the-") {
				t.Errorf("the fault is %q", fault)
			}
		})
	}
}

func TestAServerThatHasToBeKilledIsTold(t *testing.T) {
	before, wantNobody := holding(t)
	stubborn := serving(t, before+"trap '' TERM; ", "/echo")
	stubborn.Command.Line = strings.Replace(stubborn.Command.Line, "exec '", "'", 1) + "; sleep 60"
	stubborn.Command.Grace = 100 * time.Millisecond
	p := play(t.Context(), contest.Options{A: stubborn, B: serving(t, before, "/echo"), Plan: small(t), Blocks: 1, Pairs: 2})
	want := []string{"a: server: it did not end within 100ms of being asked, and was killed"}
	if p.err != nil || len(p.pairs) != 2 || !slices.Equal(p.warnings, want) {
		t.Errorf("%d pairs, %v, warnings %q", len(p.pairs), p.err, p.warnings)
	}
	wantNobody()
}

func TestTheEndOfTheContextDiscardsThePairAndEndsTheServers(t *testing.T) {
	plan := small(t)
	plan.Load.Connections, plan.Load.Rate = 100, 200
	before, wantNobody := holding(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	p := play(ctx, contest.Options{
		A: serving(t, before, "/echo"), B: serving(t, before, "/echo"), Plan: plan, Blocks: 1, Pairs: 5,
		Pair: func(trial.Pair) bool {
			time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("a signal")) })
			return true
		},
	})
	all := p.lines(t)
	if end := all[len(all)-1].End; p.err != nil || len(p.pairs) != 1 || end == nil || *end != (contest.End{Pairs: 1, Cause: "a signal"}) {
		t.Errorf("%d pairs, %v, the record ends with %+v", len(p.pairs), p.err, end)
	}
	wantNobody()
}

func TestTheCallerSaysWhenThePairsSuffice(t *testing.T) {
	url := serve(t)
	n := 0
	p := play(t.Context(), contest.Options{
		A: contest.Side{URLs: []string{url}}, B: contest.Side{URLs: []string{url}}, Plan: small(t), Blocks: 1, Pairs: 9,
		Pair: func(trial.Pair) bool { n++; return n < 2 },
	})
	if p.err != nil || len(p.pairs) != 2 {
		t.Errorf("%d pairs, %v", len(p.pairs), p.err)
	}
}

func TestSeveralURLsOfASideAreTakenInTurn(t *testing.T) {
	fast := serve(t)
	slow := strings.Replace(fast, "/echo", "/slow-reply?delay=20ms", 1)
	plan := small(t)
	p := play(t.Context(), contest.Options{
		A: contest.Side{URLs: []string{fast}}, B: contest.Side{URLs: []string{slow, fast}}, Plan: plan, Blocks: 1, Pairs: 3,
	})
	if p.err != nil || len(p.pairs) != 3 {
		t.Fatalf("%d pairs, %v", len(p.pairs), p.err)
	}
	for i, pair := range p.pairs {
		took := summary(t, plan, pair.B.Span).Row(stats.CloseHandshake).Hist.Min()
		if (took >= 20*time.Millisecond) != (i%2 == 0) {
			t.Errorf("in pair %d the close of b takes %v", i+1, took)
		}
	}
}

// A full disk takes the first line only.
type full struct{ lines int }

func (f *full) Write(p []byte) (int, error) {
	if f.lines++; f.lines > 1 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestAContestGoesOnWithoutItsRecord(t *testing.T) {
	url := serve(t)
	side := contest.Side{URLs: []string{url}}
	p := play(t.Context(), contest.Options{A: side, B: side, Plan: small(t), Blocks: 1, Pairs: 2, Record: new(full)})
	if len(p.pairs) != 2 || p.err == nil || p.err.Error() != "write slice line of the contest's record: no space left" {
		t.Errorf("%d pairs, %v", len(p.pairs), p.err)
	}
}
