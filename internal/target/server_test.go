package target_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// stop ends the server and wants Serve to return, after exactly d.
func (h *host) stop(t *testing.T, d time.Duration) {
	t.Helper()
	start := time.Now()
	h.end()
	h.wantServed(t, start, d)
}

// wantServed wants Serve to return well, exactly d after start.
func (h *host) wantServed(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	err := <-h.served
	if err != nil {
		t.Errorf("Serve: %v", err)
	}
	wantElapsed(t, start, d)
	h.served <- err
}

func TestAnEndingServerSaysGoingAwayToEveryoneAndWaitsForTheAnswers(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		var clients []*client
		for _, path := range []string{"/echo", "/slow-reply", "/no-reply", "/fin-no-reply", "/early-fin?after=1h", "/early-rst?after=1h"} {
			clients = append(clients, h.open(t, path))
		}
		start := time.Now()
		h.end()
		for _, c := range clients {
			c.wantClose(1001, "going away")
			time.Sleep(100 * time.Millisecond)
			c.sendClose(1001, "")
			c.wantEOF()
		}
		h.wantServed(t, start, 600*time.Millisecond)
		h.wantCounts(t, map[string]target.Counts{"none": {
			Opened: 6, CloseSent: 6, CloseReceived: 6, Ended: target.Endings{ServerFIN: 6},
		}})
	})
}

func TestAnEndingServerWithoutConnectionsEndsAtOnce(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		kept := h.dial(t)
		kept.get("/statz")
		silent := h.dial(t)
		synctest.Wait()
		h.stop(t, 0)
		kept.wantEOF()
		silent.wantEOF()
		if _, err := h.ln.Dial(t.Context()); err == nil {
			t.Error("the listener is still open")
		}
	})
}

