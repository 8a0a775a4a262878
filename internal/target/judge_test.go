package target_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// verdicts counts outcomes by the name of the entry, the class, the detail in
// brackets, and behind a plus the flags that do not depend on what is below the
// frames.
func verdicts(s *stats.Summary) map[string]uint64 {
	all := make(map[string]uint64)
	for e, entry := range s.Entries {
		for c := range stats.Class(stats.NumClasses) {
			count := &s.Outcomes[e][c]
			if count.N == 0 {
				continue
			}
			text := entry.Name + " " + c.String()
			for token := range count.Detail {
				text += " (" + token + ")"
			}
			for f := range stats.Flag(stats.NumFlags) {
				if count.Flags[f] > 0 && f <= stats.Truncated && f != stats.ControlAfterClose {
					text += " +" + f.String()
				}
			}
			all[text] = count.N
		}
	}
	return all
}

// wantVerdict wants the one connection of a server that has nothing left to do
// to have ended so, and the summary to add up.
func wantVerdict(t *testing.T, s *target.Server, want string) *stats.Summary {
	t.Helper()
	sum := s.Record.Flip(nil)
	if diff := cmp.Diff(map[string]uint64{want: 1}, verdicts(sum)); diff != "" {
		t.Errorf("the verdict differs (-want +got):\n%s", diff)
	}
	if err := sum.Conserved(); err != nil {
		t.Error(err)
	}
	return sum
}

// A conduct is how a client behaves on a path, and what the server makes of it.
type conduct struct {
	name string
	path string
	do   func(c *client)
	want string
	ends limit // what ends the connection
}

// A limit is one of the server's that a conduct runs into.
type limit int

const (
	noLimit limit = iota
	replyLimit
	finLimit
)

// ordered has the server send a Close.
func ordered(c *client) {
	c.text("close 1001 bye")
	c.wantClose(1001, "bye")
	time.Sleep(time.Millisecond) // time does not pass by itself in a bubble
}

// sayBytes says frames as they are.
func sayBytes(all string) func(c *client) {
	return func(c *client) { c.write([]byte(all)) }
}

