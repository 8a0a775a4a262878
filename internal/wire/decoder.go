package wire

import (
	"encoding/binary"

	"github.com/wsload/wsload/internal/mark"
)

// decoder turns the bytes of one direction into events. It keeps no payload
// but a control frame's and a message's first bytes, and its result does not
// depend on how the bytes are cut.
type decoder struct {
	masked bool // whether frames of this direction must be masked

	header  [14]byte
	have    int // bytes of header present; 0 at a frame boundary
	need    int // bytes of header wanted, as far as known
	inFrame bool
	op      Opcode
	fin     bool
	skip    bool // the frame is broken beyond use: pass its payload over
	left    uint64
	maskPos int

	inMessage bool // between the first frame of a message and its last
	closed    bool // a Close has passed: no data may follow
	body      [MaxControlPayload]byte
	bodyLen   int
	head      [mark.Size]byte
	headLen   int

	broken []Rule // rules broken by the frame in hand, not yet reported
}

// boundary reports whether the next byte begins a frame.
func (d *decoder) boundary() bool { return d.have == 0 && !d.inFrame && len(d.broken) == 0 }

// open reports whether the stream stands inside a frame or a message.
func (d *decoder) open() bool { return !d.boundary() || d.inMessage }

// next consumes bytes of p up to the end of a frame, or of what p holds of it,
// and returns the event they make; kind None where there is none. When done, p
// is used up and no event is pending. Events carry only what the bytes say.
func (d *decoder) next(p []byte) (n int, ev Event, done bool) {
	for {
		switch {
		case len(d.broken) > 0:
			ev = Event{Kind: Broken, Rule: d.broken[0]}
			d.broken = d.broken[1:]
			return n, ev, false
		case d.inFrame && d.left == 0:
			d.inFrame, d.have = false, 0
			return n, d.endFrame(), false
		case n == len(p):
			return n, Event{}, true
		case d.inFrame:
			n += d.payload(p[n:])
		default:
			n += d.readHeader(p[n:])
		}
	}
}

// readHeader consumes bytes of the frame header and begins the frame when it is
// whole.
func (d *decoder) readHeader(p []byte) int {
	if d.have == 0 {
		d.need = 2
	}
	n := 0
	for n < len(p) && d.have < d.need {
		d.header[d.have] = p[n]
		d.have++
		n++
		if d.have == 2 {
			d.need = headerLen(d.header[1])
		}
	}
	if d.have == d.need {
		d.beginFrame()
	}
	return n
}

// headerLen is the length of a frame header by its second byte.
func headerLen(b byte) int {
	n := 2
	switch b &^ bitMask {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b&bitMask != 0 {
		n += 4
	}
	return n
}

func (d *decoder) beginFrame() {
	b0, b1 := d.header[0], d.header[1]
	d.op, d.fin = Opcode(b0&0x0F), b0&bitFin != 0
	d.inFrame, d.skip, d.maskPos, d.bodyLen = true, false, 0, 0
	switch l := b1 &^ bitMask; l {
	case 126:
		d.left = uint64(binary.BigEndian.Uint16(d.header[2:]))
	case 127:
		d.left = binary.BigEndian.Uint64(d.header[2:])
	default:
		d.left = uint64(l)
	}
	if b0&bitsRSV != 0 {
		d.broken = append(d.broken, RuleRSV)
	}
	if (b1&bitMask != 0) != d.masked {
		d.broken = append(d.broken, RuleMasked)
	}
	if d.left>>63 != 0 {
		d.broken = append(d.broken, RuleBadLength)
		d.skip = true
	}
	if d.op.control() {
		d.checkControl()
		return
	}
	d.checkData()
}

func (d *decoder) checkControl() {
	if !d.op.known() {
		d.broken = append(d.broken, RuleOpcode)
		d.skip = true
	}
	if !d.fin {
		d.broken = append(d.broken, RuleFragmentedControl)
	}
	// The longer forms of the length are not for control frames, even where
	// the length in them is small enough.
	if d.header[1]&^bitMask > MaxControlPayload {
		d.broken = append(d.broken, RuleOversizeControl)
		d.skip = d.skip || d.left > MaxControlPayload
	}
}

// checkData keeps the order of fragments: a message's first frame has an
// opcode, its others are continuations (RFC 6455 section 5.4).
func (d *decoder) checkData() {
	if !d.op.known() {
		d.broken = append(d.broken, RuleOpcode)
		d.skip = true
		return
	}
	if d.closed {
		// Told here and not at the message's end, which may never come.
		d.broken = append(d.broken, RuleDataAfterClose)
	}
	if (d.op == OpContinuation) != d.inMessage {
		d.broken = append(d.broken, RuleOpcode)
	}
	if d.op != OpContinuation || !d.inMessage {
		d.headLen = 0
	}
	d.inMessage = true
}

// payload consumes bytes of the frame's payload.
func (d *decoder) payload(p []byte) int {
	n := len(p)
	if uint64(n) > d.left {
		n = int(d.left)
	}
	d.left -= uint64(n)
	switch {
	case d.skip:
	case d.op.control():
		d.bodyLen += d.unmask(d.body[d.bodyLen:], p[:n])
	case d.headLen < len(d.head):
		d.headLen += d.unmask(d.head[d.headLen:], p[:n])
	}
	return n
}

// unmask copies what fits of p to dst, unmasked where the frame is masked.
func (d *decoder) unmask(dst, p []byte) int {
	n := copy(dst, p)
	if d.header[1]&bitMask == 0 {
		return n
	}
	key := d.header[d.need-4 : d.need]
	for i := range n {
		dst[i] ^= key[(d.maskPos+i)&3]
	}
	d.maskPos = (d.maskPos + len(p)) & 3
	return n
}

func (d *decoder) endFrame() Event {
	if d.skip {
		return Event{}
	}
	switch d.op {
	case OpClose:
		d.closed = true
		code, reason, rule := parseClosePayload(d.body[:d.bodyLen])
		return Event{Kind: Close, Code: code, Reason: reason, Rule: rule}
	case OpPing:
		return Event{Kind: Ping}
	case OpPong:
		return Event{Kind: Pong}
	}
	if !d.fin {
		return Event{}
	}
	d.inMessage = false
	return Event{Kind: Message, Head: d.head[:d.headLen]}
}
