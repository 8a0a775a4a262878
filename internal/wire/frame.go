package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcode is the kind of a frame (RFC 6455 section 5.2).
type Opcode uint8

const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

func (o Opcode) control() bool { return o&0x8 != 0 }

func (o Opcode) known() bool { return o <= OpBinary || (o >= OpClose && o <= OpPong) }

// Status codes with a meaning of their own here (RFC 6455 section 7.4.1).
const (
	CodeNormal   = 1000
	CodeNoStatus = 1005 // never on the wire: stands for a Close without a status code
)

// MaxControlPayload is the largest payload of a control frame in bytes (RFC
// 6455 section 5.5).
const MaxControlPayload = 125

const (
	bitFin  = 0x80
	bitsRSV = 0x70
	bitMask = 0x80
)

// AppendFrame appends a complete frame with FIN set. With mask it is masked by
// key, as a client must (RFC 6455 section 5.3).
func AppendFrame(dst []byte, op Opcode, payload []byte, mask bool, key [4]byte) []byte {
	dst = append(dst, bitFin|byte(op))
	var m byte
	if mask {
		m = bitMask
	}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, m|byte(n))
	case n <= 0xFFFF:
		dst = append(dst, m|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, m|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	if !mask {
		return append(dst, payload...)
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}

// AppendClosePayload appends the payload of a Close frame. Code CodeNoStatus
// gives the empty payload.
func AppendClosePayload(dst []byte, code int, reason string) []byte {
	if code == CodeNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// parseClosePayload reads the payload of a Close frame: its code (CodeNoStatus
// when empty), its reason and the rule it breaks, if any (RFC 6455 sections
// 5.5.1 and 7.4).
func parseClosePayload(p []byte) (code int, reason []byte, rule Rule) {
	switch len(p) {
	case 0:
		return CodeNoStatus, nil, NoRule
	case 1:
		return CodeNoStatus, nil, RuleShortPayload
	}
	code, reason = int(binary.BigEndian.Uint16(p)), p[2:]
	if !validCode(code) {
		return code, reason, RuleBadCode
	}
	if !utf8.Valid(reason) {
		return code, reason, RuleBadUTF8
	}
	return code, reason, NoRule
}

// validCode reports whether a status code may stand in a Close frame: the
// codes RFC 6455 section 7.4.1 and IANA's registry define for the wire, and
// the ranges of section 7.4.2 for libraries and applications.
func validCode(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code == 1004 || code == 1005 || code == 1006:
		return false
	}
	return code >= 1000 && code <= 1014
}