// conducts are those whose verdict does not depend on what is below the frames.
func conducts() []conduct {
	key := "\x12\x34\x56\x78"
	masked1000 := "\x88\x82" + key + "\x11\xdc"
	return []conduct{
		{"a good client closes", "/echo", func(c *client) {
			c.sendClose(1000, "done")
			c.wantClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_client clean", noLimit},
		{"a good client is closed", "/echo", func(c *client) {
			ordered(c)
			c.sendClose(1001, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_echo", noLimit},
		{"it answers with another code", "/echo", func(c *client) {
			ordered(c)
			c.sendClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_1000", noLimit},
		{"it answers that it failed", "/echo", func(c *client) {
			ordered(c)
			c.sendClose(1011, "")
			c.wantEnd()
			c.fin()
		}, "by_server failed_by_peer (code:1011) +code_other", noLimit},
		{"it echoes a code that says a failure", "/echo", func(c *client) {
			c.text("close 1011")
			c.wantClose(1011, "")
			time.Sleep(time.Millisecond)
			c.sendClose(1011, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_echo", noLimit},
		{"the server closes by itself", "/echo?close_after=20ms&code=1012", func(c *client) {
			c.wantClose(1012, "")
			time.Sleep(time.Millisecond)
			c.sendClose(1012, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_echo", noLimit},
		{"it sends on behind the server's Close", "/echo", func(c *client) {
			ordered(c)
			c.text("more")
			c.sendClose(1001, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_echo +data_after_own_close", noLimit},
		{"it never answers", "/echo", func(c *client) {
			ordered(c)
			c.wantEnd()
		}, "by_server close_timeout (acked)", replyLimit},
		{"it answers with a FIN", "/echo", func(c *client) {
			ordered(c)
			c.fin()
		}, "by_server unanswered_eof", noLimit},
		{"it answers with an RST", "/echo", func(c *client) {
			ordered(c)
			c.reset()
		}, "by_server unanswered_rst", noLimit},
		{"it answers and keeps TCP open", "/echo", func(c *client) {
			ordered(c)
			c.sendClose(1001, "")
			c.wantEnd()
		}, "by_server clean_no_fin +code_echo", finLimit},
		{"it closes and keeps TCP open", "/echo", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEnd()
		}, "by_client clean_no_fin", finLimit},
		{"it ends by RST behind both Closes", "/echo", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEnd()
			c.reset()
		}, "by_client clean_rst", noLimit},
		{"it sends a FIN without a Close", "/echo", func(c *client) { c.fin() }, "by_client premature_eof", noLimit},
		{"it resets", "/echo", func(c *client) { c.reset() }, "by_client premature_rst", noLimit},
		{"it ends inside a frame", "/echo", func(c *client) {
			c.write([]byte("\x81\x85" + key))
			c.fin()
		}, "by_client premature_eof (truncated) +truncated", noLimit},
		{"it does not mask", "/echo", sayBytes("\x81\x02hi"), "by_client violation (rule:masked)", replyLimit},
		{"it closes with a bad code", "/echo", func(c *client) { c.sendClose(1006, "") }, "by_client violation (rule:bad-code)", finLimit},
		{"it closes with half a code", "/echo", func(c *client) { c.write(frame(wire.OpClose, "\x03")) }, "by_client violation (rule:short-payload)", finLimit},
		{"it closes twice", "/echo", sayBytes(masked1000 + masked1000), "by_client violation (rule:second-close)", finLimit},
		{"it sends data behind its Close", "/echo", sayBytes(masked1000 + "\x81\x82" + key + "\x7a\x5d"), "by_client violation (rule:data-after-close)", finLimit},
		{"it sends a ping behind its Close", "/echo", func(c *client) {
			c.write([]byte(masked1000 + "\x89\x80" + key))
			c.wantClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_client clean", noLimit},
		{"its answer has a bad code", "/echo", func(c *client) {
			ordered(c)
			c.sendClose(1015, "")
		}, "by_server violation (rule:bad-code) +code_other", finLimit},
		{"it has the server end TCP", "/echo", func(c *client) { c.text("abort fin") }, "abort cut", noLimit},
		{"it has the server reset", "/echo", func(c *client) { c.text("abort rst") }, "abort cut", noLimit},
		{"early-fin", "/early-fin?after=20ms", func(*client) {}, "abort cut", noLimit},
		{"early-rst", "/early-rst?after=20ms", func(*client) {}, "abort cut", noLimit},
		{"fin-no-reply", "/fin-no-reply", func(c *client) { c.sendClose(1000, "") }, "abort cut", noLimit},
		{"rst-no-reply", "/rst-no-reply", func(c *client) { c.sendClose(1000, "") }, "abort cut", noLimit},
		{"reply-rst", "/reply-rst", func(c *client) { c.sendClose(1000, "") }, "abort cut", noLimit},
		{"half-frame", "/half-frame", func(c *client) { c.sendClose(1000, "") }, "abort cut", noLimit},
		{"close-before-reading-reply", "/close-before-reading-reply", func(c *client) { c.text("close 1000") }, "abort cut", noLimit},
		{"it gives up on no-reply by FIN", "/no-reply", func(c *client) {
			c.sendClose(1000, "")
			c.wantSilence(20 * time.Millisecond)
			c.fin()
		}, "mute cut (fin)", noLimit},
		{"it gives up on no-reply by RST", "/no-reply", func(c *client) {
			c.sendClose(1000, "")
			c.wantSilence(20 * time.Millisecond)
			c.reset()
		}, "mute cut (rst)", noLimit},
		{"it gives up on slow-reply", "/slow-reply?delay=1m", func(c *client) {
			c.sendClose(1000, "")
			c.wantSilence(20 * time.Millisecond)
			c.fin()
		}, "mute cut (fin)", noLimit},
		{"it waits for slow-reply", "/slow-reply?delay=20ms", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_client clean", noLimit},
		{"it waits for slow-reply and keeps TCP open", "/slow-reply?delay=20ms", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEnd()
		}, "by_client clean_no_fin", finLimit},
		{"it ends TCP itself on reply-no-fin", "/reply-no-fin", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantSilence(20 * time.Millisecond)
			c.fin()
		}, "by_client clean", noLimit},
		{"it fails a bad answer", "/bad-code", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1006, "")
			c.reset()
		}, "bad_close cut (rst)", noLimit},
		{"it fails a bad Close", "/short-payload", func(c *client) {
			c.text("close 1000")
			c.want(wire.OpClose, "\x03")
			time.Sleep(time.Millisecond)
			c.sendClose(1002, "")
			c.wantEnd()
			c.fin()
		}, "bad_close clean +code_other", noLimit},
		{"it fails a bad Close without one", "/short-payload", func(c *client) {
			c.text("close 1000")
			c.want(wire.OpClose, "\x03")
			time.Sleep(time.Millisecond)
			c.fin()
		}, "bad_close cut (fin)", noLimit},
		{"it fails what is no Close at all", "/opcode", func(c *client) {
			c.text("close 1000")
			c.want(0xB, "\x03\xe8")
			time.Sleep(time.Millisecond)
			c.sendClose(1002, "")
		}, "bad_close clean_no_fin +code_other", finLimit},
		{"it waits on in spite of a bad Close", "/fragmented", func(c *client) { c.text("close 1000") }, "bad_close close_timeout (acked)", replyLimit},
		{"it takes no notice of a second Close", "/second-close", func(c *client) {
			c.text("close 1000")
			c.wantClose(1000, "")
			time.Sleep(time.Millisecond)
			c.wantClose(1000, "")
			c.sendClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "bad_close clean +code_echo", noLimit},
		{"it answers a second Close with a FIN alone", "/second-close", func(c *client) {
			c.text("close 1000")
			c.wantClose(1000, "")
			c.wantClose(1000, "")
			c.fin()
		}, "bad_close unanswered_eof", noLimit},
		{"it resets while the server speaks", "/echo", func(c *client) {
			c.text("unanswered")
			c.reset()
		}, "by_client premature_rst", noLimit},
		{"a legal Close in pieces is a good one", "/byte-by-byte?every=1ms", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_client clean", noLimit},
		{"bad-code with a good code is a good one", "/bad-code?code=1000", func(c *client) {
			c.text("close 1000")
			c.wantClose(1000, "")
			time.Sleep(time.Millisecond)
			c.sendClose(1000, "")
			c.wantEnd()
			c.fin()
		}, "by_server clean +code_echo", noLimit},
	}
}

// wantEnd wants the server's FIN, and reads what comes before it.
func (c *client) wantEnd() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(maxWait))
	for {
		b, err := c.br.ReadByte()
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "EOF") {
			c.t.Fatalf("read: %#x, %v, want the server's FIN", b, err)
		}
		return
	}
}

func TestEachConductOfAClientHasItsVerdict(t *testing.T) {
	for _, tt := range conducts() {
		t.Run(tt.name, func(t *testing.T) {
			s := measuring()
			serve(t, s, func(t *testing.T, h *host) {
				c := h.open(t, tt.path)
				tt.do(c)
				time.Sleep(time.Hour)
				synctest.Wait()
				wantVerdict(t, s, tt.want)
				c.conn.Close()
			})
		})
	}
}

// onLoopback serves s on loopback TCP for one test, and returns how to dial it.
func onLoopback(t *testing.T, s *target.Server) (dial func(t *testing.T) net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return func(t *testing.T) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

// wantEnded waits until n connections to a server on loopback have ended.
func wantEnded(t *testing.T, s *target.Server, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		var ended uint64
		for _, counts := range s.Ledger().Modes {
			ended += counts.Ended.Total()
		}
		switch {
		case ended == n:
			return
		case time.Now().After(deadline):
			t.Fatalf("%d connections have ended after 20 s, want %d", ended, n)
		}
	}
}

func TestEachConductHasTheSameVerdictOverTCPAndTLS(t *testing.T) {
	secure, cfg := secured(t)
	for _, tt := range conducts() {
		for _, over := range []string{"TCP", "TLS"} {
			t.Run(tt.name+" over "+over, func(t *testing.T) {
				t.Parallel()
				s := measuring()
				s.Reply, s.Fin = time.Minute, time.Minute // for a busy machine
				switch tt.ends {
				case replyLimit:
					s.Reply = 50 * time.Millisecond
				case finLimit:
					s.Fin = 50 * time.Millisecond
				}
				if over == "TLS" {
					s.TLS = secure.TLS
				}
				dial := onLoopback(t, s)
				c := newClient(t, dial(t))
				if over == "TLS" {
					c = newClient(t, tls.Client(c.conn, cfg))
				}
				c.upgrade(tt.path)
				tt.do(c)
				wantEnded(t, s, 1)
				wantVerdict(t, s, tt.want)
			})
		}
	}
}
