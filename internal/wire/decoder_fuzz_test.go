package wire

import (
	"bufio"
	"bytes"
	"slices"
	"testing"
)

func newReader(p []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(p)) }

// FuzzDecoder checks that what a stream says does not depend on where it is
// cut: whole, byte by byte, and in pieces whose lengths are fuzzed too.
func FuzzDecoder(f *testing.F) {
	for _, s := range streams {
		f.Add(false, s.stream, []byte{1, 0, 3, 2})
		f.Add(true, s.stream, []byte{5})
	}
	key := [4]byte{9, 8, 7, 6}
	f.Add(true, AppendFrame(AppendFrame(nil, OpText, []byte("masked"), true, key), OpClose, []byte{3, 232}, true, key), []byte{3})
	f.Fuzz(func(t *testing.T, masked bool, data, cuts []byte) {
		whole := events(masked, data)
		if got := events(masked, slices.Collect(slices.Chunk(data, 1))...); !slices.Equal(got, whole) {
			t.Errorf("byte by byte\n%q, whole\n%q", got, whole)
		}
		if got := events(masked, cut(data, cuts)...); !slices.Equal(got, whole) {
			t.Errorf("in pieces\n%q, whole\n%q", got, whole)
		}
	})
}

// cut cuts data into pieces of the given lengths, over and over. Empty pieces
// are pieces.
func cut(data, lengths []byte) (pieces [][]byte) {
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(lengths) > 0 {
			n = min(n, int(lengths[i%len(lengths)]))
		}
		if i >= len(lengths) {
			n = max(n, 1) // so that it ends
		}
		pieces = append(pieces, data[:n])
		data = data[n:]
	}
	return pieces
}

// FuzzFrame checks that a frame written is the frame read.
func FuzzFrame(f *testing.F) {
	f.Add(uint8(OpText), []byte("hello"), true, uint32(1))
	f.Add(uint8(OpClose), []byte{3, 232}, false, uint32(0))
	f.Add(uint8(OpBinary), make([]byte, 70000), true, uint32(0xFFFFFFFF))
	f.Fuzz(func(t *testing.T, op uint8, payload []byte, masked bool, k uint32) {
		op &= 0x0F
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		p := &peer{br: newReader(AppendFrame(nil, Opcode(op), payload, masked, key))}
		got, err := p.read()
		if want := (frame{op: Opcode(op), fin: true, masked: masked, payload: string(payload)}); err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		if p.br.Buffered() > 0 {
			t.Errorf("%d bytes behind the frame", p.br.Buffered())
		}
	})
}
