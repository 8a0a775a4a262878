package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/scenario"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a relay between two networks in memory.
type bench struct {
	*Relay
	clients, servers *memnet.Listener
}

// inBench runs a test in a bubble of its own time, with a relay of those steps.
func inBench(t *testing.T, steps []scenario.Fault, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{clients: memnet.Listen(), servers: memnet.Listen()}
		b.Relay = start(t.Context(), Options{Steps: steps, Seed: 3}, b.clients, func(ctx context.Context, _ net.Addr) (tcpConn, error) {
			conn, err := b.servers.Dial(ctx)
			if err != nil {
				return nil, err
			}
			return conn.(*memnet.Conn), nil
		})
		test(t, b)
		b.Stop()
		_ = b.servers.Close()
	})
}

// open opens a connection through the relay and gives its two ends, which are
// closed with the test.
func (b *bench) open(t *testing.T) (client, server *memnet.Conn) {
	t.Helper()
	conn, err := b.clients.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := b.servers.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client, server = conn.(*memnet.Conn), accepted.(*memnet.Conn)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// step is a fault with the defaults of a plan.
func step(change func(f *scenario.Fault)) scenario.Fault {
	f := scenario.DefaultFault()
	change(&f)
	return f
}

func mustWrite(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("write %q: %d bytes, %v", text, n, err)
	}
}

// wantRead reads text as one or more pieces.
func wantRead(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); string(got[:n]) != text || err != nil {
		t.Fatalf("read %q, %v; want %q", got[:n], err, text)
	}
}

// wantEnd wants the next read to end with err.
func wantEnd(t *testing.T, c net.Conn, err error) {
	t.Helper()
	if n, got := c.Read(make([]byte, 1)); n != 0 || !errors.Is(got, err) {
		t.Fatalf("read %d bytes, %v; want %v", n, got, err)
	}
}

// wantSilence wants nothing to come for a while, neither bytes nor an end.
func wantSilence(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(d))
	wantEnd(t, c, os.ErrDeadlineExceeded)
	c.SetReadDeadline(time.Time{})
}

// wantSince wants so much time to have passed. Time stands still in a bubble
// where nobody waits.
func wantSince(t *testing.T, begin time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(begin); got != want {
		t.Fatalf("%v have passed, want %v", got, want)
	}
}

// wantOpen wants the relay to carry so many connections once all is quiet.
func (b *bench) wantOpen(t *testing.T, want int) {
	t.Helper()
	synctest.Wait()
	if got := b.Stats().Open; got != want {
		t.Errorf("the relay has %d connections, want %d", got, want)
	}
}
