package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// A pair is a TCP connection's client and server.
type pair struct{ client, server netip.AddrPort }

// A flow is one connection of the capture. Times are ns since the epoch, 0 for
// what did not happen.
type flow struct {
	syn     int64
	out, in stream // from the client, from the server
	taken   bool   // a line of the trace has been matched with it
}

// A stream is one direction of a flow, parsed by code of its own: wsload's
// decoder is what is being judged.
type stream struct {
	next uint32 // sequence number expected
	gap  bool   // bytes are missing: nothing that follows is to be trusted
	data []byte // not yet a whole frame
	ws   bool   // the HTTP message is over

	close    int64 // the packet with the last byte of the first Close frame
	masked   bool  // whether that was masked
	fin, rst int64
}

// flows are the connections of a capture, in the order of their SYNs.
type flows map[pair][]*flow

// add takes the next packet.
func (all flows) add(p packet) {
	if p.flags&(flagSYN|flagACK) == flagSYN {
		key := pair{p.src, p.dst}
		known := all[key]
		if n := len(known); n > 0 && known[n-1].out.next == p.seq+1 {
			return // sent again
		}
		f := &flow{syn: p.at}
		f.out.next = p.seq + 1
		all[key] = append(known, f)
		return
	}
	if known := all[pair{p.src, p.dst}]; len(known) > 0 {
		known[len(known)-1].out.take(p)
	} else if known := all[pair{p.dst, p.src}]; len(known) > 0 {
		known[len(known)-1].in.take(p)
	}
}

// take takes the direction's next packet.
func (s *stream) take(p packet) {
	if p.flags&flagRST != 0 {
		if s.rst == 0 {
			s.rst = p.at
		}
		return
	}
	if p.flags&flagSYN != 0 {
		s.next = p.seq + 1
		return
	}
	payload := p.payload
	if late := int32(s.next - p.seq); late > 0 { // sent again, at least in part
		payload = payload[min(int(late), len(payload)):]
	} else if late < 0 {
		s.gap = true
		return
	}
	s.next += uint32(len(payload))
	s.data = append(s.data, payload...)
	s.parse(p.at)
	if p.flags&flagFIN != 0 && s.fin == 0 {
		s.fin = p.at
		s.next++
	}
}

// parse takes whole frames off the data.
func (s *stream) parse(at int64) {
	if !s.ws {
		_, rest, over := bytes.Cut(s.data, []byte("\r\n\r\n"))
		if !over {
			return
		}
		s.ws, s.data = true, rest
	}
	for {
		size, ok := frameSize(s.data)
		if !ok || uint64(len(s.data)) < size {
			break
		}
		if s.data[0]&0x0f == 8 && s.close == 0 {
			s.close, s.masked = at, s.data[1]&0x80 != 0
		}
		s.data = s.data[size:]
	}
	if len(s.data) == 0 {
		s.data = nil
	}
}

// frameSize is the length of the frame that begins with b (RFC 6455 section
// 5.2), when enough of it is there to tell.
func frameSize(b []byte) (size uint64, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	header, length := 2, uint64(b[1]&0x7f)
	switch length {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	if len(b) < header {
		return 0, false
	}
	switch header {
	case 4:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		length = binary.BigEndian.Uint64(b[2:]) & (1<<63 - 1)
	}
	if b[1]&0x80 != 0 {
		header += 4
	}
	return uint64(header) + length, true
}

// slack is how far a SYN may be from the dial that sent it.
const slack = int64(1e9)

// find returns the flow of a connection that was dialled at the time, nil where
// the capture has none that is whole. A flow is found once.
func (all flows) find(key pair, dialled int64) *flow {
	var best *flow
	for _, f := range all[key] {
		if f.taken || distance(f.syn, dialled) > slack {
			continue
		}
		if best == nil || distance(f.syn, dialled) < distance(best.syn, dialled) {
			best = f
		}
	}
	if best == nil || best.out.gap || best.in.gap {
		return nil
	}
	best.taken = true
	return best
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// class is the class of an active close by the order of what passed.
func (f *flow) class() string {
	out, in := &f.out, &f.in
	// What the server sent after the client's own end did not settle it.
	end, reset := in.fin, in.rst > 0 && (out.fin == 0 || in.rst < out.fin)
	if out.fin > 0 && end > out.fin || out.rst > 0 && end > out.rst {
		end = 0
	}
	switch {
	case in.close > 0 && (out.close == 0 || in.close < out.close):
		return "peer_first"
	case in.close > 0 && reset:
		return "clean_rst"
	case in.close > 0 && end > 0:
		return "clean"
	case in.close > 0:
		return "clean_no_fin"
	}
	name := "premature"
	if out.close > 0 {
		name = "unanswered"
	}
	switch {
	case reset:
		return name + "_rst"
	case end > 0:
		return name + "_eof"
	}
	return "no end"
}
