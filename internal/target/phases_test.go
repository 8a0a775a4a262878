package target_test

import (
	"crypto/tls"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// phases are the samples of the summary's one connection.
func phases(s *stats.Summary) map[string]time.Duration {
	all := make(map[string]time.Duration)
	for e := range s.Entries {
		for p := range stats.Phase(stats.NumPhases) {
			if h := s.Latency[e][p].Hist; h.Count() > 0 {
				all[p.String()] = h.Max()
			}
		}
	}
	return all
}

func TestThePhasesOfATeardownAreThoseOfTheClient(t *testing.T) {
	const answer, fin = 30 * time.Millisecond, 20 * time.Millisecond
	tests := map[string]struct {
		path string
		do   func(c *client)
		want map[string]time.Duration
	}{
		"the server closes": {"/echo", func(c *client) {
			c.text("close 1001 bye")
			c.wantClose(1001, "bye")
			time.Sleep(answer)
			c.sendClose(1001, "")
			c.wantEOF()
			time.Sleep(fin)
			c.fin()
		}, map[string]time.Duration{"close_lag": 0, "close_handshake": answer, "close_scheduled": answer, "fin": fin, "teardown": answer + fin}},
		"the server closes by itself": {"/echo?close_after=3s", func(c *client) {
			c.wantClose(1000, "")
			time.Sleep(answer)
			c.sendClose(1000, "")
			c.wantEOF()
			c.fin()
		}, map[string]time.Duration{"close_lag": 0, "close_handshake": answer, "close_scheduled": answer, "fin": 0, "teardown": answer}},
		"the client closes": {"/echo", func(c *client) {
			time.Sleep(time.Minute)
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
			time.Sleep(fin)
			c.fin()
		}, map[string]time.Duration{"reply": 0, "fin": fin, "teardown": fin}},
		"the client gives up": {"/no-reply", func(c *client) {
			time.Sleep(time.Minute)
			c.sendClose(1000, "")
			time.Sleep(answer)
			c.fin()
		}, map[string]time.Duration{"give_up": answer, "teardown": answer}},
		"the client gives up on a late answer": {"/slow-reply?delay=1h", func(c *client) {
			c.sendClose(1000, "")
			time.Sleep(answer)
			c.reset()
		}, map[string]time.Duration{"give_up": answer, "teardown": answer}},
		"the client never answers": {"/echo", func(c *client) {
			c.text("close 1001 bye")
			c.wantClose(1001, "bye")
			c.wantEOF()
		}, map[string]time.Duration{"close_lag": 0}},
		"the client never ends TCP": {"/echo", func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
		}, map[string]time.Duration{"reply": 0}},
		"the client fails a bad Close": {"/bad-utf8", func(c *client) {
			c.text("close 1000")
			c.want(wire.OpClose, "\x03\xe8\xff")
			time.Sleep(answer)
			c.sendClose(1007, "")
			c.wantEOF()
			c.fin()
		}, map[string]time.Duration{"close_handshake": answer, "close_scheduled": answer, "fin": 0, "teardown": answer}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := measuring()
			serve(t, s, func(t *testing.T, h *host) {
				tt.do(h.open(t, tt.path))
				time.Sleep(time.Hour)
				sum := s.Record.Flip(nil)
				got := phases(sum)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("the phases differ (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestACloseThatIsLateBecauseTheServerWasBusyIsItsOwnLag(t *testing.T) {
	s := measuring()
	serve(t, s, func(t *testing.T, h *host) {
		h.ln.Options.Window = 256
		c := h.open(t, "/echo?close_after=3s")
		long := strings.Repeat("x", 1<<20)
		c.write(frame(wire.OpText, long)) // the echo waits to be read
		time.Sleep(5 * time.Second)
		c.want(wire.OpText, long)
		c.wantClose(1000, "")
		c.sendClose(1000, "")
		c.wantEOF()
		c.fin()
		synctest.Wait()
		if got := phases(s.Record.Flip(nil))["close_lag"]; got != 2*time.Second {
			t.Errorf("close_lag is %s, want 2s", got)
		}
	})
}

func TestACloseThatDoesNotReachTheClientIsUnsent(t *testing.T) {
	tests := map[string]struct {
		options memnet.Options
		path    string
		order   string
		want    string
	}{
		"it is under way":           {memnet.Options{ToClient: time.Minute}, "/echo", "close 1001", "by_server close_timeout (unsent)"},
		"it does not leave":         {memnet.Options{Window: 256}, "/data-before-close?n=10000", "close 1001", "by_server close_timeout (unsent)"},
		"a bad one does not leave":  {memnet.Options{ToClient: time.Minute}, "/bad-code", "close 1001", "bad_close close_timeout (unsent)"},
		"an answer does not matter": {memnet.Options{ToClient: time.Minute}, "/echo", "", "by_client clean_no_fin"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := measuring()
			serve(t, s, func(t *testing.T, h *host) {
				h.ln.Options = tt.options
				c := h.open(t, tt.path)
				if tt.order != "" {
					c.text(tt.order)
				} else {
					c.sendClose(1000, "")
				}
				time.Sleep(time.Hour)
				wantVerdict(t, s, tt.want)
			})
		})
	}
}

func TestTheEndOfTLSIsTheEndOfAClientThatSaysNothingMore(t *testing.T) {
	s, cfg := secured(t)
	s.Record = measuring().Record
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c, _ := h.openTLS(t, cfg, "/echo")
		c.conn.(*tls.Conn).CloseWrite()
		time.Sleep(time.Hour)
		wantVerdict(t, s, "by_client premature_eof")
	})
}

func TestTheSidesOfAServersResultAreWhatTheyAreCalled(t *testing.T) {
	for want, do := range map[stats.Side]func(c *client){
		stats.Server: func(c *client) {
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
			c.fin()
		},
		stats.Client: func(c *client) { c.fin() },
	} {
		s := measuring()
		serve(t, s, func(t *testing.T, h *host) {
			do(h.open(t, "/echo"))
			synctest.Wait()
			if got := s.Record.Flip(nil).ClosedFirst; got[want] != 1 {
				t.Errorf("closed first: %v, want one of %s", got, want)
			}
		})
	}
}

func TestAnEndingServerJudgesHowItsClientsTakeIt(t *testing.T) {
	tests := map[string]struct {
		path string
		do   func(c *client)
		want string
	}{
		"the client answers": {"/echo", func(c *client) {
			c.wantClose(1001, "going away")
			time.Sleep(time.Millisecond)
			c.sendClose(1001, "")
			c.wantEOF()
			c.fin()
		}, "by_server clean +code_echo"},
		"it answers with 1002": {"/echo", func(c *client) {
			c.wantClose(1001, "going away")
			time.Sleep(time.Millisecond)
			c.sendClose(1002, "")
			c.wantEOF()
			c.fin()
		}, "by_server failed_by_peer (code:1002) +code_other"},
		"it is deaf until the drain is over":    {"/echo", func(c *client) { c.wantClose(1001, "going away"); c.wantEOF() }, "by_server interrupted"},
		"it waits for an answer until then":     {"/no-reply", func(c *client) { c.wantEOF() }, "mute interrupted"},
		"both had closed and TCP is still open": {"/reply-no-fin", func(c *client) { c.wantClose(1000, ""); c.wantEOF() }, "by_client interrupted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := measuring()
			s.Reply, s.Drain = time.Minute, time.Second
			serve(t, s, func(t *testing.T, h *host) {
				c := h.open(t, tt.path)
				if tt.path != "/echo" {
					c.sendClose(1000, "")
				}
				synctest.Wait()
				h.end()
				tt.do(c)
				time.Sleep(time.Hour)
				wantVerdict(t, s, tt.want)
			})
		})
	}
}

func TestAnExemplarShowsTheConnectionByTheIDOfItsClient(t *testing.T) {
	s := measuring()
	serve(t, s, func(t *testing.T, h *host) {
		h.open(t, "/echo").fin()
		c := h.open(t, "/echo", target.IDHeader+": 00000001/77")
		time.Sleep(time.Second)
		c.text("close 3000 bye")
		c.wantClose(3000, "bye")
		c.write(frame(wire.OpClose, "\x03\xed\xff"))
		time.Sleep(time.Hour)
		var events []string
		for _, x := range s.Record.Flip(nil).Exemplars {
			if x.N == 77 && x.Class == stats.Violation {
				for _, m := range x.Timeline {
					events = append(events, m.At.Round(time.Millisecond).String()+" "+m.Event)
				}
			}
		}
		want := []string{"0s opened", "1s close planned", "1s close 3000 sent", `1s close 1005 arrived, reason "\xff"`, "1s own fin", "2s socket closed"}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("the timeline differs (-want +got):\n%s", diff)
		}
	})
}

