package runner

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A peer is the server's end of one connection, played frame by frame.
type peer struct {
	net.Conn
	br   *bufio.Reader
	mode string
}

// upgrade answers the opening handshake.
func (p *peer) upgrade() bool {
	req, err := http.ReadRequest(p.br)
	if err != nil {
		return false
	}
	p.mode = req.Header.Get(ModeHeader)
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		wire.Accept(req.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
	_, err = io.WriteString(p.Conn, answer)
	return err == nil
}

// frame reads the client's next frame.
func (p *peer) frame() (wire.Opcode, []byte, error) {
	var h [2]byte
	if _, err := io.ReadFull(p.br, h[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(h[1] & 0x7F)
	switch size {
	case 126:
		var b [2]byte
		io.ReadFull(p.br, b[:])
		size = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(p.br, b[:])
		size = binary.BigEndian.Uint64(b[:])
	}
	var key [4]byte
	io.ReadFull(p.br, key[:])
	payload := make([]byte, size)
	_, err := io.ReadFull(p.br, payload)
	for i := range payload {
		payload[i] ^= key[i&3]
	}
	return wire.Opcode(h[0] & 0x0F), payload, err
}

// until reads frames up to one of the opcode and returns its payload.
func (p *peer) until(op wire.Opcode) []byte {
	for {
		got, payload, err := p.frame()
		if err != nil {
			return nil
		}
		if got == op {
			return payload
		}
	}
}

func (p *peer) send(op wire.Opcode, payload string) {
	p.Write(wire.AppendFrame(nil, op, []byte(payload), false, [4]byte{}))
}

func (p *peer) sendClose(code int) {
	p.send(wire.OpClose, string(wire.AppendClosePayload(nil, code, "")))
}

// rest reads until the client's end.
func (p *peer) rest() { io.Copy(io.Discard, p.br) }

func (p *peer) reset() {
	p.Conn.(*memnet.Conn).SetLinger(0)
	p.Close()
}

// well is a server that does all by the book: it echoes, obeys "close CODE"
// and answers a Close, each after the delay, and closes TCP first.
func well(delay time.Duration) func(*peer) {
	return func(p *peer) {
		for {
			op, payload, err := p.frame()
			switch {
			case err != nil:
				p.Close()
				return
			case op == wire.OpClose:
				time.Sleep(delay)
				p.send(wire.OpClose, string(payload[:min(2, len(payload))]))
				p.Close()
				return
			case op == wire.OpText && len(payload) > 6 && string(payload[:6]) == "close ":
				time.Sleep(delay)
				p.sendClose(1001)
				p.until(wire.OpClose)
				p.Close()
				return
			case op == wire.OpText:
				p.send(op, string(payload))
			case op == wire.OpPing:
				p.send(wire.OpPong, string(payload))
			}
		}
	}
}

// once is a plan of n connections that live once, one second each, and end by
// the one entry of the mix.
func once(n int, entry scenario.Close) scenario.Plan {
	p := scenario.Default()
	p.Seed = 7
	p.Target.URL = "ws://127.0.0.1:1/"
	p.Load = scenario.Load{Connections: n, Rate: 100}
	p.Hold, _ = value.ParseDist("1s")
	p.Closes.Mix = []scenario.Close{entry}
	p.Traffic.Expect = scenario.ExpectAny
	return p
}

// play carries a plan out against a server that plays script on each
// connection, in a bubble of its own time.
func play(t *testing.T, plan scenario.Plan, script func(*peer)) (res *Result, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		res, err = playIn(t.Context(), t, plan, Options{}, script)
	})
	return res, err
}

func playIn(ctx context.Context, t *testing.T, plan scenario.Plan, opt Options, script func(*peer)) (*Result, error) {
	t.Helper()
	return playOver(ctx, t, plan, opt, link{}, script)
}

// A link changes what is between the two ends; nil changes nothing.
type link struct {
	dialled  func(net.Conn) (net.Conn, error)
	accepted func(net.Conn) net.Conn
}

func playOver(ctx context.Context, t *testing.T, plan scenario.Plan, opt Options, over link, script func(*peer)) (*Result, error) {
	t.Helper()
	if err := plan.Validate(); err != nil {
		t.Fatalf("the plan of the test: %v", err)
	}
	ln := memnet.Listen()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if over.accepted != nil {
					conn = over.accepted(conn)
				}
				p := &peer{Conn: conn, br: bufio.NewReader(conn)}
				defer p.Close()
				if p.upgrade() {
					script(p)
				}
			})
		}
	})
	opt.Dial = func(ctx context.Context, _ string, _ netip.Addr) (net.Conn, error) {
		conn, err := ln.Dial(ctx)
		if err != nil || over.dialled == nil {
			return conn, err
		}
		return over.dialled(conn)
	}
	res, err := Run(ctx, plan, opt)
	ln.Close()
	wg.Wait()
	if res != nil {
		if cerr := res.Total.Conserved(); cerr != nil {
			t.Errorf("conservation: %v", cerr)
		}
	}
	return res, err
}

// only returns the one class that all connections of a run ended in, and its
// details.
func only(t *testing.T, res *Result) (stats.Class, map[string]uint64) {
	t.Helper()
	found, details := stats.Class(0), map[string]uint64(nil)
	for entry := range res.Total.Outcomes {
		for c, n := range res.Total.Outcomes[entry] {
			if n.N == 0 {
				continue
			}
			if details != nil {
				t.Errorf("connections ended as %v and as %v", found, stats.Class(c))
			}
			found, details = stats.Class(c), map[string]uint64{}
			for k, v := range n.Detail {
				details[k] = v
			}
		}
	}
	return found, details
}
