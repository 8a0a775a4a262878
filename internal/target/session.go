package target

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/wire"
)

// Status codes of RFC 6455 section 7.4.1.
const (
	codeGoingAway     = 1001
	codeProtocolError = 1002
	codeInvalidData   = 1007
)

// A session is one open connection. One goroutine runs it.
type session struct {
	sv      *service
	link    *link
	conn    net.Conn // plain text: the link, or TLS above it
	tap     *wire.Tap
	lib     *websocket.Conn
	manners manners
	account *account
	id      ID
	named   bool   // the request had an id
	n       uint64 // of the id, or the connection's number on this server

	leaving atomic.Bool // the service is ending
	cutting atomic.Bool // and cuts what is left
	late    atomic.Bool // a limit of the server's ran out
	unsent  atomic.Bool // and bytes of the server had not reached the client

	// What only a verdict needs to know, as offsets.
	opened   time.Duration // 101 written
	begun    bool          // the server was to end the connection
	planned  time.Duration // and when
	spoke    wire.Instant  // a Close was handed to write, whatever its bytes
	stuck    bool          // and could not be written
	halved   wire.Instant  // own FIN before the close
	parted   time.Duration // all was done but the close
	cutShort bool          // the service's end came first
}

// hear tells the session how far the service's end has come. A library that
// waits for a message is woken; one that writes may finish what it has begun,
// until the rest is cut.
func (c *session) hear(s stage) {
	switch s {
	case draining:
		c.leaving.Store(true)
		c.tap.SetDeadline(expired)
	case cutting:
		c.leaving.Store(true)
		c.cutting.Store(true)
		c.link.cut()
	}
}

// expired is an offset that has passed; 0 would be no deadline at all.
const expired = -1

// run takes the session to its end and counts it.
func (c *session) run() {
	if c.manners.unasked != (order{}) {
		c.tap.SetDeadline(cmp.Or(c.sv.tb.Now()+c.manners.after, expired))
	}
	c.sv.enter(c)
	defer c.sv.leave(c)

	o, err := c.converse()
	reset := c.finish(o, err)
	c.cutShort = c.cutting.Load()
	c.shut(reset)
	// The library is let go last: from then on the Tap takes no bytes but those
	// of whole Close frames. What the library says to that tells nothing that the
	// Tap does not know.
	_ = c.lib.CloseNow()
	c.sv.hoard.keep(c.manners.hoard)
	c.settle()
}

// converse echoes messages until one is an order, which it returns, or until
// the library can do no more, which the error tells.
func (c *session) converse() (order, error) {
	for {
		typ, r, err := c.lib.Reader(context.Background())
		if err != nil {
			return order{}, err
		}
		if o, err := c.message(typ, r); err != nil || o != (order{}) {
			return o, err
		}
	}
}

// keepBuffer is the largest buffer kept for other messages, in bytes.
const keepBuffer = 64 << 10

