package report

import (
	"fmt"
	"time"

	"github.com/wsload/wsload/stats"
)

// A tooth is a time that software is known to wait at the end of a connection
// before it gives up. Where peers hang, the latencies of their closes stand at
// such times like the teeth of a comb, and the tooth says whose timer it was.
type tooth struct {
	at   string        // as the report writes it
	from time.Duration // the limit, the least of them where it is a band
	to   time.Duration
	who  []string
}

// comb lists the limits, the shortest first. They are the defaults that the
// documentation and the source of each program give; docs/teardown.md has them
// with what each program does then.
func comb() []tooth {
	exactly := func(limit time.Duration, who ...string) tooth { return tooth{human(limit), limit, limit, who} }
	return []tooth{
		exactly(time.Second, "the wait for FIN of a .NET client", "Envoy's delayed_close_timeout"),
		exactly(2*time.Second, "the wait for FIN of Chromium"),
		exactly(3*time.Second, "the graceful_timeout of hypercorn"),
		exactly(5*time.Second, "the wait for a Close of coder/websocket", "WebSocket-Node", "Tornado", "centrifuge", "SignalR"),
		exactly(10*time.Second, "the close_timeout of python websockets", "aiohttp", "Vert.x", "Netty's client"),
		exactly(16*time.Second, "the end() of uWebSockets", ".NET's WebSocketStream"),
		exactly(20*time.Second, "the send limit of Tomcat", "uvicorn's ping timeout", "Firefox"),
		{"30 to 40s", 30 * time.Second, 40 * time.Second,
			[]string{"the closeTimeout of Node's ws", "Tomcat (looks every 10s)", "Jetty's idle timeout", "Kestrel's shutdown"}},
		exactly(60*time.Second, "the idle limit of nginx or AWS ALB", "the close timeout of Chromium or okhttp"),
	}
}

// When samples at a tooth are a peak of their own, and not a part of what the
// server does anyway. All must hold, with the samples counted in the window
// from 1 % below the limit (clocks are coarse) to 5 % above it (a timer fires
// late, and what it sends travels):
//
//   - at least peakLeast samples, and one in peakShare of the row's
//   - the body is far away: half of the row is below half of the limit. Not so
//     where only a timer of the peer can end the phase: there is no body then
//   - around it is little: the stretch of a quarter of the limit on either side,
//     up to the windows of the next teeth, has at most a tenth of its samples
//
// A server that is slow for everybody fails the second, one whose times spread
// fails the third: an even spread has 10 to 42 % of the neighbourhood in the
// window, never ten in eleven.
const (
	peakLeast = 8
	peakShare = 1000
	moatShare = 10
)

func (t *tooth) window() (low, high time.Duration) {
	return t.from - t.from/100, t.to + t.from/20
}

// A peak is the samples of one row that stand at a tooth.
type peak struct {
	tooth
	n uint64
}

// peaks finds the teeth at which a row has a peak. timed says that nothing but a
// timer of the peer ends what the row measures.
func peaks(h *stats.Histogram, timed bool) (found []peak) {
	teeth := comb()
	for i := range teeth {
		t := &teeth[i]
		low, high := t.window()
		if low > h.Max() || !timed && h.Quantile(0.5) >= t.from/2 {
			continue
		}
		n := h.CountBetween(low, high)
		if n < peakLeast || n*peakShare < h.Count() {
			continue
		}
		left, right := low-t.from/4, high+t.to/4
		if i > 0 {
			_, before := teeth[i-1].window()
			left = max(left, before)
		}
		if i < len(teeth)-1 {
			after, _ := teeth[i+1].window()
			right = min(right, after)
		}
		if moat := h.CountBetween(left, low) + h.CountBetween(high, right); moat*moatShare <= n {
			found = append(found, peak{*t, n})
		}
	}
	return found
}

// givesUp reports whether a phase of a mode can end when a peer gives up
// waiting, and whether by nothing else: a peer's Close that is not answered
// (mute), and a FIN without a Close, which asks for nothing (half_close).
func givesUp(mode string, ph stats.Phase) (ends, timed bool) {
	switch ph {
	case stats.CloseHandshake, stats.Notice, stats.FIN:
		return true, false
	case stats.GiveUp:
		return true, true
	case stats.Teardown:
		return mode == "half_close", true
	}
	return false, false
}

// namePeaks writes a line for each peak in the phases that end when a peer
// gives up waiting.
func (p *page) namePeaks() {
	for e, entry := range p.sum.Entries {
		for ph := range stats.Phase(stats.NumPhases) {
			ends, timed := givesUp(entry.Mode, ph)
			if !ends {
				continue
			}
			for _, found := range peaks(p.sum.Latency[e][ph].Hist, timed) {
				head := fmt.Sprintf("%s of %s: %d samples at %s: typical of ", ph, printable(entry.Name), found.n, found.at)
				p.list(doubt, head, found.who, ", ")
			}
		}
	}
}
