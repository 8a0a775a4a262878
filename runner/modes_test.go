package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// of gives the mode's default entry after a change.
func of(mode scenario.Mode, change func(*scenario.Close)) scenario.Close {
	c := scenario.DefaultClose(mode)
	if change != nil {
		change(&c)
	}
	return c
}

func bad(p scenario.Payload) scenario.Close {
	return of(scenario.BadClose, func(c *scenario.Close) { c.Payload = p })
}

func violating(v scenario.Violate) scenario.Close {
	return of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Violate: v} })
}

func moment(w scenario.When, how scenario.How) scenario.Close {
	return of(scenario.Abort, func(c *scenario.Close) { c.When, c.How = w, how })
}

// fails is a server that fails the connection for a bad frame: it sends a
// Close and is deaf to what follows.
func fails(code int) func(*peer) {
	return func(p *peer) {
		p.frame()
		p.sendClose(code)
		p.Close()
	}
}

// answersFailing fails the connection and takes the answer.
func answersFailing(code int) func(*peer) {
	return func(p *peer) {
		p.frame()
		p.sendClose(code)
		p.until(wire.OpClose)
	}
}

// cutsAt is a server that reads one frame and ends TCP.
func cutsAt(end func(*peer)) func(*peer) {
	return func(p *peer) {
		p.frame()
		end(p)
	}
}

func fin(p *peer) { p.Close() }