// message reads one message and sends it back, or returns the order it is.
// A buffer is held only meanwhile: a silent connection holds none.
func (c *session) message(typ websocket.MessageType, r io.Reader) (order, error) {
	buf, ok := c.sv.buffers.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	defer func() {
		if buf.Cap() <= keepBuffer {
			buf.Reset()
			c.sv.buffers.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(r); err != nil {
		return order{}, err
	}
	reply := buf.Bytes()
	if typ == websocket.MessageText {
		if !utf8.Valid(reply) { // RFC 6455 section 8.1
			return order{code: codeInvalidData, reason: "text that is not UTF-8"}, nil
		}
		o, err := parseOrder(reply)
		if err != nil {
			reply = []byte("error: " + err.Error())
		}
		if o != (order{}) {
			return o, nil
		}
	}
	if c.manners.foreign {
		reply = estrange(reply)
	}
	return order{}, c.lib.Write(context.Background(), typ, reply)
}

// finish does what is left to do before TCP is ended, after an order or after
// the library has stopped with err. It reports whether TCP is to be ended by
// RST.
func (c *session) finish(o order, err error) (reset bool) {
	tr := c.tap.Trace()
	switch {
	case o != (order{}):
		c.begin(c.sv.tb.Now())
		return c.obey(o)
	case tr.Ending != wire.None:
		c.keep() // the client was first
	case errors.Is(err, wire.ErrHandover):
		return c.closeSecond()
	case tr.Rule != wire.NoRule:
		return c.closeFirst(failure(tr.Rule), tr.Rule.String())
	case c.leaving.Load():
		c.begin(c.sv.drained)
		return c.closeFirst(codeGoingAway, "going away")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.begin(c.opened + c.manners.after)
		return c.obey(c.manners.unasked)
	default:
		// TLS has ended, or a write has failed: TCP's own end is on its way.
		c.listen(c.sv.replyLimit(), never)
		c.keep()
	}
	return false
}

// begin notes that it is the server that ends the connection, planned for at.
func (c *session) begin(at time.Duration) { c.begun, c.planned = true, at }

// obey carries an order out. It reports whether TCP is to be ended by RST.
func (c *session) obey(o order) (reset bool) {
	if o.cut != noCut {
		return o.cut == cutRST
	}
	return c.closeFirst(o.code, o.reason)
}

// closeFirst sends a Close, unless the library has sent one, and waits for the
// client's. It reports whether TCP is to be ended by RST.
func (c *session) closeFirst(code int, reason string) (reset bool) {
	tr := c.tap.Trace()
	if !tr.OwnClose.Set() && c.say(code, reason) != nil {
		return false
	}
	enough := judged
	if tr.Rule != wire.NoRule {
		enough = closed // what is broken was told by this Close
	}
	if c.manners.deaf {
		// An answer that has come is left unread, so this may send an RST; one
		// that comes later gets one (RFC 2525 section 2.17).
		_ = c.link.Close()
	}
	if c.manners.hasty {
		return false
	}
	c.listen(c.sv.replyLimit(), enough)
	if c.manners.silent {
		return false // to a Close of the client's there was nothing to answer
	}
	return c.part()
}

// closeSecond does with the client's Close what the manners say. Its first byte
// has arrived. It reports whether TCP is to be ended by RST.
func (c *session) closeSecond() (reset bool) {
	c.listen(0, judged)
	tr := c.tap.Trace()
	switch {
	case !tr.PeerClose.Set() && tr.Rule == wire.NoRule:
		return false // the connection ended inside the Close
	case c.manners.delay > 0:
		// The listening meanwhile is for a client that gives up; Shut ends it.
		stopFIN := func() {}
		stop := after(c.manners.delay, func() {
			_ = c.say(reply(&tr), "") // an answer that fails is in the Trace
			if c.sv.Record == nil {
				_ = c.tap.Shut()
				return
			}
			c.halfClose()
			stopFIN = after(c.sv.finLimit(), c.giveUp)
		})
		c.listen(0, never)
		stop()
		stopFIN()
		return false
	}
	_ = compute(c.manners.rounds)
	if !c.manners.silent && c.say(reply(&tr), "") != nil {
		return false
	}
	return c.part()
}

// compute keeps a processor busy: it hashes zeros, and then each hash. It is work
// and not a time, so that a tenth more of it is that on any host, however
// loaded.
func compute(rounds int) (sum [sha256.Size]byte) {
	for range rounds {
		sum = sha256.Sum256(sum[:])
	}
	return sum
}

// reply is the code that answers a Close: its own code, or what is wrong with
// the frame (RFC 6455 sections 5.5.1 and 7.1.7).
func reply(tr *wire.Trace) int {
	switch tr.Rule {
	case wire.NoRule, wire.RuleDataAfterClose, wire.RuleSecondClose:
		return tr.PeerCode
	}
	return failure(tr.Rule)
}

// failure is the code with which a broken rule fails the connection.
func failure(r wire.Rule) int {
	if r == wire.RuleBadUTF8 {
		return codeInvalidData
	}
	return codeProtocolError
}

// never, closed and judged tell listen what is enough.
func never(*wire.Trace) bool { return false }

func closed(tr *wire.Trace) bool { return tr.PeerClose.Set() }

// judged is for a Close on its way, which may be broken beyond use and then
// never counts as one.
func judged(tr *wire.Trace) bool { return closed(tr) || tr.Rule != wire.NoRule }

// forever is the offset that stands for no limit.
const forever = time.Duration(1) << 62

// listen reads until enough is known or the connection has ended. Once the
// limit has passed it ends the connection itself; 0 is no limit.
func (c *session) listen(limit time.Duration, enough func(*wire.Trace) bool) {
	if limit > 0 {
		defer after(limit, c.giveUp)()
	}
	buf := make([]byte, bufferSize)
	for tr := c.tap.Trace(); tr.Ending == wire.None && !enough(&tr); tr = c.tap.Trace() {
		// A deadline that passes here is one that the Tap set for a short look.
		if err := c.tap.Next(buf, forever); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// giveUp ends a connection at a limit.
func (c *session) giveUp() {
	c.unsent.Store(c.link.unacked())
	c.late.Store(true)
	c.link.cut()
}

// say speaks and remembers that it did.
func (c *session) say(code int, reason string) error {
	c.spoke = wire.UserInstant(c.sv.tb.Now())
	err := c.speak(code, reason)
	if err != nil {
		c.stuck = true
		c.late.Store(c.late.Load() || errors.Is(err, os.ErrDeadlineExceeded))
	}
	return err
}

// part ends the connection behind the last Close. It reports whether TCP is to
// be ended by RST.
func (c *session) part() (reset bool) {
	switch tr := c.tap.Trace(); {
	case c.manners.parting == partNone:
		c.listen(0, never)
	case c.manners.parting == partRST:
		return true
	case c.sv.Record != nil && c.exchanged(&tr) && tr.Ending == wire.None:
		c.halfClose()
		c.listen(c.sv.finLimit(), never)
	}
	return false
}

// exchanged reports whether both ends have had their say. What the server said
// in place of a Close counts where the client has reacted to it by one.
func (c *session) exchanged(tr *wire.Trace) bool {
	return tr.Both() || c.begun && c.spoke.Set() && !c.stuck && tr.PeerClose.Set()
}

// halfClose sends the FIN that a server sends first (RFC 6455 section 7.1.1),
// over TLS behind a close_notify, and leaves the other direction open: a socket
// that is closed hears nothing of the client's end.
func (c *session) halfClose() {
	if secure, ok := c.conn.(*tls.Conn); ok {
		_ = secure.CloseWrite() // one that fails meets an end that is on its way
	}
	at := wire.UserInstant(c.sv.tb.Now())
	if c.link.CloseWrite() == nil && c.link.ending() == serverFIN {
		c.halved = at
	}
}

// maxKept bounds the connections that a server keeps at a time although the
// client has gone: a path that leaks must not take the server's last
// descriptor.
const maxKept = 1000

// keep holds a connection that the client has ended without a Close, where the
// manners say so, there is room for one more and the service is not ending.
func (c *session) keep() {
	switch c.link.ending() {
	case clientFIN:
	case clientRST:
		if !c.manners.keepRST {
			return
		}
	default:
		return
	}
	if c.manners.keep == 0 {
		return
	}
	if c.sv.kept.Add(1) <= maxKept {
		c.sv.pause(c.manners.keep)
	}
	c.sv.kept.Add(-1)
}

// shut ends TCP, where that has not been done.
func (c *session) shut(reset bool) {
	if tr := c.tap.Trace(); c.sv.Record != nil && tr.Ending == wire.FIN {
		c.tap.Confirm(c.sv.tb.Now() + c.sv.finLimit())
	}
	c.parted = c.sv.tb.Now()
	c.link.look()
	// What fails here is the end of a socket that has already gone.
	if reset {
		_ = c.tap.Cut(true)
		return
	}
	_ = c.tap.Shut()
}
