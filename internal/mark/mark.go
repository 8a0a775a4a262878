package mark

import (
	"bytes"
	"math"
	"strconv"
)

// Prefix is how every mark begins.
const Prefix = "wsload/"

// Size is the room a Mark may need, in bytes: the prefix, a run id of 8 hex
// digits and two decimal numbers of at most 20 digits, with their slashes.
const Size = len(Prefix) + 8 + 1 + 20 + 1 + 20 + 1

// A Mark begins each message of the traffic. It finds lost tails and messages of
// other connections.
type Mark struct {
	Run uint32 // of the run
	N   uint64 // of the connection
	Seq uint64 // of the message on its connection, from 0
}

// Append appends the mark's text.
func (m Mark) Append(dst []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, Prefix...)
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hex[m.Run>>shift&0xF])
	}
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, m.N, 10)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, m.Seq, 10)
	return append(dst, '/')
}

// Parse reads the mark at the beginning of a message and returns what follows it.
func Parse(p []byte) (m Mark, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(p, []byte(Prefix))
	if !ok || len(rest) < 9 || rest[8] != '/' {
		return Mark{}, nil, false
	}
	for _, c := range rest[:8] {
		v, ok := hexDigit(c)
		if !ok {
			return Mark{}, nil, false
		}
		m.Run = m.Run<<4 | v
	}
	if m.N, rest, ok = cutUint(rest[9:]); !ok {
		return Mark{}, nil, false
	}
	if m.Seq, rest, ok = cutUint(rest); !ok {
		return Mark{}, nil, false
	}
	return m, rest, true
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
