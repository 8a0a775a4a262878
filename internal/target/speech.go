package target

import (
	"github.com/wsload/wsload/internal/badframe"
	"github.com/wsload/wsload/internal/mark"
	"github.com/wsload/wsload/internal/wire"
)

// A speech is how a Close with this payload is said: the bytes that are sent
// for it. mask says whether this end must mask its frames; a server does not.
type speech func(payload []byte, mask bool) []byte

const (
	maxData   = 10_000    // messages of data-before-close
	maxRounds = 1_000_000 // of busy-reply: about a tenth of a second
	maxCode   = 0xFFFF    // a status code has two bytes
)

// speak says a Close as the manners have it. A client that does not take it in
// time, or has gone, makes it fail.
func (c *session) speak(code int, reason string) error {
	m := &c.manners
	limit := c.sv.tb.Now() + c.sv.replyLimit()
	if m.speech == nil && m.pace == 0 {
		return c.tap.WriteClose(code, reason, limit)
	}
	said := wire.AppendClosePayload(nil, code, reason)
	if m.speech != nil {
		said = m.speech(said, false)
	} else {
		said = badframe.Frame(wire.OpClose, said, false)
	}
	if m.pace == 0 {
		return c.utter(said)
	}
	for i := range said {
		if i > 0 {
			c.sv.pause(m.pace)
		}
		if err := c.utter(said[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// utter writes bytes that may be no frames. They pass through the Tap, which
// knows by them what the server has said.
func (c *session) utter(p []byte) error {
	limit := c.sv.tb.Time(c.sv.tb.Now() + c.sv.replyLimit())
	if err := c.conn.SetWriteDeadline(limit); err != nil {
		return err
	}
	_, err := c.tap.Write(p)
	return err
}

// estrange makes the mark of a message that of another connection: the
// neighbour whose number has as many digits. Messages without a mark stay as
// they are.
func estrange(message []byte) []byte {
	m, filling, ok := mark.Parse(message)
	if !ok {
		return message
	}
	m.N ^= 1
	return append(m.Append(make([]byte, 0, len(message))), filling...)
}
