package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/trace"
)

var (
	client = netip.MustParseAddrPort("127.0.0.2:40000")
	server = netip.MustParseAddrPort("127.0.0.1:9000")
)

const epoch = int64(1_700_000_000_000_000_000)

// A tape is a capture in the making. Sequence numbers go on by themselves.
type tape struct {
	bytes.Buffer
	link     uint32
	out, in  uint32 // next sequence numbers
	original uint32 // said length of the packets, 0 for the true one
}

func newTape(magic, link uint32) *tape {
	t := &tape{link: link, out: 0xfffffff0, in: 7} // the client's wraps
	head := make([]byte, 24)
	binary.LittleEndian.PutUint32(head, magic)
	binary.LittleEndian.PutUint32(head[20:], link)
	t.Write(head)
	return t
}

// tcp is a TCP segment without addresses.
func tcp(src, dst netip.AddrPort, seq uint32, flags byte, payload string) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, src.Port())
	binary.BigEndian.PutUint16(b[2:], dst.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 5<<4, flags
	return append(b, payload...)
}

func ip(src, dst netip.Addr, segment []byte) []byte {
	if src.Is4() {
		b := make([]byte, 12)
		b[0], b[9] = 0x45, protoTCP
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(segment)))
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, segment...)
	}
	b := make([]byte, 8)
	b[0], b[6] = 0x60, protoTCP
	binary.BigEndian.PutUint16(b[4:], uint16(len(segment)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, segment...)
}

// record writes one packet, at µs after the epoch.
func (t *tape) record(at int64, p []byte) {
	var below []byte
	switch t.link {
	case linkEN:
		below = append(make([]byte, 12), 0x08, 0x00)
		p = append(p, 0, 0) // padding
	case linkSLL2:
		below = append([]byte{0x08, 0x00}, make([]byte, 18)...)
	case linkNull:
		below = []byte{2, 0, 0, 0}
	}
	ns := epoch + at*1000
	rec := make([]byte, 16)
	binary.LittleEndian.PutUint32(rec, uint32(ns/1e9))
	binary.LittleEndian.PutUint32(rec[4:], uint32(ns%1e9))
	binary.LittleEndian.PutUint32(rec[8:], uint32(len(below)+len(p)))
	binary.LittleEndian.PutUint32(rec[12:], max(uint32(len(below)+len(p)), t.original))
	t.Write(rec)
	t.Write(below)
	t.Write(p)
}

func (t *tape) up(at int64, flags byte, payload string) {
	t.record(at, ip(client.Addr(), server.Addr(), tcp(client, server, t.out, flags, payload)))
	t.out += uint32(len(payload)) + uint32(flags&1) + uint32(flags>>1&1)
}

func (t *tape) down(at int64, flags byte, payload string) {
	t.record(at, ip(server.Addr(), client.Addr(), tcp(server, client, t.in, flags, payload)))
	t.in += uint32(len(payload)) + uint32(flags&1) + uint32(flags>>1&1)
}

const (
	ownClose  = "\x88\x82\x00\x00\x00\x00\x03\xe8"
	peerClose = "\x88\x02\x03\xe8"
)

