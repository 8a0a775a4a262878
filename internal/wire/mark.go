package wire

import (
	"bytes"
	"math"
	"strconv"
)

// markMax bounds the text of a mark: the prefix, a run id of 8 hex digits and
// two decimal numbers of at most 20 digits, with their slashes.
const markMax = len(markPrefix) + 8 + 1 + 20 + 1 + 20 + 1

const markPrefix = "wsload/"

// A Mark begins each message of the traffic: which run, which connection and
// which message of it. It finds lost tails and messages of other connections.
type Mark struct {
	Run uint32
	N   uint64
	Seq uint64
}

// MarkSize is the room a Mark may need, in bytes.
const MarkSize = markMax

// Append appends the mark's text.
func (m Mark) Append(dst []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, markPrefix...)
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hex[m.Run>>shift&0xF])
	}
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, m.N, 10)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, m.Seq, 10)
	return append(dst, '/')
}

// parseMark reads the mark at the beginning of a message.
func parseMark(p []byte) (m Mark, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte(markPrefix))
	if !ok || len(rest) < 9 || rest[8] != '/' {
		return m, false
	}
	for _, c := range rest[:8] {
		v, ok := hexDigit(c)
		if !ok {
			return m, false
		}
		m.Run = m.Run<<4 | v
	}
	if m.N, rest, ok = cutUint(rest[9:]); !ok {
		return m, false
	}
	m.Seq, _, ok = cutUint(rest)
	return m, ok
}

func hexDigit(c byte) (uint32, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint32(c - '0'), true
	case c >= 'a' && c <= 'f':
		return uint32(c-'a') + 10, true
	}
	return 0, false
}

// cutUint reads a decimal number of 64 bits that ends with a slash.
func cutUint(p []byte) (v uint64, rest []byte, ok bool) {
	for i, c := range p {
		if c == '/' && i > 0 {
			return v, p[i+1:], true
		}
		digit := uint64(c - '0')
		if digit > 9 || i >= 20 || v > (math.MaxUint64-digit)/10 {
			return 0, nil, false
		}
		v = v*10 + digit
	}
	return 0, nil, false
}
