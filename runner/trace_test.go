package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/trace"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

// tracedRun carries a plan out as play does and returns its trace.
func tracedRun(t *testing.T, plan scenario.Plan, only TraceFilter, script func(*peer)) (head trace.Header, lines []trace.Line, text string) {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().UnixNano()
		res, err := playIn(t.Context(), t, plan, Options{RunID: 0xabc, Trace: Trace{To: &out, Only: only}}, script)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Warnings) > 0 {
			t.Errorf("warnings: %q", res.Warnings)
		}
		text = out.String()
		d := json.NewDecoder(&out)
		if err := d.Decode(&head); err != nil {
			t.Fatal(err)
		}
		if head.Wall != began {
			t.Errorf("offset 0 is at %d, want %d", head.Wall, began)
		}
	})
	for d := json.NewDecoder(strings.NewReader(text[strings.IndexByte(text, '\n'):])); ; {
		var l trace.Line
		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			return head, lines, text
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

// brief writes events as "at direction kind code", times from the beginning.
func brief(events []trace.Event) (all []string) {
	for _, ev := range events {
		s := fmt.Sprintf("%v %s %s", ev.At, ev.Dir, ev.Kind)
		if ev.Code != 0 {
			s += fmt.Sprintf(" %d", ev.Code)
		}
		for _, more := range []string{ev.Reason, ev.Rule, ev.Errno} {
			if more != "" {
				s += " " + more
			}
		}
		if ev.Truncated {
			s += " truncated"
		}
		all = append(all, s)
	}
	return all
}

func TestATraceHasEachConnectionsEventsWithTheirTimes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		entry  scenario.Close
		server func(*peer)
		class  string
		events []string
	}{
		{"active", active(), well(20 * time.Millisecond), "clean", []string{
			"0s out dial", "0s in connected", "0s out asked", "0s in answered",
			"1s out close 1000 done", "1s out close_done", "1.02s in close 1000", "1.02s in fin", "1.02s out shut",
		}},
		{"abort", abort(), (*peer).rest, "cut", []string{
			"0s out dial", "0s in connected", "0s out asked", "0s in answered", "1s out cut", "1s out shut",
		}},
		{"a message cut short by RST", active(), early(func(p *peer) { p.Write([]byte{0x81, 5, 'h'}); p.reset() }), "premature_rst", []string{
			"0s out dial", "0s in connected", "0s out asked", "0s in answered",
			"500ms in rst ECONNRESET truncated", "500ms out shut",
		}},
		{"a second Close", active(), after(func(p *peer) { p.sendClose(1000); time.Sleep(time.Millisecond); p.sendClose(1001) }), "violation", []string{
			"0s out dial", "0s in connected", "0s out asked", "0s in answered",
			"1s out close 1000 done", "1s out close_done", "1s in close 1000", "1.001s in close 1001", "1.001s in fin", "1.001s out shut",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			entry := tc.entry
			if entry.Mode == scenario.Active {
				entry.Reason = "done"
			}
			head, lines, _ := tracedRun(t, once(1, entry), TraceFilter{}, tc.server)
			if head.Schema != 1 || head.Run != "00000abc" || head.Shard != "1/1" || head.Only != "all" || head.Stamps != "user" {
				t.Errorf("header %+v", head)
			}
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			l := lines[0]
			if l.Class != tc.class || l.Run != head.Run || l.Mode != string(entry.Mode) || l.Planned.Hold != time.Second || l.Planned.Start != 0 {
				t.Errorf("line %+v", l)
			}
			if l.Local == "" || l.Remote == "" || l.Local == l.Remote {
				t.Errorf("addresses %q and %q", l.Local, l.Remote)
			}
			if got := brief(l.Events); !slices.Equal(got, tc.events) {
				t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.events, "\n"))
			}
			for _, ev := range l.Events[4:] {
				if ev.Clock != "user" || ev.Seen != ev.At {
					t.Errorf("%s by the clock %q, seen at %v", ev.Kind, ev.Clock, ev.Seen)
				}
			}
		})
	}
}