// The kernel's stamps need a real socket, and come below TLS alone, where the
// frames cannot be told.
func TestAServerTimesArrivalsByTheKernelsStamps(t *testing.T) {
	secure, cfg := secured(t)
	hold, err := wire.HoldStamps()
	if err != nil {
		t.Skip(err)
	}
	defer hold.Close()
	for _, over := range []string{"TCP", "TLS"} {
		s := measuring()
		clock := stats.ClockKernel
		if over == "TLS" {
			s.TLS, clock = secure.TLS, stats.ClockUser
		}
		dial := onLoopback(t, s)
		c := newClient(t, dial(t))
		if over == "TLS" {
			c = newClient(t, tls.Client(c.conn, cfg))
		}
		c.upgrade("/echo")
		ordered(c)
		c.sendClose(1001, "")
		c.wantEOF() // which over TLS a close_notify makes
		c.fin()
		io.Copy(io.Discard, c.conn)
		wantEnded(t, s, 1)
		row := s.Record.Flip(nil).Row(stats.CloseHandshake)
		if got := row.Clock(stats.CloseHandshake); row.Hist.Count() != 1 || got != clock {
			t.Errorf("over %s on %s: %d samples by the clock %q, want one by %q", over, runtime.GOOS, row.Hist.Count(), got, clock)
		}
	}
}

// measuring returns a server that measures.
func measuring() *target.Server {
	return &target.Server{Record: stats.NewRecorder("1/1", target.Entries())}
}
