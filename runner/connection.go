package runner

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/verdict"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// stage is how far a connection's life has come, as its owner and its closer
// must agree on it.
type stage uint8

const (
	opening stage = iota
	held          // open, its planned close not begun
	closing       // the planned close has begun
	ending        // the connection ends by itself; no planned close begins any more
)

// A connection is one lifecycle under way. The goroutine that runs live owns
// it: it alone reads, and it alone closes the socket.
type connection struct {
	shard *shard
	lc    scenario.Lifecycle
	plan  *scenario.Close
	due   time.Duration // planned start

	failures uint8 // in its slot, in a row, before it

	hs     wire.Handshake // its Record is above 0 where the connection is traced
	lib    *websocket.Conn
	tap    *wire.Tap
	opened time.Duration // the 101's arrival

	mu          sync.Mutex
	stage       stage
	planned     time.Duration // planned close
	off         time.Duration // when its slot is switched off; set with held
	forward     bool
	step        wire.Instant // when the closer began
	trigger     wire.Instant
	sent        bool   // the trigger is wholly written
	owed        uint64 // messages of the traffic written before the trigger
	interrupted bool
	abandoned   bool          // the run ended before its trigger was fired; set by the closer
	closer      chan struct{} // closed when the closer's goroutine has ended
	stop        chan struct{} // closed by interrupt, from the closer on

	settled atomic.Bool   // nothing is due on it any more
	refused atomic.Uint32 // operations the library refused as too late
	sending atomic.Bool   // a message of the traffic is due or under way
	seq     uint64        // of the next message of the traffic; belongs to who set sending
	skipped atomic.Uint64

	readErr, closeErr error // the library's last words to the owner and to the closer

	after aftermath // set when it is counted
}

// live is the whole life of a connection, from the dial until it is settled
// and counted.
func (c *connection) live(ctx context.Context) {
	defer c.settled.Store(true)
	e := verdict.Evidence{Plan: c.plan}
	if err := c.open(ctx); err != nil {
		e.Open = err
		c.count(&e)
		return
	}
	c.hold()
	c.receive()
	c.finish(&e)
	c.count(&e)
}

// open dials, upgrades and has the opening dialogue. Only the dialogue watches
// the context; interrupt ends the rest.
func (c *connection) open(ctx context.Context) *wire.OpenError {
	e := c.shard.e
	c.hs.Dialer = e.dialer
	c.hs.Local = e.local(c.lc.N)
	c.hs.Withhold = withholds(c.plan)
	c.hs.Record = e.tracer.events(c.lc.N)
	req, err := e.request(c.lc)
	if err == nil {
		err = c.hs.Open(req)
	}
	if err != nil {
		return err
	}
	c.tap, c.opened = c.hs.Tap, c.hs.Answered.At
	if e.echo {
		c.tap.ExpectEcho(e.opt.RunID, c.lc.N)
	}
	if !c.speaks() {
		return nil
	}
	if err := c.engage(); err != nil {
		c.tap.Shut()
		return &wire.OpenError{Reason: "upgrade", Err: err}
	}
	if err := c.dialogue(ctx); err != nil {
		c.lib.CloseNow()
		c.tap.Shut()
		if ctx.Err() != nil {
			return &wire.OpenError{Reason: verdict.ReasonInterrupted, Err: err}
		}
		return &wire.OpenError{Reason: "on-open", Err: err}
	}
	return nil
}

// speaks reports whether the client library has something to do from the
// beginning: messages, or the probe behind the close.
func (c *connection) speaks() bool {
	plan := c.shard.e.plan
	return len(plan.OnOpen) > 0 || plan.Traffic.Every > 0 || c.probed()
}

// engage hands the connection to the client library. A connection that only
// waits for its close does without: half of its memory and a third of its CPU
// time would be the library's, which would have nothing to say.
func (c *connection) engage() error {
	lib, _, err := websocket.Dial(context.Background(), "ws://engaged", &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: &c.hs},
		Subprotocols:    c.shard.e.plan.Target.Subprotocols,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return err
	}
	lib.SetReadLimit(-1)
	c.lib = lib
	return nil
}

