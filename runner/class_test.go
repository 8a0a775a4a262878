package runner

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

func active() scenario.Close  { return scenario.DefaultClose(scenario.Active) }
func passive() scenario.Close { return scenario.DefaultClose(scenario.Passive) }
func abort() scenario.Close   { return scenario.DefaultClose(scenario.Abort) }

func eager() scenario.Close {
	c := active()
	c.Eager = true
	return c
}

func waiting() scenario.Close {
	c := passive()
	c.Trigger = scenario.Trigger{Wait: true}
	return c
}

func abortFIN() scenario.Close {
	c := abort()
	c.How = scenario.FIN
	return c
}

// A history is what a server does, and the class a connection then ends in.
type history struct {
	name   string
	entry  scenario.Close
	server func(*peer)
	class  stats.Class
	detail string
}

// after plays a step once the client's Close has come.
func after(step func(*peer)) func(*peer) {
	return func(p *peer) {
		p.until(wire.OpClose)
		step(p)
	}
}

// ordered plays a step once the client's order has come.
func ordered(step func(*peer)) func(*peer) {
	return func(p *peer) {
		p.until(wire.OpText)
		step(p)
	}
}

// early plays a step before the client's own step.
func early(step func(*peer)) func(*peer) {
	return func(p *peer) {
		time.Sleep(500 * time.Millisecond)
		step(p)
	}
}

func activeHistories() []history {
	a := active()
	return []history{
		{"a Close that is answered and followed by FIN is clean", a, well(0), stats.Clean, ""},
		{"a Close answered with another code is clean all the same", a, after(func(p *peer) { p.sendClose(1001) }), stats.Clean, ""},
		{"a Close answered without a code is clean", a, after(func(p *peer) { p.sendClose(wire.CodeNoStatus) }), stats.Clean, ""},
		{"an RST behind both Closes is clean_rst", a, after(func(p *peer) { p.sendClose(1000); p.reset() }), stats.CleanRST, ""},
		{"no FIN behind both Closes is clean_no_fin", a, after(func(p *peer) { p.sendClose(1000); p.rest() }), stats.CleanNoFIN, ""},
		{"an eager close does not wait for the FIN", eager(), after(func(p *peer) { p.sendClose(1000); p.rest() }), stats.Clean, ""},
		{"FIN in place of an answer is unanswered_eof", a, after(func(p *peer) { p.Close() }), stats.UnansweredEOF, ""},
		{"RST in place of an answer is unanswered_rst", a, after((*peer).reset), stats.UnansweredRST, ""},
		{"half an answer and FIN is unanswered_eof, truncated", a,
			after(func(p *peer) { p.Write([]byte{0x88, 2, 3}); p.Close() }), stats.UnansweredEOF, "truncated"},
		{"no answer at all is close_timeout, acknowledged", a, after((*peer).rest), stats.CloseTimeout, "acked"},
		{"an answer after limits.close is close_timeout", a,
			after(func(p *peer) { time.Sleep(36 * time.Second); p.sendClose(1000) }), stats.CloseTimeout, "acked"},
		{"an answer after the library's five seconds is clean", a, well(7 * time.Second), stats.Clean, ""},
		{"an answer with an error code is failed_by_peer", a, after(func(p *peer) { p.sendClose(1011) }), stats.FailedByPeer, "code:1011"},
		{"a kick before the own Close is peer_first", a,
			early(func(p *peer) { p.sendClose(1012); p.until(wire.OpClose) }), stats.PeerFirst, "code:1012 fin"},
		{"a kick with an error code is peer_first too", a,
			early(func(p *peer) { p.sendClose(1008); p.until(wire.OpClose) }), stats.PeerFirst, "code:1008 fin"},
		{"FIN in the middle of the hold is premature_eof", a, early(func(p *peer) { p.Close() }), stats.PrematureEOF, ""},
		{"RST in the middle of the hold is premature_rst", a, early((*peer).reset), stats.PrematureRST, ""},
		{"FIN inside a message is premature_eof, truncated", a,
			early(func(p *peer) { p.Write([]byte{0x81, 5, 'h', 'e'}); p.Close() }), stats.PrematureEOF, "truncated"},
		{"FIN between two fragments is truncated", a,
			early(func(p *peer) { p.Write([]byte{0x01, 2, 'h', 'e'}); p.Close() }), stats.PrematureEOF, "truncated"},
		{"a masked answer is a violation", a,
			after(func(p *peer) {
				p.Write(wire.AppendFrame(nil, wire.OpClose, []byte{3, 232}, true, [4]byte{1}))
				p.Close()
			}),
			stats.Violation, "rule:masked"},
		{"an answer with code 1006 is a violation", a, after(func(p *peer) { p.sendClose(1006) }), stats.Violation, "rule:bad-code"},
		{"data behind the peer's Close is a violation", a,
			after(func(p *peer) { p.sendClose(1000); p.send(wire.OpText, "late") }), stats.Violation, "rule:data-after-close"},
		{"a second Close is a violation", a,
			after(func(p *peer) { p.sendClose(1000); p.sendClose(1000) }), stats.Violation, "rule:second-close"},
		{"a reserved opcode in the hold is a violation", a,
			early(func(p *peer) { p.Write([]byte{0x83, 0}); p.until(wire.OpClose) }), stats.Violation, "rule:opcode"},
	}
}

