package target_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// A habit is one way in which a client lives and ends, and what the server
// must count for it.
type habit struct {
	path string
	live func(c *client) error
	want target.Counts
}

// pause is how long the habits wait, and the misbehaving paths with them.
const pause = 20 * time.Millisecond

func habits() map[string]habit {
	both := target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}
	return map[string]habit{
		"active": {"/echo", func(c *client) error {
			return errors.Join(c.chat(3), c.say(closeFrame(1000, "done")), c.expect(wire.OpClose), c.ends(io.EOF))
		}, both},
		"passive": {"/echo", func(c *client) error {
			return errors.Join(c.chat(2), c.say(frame(wire.OpText, "close 1001 bye")), c.expect(wire.OpClose),
				c.say(closeFrame(1001, "")), c.ends(io.EOF))
		}, both},
		"passive-deaf": {"/echo", func(c *client) error {
			return errors.Join(c.say(frame(wire.OpText, "close 1001 bye")), c.expect(wire.OpClose),
				c.conn.(*net.TCPConn).CloseWrite(), c.ends(io.EOF))
		}, target.Counts{CloseSent: 1, Ended: target.Endings{ClientFIN: 1}}},
		"abort-rst": {"/echo", func(c *client) error {
			return errors.Join(c.chat(1), c.say(frame(wire.OpText, "unanswered")), c.abort())
		}, target.Counts{Ended: target.Endings{ClientRST: 1}}},
		"abort-fin": {"/echo", func(c *client) error {
			return errors.Join(c.chat(2), c.conn.Close())
		}, target.Counts{Ended: target.Endings{ClientFIN: 1}}},
		"half-close": {"/echo", func(c *client) error {
			return errors.Join(c.say(frame(wire.OpText, "last words")), c.conn.(*net.TCPConn).CloseWrite(),
				c.expect(wire.OpText), c.ends(io.EOF))
		}, target.Counts{Ended: target.Endings{ClientFIN: 1}}},
		"told-rst": {"/echo", func(c *client) error {
			return errors.Join(c.say(frame(wire.OpText, "abort rst")), c.ends(syscall.ECONNRESET))
		}, target.Counts{Ended: target.Endings{ServerRST: 1}}},
		"told-fin": {"/echo", func(c *client) error {
			return errors.Join(c.say(frame(wire.OpText, "abort fin")), c.ends(io.EOF))
		}, target.Counts{Ended: target.Endings{ServerFIN: 1}}},
		"told-fin-with-more-under-way": {"/echo", func(c *client) error {
			return errors.Join(c.say(append(frame(wire.OpText, "abort fin"), make([]byte, 4000)...)), c.ends(io.EOF))
		}, target.Counts{Ended: target.Endings{ServerFIN: 1}}},
		"slow": {"/slow-reply?delay=20ms", func(c *client) error {
			return errors.Join(c.say(closeFrame(1000, "")), c.expect(wire.OpClose), c.ends(io.EOF))
		}, both},
		"unanswered": {"/no-reply", func(c *client) error {
			time.Sleep(pause)
			return errors.Join(c.say(closeFrame(1000, "")), c.conn.(*net.TCPConn).CloseWrite(), c.ends(io.EOF))
		}, target.Counts{CloseReceived: 1, Ended: target.Endings{ClientFIN: 1}}},
		"cut-short": {"/fin-no-reply", func(c *client) error {
			return errors.Join(c.say(closeFrame(1000, "")), c.ends(io.EOF))
		}, target.Counts{CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}},
		"answered-by-rst": {"/rst-no-reply", func(c *client) error {
			return errors.Join(c.say(closeFrame(1000, "")), c.ends(syscall.ECONNRESET))
		}, target.Counts{CloseReceived: 1, Ended: target.Endings{ServerRST: 1}}},
		"rst-behind-the-answer": {"/echo?fault=reply-rst:100", func(c *client) error {
			return errors.Join(c.say(closeFrame(1000, "")), c.expect(wire.OpClose), c.ends(syscall.ECONNRESET))
		}, target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerRST: 1}}},
		"unheard": {"/close-before-reading-reply", func(c *client) error {
			return errors.Join(c.say(append(frame(wire.OpText, "close 1001"), make([]byte, 4000)...)), c.expect(wire.OpClose),
				c.ends(syscall.ECONNRESET))
		}, target.Counts{CloseSent: 1, Ended: target.Endings{ServerFIN: 1}}},
		"byte-by-byte": {"/byte-by-byte?every=2ms", func(c *client) error {
			return errors.Join(c.say(closeFrame(1000, "")), c.expect(wire.OpClose), c.ends(io.EOF))
		}, both},
		"leaked": {"/leak-on-abort?keep=20ms", func(c *client) error {
			return errors.Join(c.chat(1), c.abort())
		}, target.Counts{Ended: target.Endings{ClientRST: 1}}},
		"server-closes": {"/echo?close_after=20ms&code=1001", func(c *client) error {
			return errors.Join(c.expect(wire.OpClose), c.say(closeFrame(1001, "")), c.ends(io.EOF))
		}, both},
		"early-fin": {"/early-fin?after=20ms", func(c *client) error {
			return c.ends(io.EOF)
		}, target.Counts{Ended: target.Endings{ServerFIN: 1}}},
		"early-rst": {"/early-rst?after=20ms", func(c *client) error {
			return c.ends(syscall.ECONNRESET)
		}, target.Counts{Ended: target.Endings{ServerRST: 1}}},
	}
}