func modeHistories() []history {
	o, s, h, m := of(scenario.Output, nil), of(scenario.Simultaneous, nil), of(scenario.HalfClose, nil), of(scenario.Mute, nil)
	stall, v := of(scenario.Stall, nil), of(scenario.Vanish, nil)
	late := of(scenario.Passive, func(c *scenario.Close) { c.ReplyDelay = 3 * time.Second })
	rsv, abortive := violating(scenario.ViolateRSV), of(scenario.Passive, func(c *scenario.Close) { c.Trigger.Send = "abort fin" })
	kick := func(p *peer) { p.sendClose(1012); p.until(wire.OpClose) }
	both := func(end func(*peer)) func(*peer) {
		return ordered(func(p *peer) { p.sendClose(1001); p.until(wire.OpClose); end(p) })
	}
	return []history{
		{"messages between the two Closes are data, and all is clean", o,
			after(func(p *peer) { p.send(wire.OpText, "one"); p.send(wire.OpText, "two"); p.sendClose(1000) }), stats.Clean, ""},
		{"a ping between the two Closes is not answered and breaks nothing", o,
			after(func(p *peer) { p.send(wire.OpPing, "?"); p.send(wire.OpText, "one"); p.sendClose(1000) }), stats.Clean, ""},
		{"no answer is close_timeout", o, after((*peer).rest), stats.CloseTimeout, "acked"},
		{"FIN in place of the answer is unanswered_eof", o, after(fin), stats.UnansweredEOF, ""},
		{"a kick before the own Close is peer_first", o, early(kick), stats.PeerFirst, "code:1012 fin"},

		{"an RST behind limits.fin comes too late for the class", active(),
			after(func(p *peer) { p.sendClose(1000); time.Sleep(1500 * time.Millisecond); p.reset() }), stats.CleanNoFIN, ""},
		{"a message behind limits.fin comes too late for the class", active(),
			after(func(p *peer) {
				p.sendClose(1000)
				time.Sleep(1500 * time.Millisecond)
				p.send(wire.OpText, "late")
				p.rest()
			}), stats.CleanNoFIN, ""},

		{"an order and a Close together are clean", s, both(fin), stats.Clean, ""},
		{"an order that the server ignores, with a Close it does not answer, is close_timeout", s, ordered((*peer).rest), stats.CloseTimeout, "acked"},
		{"FIN in place of a Close is unanswered_eof", s, both(func(*peer) {}), stats.Clean, ""},
		{"a kick before both is peer_first", s, early(kick), stats.PeerFirst, "code:1012 fin"},

		{"an abort inside a message is cut", moment(scenario.MidMessage, scenario.RST), (*peer).rest, stats.Cut, ""},
		{"an abort right behind the own Close is cut", moment(scenario.AfterClose, scenario.RST), (*peer).rest, stats.Cut, ""},
		{"the same by FIN", moment(scenario.AfterClose, scenario.FIN), (*peer).rest, stats.Cut, ""},
		{"an abort while the server sends is cut", moment(scenario.Receiving, scenario.RST), well(time.Second), stats.Cut, ""},
		{"an abort that waits in vain for bytes of the server is cut at limits.close", moment(scenario.Receiving, scenario.FIN), (*peer).rest, stats.Cut, ""},

		{"a FIN without a Close that is answered by FIN is cut", h, well(0), stats.Cut, "fin"},
		{"a FIN that is answered by RST is cut", h, func(p *peer) { p.rest(); p.reset() }, stats.Cut, "rst"},
		{"a FIN that is answered by a Close and FIN is cut", h, func(p *peer) { p.rest(); p.sendClose(1000) }, stats.Cut, "fin"},
		{"a FIN that the server ignores is close_timeout", h, func(p *peer) { p.rest(); time.Sleep(40 * time.Second) }, stats.CloseTimeout, "acked"},
		{"FIN before the own one is premature_eof", h, early(fin), stats.PrematureEOF, ""},
		{"a kick before the own FIN is answered, and peer_first", h, early(kick), stats.PeerFirst, "code:1012 fin"},

		{"a server that gives up by FIN on a Close without answer has cut", m,
			ordered(func(p *peer) { p.sendClose(1001); time.Sleep(10 * time.Second) }), stats.Cut, "fin"},
		{"the same by RST", m, ordered(func(p *peer) { p.sendClose(1001); time.Sleep(10 * time.Second); p.reset() }), stats.Cut, "rst"},
		{"a server that waits for ever for the answer is close_timeout", m,
			ordered(func(p *peer) { p.sendClose(1001); p.rest() }), stats.CloseTimeout, "mute"},
		{"an order that nothing follows is no_close", m, ordered((*peer).rest), stats.NoClose, ""},
		{"an order answered by FIN alone is premature_eof", m, ordered(fin), stats.PrematureEOF, ""},
		{"a kick before the order is answered, and peer_first", m, early(kick), stats.PeerFirst, "code:1012 fin"},

		{"a client that hangs and then closes is clean", stall, well(0), stats.Clean, ""},
		{"RST in the pause is premature_rst", stall, func(p *peer) { time.Sleep(5 * time.Second); p.reset() }, stats.PrematureRST, ""},
		{"FIN in the pause is premature_eof", stall, func(p *peer) { time.Sleep(5 * time.Second); fin(p) }, stats.PrematureEOF, ""},
		{"FIN behind unread messages in the pause is premature_eof", stall,
			func(p *peer) { time.Sleep(5 * time.Second); p.send(wire.OpText, "one"); p.Close() }, stats.PrematureEOF, ""},
		{"a kick in the pause is peer_first", stall, func(p *peer) { time.Sleep(5 * time.Second); kick(p) }, stats.PeerFirst, "code:1012 fin"},

		{"an answer that comes late is taken", late, well(0), stats.Clean, ""},
		{"a server that does not wait for a late answer", late,
			ordered(func(p *peer) { p.sendClose(1001); time.Sleep(time.Second); p.reset() }), stats.ReplyFailed, "rst"},

		{"a violation that the server answers by a Close 1002 is clean", rsv, answersFailing(1002), stats.Clean, ""},
		{"a server that fails the connection and is deaf to the answer has cut", rsv, fails(1002), stats.Cut, "rst"},
		{"a violation answered by FIN alone is cut", rsv, cutsAt(fin), stats.Cut, "fin"},
		{"a violation answered by RST alone is cut", rsv, cutsAt((*peer).reset), stats.Cut, "rst"},
		{"a violation answered with a wrong code is failed_by_peer", rsv, answersFailing(1011), stats.FailedByPeer, "code:1011"},
		{"a violation that the server ignores is no_close", rsv, (*peer).rest, stats.NoClose, ""},

		{"an order to cut that the server obeys is cut", abortive, ordered(fin), stats.Cut, "fin"},
		{"an order to cut that the server answers by a Close is clean", abortive, ordered(func(p *peer) { p.sendClose(1000); p.until(wire.OpClose) }), stats.Clean, ""},

		{"going silent is cut", v, func(p *peer) { time.Sleep(3 * time.Second) }, stats.Cut, ""},
	}
}

