package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/scenario"
)

func TestBytesPassBothWaysAndAreCounted(t *testing.T) {
	inBench(t, nil, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		mustWrite(t, client, "up")
		wantRead(t, server, "up")
		mustWrite(t, server, "down")
		wantRead(t, client, "down")
		synctest.Wait() // it counts what has left
		if s := b.Stats(); s.Accepted != 1 || s.Up != 2 || s.Down != 4 {
			t.Errorf("stats %+v, want 2 bytes up and 4 down of 1 connection", s)
		}
	})
}

func TestAHalfCloseStaysAHalfClose(t *testing.T) {
	for _, first := range []string{"client", "server"} {
		t.Run("of the "+first, func(t *testing.T) {
			inBench(t, nil, func(t *testing.T, b *bench) {
				one, other := b.open(t)
				if first == "server" {
					one, other = other, one
				}
				mustWrite(t, one, "last words")
				if err := one.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				wantRead(t, other, "last words")
				wantEnd(t, other, io.EOF)
				mustWrite(t, other, "an answer")
				wantRead(t, one, "an answer")
				wantSilence(t, one, time.Minute)
				if err := other.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				wantEnd(t, one, io.EOF)
				b.wantOpen(t, 0)
			})
		})
	}
}

func TestAnRSTIsPassedOnBehindTheBytesBeforeIt(t *testing.T) {
	for _, first := range []string{"client", "server"} {
		t.Run("of the "+first, func(t *testing.T) {
			inBench(t, nil, func(t *testing.T, b *bench) {
				one, other := b.open(t)
				if first == "server" {
					one, other = other, one
				}
				mustWrite(t, one, "last words")
				one.SetLinger(0)
				one.Close()
				wantRead(t, other, "last words")
				wantEnd(t, other, syscall.ECONNRESET)
				b.wantOpen(t, 0)
			})
		})
	}
}

// TestAnRSTThatAWriteMeetsIsNoFIN has the client's RST meet the relay's write
// first: that takes the error, and the relay's read then gives a plain end.
func TestAnRSTThatAWriteMeetsIsNoFIN(t *testing.T) {
	stall := step(func(f *scenario.Fault) { f.Stall, f.Leg, f.For = true, scenario.LegUp, time.Second })
	inBench(t, []scenario.Fault{stall}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		client.SetLinger(0)
		client.Close()
		mustWrite(t, server, "meets the RST")
		wantEnd(t, server, syscall.ECONNRESET)
		b.wantOpen(t, 0)
	})
}

// TestAnRSTIsPassedOnWhereTheOtherDirectionHasEnded answers bytes for a client
// that has closed, and whose FIN the server knows.
func TestAnRSTIsPassedOnWhereTheOtherDirectionHasEnded(t *testing.T) {
	inBench(t, nil, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		client.Close()
		wantEnd(t, server, io.EOF)
		mustWrite(t, server, "answered by an RST")
		synctest.Wait()
		mustWrite(t, server, "meets it")
		synctest.Wait()
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the server's write gives %v, want EPIPE", err)
		}
		b.wantOpen(t, 0)
	})
}

// TestAnRSTBehindAFINThatIsStillUnderWayIsPassedOn has the client's FIN on its
// way while bytes for the client are answered by an RST.
func TestAnRSTBehindAFINThatIsStillUnderWayIsPassedOn(t *testing.T) {
	slow := step(func(f *scenario.Fault) { f.Latency, f.Leg = time.Second, scenario.LegUp })
	inBench(t, []scenario.Fault{slow}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		client.Close()
		synctest.Wait()
		for range 2 {
			mustWrite(t, server, "x")
			synctest.Wait()
		}
		wantEnd(t, server, io.EOF)
		wantSince(t, b.path.begin, time.Second)
		b.wantOpen(t, 0)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the server's write gives %v, want EPIPE", err)
		}
	})
}

func TestAnRSTPassesBytesThatFoundNoRoom(t *testing.T) {
	inBench(t, nil, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		sent := make(chan error)
		go func() {
			_, err := client.Write(bytes.Repeat([]byte("x"), 4*memnet.DefaultWindow))
			sent <- err
		}()
		synctest.Wait() // every buffer is full, and the client's own, too
		client.SetLinger(0)
		client.Close()
		if err := <-sent; !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		time.Sleep(2 * patience)
		b.wantOpen(t, 0)
		n, err := io.Copy(io.Discard, server)
		if n < memnet.DefaultWindow || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server read %d bytes, %v; want what had arrived, and ECONNRESET", n, err)
		}
	})
}

func TestAServerThatCannotBeReachedIsAnRSTForTheClient(t *testing.T) {
	inBench(t, nil, func(t *testing.T, b *bench) {
		b.servers.Close()
		client, err := b.clients.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantEnd(t, client, syscall.ECONNRESET)
		client.Close()
		s := b.Stats()
		if s.Refused != 1 || s.Accepted != 1 || !strings.Contains(s.LastError, "refused") {
			t.Errorf("stats %+v, want 1 connection accepted and refused", s)
		}
	})
}

func TestStopLetsArriveWhatIsUnderWay(t *testing.T) {
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) { f.Latency, f.Leg = time.Minute, scenario.LegUp }),
		step(func(f *scenario.Fault) { f.Stall, f.Leg = true, scenario.LegDown }),
	}
	inBench(t, steps, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		mustWrite(t, client, "under way")
		client.CloseWrite()
		mustWrite(t, server, "held")
		server.CloseWrite()
		wantSilence(t, server, time.Second)
		wantSilence(t, client, time.Second)
		begin := time.Now()
		s := b.Stop()
		wantSince(t, begin, 0)
		wantRead(t, server, "under way")
		wantEnd(t, server, io.EOF)
		wantRead(t, client, "held")
		wantEnd(t, client, io.EOF)
		if s.Open != 0 {
			t.Errorf("stats %+v behind Stop", s)
		}
	})
}

func TestStopCutsWhatDoesNotEndByItself(t *testing.T) {
	inBench(t, nil, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		begin := time.Now()
		b.Stop()
		wantSince(t, begin, parting)
		wantEnd(t, client, syscall.ECONNRESET)
		wantEnd(t, server, syscall.ECONNRESET)
		if _, err := b.clients.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial behind Stop gives %v", err)
		}
	})
}

func TestTheEndOfItsContextCutsTheRelayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients, servers := memnet.Listen(), memnet.Listen()
		defer servers.Close()
		ctx, cancel := context.WithCancel(t.Context())
		steps := []scenario.Fault{step(func(f *scenario.Fault) { f.Stall = true })}
		b := &bench{clients: clients, servers: servers}
		b.Relay = start(ctx, Options{Steps: steps}, clients, func(ctx context.Context, _ net.Addr) (tcpConn, error) {
			conn, err := servers.Dial(ctx)
			return conn.(*memnet.Conn), err
		})
		client, server := b.open(t)
		cancel()
		begin := time.Now()
		b.Stop()
		wantSince(t, begin, 0)
		wantEnd(t, client, syscall.ECONNRESET)
		wantEnd(t, server, syscall.ECONNRESET)
	})
}
