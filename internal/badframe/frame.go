package badframe

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/wsload/wsload/internal/wire"
)

// Bits of a frame's first byte, and an opcode that stands for nothing (RFC
// 6455 section 5.2).
const (
	bitFIN         = 0x80
	bitRSV1        = 0x40
	opcodeReserved = wire.Opcode(0xB)
)

// HalfMessageSize is the length that HalfMessage announces, in bytes.
const HalfMessageSize = 64 << 10

// Frame is a frame with nothing wrong, for what is made of it.
func Frame(op wire.Opcode, payload []byte, mask bool) []byte {
	var key [4]byte
	if mask {
		binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	}
	return wire.AppendFrame(nil, op, payload, mask, key)
}

// Half breaks off within the frame, behind the header where it is short.
func Half(op wire.Opcode, payload []byte, mask bool) []byte {
	frame := Frame(op, payload, mask)
	return frame[:(len(frame)+1)/2]
}

// Fragment is a frame without the FIN bit: legal as the beginning of a message,
// never for a control frame (section 5.4).
func Fragment(op wire.Opcode, payload []byte, mask bool) []byte {
	frame := Frame(op, payload, mask)
	frame[0] &^= bitFIN
	return frame
}

// WrongMask is a frame that is masked where it must not be, or is not where it
// must (section 5.1). The mask of a server is always the same.
func WrongMask(op wire.Opcode, payload []byte, mask bool) []byte {
	return wire.AppendFrame(nil, op, payload, !mask, [4]byte{0x0F, 0xF0, 0x55, 0xAA})
}

// ReservedBit is a frame with a reserved bit that no extension gave a meaning
// (section 5.2).
func ReservedBit(op wire.Opcode, payload []byte, mask bool) []byte {
	frame := Frame(op, payload, mask)
	frame[0] |= bitRSV1
	return frame
}

// ReservedOpcode is a frame whose opcode has no meaning (section 5.2).
func ReservedOpcode(payload []byte, mask bool) []byte {
	return Frame(opcodeReserved, payload, mask)
}

// LongPing is a ping of 126 bytes, one more than a control frame may have
// (section 5.5).
func LongPing(mask bool) []byte {
	return Frame(wire.OpPing, bytes.Repeat([]byte{'x'}, wire.MaxControlPayload+1), mask)
}

// HalfMessage is the first half of a text message of HalfMessageSize bytes, all
// of whose length its header announces.
func HalfMessage(mask bool) []byte {
	return Half(wire.OpText, bytes.Repeat([]byte{'x'}, HalfMessageSize), mask)
}