// join opens a WebSocket over TCP. It is for goroutines: it never ends the
// test.
func join(t *testing.T, addr, path, mode string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second)) // nothing may hang
	c := newClient(t, conn)
	if _, err := conn.Write(request(path, target.ModeHeader+": "+mode)); err != nil {
		conn.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) say(frame []byte) error {
	_, err := c.conn.Write(frame)
	return err
}

func (c *client) expect(op wire.Opcode) error {
	got, payload, err := c.read()
	if err != nil || got != op {
		return fmt.Errorf("got opcode %d, %.50q, %w, want opcode %d", got, payload, err, op)
	}
	return nil
}

func (c *client) chat(messages int) error {
	for range messages {
		if err := errors.Join(c.say(frame(wire.OpText, "hello")), c.expect(wire.OpText)); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) ends(want error) error {
	if b, err := c.br.ReadByte(); !errors.Is(err, want) {
		return fmt.Errorf("got %#x, %w, want %v", b, err, want)
	}
	return nil
}

func (c *client) abort() error {
	return errors.Join(c.conn.(*net.TCPConn).SetLinger(0), c.conn.Close())
}

func TestTheLedgerCountsEveryConnectionOnceAndAsTheClientsLivedIt(t *testing.T) {
	t.Run("not measuring", func(t *testing.T) { countAll(t, new(target.Server)) })
	t.Run("measuring", func(t *testing.T) {
		s := measuring()
		countAll(t, s)
		wantAllJudged(t, s)
	})
}

// wantAllJudged wants every connection of a server that has none left to have
// its outcome.
func wantAllJudged(t *testing.T, s *target.Server) {
	t.Helper()
	var opened uint64
	for _, counts := range s.Ledger().Modes {
		opened += counts.Opened
	}
	sum := s.Record.Flip(nil)
	if got := sum.Connections; got.Opened != opened || got.Ended != opened || got.Started != opened {
		t.Errorf("judged: %+v, want %d of each", got, opened)
	}
	if err := sum.Conserved(); err != nil {
		t.Error(err)
	}
}

// countAll has clients of all habits come and wants the ledger to tell of them.
func countAll(t *testing.T, s *target.Server) {
	addr := listen(t, s)
	all := habits()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	want := make(map[string]target.Counts)
	work := make(chan string)
	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			for name := range work {
				c, err := join(t, addr, all[name].path, name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if err := all[name].live(c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				c.conn.Close()
			}
		})
	}
	for range 1500 {
		name := names[rng.IntN(len(names))]
		sum, h := want[name], all[name].want
		sum.Opened++
		sum.CloseSent += h.CloseSent
		sum.CloseReceived += h.CloseReceived
		sum.Ended.ClientFIN += h.Ended.ClientFIN
		sum.Ended.ClientRST += h.Ended.ClientRST
		sum.Ended.ServerFIN += h.Ended.ServerFIN
		sum.Ended.ServerRST += h.Ended.ServerRST
		want[name] = sum
		work <- name
	}
	close(work)
	clients.Wait()
	l := settled(t, http.DefaultClient, "http://"+addr+"/statz")
	http.DefaultClient.CloseIdleConnections()
	if diff := cmp.Diff(want, l.Modes); diff != "" {
		t.Errorf("the ledger differs (-want +got):\n%s", diff)
	}
}

func TestAnEndInTheMiddleOfEverythingLosesNoConnection(t *testing.T) {
	t.Run("not measuring", func(t *testing.T) { endInTheMiddle(t, new(target.Server)) })
	t.Run("measuring", func(t *testing.T) {
		s := measuring()
		endInTheMiddle(t, s)
		wantAllJudged(t, s)
	})
}

// endInTheMiddle ends a server while clients come and go.
func endInTheMiddle(t *testing.T, s *target.Server) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Drain = 500 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()

	var opened atomic.Uint64
	var clients sync.WaitGroup
	for i := range uint64(30) {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(3, i))
			for {
				c, err := join(t, ln.Addr().String(), []string{"/echo", "/no-reply", "/slow-reply?delay=5ms"}[rng.IntN(3)], "storm")
				if err != nil {
					return // the server is gone
				}
				opened.Add(1)
				carelessly(c, rng)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	l := s.Ledger()
	clients.Wait()
	wantConserved(t, l)
	if got := l.Modes["storm"].Opened; l.Open != 0 || got != opened.Load() || got == 0 {
		t.Errorf("the server opened %d, %d of them open; the clients opened %d", got, l.Open, opened.Load())
	}
}

// carelessly lives a connection without regard to what the server does.
func carelessly(c *client, rng *rand.Rand) {
	defer c.conn.Close()
	_ = c.chat(rng.IntN(3))
	if rng.IntN(2) == 0 {
		_ = c.say(closeFrame(1000, ""))
	}
	switch rng.IntN(4) {
	case 0:
		_ = c.abort()
	case 1:
		_ = c.conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.conn)
	case 2:
		_ = c.say(frame(wire.OpText, "close 1000"))
		c.conn.SetReadDeadline(time.Now().Add(pause))
		_, _ = io.Copy(io.Discard, c.conn)
	}
}