func TestAClientThatNeverAnswersIsCutByFINWhenTheDrainIsOver(t *testing.T) {
	for drain, s := range map[time.Duration]*target.Server{
		5 * time.Second: {Reply: time.Minute},
		time.Second:     {Drain: time.Second},
	} {
		serve(t, s, func(t *testing.T, h *host) {
			c := h.open(t, "/echo")
			start := time.Now()
			h.end()
			c.wantClose(1001, "going away")
			c.wantEOF()
			h.wantServed(t, start, drain)
			h.wantCounts(t, one(target.Counts{CloseSent: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	}
}

func TestAReplyLimitShorterThanTheDrainEndsItEarlier(t *testing.T) {
	serve(t, &target.Server{Reply: time.Second}, func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		h.stop(t, time.Second)
		c.wantClose(1001, "going away")
		c.wantEOF()
	})
}

func TestAConnectionInsideItsMisbehaviourIsNotDisturbedByTheDrain(t *testing.T) {
	t.Run("a slow reply is still sent", func(t *testing.T) {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			c := h.open(t, "/slow-reply")
			c.sendClose(1000, "")
			c.wantSilence(time.Second)
			h.stop(t, time.Second)
			c.wantClose(1000, "")
			c.wantEOF()
			h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	})
	t.Run("no reply stays none", func(t *testing.T) {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			c := h.open(t, "/no-reply")
			c.sendClose(1000, "")
			c.wantSilence(time.Second)
			h.stop(t, 5*time.Second)
			c.wantEOF()
			h.wantCounts(t, one(target.Counts{CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	})
	t.Run("half a Close gets no other Close", func(t *testing.T) {
		serve(t, new(target.Server), func(t *testing.T, h *host) {
			c := h.open(t, "/echo")
			c.write(closeFrame(1000, "")[:3])
			c.wantSilence(time.Second)
			h.stop(t, 5*time.Second)
			c.wantEOF()
			h.wantCounts(t, one(target.Counts{Ended: target.Endings{ServerFIN: 1}}))
		})
	})
}

func TestAClientThatDoesNotReadCannotHoldTheServer(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		c.write(frame(wire.OpBinary, strings.Repeat("x", 3*memnet.DefaultWindow)))
		synctest.Wait() // the echo is stuck in the client's full window
		h.stop(t, 5*time.Second)
		h.wantCounts(t, one(target.Counts{Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestAnEchoUnderWayIsFinishedBeforeTheServerGoes(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		c := h.open(t, "/echo")
		long := strings.Repeat("x", 3*memnet.DefaultWindow)
		c.write(frame(wire.OpBinary, long))
		synctest.Wait()
		start := time.Now()
		h.end()
		time.Sleep(time.Second)
		c.want(wire.OpBinary, long)
		c.wantClose(1001, "going away")
		c.sendClose(1001, "")
		c.wantEOF()
		h.wantServed(t, start, time.Second)
	})
}

func TestAnUpgradeUnderWayWhenTheServerEndsHearsItToo(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		h.ln.Options.Window = 64
		c := h.dial(t)
		go c.conn.Write(request("/echo")) // more than a window
		synctest.Wait()                   // the 101 is stuck in the client's full window
		start := time.Now()
		h.end()
		time.Sleep(time.Second)
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		c.wantClose(1001, "going away")
		c.sendClose(1001, "")
		c.wantEOF()
		h.wantServed(t, start, time.Second)
		h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestAClientThatDoesNotTakeThe101IsDroppedAndNotCountedAsOpened(t *testing.T) {
	var log bytes.Buffer
	serve(t, &target.Server{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, h *host) {
		h.ln.Options.Window = 64
		c := h.dial(t)
		go c.conn.Write(request("/echo"))
		time.Sleep(6 * time.Second)
		h.wantCounts(t, map[string]target.Counts{})
		h.stop(t, 0)
		if resp, err := io.ReadAll(c.br); err != nil || strings.Contains(string(resp), "\r\n\r\n") {
			t.Errorf("the client got %q, %v, want a part of the 101 and the FIN", resp, err)
		}
	})
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
}

func TestADrainingServerTakesNoUpgradeAndStillShowsItsLedger(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		late, stats := h.dial(t), h.dial(t)
		late.get("/")
		stats.get("/statz")
		c := h.open(t, "/echo")
		h.end()
		c.wantClose(1001, "going away")
		if resp, body := stats.get("/statz"); resp.StatusCode != 200 || !strings.Contains(body, `"open": 1`) {
			t.Errorf("/statz: %s, %s, want one open", resp.Status, body)
		}
		late.write(request("/echo"))
		if resp := late.response(); resp.StatusCode != 503 {
			t.Errorf("an upgrade was answered %s, want 503", resp.Status)
		}
		c.sendClose(1001, "")
		c.wantEOF()
	})
}

// A lateListener's connections tell a reader a second late that they are
// closed.
type lateListener struct{ net.Listener }

type lateConn struct{ net.Conn }

func (l lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lateConn{conn}, err
}

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		time.Sleep(time.Second)
	}
	return n, err
}

func TestServeWaitsForTheGoroutinesOfPlainRequestsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		h := &host{Server: new(target.Server), ln: memnet.Listen(), end: cancel, served: make(chan error, 1)}
		go func() { h.served <- h.Serve(ctx, lateListener{h.ln}) }()
		h.dial(t).get("/statz")
		synctest.Wait()
		h.stop(t, time.Second)
	})
}

// brokenListener accepts one connection and fails when told.
type brokenListener struct {
	net.Listener
	accepted bool
	fail     chan struct{}
}

var errBroken = errors.New("the network is gone")

func (l *brokenListener) Accept() (net.Conn, error) {
	if l.accepted {
		<-l.fail
		return nil, errBroken
	}
	l.accepted = true
	return l.Listener.Accept()
}

func TestAListenerThatFailsEndsServeInOrderWithItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fail := new(target.Server), make(chan struct{})
		h := &host{Server: s, ln: memnet.Listen(), served: make(chan error, 1)}
		go func() { h.served <- s.Serve(context.Background(), &brokenListener{Listener: h.ln, fail: fail}) }()
		c := h.open(t, "/echo")
		close(fail)
		c.wantClose(1001, "going away")
		c.sendClose(1001, "")
		c.wantEOF()
		if err := <-h.served; !errors.Is(err, errBroken) {
			t.Errorf("Serve: %v, want %v", err, errBroken)
		}
		h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
	})
}

func TestSeveralListenersShareOneLedgerAndEndApart(t *testing.T) {
	serve(t, new(target.Server), func(t *testing.T, h *host) {
		ctx, cancel := context.WithCancel(context.Background())
		second := &host{Server: h.Server, ln: memnet.Listen(), end: cancel, served: make(chan error, 1)}
		go func() { second.served <- h.Serve(ctx, second.ln) }()
		a, b := h.open(t, "/echo"), second.open(t, "/echo")
		start := time.Now()
		second.end()
		b.wantClose(1001, "going away")
		b.sendClose(1001, "")
		second.wantServed(t, start, 0)
		a.text("still here")
		a.want(wire.OpText, "still here")
		if l := h.Ledger(); l.Open != 1 || l.Modes["none"].Opened != 2 {
			t.Errorf("the ledger is %+v, want two opened and one open", l)
		}
		a.fin()
		a.wantEOF()
	})
}
