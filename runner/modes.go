package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/badframe"
	"github.com/wsload/wsload/internal/trigger"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// withholds reports whether the peer's Close is kept from the library, since
// it is the owner's to answer, late or never.
func withholds(c *scenario.Close) bool {
	switch c.Mode {
	case scenario.Active:
		return false
	case scenario.Passive:
		return c.ReplyDelay > 0 || c.Trigger.Violate != ""
	}
	return true
}

// ownStep does what the mode says to end the connection, until the offset
// limit. The library goes on reading meanwhile, up to the peer's Close; where
// the mode reads no more, it is let go.
func (c *connection) ownStep(limit time.Duration) error {
	if trigger := &c.plan.Trigger; c.forward && trigger.Shared() && !trigger.Names() {
		// A deploy is not for a run to make that is over. Its connections are
		// closed, and how they would have ended is not known.
		c.abandoned = true
		return c.tap.WriteClose(codeGoingAway, "", limit)
	}
	if c.plan.Trigger.Wait && c.released() {
		return c.tap.WriteClose(codeGoingAway, "", limit)
	}
	switch plan := c.plan; plan.Mode {
	case scenario.Active:
		var err error
		if c.lib != nil {
			if err = c.lib.Close(websocket.StatusCode(plan.Code), plan.Reason); c.unsaid() {
				err = c.tap.WriteClose(plan.Code, plan.Reason, limit)
			}
		} else {
			err = c.tap.WriteClose(plan.Code, plan.Reason, limit)
		}
		c.refuse(err)
		return err
	case scenario.Output:
		return c.tap.WriteClose(plan.Code, plan.Reason, limit)
	case scenario.Passive, scenario.Mute:
		return c.pull(limit)
	case scenario.Simultaneous:
		if err := c.pull(limit); err != nil {
			return err
		}
		return c.tap.WriteClose(plan.Code, plan.Reason, limit)
	case scenario.HalfClose:
		return c.tap.CloseWrite(limit)
	case scenario.BadClose:
		frames, code := badClose(plan.Payload.Of(c.lc.N))
		return c.tap.WriteBadClose(frames, code, limit)
	case scenario.Stall:
		defer c.tap.LetGo()
		return c.tap.Silence(limit)
	default: // an abort in the midst of something
		return c.disturb(limit)
	}
}

// unsaid reports whether the library has left an open connection without a Close,
// as it does where it gets to no write within its own five seconds.
func (c *connection) unsaid() bool {
	tr := c.tap.Trace()
	return !tr.OwnClose.Set() && !tr.OwnCloseLost && !tr.PeerClose.Set() && tr.Ending == wire.None
}

// cut makes the planned cut, behind what the closer had to do before it.
func (c *connection) cut() {
	c.tap.LetGo()
	if c.closer != nil {
		<-c.closer
	}
	if c.plan.Mode == scenario.Vanish {
		c.tap.Vanish()
		return
	}
	c.tap.Cut(c.plan.How != scenario.FIN)
}

// disturb brings the connection to where an abort is to meet it, and wakes the
// owner, who makes the cut.
func (c *connection) disturb(limit time.Duration) error {
	defer c.tap.LetGo()
	switch c.plan.When {
	case scenario.MidMessage:
		return c.tap.WriteRaw(badframe.HalfMessage(masked), limit)
	case scenario.AfterClose:
		return c.tap.WriteClose(codeGoingAway, "", limit)
	}
	// Receiving: a server that sends nothing by itself is given something to
	// send back, once the library does not read it any more.
	if err := c.tap.Silence(limit); err != nil {
		return err
	}
	c.tap.LetGo()
	size := max(c.shard.e.plan.Traffic.Size, leastEcho)
	return c.tap.WriteRaw(badframe.Frame(wire.OpText, bytes.Repeat([]byte{'.'}, size), masked), limit)
}

// leastEcho is the least that a server is given to send back, in bytes: more
// than the part of it that is read before the cut.
const leastEcho = 1024

// codeGoingAway is what a browser says that leaves a page (RFC 6455 section
// 7.4.1).
const codeGoingAway = 1001

// masked: this end is the client (RFC 6455 section 5.3).
const masked = true

// badClose gives the frames of a bad Close and the status code that stands in
// the first Close among them.
func badClose(p scenario.Payload) (frames []byte, code int) {
	normal := wire.AppendClosePayload(nil, wire.CodeNormal, "")
	if code, ok := p.Code(); ok {
		return badframe.Code(code, nil, masked), code
	}
	switch p {
	case scenario.PayloadEmpty:
		return badframe.Frame(wire.OpClose, nil, masked), wire.CodeNoStatus
	case scenario.PayloadShort:
		return badframe.Short(normal, masked), wire.CodeNoStatus
	case scenario.PayloadLongReason:
		frames = badframe.LongReason(normal, masked)
	case scenario.PayloadInside:
		frames = badframe.InsideMessage(normal, masked)
	case scenario.PayloadTwice:
		frames = badframe.Twice(normal, masked)
	case scenario.PayloadPingAfter:
		frames = badframe.PingAfter(normal, masked)
	case scenario.PayloadDataAfter:
		frames = badframe.DataAfter(normal, masked)
	case scenario.PayloadBehindBig:
		frames = badframe.BehindLarge(normal, masked)
	case scenario.PayloadOversize:
		frames = badframe.Oversize(normal, masked)
	case scenario.PayloadBadUTF8:
		frames = badframe.BadUTF8(normal, masked)
	case scenario.PayloadFragmented:
		frames = badframe.Fragment(wire.OpClose, normal, masked)
	case scenario.PayloadUnmasked:
		frames = badframe.WrongMask(wire.OpClose, normal, masked)
	case scenario.PayloadCodeOnly:
		frames = badframe.Frame(wire.OpClose, normal, masked)
	}
	return frames, wire.CodeNormal
}

