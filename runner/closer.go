package runner

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
)

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
	case c.plan.Mode == scenario.Abort:
		c.tap.LetGo() // the owner wakes and makes the cut
	case c.plan.Mode == scenario.Passive && c.plan.Trigger.Wait:
		c.begunWaiting(planned)
	default:
		c.closer = make(chan struct{})
		c.shard.e.crew.do(c.close)
	}
	return true
}

// begunWaiting is the step of a passive close that leaves the server to close
// by itself: only the limit begins.
func (c *connection) begunWaiting(planned time.Duration) {
	c.trigger, c.sent = wire.UserInstant(planned), true
	c.tap.SetDeadline(planned + c.shard.e.plan.Limits.Close)
}

// close takes the own step of an active or a passive close.
func (c *connection) close() {
	defer close(c.closer)
	now := c.shard.e.tb.Now()
	// The library's read ends at the limit at the latest; the owner then holds
	// the connection to the exact one.
	c.tap.SetDeadline(now + c.shard.e.plan.Limits.Close)
	c.mu.Lock()
	c.step = wire.UserInstant(now)
	if c.plan.Mode == scenario.Passive {
		c.trigger = c.step
	}
	c.mu.Unlock()
	if c.plan.Mode == scenario.Active {
		c.refuse(c.lib.Close(websocket.StatusCode(c.plan.Code), c.plan.Reason))
		return
	}
	c.owed = c.tap.Trace().SentSeq
	order := scenario.Expand(c.plan.Trigger.Send, c.lc.N)
	err := c.lib.Write(context.Background(), websocket.MessageText, []byte(order))
	c.refuse(err)
	c.mu.Lock()
	c.sent = err == nil
	c.mu.Unlock()
}

// refuse counts an operation of the library that it refused because the
// connection is closing or closed (.NET: InvalidState).
func (c *connection) refuse(err error) {
	if errors.Is(err, net.ErrClosed) {
		c.refused.Add(1)
	}
}