// closeHistories are those of a bad Close.
func closeHistories() []history {
	var all []history
	for _, p := range []scenario.Payload{
		scenario.PayloadEmpty, scenario.PayloadCodeOnly, scenario.PayloadLongReason, scenario.PayloadInside,
	} {
		all = append(all,
			history{"a legal one that is answered is clean, " + string(p), bad(p), after(func(p *peer) { p.sendClose(1000) }), stats.Clean, ""},
			history{"a legal one allows no bare FIN, " + string(p), bad(p), after(fin), stats.UnansweredEOF, ""})
	}
	for _, p := range []scenario.Payload{scenario.PayloadTwice, scenario.PayloadPingAfter, scenario.PayloadDataAfter, scenario.PayloadBehindBig} {
		all = append(all,
			history{"what follows the Close may be met by RST, " + string(p), bad(p),
				after(func(p *peer) { p.sendClose(1000); p.reset() }), stats.Cut, "rst"},
			history{"what follows the Close may be passed over, " + string(p), bad(p), after(func(p *peer) { p.sendClose(1000); p.rest2() }), stats.Clean, ""})
	}
	for _, p := range []scenario.Payload{
		scenario.PayloadShort, scenario.PayloadOversize, scenario.PayloadBadUTF8, scenario.PayloadFragmented, scenario.PayloadUnmasked,
		"code-0", "code-999", "code-1004", "code-1005", "code-1006", "code-1015", "code-1016", "code-2999", "code-5000", "code-65535",
	} {
		all = append(all,
			history{"a malformed one that is failed by 1002 is clean, " + string(p), bad(p), rawly(func(p *peer) { p.sendClose(1002) }), stats.Clean, ""},
			history{"a malformed one may be answered by FIN alone, " + string(p), bad(p), rawly(fin), stats.Cut, "fin"},
			history{"a malformed one that is ignored is close_timeout, " + string(p), bad(p), (*peer).rest, stats.CloseTimeout, "acked"})
	}
	return all
}

// rawly plays a step once any bytes of the client have come, and all of those
// that came together.
func rawly(step func(*peer)) func(*peer) {
	return func(p *peer) {
		p.br.Peek(1)
		p.br.Discard(p.br.Buffered())
		step(p)
	}
}

// rest2 takes what has arrived, so that a close does not reset.
func (p *peer) rest2() {
	time.Sleep(10 * time.Millisecond)
	p.br.Discard(p.br.Buffered())
}

func TestEveryModeEndsInTheClassOfItsHistory(t *testing.T) {
	for _, h := range append(modeHistories(), closeHistories()...) {
		t.Run(fmt.Sprintf("%s: %s", h.entry.Mode, h.name), func(t *testing.T) { h.check(t) })
	}
}

func TestGiveUpIsFromTheServersCloseToItsEndOfTCP(t *testing.T) {
	res, err := play(t, once(4, of(scenario.Mute, nil)), ordered(func(p *peer) { p.sendClose(1001); time.Sleep(10 * time.Second) }))
	if err != nil {
		t.Fatal(err)
	}
	row := res.Total.Latency[0][stats.GiveUp]
	if h := row.Hist; h.Count() != 4 || h.Min() < 10*time.Second || h.Max() > 10*time.Second+time.Second/10 {
		t.Errorf("%d samples from %v to %v, want 4 of 10 s", h.Count(), h.Min(), h.Max())
	}
}

func TestALateAnswerIsAsLateAsPlanned(t *testing.T) {
	entry := of(scenario.Passive, func(c *scenario.Close) { c.ReplyDelay = 3 * time.Second })
	res, err := play(t, once(4, entry), well(0))
	if err != nil {
		t.Fatal(err)
	}
	if h := res.Total.Latency[0][stats.Reply].Hist; h.Count() != 4 || h.Min() < 3*time.Second || h.Max() > 3100*time.Millisecond {
		t.Errorf("%d samples from %v to %v, want 4 of 3 s", h.Count(), h.Min(), h.Max())
	}
}