func TestATraceKeepsTheConnectionsThatItsFilterNames(t *testing.T) {
	numbers := func(only string, server func(*peer)) (all []uint64) {
		f, err := ParseTraceFilter(only)
		if err != nil || f.String() != only {
			t.Fatalf("%q reads as %v: %v", only, f, err)
		}
		_, lines, _ := tracedRun(t, once(9, active()), f, server)
		for _, l := range lines {
			all = append(all, l.N)
		}
		slices.Sort(all)
		return all
	}
	if got := numbers("1/4", well(0)); !slices.Equal(got, []uint64{0, 4, 8}) {
		t.Errorf("1/4 kept %v", got)
	}
	if got := numbers("unexpected", well(0)); len(got) != 0 {
		t.Errorf("unexpected kept %v of a run as planned", got)
	}
	if got := numbers("unexpected", after((*peer).reset)); len(got) != 9 {
		t.Errorf("unexpected kept %v of a run where each went wrong", got)
	}
	for _, wrong := range []string{"", "some", "1/0", "2/3", "1/", "1/-1"} {
		if _, err := ParseTraceFilter(wrong); err == nil || !strings.Contains(err.Error(), "1/N") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestATracedConnectionKeepsItsFirstEventsAndCountsTheRest(t *testing.T) {
	_, lines, _ := tracedRun(t, once(1, active()), TraceFilter{}, early(func(p *peer) {
		for range 1000 {
			p.send(wire.OpText, "hello")
		}
		p.until(wire.OpClose)
		p.sendClose(1000)
	}))
	l := lines[0]
	if n := len(l.Events); n != 4+maxTraced+1 || l.Class != "clean" {
		t.Errorf("%d events, class %s", n, l.Class)
	}
	// 1000 messages, the own Close, its end, the peer's Close, FIN.
	if want := 1000 + 4 - maxTraced; l.Dropped != want {
		t.Errorf("%d dropped, want %d", l.Dropped, want)
	}
}

func TestATraceTellsWhyAConnectionDidNotOpenAndNoSecret(t *testing.T) {
	plan := once(2, active())
	plan.Target.URL = "ws://user:hunter2@127.0.0.1:1/?token=hunter2"
	plan.Target.Headers = []string{"Authorization: Bearer hunter2"}
	plan.OnOpen = []scenario.Step{{Send: "hello", Expect: "welcome", Within: time.Second}}
	var greeted atomic.Bool
	_, lines, text := tracedRun(t, plan, TraceFilter{}, func(p *peer) {
		if !greeted.Swap(true) {
			p.until(wire.OpText)
			p.send(wire.OpText, "welcome")
			well(0)(p)
		}
		p.rest()
	})
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret is in the trace: %s", text)
	}
	i := slices.IndexFunc(lines, func(l trace.Line) bool { return l.Class == "open_failed" })
	if len(lines) != 2 || i < 0 {
		t.Fatalf("trace %s", text)
	}
	if l := lines[i]; l.Detail != "on-open" || l.Failure == "" || l.Local == "" || *l.Expected || l.Planned.Close != nil {
		t.Errorf("line %+v", l)
	}
}

// broken fails every write.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestARunGoesOnWithoutItsTraceAndWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := playIn(t.Context(), t, once(3, active()), Options{Trace: Trace{To: broken{}}}, well(0))
		if err != nil || res.Total.Connections.Ended != 3 {
			t.Fatalf("%v, %+v", err, res)
		}
		if len(res.Warnings) != 1 || res.Warnings[0] != "the trace is not whole: write trace: no space left" {
			t.Errorf("warnings %q", res.Warnings)
		}
	})
}

// slow takes an hour for each write.
type slow struct{ bytes.Buffer }

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(time.Hour)
	return s.Buffer.Write(p)
}

func TestASlowDiskDoesNotSlowTheRunAndTheWarningCountsItsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 6000
		plan := once(connections, active())
		plan.Load.Rate = 1000
		var out slow
		var ended time.Duration
		res, err := playIn(t.Context(), t, plan, Options{
			Trace: Trace{To: &out},
			Tick: func(tick Tick) {
				if tick.Summary.Connections.Ended > 0 {
					ended = tick.Summary.To
				}
			},
		}, well(0))
		if err != nil {
			t.Fatal(err)
		}
		if ended == 0 || ended > 10*time.Second {
			t.Errorf("the last connection settled by %v", ended)
		}
		lines := strings.Count(out.String(), "\n") - 1 // the header
		if lines <= 0 || lines >= connections {
			t.Fatalf("%d of %d lines written", lines, connections)
		}
		want := fmt.Sprintf("%d connections are not in the trace", connections-lines)
		if len(res.Warnings) != 1 || !strings.HasPrefix(res.Warnings[0], want) {
			t.Errorf("warnings %q, want %s", res.Warnings, want)
		}
	})
}
