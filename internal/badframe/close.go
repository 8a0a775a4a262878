package badframe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/wsload/wsload/internal/wire"
)

// LargeSize is the length of the message of BehindLarge, in bytes.
const LargeSize = 256 << 10

func closing(payload []byte, mask bool) []byte { return Frame(wire.OpClose, payload, mask) }

// codeOf is the payload, or that of a Close 1000 in place of an empty one: for
// those that need a code before what they add.
func codeOf(payload []byte) []byte {
	if len(payload) == 0 {
		return wire.AppendClosePayload(nil, wire.CodeNormal, "")
	}
	return slices.Clone(payload)
}

// Legal ways, that peers get wrong.

// LongReason is a Close with a reason of 123 bytes, the most that there is room
// for (section 5.5.1).
func LongReason(payload []byte, mask bool) []byte {
	const reason = wire.MaxControlPayload - 2
	return closing(append(codeOf(payload)[:2], bytes.Repeat([]byte{'x'}, reason)...), mask)
}

// Behind puts n text messages before the Close (section 5.5.1: data may precede
// an answer).
func Behind(n int, payload []byte, mask bool) []byte {
	var all []byte
	for i := range n {
		all = append(all, Frame(wire.OpText, fmt.Appendf(nil, "%d of %d before the Close", i+1, n), mask)...)
	}
	return append(all, closing(payload, mask)...)
}

// InsideMessage puts the Close behind the first fragment of a message, whose
// last is never sent (section 5.4: a control frame may stand there).
func InsideMessage(payload []byte, mask bool) []byte {
	return append(Fragment(wire.OpText, []byte("the beginning of "), mask), closing(payload, mask)...)
}

// What follows the Close is not for the other end to read (section 5.5.1).

// Twice says it twice.
func Twice(payload []byte, mask bool) []byte {
	return append(closing(payload, mask), closing(payload, mask)...)
}

// DataAfter puts a text message behind the Close.
func DataAfter(payload []byte, mask bool) []byte {
	return append(closing(payload, mask), Frame(wire.OpText, []byte("behind the Close"), mask)...)
}

// PingAfter puts a ping behind the Close.
func PingAfter(payload []byte, mask bool) []byte {
	return append(closing(payload, mask), Frame(wire.OpPing, []byte("behind the Close"), mask)...)
}

// BehindLarge puts a message of LargeSize bytes before the Close and a ping
// behind it: who closes TCP with the rest unread sends an RST (RFC 2525 section
// 2.17).
func BehindLarge(payload []byte, mask bool) []byte {
	large := Frame(wire.OpBinary, make([]byte, LargeSize), mask)
	return append(large, PingAfter(payload, mask)...)
}

// Close frames that break a rule by themselves.

// Code is a Close with this status code, also one that only stands for a
// missing one (section 7.4).
func Code(code int, payload []byte, mask bool) []byte {
	payload = codeOf(payload)
	binary.BigEndian.PutUint16(payload, uint16(code))
	return closing(payload, mask)
}

// Short is a Close with half a status code (section 5.5.1).
func Short(payload []byte, mask bool) []byte { return closing(codeOf(payload)[:1], mask) }

// BadUTF8 puts a byte that UTF-8 never has where the reason begins (section
// 5.5.1).
func BadUTF8(payload []byte, mask bool) []byte {
	return closing(append(codeOf(payload)[:2], 0xFF), mask)
}

// Oversize fills the Close up to 126 bytes, one more than a control frame may
// have (section 5.5).
func Oversize(payload []byte, mask bool) []byte {
	long := append(codeOf(payload), bytes.Repeat([]byte{'x'}, wire.MaxControlPayload)...)
	return closing(long[:wire.MaxControlPayload+1], mask)
}