func otherHistories() []history {
	p, w, r, f := passive(), waiting(), abort(), abortFIN()
	kick := func(p *peer) { p.sendClose(1001); p.until(wire.OpClose) }
	return []history{
		{"an order that the server obeys is clean", p, well(0), stats.Clean, ""},
		{"a server that closes TCP behind its Close, before the answer, is clean_rst", p,
			ordered(func(p *peer) { p.sendClose(1001); p.Close() }), stats.CleanRST, ""},
		{"a server that never closes TCP is clean_no_fin", p,
			ordered(func(p *peer) { p.sendClose(1001); p.rest() }), stats.CleanNoFIN, ""},
		{"an order that nothing follows is no_close", p, ordered((*peer).rest), stats.NoClose, ""},
		{"an order answered by FIN alone is premature_eof", p, ordered(func(p *peer) { p.Close() }), stats.PrematureEOF, ""},
		{"an order answered by RST alone is premature_rst", p, ordered((*peer).reset), stats.PrematureRST, ""},
		{"an order answered with another error code is failed_by_peer", p,
			ordered(func(p *peer) { p.sendClose(1011); p.until(wire.OpClose) }), stats.FailedByPeer, "code:1011"},
		{"a Close that follows an order after limits.close is no_close", p,
			ordered(func(p *peer) { time.Sleep(36 * time.Second); p.sendClose(1001); p.rest() }), stats.NoClose, ""},
		{"a kick before the order is peer_first", p, early(kick), stats.PeerFirst, "code:1001 fin"},
		{"a Close that comes by itself where that is awaited is clean", w, early(kick), stats.Clean, ""},
		{"any code is right where the server closes by itself", w,
			early(func(p *peer) { p.sendClose(1011); p.until(wire.OpClose) }), stats.Clean, ""},
		{"a Close that never comes where it is awaited is no_close", w, (*peer).rest, stats.NoClose, ""},
		{"an abort by RST is cut", r, (*peer).rest, stats.Cut, ""},
		{"an abort by FIN is cut", f, (*peer).rest, stats.Cut, ""},
		{"a kick before the abort is peer_first, answered all the same", r, early(kick), stats.PeerFirst, "code:1001 fin"},
		{"FIN before the abort is premature_eof", r, early(func(p *peer) { p.Close() }), stats.PrematureEOF, ""},
	}
}

func TestAHistoryIsPlayedWithTheLibraryAndWithoutIt(t *testing.T) {
	for n, want := range []bool{true, false, false} {
		c := connection{lc: scenario.Lifecycle{N: uint64(n)}}
		if c.probed() != want {
			t.Errorf("connection %d is probed: %t", n, !want)
		}
	}
}

func TestACloseThatTheLibraryDidNotWriteIsWrittenAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(memnet.Options{})
		plan := active()
		e := &engine{plan: &scenario.Plan{}, tb: wire.NewTimebase()}
		c := &connection{shard: &shard{e: e}, plan: &plan}
		c.hs.Dialer = &wire.Dialer{
			Timebase: e.tb, Connect: time.Minute, Upgrade: time.Minute,
			Dial: func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil },
		}
		req, bad := wire.NewRequest("ws://peer.test/", "", nil, nil)
		if bad != nil {
			t.Fatal(bad)
		}
		p := &peer{Conn: far, br: bufio.NewReader(far)}
		go p.upgrade()
		if err := c.hs.Open(req); err != nil {
			t.Fatal(err)
		}
		c.tap = c.hs.Tap
		if err := c.engage(); err != nil {
			t.Fatal(err)
		}
		c.lib.CloseNow()
		if err := c.ownStep(e.tb.Now() + time.Minute); err != nil {
			t.Error(err)
		}
		if op, _, err := p.frame(); op != wire.OpClose || err != nil {
			t.Errorf("the peer reads %v, %v", op, err)
		}
		c.tap.Shut()
	})
}

func TestEveryHistoryEndsInItsClass(t *testing.T) {
	for _, h := range append(activeHistories(), otherHistories()...) {
		t.Run(fmt.Sprintf("%s: %s", h.entry.Mode, h.name), func(t *testing.T) { h.check(t) })
	}
}

// check plays the history on three connections, of which the first is probed and
// so the library's from the beginning, and the others are not.
func (h *history) check(t *testing.T) {
	res, err := play(t, once(3, h.entry), h.server)
	if err != nil {
		t.Fatal(err)
	}
	class, details := only(t, res)
	if class != h.class {
		t.Errorf("class %v, want %v; exemplars %+v", class, h.class, res.Total.Exemplars)
	}
	if h.detail != "" && details[h.detail] != 3 {
		t.Errorf("details %v, want 3 of %q", details, h.detail)
	}
	if h.detail == "" && len(details) > 0 {
		t.Errorf("details %v, want none", details)
	}
	if n := res.Total.InvalidState[stats.Unexplained]; n != 0 {
		t.Errorf("%d unexplained refusals of the library", n)
	}
	if res.Total.ProbeAccepted != 0 {
		t.Errorf("%d operations succeeded after the close", res.Total.ProbeAccepted)
	}
}