func TestAStallReadsNothingAndItsCloseCountsFromTheEndOfThePause(t *testing.T) {
	res, err := play(t, once(4, of(scenario.Stall, nil)), well(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	lat := &res.Total.Latency[0]
	for phase, want := range map[stats.Phase]time.Duration{stats.CloseHandshake: time.Second, stats.CloseScheduled: time.Second, stats.CloseLag: 0} {
		if h := lat[phase].Hist; h.Count() != 4 || h.Min() < want || h.Max() > want+want/10 {
			t.Errorf("%s: %d samples from %v to %v, want 4 of %v", phase, h.Count(), h.Min(), h.Max(), want)
		}
	}
}

func TestTheRunsEndCutsAStallShort(t *testing.T) {
	plan := once(3, of(scenario.Stall, func(c *scenario.Close) { c.For = time.Hour }))
	plan.Load.Duration = 2 * time.Second
	plan.Limits.Drain = 10 * time.Second
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Total.Ended(stats.Interrupted); n != 3 {
		t.Errorf("%d interrupted, want 3", n)
	}
}

// kicking is a server that closes all connections when it is asked to, by HTTP.
type kicking struct {
	*httptest.Server
	asked atomic.Int32
}

func TestAWaveIsTriggeredByOneRequest(t *testing.T) {
	addr, _ := serve(t)
	k := &kicking{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { k.asked.Add(1) }))
	defer k.Close()
	plan := once(20, of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{HTTP: k.URL + "/kick"} }))
	plan.Target.URL = "ws://" + addr + "/echo?close_after=1500ms"
	plan.Load.Rate = 0
	plan.Hold, _ = value.ParseDist("100ms")
	plan.Closes.Shape, _ = value.ParseShape("wave(1s)")
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if class, _ := only(t, res); class != stats.Clean {
		t.Errorf("class %v", class)
	}
	if n := k.asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if h := res.Total.Latency[0][stats.Notice].Hist; h.Count() != 20 {
		t.Errorf("%d samples of notice, want 20", h.Count())
	}
}

func TestACommandThatFailsIsWarnedAbout(t *testing.T) {
	addr, _ := serve(t)
	told := filepath.Join(t.TempDir(), "told")
	plan := once(3, of(scenario.Passive, func(c *scenario.Close) {
		c.Trigger = scenario.Trigger{Exec: "echo {{n}} >>" + told + "; echo no such deploy; exit 3"}
	}))
	plan.Target.URL = "ws://" + addr + "/echo?close_after=1500ms"
	plan.Hold, _ = value.ParseDist("200ms")
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if class, _ := only(t, res); class != stats.Clean {
		t.Errorf("class %v", class)
	}
	if b, err := os.ReadFile(told); err != nil || len(strings.Fields(string(b))) != 3 {
		t.Errorf("the command ran for %q, %v; want each of 3 connections", b, err)
	}
	if all := strings.Join(res.Warnings, "\n"); !strings.Contains(all, "3 of 3 triggers of passive failed") || !strings.Contains(all, "no such deploy") {
		t.Errorf("warnings %q", all)
	}
}

func TestARunThatEndsEarlyFiresNoTrigger(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	plan := once(5, of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Exec: "echo >>" + told} }))
	addr, _ := serve(t)
	plan.Target.URL = "ws://" + addr + "/echo"
	plan.Hold, _ = value.ParseDist("1h")
	plan.Closes.Shape, _ = value.ParseShape("wave(1h)")
	plan.Load.Duration = time.Second
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(told); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the command ran: %v", err)
	}
	if class, _ := only(t, res); class != stats.Interrupted || len(res.Warnings) > 0 {
		t.Errorf("class %v, warnings %q", class, res.Warnings)
	}
	if n := res.Total.CodesReceived[1001]; n != 5 {
		t.Errorf("%d connections were closed in order, want 5", n)
	}
}

func TestATriggerThatRunsOnIsEndedWithTheRun(t *testing.T) {
	addr, _ := serve(t)
	plan := once(1, of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Exec: "sleep 600"} }))
	plan.Target.URL = "ws://" + addr + "/echo?close_after=500ms"
	plan.Hold, _ = value.ParseDist("200ms")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := Run(ctx, plan, Options{}); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestACommandThatEachConnectionWouldRunIsWarnedAbout(t *testing.T) {
	plan := once(3, of(scenario.Passive, func(c *scenario.Close) { c.Trigger = scenario.Trigger{Exec: "systemctl restart chat"} }))
	warned := func() bool {
		warnings, err := Preflight(&plan, scenario.Shard{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(strings.Join(warnings, "\n"), "each connection of passive fires it")
	}
	if !warned() {
		t.Error("nothing was said of a command for each connection")
	}
	plan.Closes.Shape, _ = value.ParseShape("wave(10s)")
	if warned() {
		t.Error("a command for each wave is no trouble")
	}
}
