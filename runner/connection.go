package runner

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
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

	hs     wire.Handshake
	lib    *websocket.Conn
	tap    *wire.Tap
	opened time.Duration // the 101's arrival

	mu          sync.Mutex
	stage       stage
	planned     time.Duration // planned close
	forward     bool
	trigger     wire.Instant
	sent        bool // the trigger is wholly written
	interrupted bool
	closer      chan struct{} // closed when the closer's goroutine has ended

	refused atomic.Uint32 // operations the library refused as too late
	sending atomic.Bool   // a message of the traffic is due or under way
	ping    atomic.Bool   // a ping is due
	seq     uint64        // of the next message of the traffic; belongs to who set sending
	skipped atomic.Uint64
}

// live is the whole life of a connection, from the dial until it is settled
// and counted.
func (c *connection) live(ctx context.Context) {
	e := evidence{plan: c.plan}
	if err := c.open(ctx); err != nil {
		e.open = err
		c.count(&e)
		return
	}
	c.hold()
	c.receive()
	c.finish(&e)
	c.count(&e)
}

// reasonInterrupted is the reason of an opening that the run's end cut short.
const reasonInterrupted = "interrupted"

// open dials, upgrades and has the opening dialogue.
func (c *connection) open(ctx context.Context) *wire.OpenError {
	e := c.shard.e
	c.hs.Dialer = e.dialer
	c.hs.Local = e.local(c.lc.N)
	c.hs.Withhold = c.plan.Mode == scenario.Abort
	target := e.request(c.lc)
	lib, _, err := websocket.Dial(ctx, target.url, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: &c.hs},
		HTTPHeader:      target.header,
		Host:            target.host,
		Subprotocols:    e.plan.Target.Subprotocols,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if c.hs.Tap != nil {
			c.hs.Tap.Shut()
		}
		if oe, ok := errors.AsType[*wire.OpenError](err); ok {
			return oe
		}
		return &wire.OpenError{Reason: "upgrade", Err: err}
	}
	lib.SetReadLimit(-1)
	c.lib, c.tap = lib, c.hs.Tap
	c.opened = c.hs.Answered.At
	if e.echo {
		c.tap.ExpectEcho(e.opt.RunID, c.lc.N)
	}
	if err := c.dialogue(ctx); err != nil {
		c.lib.CloseNow()
		c.tap.Shut()
		if ctx.Err() != nil {
			return &wire.OpenError{Reason: reasonInterrupted, Err: err}
		}
		return &wire.OpenError{Reason: "on-open", Err: err}
	}
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
	planned := e.plan.CloseAt(c.opened, c.lc)
	c.mu.Lock()
	c.stage = held
	if c.interrupted {
		c.tap.Interrupt()
	}
	c.mu.Unlock()
	if e.over.Load() {
		c.shard.schedule.add(due{at: e.tb.Now(), task: taskForward, c: c})
		return
	}
	c.shard.schedule.add(due{at: planned, task: taskClose, c: c})
	e.traffic.begin(c)
}

// receive runs the library's receive loop until the library is through with
// the connection, or let go.
func (c *connection) receive() {
	ctx := context.Background() // a deadline here would cut TCP
	for {
		_, r, err := c.lib.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return
		}
	}
}

// interrupt ends every wait of the connection: the run is over.
func (c *connection) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	if c.stage != opening { // else the dial's context ends it
		c.tap.Interrupt()
	}
}

// buffers are for reading without the library: the library's own are back in
// its pool by then.
var buffers = sync.Pool{New: func() any { return new([4096]byte) }}

// finish takes the connection from where the library left it until it settles.
func (c *connection) finish(e *evidence) {
	buf := buffers.Get().(*[4096]byte)
	defer buffers.Put(buf)
	s := c.take()
	for !c.proceed(&s, e, buf[:]) {
	}
	c.settle(e, &s)
}

// proceed makes the next move and reports whether the connection has settled.
func (c *connection) proceed(s *situation, e *evidence, buf []byte) (settled bool) {
	tr := c.tap.Trace()
	do := s.next(&tr)
	switch do.act {
	case actSettle:
		return true
	case actCut:
		c.tap.Cut(c.plan.How != scenario.FIN)
		return true
	case actAnswer:
		c.tap.LetGo()
		code := tr.PeerCode
		if tr.Rule != wire.NoRule {
			code = 1002 // RFC 6455 section 7.1.7
		}
		c.tap.WriteClose(code, "", do.limit)
		return false
	}
	err := c.tap.Next(buf, do.limit)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		do.late(e)
	case errors.Is(err, wire.ErrInterrupted):
		e.interrupted = true
	}
	return true
}

// settle ends what is left of the connection and completes the evidence.
func (c *connection) settle(e *evidence, s *situation) {
	if e.timedOut {
		e.unsent = c.tap.Unsent()
	}
	c.tap.LetGo()
	if c.closer != nil {
		<-c.closer
	}
	c.lib.CloseNow() // the wire has the verdict; the library's is not asked
	tr := c.tap.Trace()
	if tr.Ending == wire.FIN {
		c.tap.Confirm(c.shard.e.tb.Now() + c.shard.e.plan.Limits.Fin)
	}
	c.tap.Shut()
	e.trace = c.tap.Trace()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.planned, e.begun = c.planned, c.stage == closing
	e.trigger, e.sent = c.trigger, c.sent
	if s.lateClose(&e.trace, c.trigger) {
		// It came after limits.close had run out: too late to count.
		e.trace.PeerClose, e.timedOut = wire.Instant{}, true
	}
}

// take makes the owner's side of the bargain with the closer: once the library
// is through, a planned close that has not begun never will.
func (c *connection) take() situation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == held {
		c.stage = ending
	}
	limits := &c.shard.e.plan.Limits
	return situation{c: c, close: limits.Close, fin: limits.Fin, left: c.shard.e.tb.Now()}
}
