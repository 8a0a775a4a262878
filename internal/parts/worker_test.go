package parts

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// An employer speaks to a worker of this process over pipes.
type employer struct {
	t    *testing.T
	down *io.PipeWriter
	up   *bufio.Reader
	done chan error
}

func employ(t *testing.T, o Orders) *employer {
	t.Helper()
	in, down := io.Pipe()
	up, out := io.Pipe()
	e := &employer{t: t, down: down, up: bufio.NewReader(up), done: make(chan error, 1)}
	go func() {
		err := Work(in, out)
		out.Close()
		e.done <- err
	}()
	t.Cleanup(func() { down.Close() }) // the reading of it ends
	e.send(o)
	return e
}

func (e *employer) send(v any) {
	e.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := e.down.Write(append(line, '\n')); err != nil {
		e.t.Fatal(err)
	}
}

// next is the next line that it says and that is no part of the stream.
func (e *employer) next() (h heard, ok bool) {
	for {
		line, err := e.up.ReadBytes('\n')
		if err != nil {
			return h, false
		}
		h = heard{}
		if err := json.Unmarshal(line, &h); err != nil {
			e.t.Fatalf("it says %s: %v", line, err)
		}
		if h != (heard{}) {
			return h, true
		}
	}
}

func orders(t *testing.T) Orders {
	plan := once(5, serve(t))
	plan.Load.Duration = time.Hour
	plan.Closes.Mix = plan.Closes.Mix[:1]
	return Orders{Plan: plan, Told: plan, Target: plan.Target.URL, Run: "test", RunID: 1, Leads: true}
}

func TestAWorkerWhoseInputEndsCutsWhatIsOpenAndWaitsForNoServer(t *testing.T) {
	o := orders(t)
	o.Target = strings.Replace(o.Target, "/echo", "/no-reply", 1)
	o.Plan.Limits.Close, o.Plan.Limits.Drain = 2*time.Second, time.Hour
	e := employ(t, o)
	if h, _ := e.next(); !h.Ready {
		t.Fatalf("first it says %+v", h)
	}
	begin := time.Now()
	e.send(told{Go: &begin})
	gone, whole, hung := false, false, uint64(0)
	for h, ok := e.next(); ok; h, ok = e.next() {
		if h.Interval != nil {
			if h.Interval.Connections.Open > 0 && !gone {
				gone = true
				e.down.Close()
			}
			for _, out := range h.Interval.Outcomes {
				if out.Class != stats.Interrupted {
					hung += out.Count
				}
			}
		}
		if h.End != nil {
			whole = h.End.Complete
		}
	}
	if err := <-e.done; err != nil || !whole || hung > 0 {
		t.Errorf("it ended with %v, its part whole: %v; %d connections had the time to end by themselves", err, whole, hung)
	}
}

func TestAWorkerWhoseInputEndsBeforeTheBeginningDoesNothing(t *testing.T) {
	e := employ(t, orders(t))
	e.next()
	e.down.Close()
	if h, ok := e.next(); ok {
		t.Errorf("it says %+v", h)
	}
	if err := <-e.done; err != nil {
		t.Error(err)
	}
}

func TestTheWorkerThatLeadsTellsThatTheFirstHookIsLaunched(t *testing.T) {
	o := orders(t)
	o.Plan.Drain = scenario.Drain{Hooks: []scenario.Hook{{Exec: "true"}}, After: 10 * time.Millisecond, Within: 100 * time.Millisecond}
	o.Told = o.Plan
	e := employ(t, o)
	e.next()
	begin := time.Now()
	e.send(told{Go: &begin})
	fired, reported := false, false
	for h, ok := e.next(); ok; h, ok = e.next() {
		switch {
		case h.Full != nil:
			e.send(told{Met: &met{OK: true, Open: *h.Full, At: time.Since(begin)}})
		case h.Fired:
			fired = true
		case h.Drain != nil:
			reported = fired && h.Drain.Took != nil
		}
	}
	if err := <-e.done; err != nil || !reported {
		t.Errorf("it ended with %v; told of the launch: %v", err, fired)
	}
}

func TestAWorkerThatCannotReadItsOrdersSaysSo(t *testing.T) {
	for _, text := range []string{"", "{", "null\n{}\n{", `{"plan":{"load":{"connections":"many"}}}` + "\n"} {
		if err := Work(strings.NewReader(text), io.Discard); (err == nil) != strings.HasPrefix(text, "null") || err != nil && !strings.HasPrefix(err.Error(), "read orders: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOrdersReachAWorkerAsTheyWereGiven(t *testing.T) {
	o := orders(t)
	o.Plan.Target.Headers = []string{"Authorization: Bearer much secret"}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var got Orders
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != string(text) || !strings.Contains(string(text), "much secret") {
		t.Errorf("orders %s\nbecame %s, %v", text, again, err)
	}
}

func TestATraceBecomesWholeMarkedLines(t *testing.T) {
	var out strings.Builder
	w := &traceVoice{to: &out}
	for _, piece := range []string{"on", "e\ntwo\nth", "", "ree", "\n"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("wrote %d of %q, %v", n, piece, err)
		}
	}
	if got, want := out.String(), "Tone\nTtwo\nTthree\n"; got != want {
		t.Errorf("it became %q, want %q", got, want)
	}
}