// open is what passes before the teardown.
func (t *tape) open() {
	t.up(0, flagSYN, "")
	t.down(1, flagSYN|flagACK, "")
	t.up(2, flagACK, "")
	t.up(3, flagACK, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	t.down(4, flagACK, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello")
	t.up(5, flagACK, "\x81\xfe\x00\x80")                             // a message, cut
	t.up(6, flagACK, "\x00\x00\x00\x00"+strings.Repeat("\x88", 128)) // its payload is no Close
}

// flowOf is the one flow of a capture.
func (t *tape) flow(tb testing.TB) *flow {
	tb.Helper()
	all := flows{}
	if err := readPcap(&t.Buffer, all.add); err != nil {
		tb.Fatal(err)
	}
	f := all.find(pair{client, server}, epoch)
	if f == nil {
		tb.Fatalf("no flow among %v", all)
	}
	return f
}

func TestTheFramesOfACloseAreFoundOnEachLink(t *testing.T) {
	for name, link := range map[string]uint32{"loopback": linkNull, "Ethernet": linkEN, "cooked": linkSLL2} {
		c := newTape(magicNano, link)
		c.open()
		c.up(100, flagACK, ownClose[:3]) // the last byte counts
		c.up(110, flagACK, ownClose[3:])
		c.down(200, flagACK, peerClose)
		c.down(210, flagFIN|flagACK, "")
		c.up(220, flagFIN|flagACK, "")
		f := c.flow(t)
		want := flow{syn: epoch}
		want.out.close, want.out.fin = epoch+110_000, epoch+220_000
		want.in.close, want.in.fin = epoch+200_000, epoch+210_000
		if f.syn != want.syn || f.out.close != want.out.close || f.in.close != want.in.close ||
			f.out.fin != want.out.fin || f.in.fin != want.in.fin || !f.out.masked || f.in.masked || f.out.rst != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestSegmentsOfIPv6AreRead(t *testing.T) {
	src, dst := netip.MustParseAddrPort("[::1]:5"), netip.MustParseAddrPort("[::2]:6")
	p, ok := segment(ip(src.Addr(), dst.Addr(), tcp(src, dst, 9, flagACK, "abc")))
	if !ok || p.src != src || p.dst != dst || p.seq != 9 || string(p.payload) != "abc" {
		t.Errorf("got %+v", p)
	}
}

func TestWhatIsSentAgainIsReadOnce(t *testing.T) {
	c := newTape(magicNano, linkEN)
	c.open()
	c.up(100, flagACK, ownClose)
	c.out -= uint32(len(ownClose))
	c.up(150, flagACK, ownClose)
	c.down(200, flagACK, peerClose)
	if f := c.flow(t); f.out.close != epoch+100_000 || f.in.close != epoch+200_000 || f.out.gap {
		t.Errorf("%+v", f)
	}
}

func TestAFlowWithMissingBytesIsNotUsed(t *testing.T) {
	c := newTape(magicNano, linkEN)
	c.open()
	c.out += 4
	c.up(100, flagACK, ownClose)
	all := flows{}
	if err := readPcap(&c.Buffer, all.add); err != nil {
		t.Fatal(err)
	}
	if f := all.find(pair{client, server}, epoch); f != nil {
		t.Errorf("found %+v", f)
	}
}

func TestAPortUsedTwiceIsTwoFlowsToldApartByTime(t *testing.T) {
	c := newTape(magicNano, linkEN)
	c.open()
	c.out = 1000
	c.up(5_000_000, flagSYN, "")
	all := flows{}
	if err := readPcap(&c.Buffer, all.add); err != nil {
		t.Fatal(err)
	}
	key := pair{client, server}
	if f := all.find(key, epoch+2_500_000_000); f != nil {
		t.Errorf("found %+v for a dial at which nothing was sent", f)
	}
	if f := all.find(key, epoch+4_999_990_000); f == nil || f.syn != epoch+5_000_000_000 {
		t.Errorf("second: %+v", f)
	}
	if f := all.find(key, epoch); f == nil || f.syn != epoch {
		t.Errorf("first: %+v", f)
	}
	if f := all.find(key, epoch); f != nil {
		t.Error("a flow was found twice")
	}
}

func TestTheOrderInTheCaptureGivesTheClass(t *testing.T) {
	const fin, rst = flagFIN | flagACK, flagRST | flagACK
	for class, play := range map[string]func(c *tape){
		"clean": func(c *tape) {
			c.up(1, flagACK, ownClose)
			c.down(2, flagACK, peerClose)
			c.down(3, fin, "")
			c.up(4, fin, "")
		},
		"clean_rst": func(c *tape) { c.up(1, flagACK, ownClose); c.down(2, flagACK, peerClose); c.down(3, rst, "") },
		"clean_no_fin": func(c *tape) {
			c.up(1, flagACK, ownClose)
			c.down(2, flagACK, peerClose)
			c.up(3, fin, "")
			c.down(4, fin, "")
		},
		"peer_first":     func(c *tape) { c.down(1, flagACK, peerClose); c.up(2, flagACK, ownClose); c.down(3, fin, "") },
		"unanswered_eof": func(c *tape) { c.up(1, flagACK, ownClose); c.down(3, fin, "") },
		"unanswered_rst": func(c *tape) { c.up(1, flagACK, ownClose); c.down(3, rst, "") },
		"premature_eof":  func(c *tape) { c.down(3, fin, ""); c.up(4, fin, "") },
		"premature_rst":  func(c *tape) { c.down(3, rst, "") },
		"no end":         func(c *tape) { c.up(1, flagACK, ownClose); c.up(2, rst, "") },
	} {
		c := newTape(magicNano, linkEN)
		c.open()
		play(c)
		if got := c.flow(t).class(); got != class {
			t.Errorf("got %s, want %s", got, class)
		}
	}
}

func TestACaptureThatCannotBeUsedIsRefusedWithTheRemedy(t *testing.T) {
	cut := newTape(magicNano, linkEN)
	cut.original = 5000
	cut.open()
	broken := newTape(magicNano, linkEN)
	broken.open()
	broken.Truncate(broken.Len() - 1)
	for want, c := range map[string]*tape{
		"--time-stamp-precision=nano": newTape(magicMicro, linkEN),
		"no pcap file":                newTape(0x0a0d0d0a, linkEN),
		"link type 105":               newTape(magicNano, 105),
		"capture with -s 0":           cut,
		"read packet 7":               broken,
	} {
		if err := readPcap(&c.Buffer, func(packet) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// line is a connection whose own Close went at 95 µs, and whose peer's Close
// arrived at the time and was seen at 900 µs.
func line(class string, arrived time.Duration) trace.Line {
	return trace.Line{
		Mode: "active", Class: class, Local: client.String(), Remote: server.String(),
		Events: []trace.Event{
			{Kind: "dial", Dir: "out", Clock: "user"},
			{Kind: "close", Dir: "out", Clock: "user", At: 95 * time.Microsecond},
			{Kind: "close_done", Dir: "out", Clock: "user", At: 105 * time.Microsecond},
			{Kind: "close", Dir: "in", Clock: "kernel", At: arrived, Seen: 900 * time.Microsecond},
		},
	}
}

// compare runs the command on a clean close, 100 µs to 200 µs in the capture,
// FIN at 240 µs, and on the line.
func compare(t *testing.T, l trace.Line) (string, error) {
	t.Helper()
	c := newTape(magicNano, linkEN)
	c.open()
	c.up(100, flagACK, ownClose)
	c.down(200, flagACK, peerClose)
	c.down(240, flagFIN|flagACK, "")
	dir := t.TempDir()
	captured, traced := filepath.Join(dir, "c.pcap"), filepath.Join(dir, "t.jsonl")
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	if err := errors.Join(
		os.WriteFile(captured, c.Bytes(), 0o600),
		e.Encode(trace.Header{Schema: trace.Schema, Wall: epoch}), e.Encode(l),
		os.WriteFile(traced, text.Bytes(), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := run(&out, "test", 0, traced, captured)
	return strings.Join(strings.Fields(out.String()), " "), err
}

func TestTheErrorsOfBothClocksAreToldBesideEachOther(t *testing.T) {
	out, err := compare(t, line("clean", 202*time.Microsecond))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 active closes traced, matched 1, unmatched 0, compared 1, without a kernel stamp 0",
		"close_handshake in the capture 100.0",
		"kernel clock (reported) 7.0", "user clock (for comparison) 705.0",
		"arrival of the peer's Close, kernel clock 2.0", "departure of the own Close 5.0",
		"until write returned 10.0", "that are the FIN's 7.0",
		"right behind the Close: 0 of 1", "not met; classes that differ from the capture's: 0",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}

func TestABarIsMetWhereAllItsQuantilesAre(t *testing.T) {
	bars := []bar{{"p50", 0.5, 5_000}, {"p99.9", 0.999, 250_000}}
	for name, tc := range map[string]struct {
		errors []int64
		want   string
	}{
		"both at it":       {[]int64{1, 5_000, 5_001, 250_000}, "bar (p50 5 µs, p99.9 250 µs): met"},
		"the first above":  {[]int64{1, 5_001, 5_001, 5_002}, "bar (p50 5 µs, p99.9 250 µs): not met"},
		"the second above": {[]int64{1, 2, 3, 250_001}, "bar (p50 5 µs, p99.9 250 µs): not met"},
	} {
		if got := verdict(bars, tc.errors); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestAStampThatIsTheFINsIsTold(t *testing.T) {
	out, err := compare(t, line("clean", 239*time.Microsecond))
	if err != nil || !strings.Contains(out, "right behind the Close: 1 of 1") || !strings.Contains(out, "kernel clock 39.0") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAClassThatDiffersIsShownAndFails(t *testing.T) {
	out, err := compare(t, line("clean_rst", 202*time.Microsecond))
	if !errors.Is(err, errDiffers) || !strings.Contains(out, "! connection 0, 127.0.0.2:40000: wsload says clean_rst, the capture clean") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestATraceOfAnotherRunComparesNothingAndFails(t *testing.T) {
	l := line("clean", 202*time.Microsecond)
	l.Local = "127.0.0.2:40001"
	if out, err := compare(t, l); err == nil || !strings.Contains(out, "matched 0, unmatched 1") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestQuantilesAreValuesThatWereMeasured(t *testing.T) {
	values := make([]int64, 1000)
	for i := range values {
		values[i] = int64(i + 1)
	}
	for q, want := range map[float64]int64{0.5: 500, 0.99: 990, 0.999: 999} {
		if got := quantile(values, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
	if got := quantile([]int64{3}, 0.999); got != 3 {
		t.Errorf("of one value: %d", got)
	}
}
