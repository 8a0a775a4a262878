package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/trace"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// fuzzEntries are the plans that arbitrary bytes of a server meet.
func fuzzEntries() []scenario.Close {
	return []scenario.Close{
		active(), eager(), passive(), waiting(), of(scenario.Output, nil), of(scenario.Simultaneous, nil),
		abort(), abortFIN(), moment(scenario.Receiving, scenario.RST), moment(scenario.MidMessage, scenario.FIN), moment(scenario.AfterClose, scenario.RST),
		of(scenario.HalfClose, nil), of(scenario.Mute, nil), of(scenario.Stall, nil),
		bad(scenario.PayloadEmpty), bad(scenario.PayloadTwice), bad(scenario.PayloadShort), violating(scenario.ViolateUnmasked),
		of(scenario.Passive, func(c *scenario.Close) { c.ReplyDelay = time.Second }),
	}
}

// FuzzServerBytes sends arbitrary bytes to a client: in pieces, before or after
// its own step, and with or without an end of TCP behind them. The run must
// end, every connection in one class, and the events of its trace must be what
// that class says.
func FuzzServerBytes(f *testing.F) {
	frames := [][]byte{
		{0x88, 2, 3, 232}, {0x88, 0}, {0x88, 2, 3, 243}, {0x88, 1, 3}, {0x88, 2, 3, 238}, {0x81, 2, 'h', 'i', 0x88, 2, 3, 232},
		{0x88, 2, 3, 232, 0x88, 2, 3, 232}, {0x88, 2, 3, 232, 0x81, 0}, {0x89, 0, 0x8A, 0}, {0x01, 1, 'a'}, {0x83, 0}, {0x88, 0x82, 0, 0, 0, 0, 3, 232}, {0x88, 126, 0, 126},
		[]byte("HTTP/1.1 200 OK\r\n\r\n"), {},
	}
	for i, frame := range frames {
		for end := range byte(3) {
			f.Add(byte(i), end, byte(i), frame)
		}
	}
	known, err := os.ReadFile("testdata/server-bytes.txt") // what longer fuzzing has found of interest
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(known)) {
		var entry, end, piece byte
		var said string
		if _, err := fmt.Sscanf(line, "%d %d %d %q", &entry, &end, &piece, &said); err != nil {
			f.Fatalf("%q: %v", line, err)
		}
		f.Add(entry, end, piece, []byte(said))
	}
	f.Fuzz(func(t *testing.T, entry, end, piece byte, said []byte) {
		entries := fuzzEntries()
		plan := once(1, entries[int(entry)%len(entries)])
		var traced bytes.Buffer
		synctest.Test(t, func(t *testing.T) {
			res, err := playIn(t.Context(), t, plan, Options{Trace: Trace{To: &traced}}, func(p *peer) { p.babble(end, piece, said) })
			if err != nil {
				t.Fatal(err)
			}
			if n := res.Total.InvalidState[stats.Unexplained] + res.Total.ProbeAccepted; n != 0 {
				t.Errorf("%d refusals of the library unexplained, or probes accepted", n)
			}
		})
		lines := bytes.Split(bytes.TrimSpace(traced.Bytes()), []byte("\n"))
		var l trace.Line
		if err := json.Unmarshal(lines[1], &l); err != nil {
			t.Fatal(err)
		}
		if err := holds(&l, plan.Closes.Mix[0]); err != nil {
			t.Errorf("%s %s: %v\n%s", l.Class, l.Detail, err, lines[1])
		}
	})
}

// babble sends said in pieces: at once or after the client's first frame, and
// ends as told.
func (p *peer) babble(end, piece byte, said []byte) {
	if end&4 != 0 {
		p.frame()
	}
	if end&8 != 0 {
		time.Sleep(time.Duration(piece) * 200 * time.Millisecond)
	}
	for part := range slices.Chunk(said, 1+int(piece)) {
		p.Write(part)
		if end&16 != 0 {
			time.Sleep(300 * time.Millisecond)
		}
	}
	switch end & 3 {
	case 0:
		p.Close()
	case 1:
		p.reset()
	case 2:
		p.rest()
	default:
		time.Sleep(time.Minute)
	}
}

// seen is what the events of a connection come to.
type seen struct {
	ownClose, ownDone, peerClose, end, cut, half *trace.Event
	code                                         int
	rule                                         bool
}

func look(l *trace.Line) (s seen) {
	first := func(at **trace.Event, ev *trace.Event) {
		if *at == nil {
			*at = ev
		}
	}
	for i := range l.Events {
		ev := &l.Events[i]
		s.rule = s.rule || ev.Rule != "" && ev.Dir == "in"
		switch ev.Dir + " " + ev.Kind {
		case "out close":
			first(&s.ownClose, ev)
		case "out close_done":
			first(&s.ownDone, ev)
		case "in close":
			first(&s.peerClose, ev)
		case "in fin", "in rst", "in failed":
			s.end = ev // an RST may come behind a FIN
		case "out cut":
			first(&s.cut, ev)
		case "out half_close":
			first(&s.half, ev)
		}
	}
	if s.peerClose != nil {
		s.code = s.peerClose.Code
	}
	return s
}

// holds reports whether what was seen on the wire is what the class says.
func holds(l *trace.Line, plan scenario.Close) error {
	s := look(l)
	both := s.ownDone != nil && s.peerClose != nil
	ended := func(kind string) bool { return s.end != nil && s.end.Kind == kind }
	want := map[string]bool{
		"violation":        s.rule || l.Rule != "",
		"cut":              s.cut != nil || s.end != nil && (s.half != nil || plan.Mode == scenario.Mute || plan.Mode == scenario.BadClose || plan.Trigger.Violate != ""),
		"peer_first":       s.peerClose != nil && !plan.Trigger.Wait,
		"failed_by_peer":   s.peerClose != nil && (s.code == 1002 || s.code == 1003 || s.code >= 1007 && s.code <= 1011),
		"reply_failed":     s.peerClose != nil && s.ownDone == nil,
		"clean":            both && (ended("fin") || plan.Eager && s.end == nil),
		"clean_rst":        both && (ended("rst") || ended("failed")),
		"clean_no_fin":     both && (s.end == nil || slices.Contains(l.Flags, "late_fin")),
		"unanswered_eof":   s.ownDone != nil && s.peerClose == nil && ended("fin"),
		"unanswered_rst":   s.ownDone != nil && s.peerClose == nil && ended("rst"),
		"unanswered_error": s.ownDone != nil && s.peerClose == nil && ended("failed"),
		"premature_eof":    s.ownDone == nil && s.peerClose == nil && ended("fin"),
		"premature_rst":    s.ownDone == nil && s.peerClose == nil && ended("rst"),
		"premature_error":  s.ownDone == nil && s.peerClose == nil && ended("failed"),
		"close_timeout":    s.end == nil && (s.peerClose == nil || plan.Mode == scenario.Mute || plan.Mode == scenario.HalfClose),
		"no_close":         s.end == nil && s.peerClose == nil && (plan.Mode == scenario.Passive || plan.Mode == scenario.Mute),
	}
	right, known := want[l.Class]
	switch {
	case !known:
		return fmt.Errorf("no class for a connection that opened")
	case !right:
		return fmt.Errorf("the events are another class's")
	case s.rule && l.Class != "violation":
		return fmt.Errorf("a rule was broken")
	case strings.Contains(l.Detail, "truncated") != (s.end != nil && s.end.Truncated && strings.HasPrefix(l.Class, "un")) && !strings.HasPrefix(l.Class, "pre"):
		return fmt.Errorf("truncated in the detail and not on the wire, or the other way round")
	}
	return nil
}
