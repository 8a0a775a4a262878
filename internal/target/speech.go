package target

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/wsload/wsload/internal/mark"
	"github.com/wsload/wsload/internal/wire"
)

// A speech is how a Close with this payload is said: the bytes that are sent
// for it.
type speech func(payload []byte) []byte

const (
	maxData = 10_000 // messages of data-before-close
	maxCode = 0xFFFF // a status code has two bytes
)

// Bits of a frame's first byte, and an opcode that stands for nothing (RFC
// 6455 section 5.2).
const (
	bitFIN         = 0x80
	bitRSV1        = 0x40
	opcodeReserved = wire.Opcode(0xB)
)

// frameOf is a frame as a server sends it.
func frameOf(op wire.Opcode, payload []byte) []byte {
	return wire.AppendFrame(nil, op, payload, false, [4]byte{})
}

// codeOf is the payload, or that of a Close 1000 in place of an empty one: for
// speeches that need a code before what they add.
func codeOf(payload []byte) []byte {
	if len(payload) == 0 {
		return wire.AppendClosePayload(nil, wire.CodeNormal, "")
	}
	return slices.Clone(payload)
}

// sayHalf breaks off within the frame, behind the header where it is short.
func sayHalf(payload []byte) []byte {
	frame := frameOf(wire.OpClose, payload)
	return frame[:(len(frame)+1)/2]
}

// sayBehind puts n text messages before the Close (RFC 6455 section 5.5.1: data
// may precede an answer).
func sayBehind(n int) speech {
	return func(payload []byte) []byte {
		var all []byte
		for i := range n {
			all = append(all, frameOf(wire.OpText, fmt.Appendf(nil, "%d of %d before the Close", i+1, n))...)
		}
		return append(all, frameOf(wire.OpClose, payload)...)
	}
}

func sayDataAfter(payload []byte) []byte {
	return append(frameOf(wire.OpClose, payload), frameOf(wire.OpText, []byte("behind the Close"))...)
}

func sayTwice(payload []byte) []byte {
	return bytes.Repeat(frameOf(wire.OpClose, payload), 2)
}

// sayCode sends the code as it is, also those that only stand for a missing
// one.
func sayCode(code int) speech {
	return func(payload []byte) []byte {
		payload = codeOf(payload)
		binary.BigEndian.PutUint16(payload, uint16(code))
		return frameOf(wire.OpClose, payload)
	}
}

func sayShort(payload []byte) []byte {
	return frameOf(wire.OpClose, codeOf(payload)[:1])
}

// sayBadUTF8 puts a byte that UTF-8 never has where the reason begins.
func sayBadUTF8(payload []byte) []byte {
	return frameOf(wire.OpClose, append(codeOf(payload)[:2], 0xFF))
}

func sayOversize(payload []byte) []byte {
	long := append(codeOf(payload), bytes.Repeat([]byte{'x'}, wire.MaxControlPayload)...)
	return frameOf(wire.OpClose, long[:wire.MaxControlPayload+1])
}

func sayFragment(payload []byte) []byte {
	frame := frameOf(wire.OpClose, payload)
	frame[0] &^= bitFIN
	return frame
}

func sayMasked(payload []byte) []byte {
	return wire.AppendFrame(nil, wire.OpClose, payload, true, [4]byte{0x0F, 0xF0, 0x55, 0xAA})
}

func sayReservedBit(payload []byte) []byte {
	frame := frameOf(wire.OpClose, payload)
	frame[0] |= bitRSV1
	return frame
}

func sayReservedOpcode(payload []byte) []byte { return frameOf(opcodeReserved, payload) }

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
		said = m.speech(said)
	} else {
		said = frameOf(wire.OpClose, said)
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