// dialogue sends the messages of on_open and waits for their answers. A miss
// fails the opening, so a deadline that cuts TCP does no harm here.
func (c *connection) dialogue(ctx context.Context) error {
	for i := range c.shard.e.plan.OnOpen {
		if err := c.say(ctx, &c.shard.e.plan.OnOpen[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) say(ctx context.Context, step *scenario.Step) error {
	ctx, cancel := context.WithTimeout(ctx, step.Within)
	defer cancel()
	text := scenario.Expand(step.Send, c.lc.N)
	if err := c.lib.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	want := scenario.Expand(step.Expect, c.lc.N)
	for want != "" {
		_, got, err := c.lib.Read(ctx)
		if err != nil {
			return err
		}
		if strings.Contains(string(got), want) {
			break
		}
	}
	return nil
}

// hold makes the connection one that is open: counted, and due to be closed.
func (c *connection) hold() {
	e := c.shard.e
	c.shard.rec.Opened()
	e.opened.Add(1)
	if e.opt.Opened != nil {
		e.opt.Opened(c.opened)
	}
	planned, off := e.plan.CloseAt(c.opened, c.lc), e.plan.Load.OffAt(c.lc.Slot, c.opened)
	c.mu.Lock()
	c.stage, c.off = held, off
	if c.interrupted {
		c.tap.Interrupt()
	}
	c.mu.Unlock()
	if e.over.Load() {
		c.shard.schedule.add(due{at: e.tb.Now(), task: taskForward, c: c})
		return
	}
	e.traffic.begin(c)
	d := due{at: planned, task: taskClose, c: c}
	if off < scenario.Never && e.plan.Closes.Shape.Kind() == value.ShapeRate { // the stages do not wait for the pace
		c.shard.schedule.add(due{at: off, task: taskOff, c: c})
	}
	if planned <= e.tb.Now() {
		c.shard.fire(d)
	} else {
		c.shard.schedule.add(d)
	}
}

// receive reads until there is nothing more to read for the library, or for
// who waits for a Close: the owner's own reads follow. The library is engaged as
// soon as there is something for it.
func (c *connection) receive() {
	if c.lib == nil {
		c.readErr = c.tap.Await(c.shard.e.lull)
		if !errors.Is(c.readErr, wire.ErrEngage) || !c.join() {
			return
		}
	}
	ctx := context.Background() // a deadline here would cut TCP
	for {
		_, r, err := c.lib.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			c.readErr = err
			return
		}
	}
}

// join engages the library on a connection that is held. Behind the own step it
// has no part in the connection any more.
func (c *connection) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == held {
		c.readErr = c.engage()
	}
	return c.lib != nil
}

// interrupt ends every wait of the connection: the run is over.
func (c *connection) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return
	}
	c.interrupted = true
	if c.stop != nil {
		close(c.stop)
	}
	if c.stage == opening {
		c.hs.Interrupt()
	} else {
		c.tap.Interrupt()
	}
}

// beginClose begins the planned close, unless the connection is not open any
// more. forward says that the plan was cut short. It never blocks: what may
// block runs beside the owner.
func (c *connection) beginClose(planned time.Duration, forward bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != held {
		return false
	}
	c.stage, c.planned, c.forward = closing, planned, forward
	c.shard.e.closing.Add(1)
	switch {
	case c.plan.Mode == scenario.Vanish, c.plan.When == scenario.Idle:
		c.tap.LetGo() // the owner wakes and makes the cut
	case c.plan.Trigger.Wait && !c.released():
		c.begunWaiting(planned)
	case c.closedAtOnce():
	default:
		c.closer, c.stop = make(chan struct{}), make(chan struct{})
		if c.interrupted {
			close(c.stop)
		}
		c.shard.e.crew.do(c.close)
	}
	return true
}

// closedAtOnce takes the own step of a connection without a library where that
// is a Close and needs no wait: no goroutine has to be woken for it, and the
// Close leaves that much nearer to its time. It is called with the mutex held.
func (c *connection) closedAtOnce() bool {
	mode := c.plan.Mode
	if c.lib != nil || c.interrupted || mode != scenario.Active && mode != scenario.Output {
		return false
	}
	now := c.shard.e.tb.Now()
	done, err := c.tap.TryClose(c.plan.Code, c.plan.Reason)
	if !done {
		return false
	}
	c.tap.SetDeadline(now + c.shard.e.plan.Limits.Close)
	c.step, c.closeErr = wire.UserInstant(now), err
	c.refuse(err)
	return true
}

// released reports whether the end of a drain has come before the server's
// Close: the connection is then closed from here. It is called with the mutex
// held, or by the closer.
func (c *connection) released() bool {
	return c.forward && len(c.shard.e.plan.Drain.Hooks) > 0
}

// begunWaiting is the step of a close that leaves the server to close by
// itself: only the limit begins.
func (c *connection) begunWaiting(planned time.Duration) {
	c.trigger, c.sent = wire.UserInstant(planned), true
	c.tap.SetDeadline(planned + c.shard.e.plan.Limits.Close)
}

// close takes the own step beside the owner.
func (c *connection) close() {
	defer close(c.closer)
	now := c.shard.e.tb.Now()
	limit := now + c.shard.e.plan.Limits.Close
	// The library's read ends at the limit at the latest; the owner then holds
	// the connection to the exact one.
	c.tap.SetDeadline(limit)
	c.mu.Lock()
	c.step = wire.UserInstant(now)
	c.mu.Unlock()
	c.closeErr = c.ownStep(limit)
}

// refuse counts an operation of the library that it refused because the
// connection is closing or closed (.NET: InvalidState).
func (c *connection) refuse(err error) {
	if errors.Is(err, net.ErrClosed) {
		c.refused.Add(1)
	}
}
