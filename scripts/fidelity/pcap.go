package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Link types of a capture file (the first bytes of each packet).
const (
	linkNull = 0   // 4 bytes of address family, in the writer's byte order
	linkEN   = 1   // Ethernet; lo as Linux shows it
	linkSLL2 = 276 // Linux cooked, version 2: the "any" device
)

const (
	magicNano  = 0xa1b23c4d
	magicMicro = 0xa1b2c3d4

	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	protoTCP  = 6

	maxPacket = 256 << 10 // more than this is a broken file
)

// TCP flags.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// A packet is one TCP segment of a capture.
type packet struct {
	at       int64 // ns since the epoch
	src, dst netip.AddrPort
	seq      uint32
	flags    byte
	payload  []byte // valid only during the call
}

// readPcap calls each for every TCP segment of a capture in the classic pcap
// format with stamps in nanoseconds. Other packets are passed over.
func readPcap(r io.Reader, each func(packet)) error {
	br := bufio.NewReaderSize(r, 1<<20)
	var head [24]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return fmt.Errorf("read capture's header: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if m := order.Uint32(head[:]); m != magicNano && m != magicMicro {
		order = binary.BigEndian
	}
	switch order.Uint32(head[:]) {
	case magicNano:
	case magicMicro:
		return errors.New("read capture: its stamps are microseconds; capture with --time-stamp-precision=nano")
	default:
		return fmt.Errorf("read capture: no pcap file (it begins with %x)", head[:4])
	}
	link := order.Uint32(head[20:]) & 0xffff
	if link != linkNull && link != linkEN && link != linkSLL2 {
		return fmt.Errorf("read capture: link type %d is none of loopback, Ethernet, cooked v2", link)
	}
	var buf []byte
	for n := 1; ; n++ {
		var rec [16]byte
		if _, err := io.ReadFull(br, rec[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read packet %d: %w", n, err)
		}
		size, original := order.Uint32(rec[8:]), order.Uint32(rec[12:])
		if size > maxPacket {
			return fmt.Errorf("read packet %d: a length of %d bytes", n, size)
		}
		if size < original {
			return fmt.Errorf("read packet %d: cut to %d of %d bytes; capture with -s 0", n, size, original)
		}
		if uint32(cap(buf)) < size {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(br, buf); err != nil {
			return fmt.Errorf("read packet %d: %w", n, err)
		}
		at := int64(order.Uint32(rec[:]))*1e9 + int64(order.Uint32(rec[4:]))
		if p, ok := segment(network(link, buf)); ok {
			p.at = at
			each(p)
		}
	}
}

// network takes the link's header off. The protocol is known by the first
// nibble of what follows; nil where that is no IP.
func network(link uint32, b []byte) []byte {
	header, proto := 4, -1
	switch {
	case link == linkEN && len(b) >= 14:
		header, proto = 14, int(binary.BigEndian.Uint16(b[12:]))
	case link == linkSLL2 && len(b) >= 20:
		header, proto = 20, int(binary.BigEndian.Uint16(b))
	}
	if proto >= 0 && proto != etherIPv4 && proto != etherIPv6 || len(b) < header {
		return nil
	}
	return b[header:]
}

// segment reads the IP and TCP headers. IPv6 extension headers, which a host
// does not send by itself, are not read.
func segment(b []byte) (p packet, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == protoTCP:
		total, header := int(binary.BigEndian.Uint16(b[2:])), int(b[0]&15)*4
		if total > len(b) || header < 20 || header > total {
			return p, false
		}
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		b = b[header:total] // Ethernet pads
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == protoTCP:
		total := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return p, false
		}
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:total]
	default:
		return p, false
	}
	if len(b) < 20 {
		return p, false
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) {
		return p, false
	}
	p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	p.seq, p.flags, p.payload = binary.BigEndian.Uint32(b[4:]), b[13], b[header:]
	return p, true
}