// violation gives the frame that a server must fail the connection for.
func violation(v scenario.Violate) []byte {
	text := []byte("a frame that breaks a rule")
	switch v {
	case scenario.ViolateOpcode:
		return badframe.ReservedOpcode(text, masked)
	case scenario.ViolateRSV:
		return badframe.ReservedBit(wire.OpText, text, masked)
	case scenario.ViolateUnmasked:
		return badframe.WrongMask(wire.OpText, text, masked)
	}
	return badframe.LongPing(masked)
}

// pull fires the trigger: it brings the server to close, and notes when.
func (c *connection) pull(limit time.Duration) error {
	t := &c.plan.Trigger
	var err error
	switch {
	case t.Shared():
		at, ok := c.shard.e.waves.launch(c)
		if !ok {
			return errors.New("the run ended before the trigger was launched")
		}
		c.triggered(at)
		c.tap.SetDeadline(at.At + c.shard.e.plan.Limits.Close)
	case t.Violate != "":
		c.triggered(wire.UserInstant(c.shard.e.tb.Now()))
		err = c.tap.WriteRaw(violation(t.Violate), limit)
	default:
		c.triggered(wire.UserInstant(c.shard.e.tb.Now()))
		order := []byte(scenario.Expand(t.Send, c.lc.N))
		if c.lib != nil {
			err = c.lib.Write(context.Background(), websocket.MessageText, order)
		} else {
			err = c.tap.WriteText(order, limit)
		}
		c.refuse(err)
	}
	c.mu.Lock()
	c.sent = err == nil
	c.mu.Unlock()
	return err
}

// triggered notes the moment of the trigger.
func (c *connection) triggered(at wire.Instant) {
	c.owed = c.tap.Trace().SentSeq
	c.mu.Lock()
	c.trigger = at
	c.mu.Unlock()
}

// maxFiring bounds the requests and commands under way at a time.
const maxFiring = 32

// maxWaves bounds the waves that are remembered. Connections of one wave come
// within moments of each other.
const maxWaves = 8

// waves fires the triggers that are no message: once for all connections of an
// entry whose closes are planned for the same moment. Where the closes have no
// common moment, or the triggers name their connections, each fires its own.
type waves struct {
	e        *engine
	launcher *trigger.Launcher
	ctx      context.Context // of all that is fired
	cancel   context.CancelFunc
	jobs     sync.WaitGroup

	mu     sync.Mutex
	recent []*wave  // oldest first
	fired  []firing // by entry of the mix
}

// A firing is how often an entry's trigger was fired.
type firing struct {
	n, failed int
	first     error // of those that failed
}

// A wave is one firing.
type wave struct {
	entry    int
	at       time.Duration // planned
	method   string        // of a request
	text     string        // its URL, or the command
	launched chan struct{}
	when     wire.Instant // once launched
}

func newWaves(e *engine) *waves {
	ctx, cancel := context.WithCancel(context.Background())
	return &waves{e: e, launcher: trigger.NewLauncher(maxFiring), ctx: ctx, cancel: cancel, fired: make([]firing, len(e.plan.Closes.Mix))}
}

// launch fires the trigger of the connection, unless that has been done for it,
// and gives the moment it was launched. False: the run ended first.
func (w *waves) launch(c *connection) (wire.Instant, bool) {
	v := w.join(c)
	select {
	case <-v.launched:
		return v.when, true
	case <-w.e.dials.Done():
		return wire.Instant{}, false
	}
}

// join gives the connection's wave, a new one under way where it is the first.
func (w *waves) join(c *connection) *wave {
	c.mu.Lock()
	v := &wave{entry: c.lc.Entry, at: c.planned, launched: make(chan struct{})}
	if v.method, v.text = c.plan.Trigger.Request(); v.text == "" {
		v.text = c.plan.Trigger.Exec
	}
	v.text = scenario.Expand(v.text, c.lc.N)
	c.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := w.e.plan.Closes.Shape.Kind()
	if kind == value.ShapeWave || kind == value.ShapeAtEnd {
		for _, known := range w.recent {
			if known.entry == v.entry && known.at == v.at && known.text == v.text {
				return known
			}
		}
		w.recent = append(w.recent, v)
		w.recent = w.recent[max(0, len(w.recent)-maxWaves):]
	}
	w.fired[v.entry].n++
	w.jobs.Go(func() { w.fire(v) })
	return v
}

// fire runs the request or the command to its end.
func (w *waves) fire(v *wave) {
	var t trigger.Trigger = trigger.Command{Line: v.text}
	if v.method != "" {
		t = trigger.Request{Method: v.method, URL: v.text}
	}
	err := w.launcher.Fire(w.ctx, t, func() {
		v.when = wire.UserInstant(w.e.tb.Now())
		close(v.launched)
	})
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &w.fired[v.entry]
	if f.failed++; f.first == nil {
		f.first = err
	}
}

// end ends what still runs, and says what failed.
func (w *waves) end() {
	w.cancel()
	w.jobs.Wait()
	for entry, f := range w.fired {
		if f.failed > 0 {
			w.e.warn(fmt.Sprintf("%d of %d triggers of %s failed, the first: %s",
				f.failed, f.n, w.e.plan.Closes.Mix[entry].Name, w.e.hidden.Replace(f.first.Error())))
		}
	}
}
