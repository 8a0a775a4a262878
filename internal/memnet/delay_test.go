package memnet_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

func TestDataAndFINArriveAfterTheDelayOfTheirDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{ToServer: 7 * time.Millisecond, ToClient: 40 * time.Millisecond})
		start := time.Now()
		mustWrite(t, client, "up")
		time.Sleep(3 * time.Millisecond)
		mustWrite(t, client, "down")
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantKernel(t, client, 0, 4, len("updown")+1)

		wantRead(t, server, "up")
		wantSince(t, start, 7*time.Millisecond)
		wantKernel(t, client, 0, 4, len("down")+1)
		wantRead(t, server, "down")
		wantError(t, server, io.EOF)
		wantSince(t, start, 10*time.Millisecond)
		wantKernel(t, client, 0, 5, 0)

		mustWrite(t, server, "answer")
		wantRead(t, client, "answer")
		wantSince(t, start, 50*time.Millisecond)
	})
}

func TestAVanishedEndSendsNothingMoreAndTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{ToClient: 10 * time.Millisecond, Window: 16})
		mustWrite(t, server, "arrives")
		blocked := make(chan error)
		go func() { _, err := server.Read(make([]byte, 1)); blocked <- err }()
		synctest.Wait()
		server.Vanish()
		if err := <-blocked; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a blocked read woke with %v", err)
		}
		server.Vanish() // again it does nothing
		wantRead(t, client, "arrives")
		mustWrite(t, client, "to no one")
		time.Sleep(time.Hour)
		wantKernel(t, client, 0, 1, len("to no one"))
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		wantKernel(t, client, 0, 4, len("to no one")+1)
	})
}

func TestAnRSTTakesTheDelayAndWhatWasUnderWayIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{ToClient: 10 * time.Millisecond})
		start := time.Now()
		mustWrite(t, server, "arrives")
		time.Sleep(10 * time.Millisecond)
		mustWrite(t, server, "is lost")
		if err := server.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		wantKernel(t, client, 0, 1, 0)
		wantRead(t, client, "arrives")
		wantError(t, client, syscall.ECONNRESET)
		wantSince(t, start, 20*time.Millisecond)
		wantKernel(t, client, 0, 7, 0)
	})
}

func TestDataForAClosedEndStaysUnacknowledgedUntilTheRSTIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{ToServer: 2 * time.Millisecond, ToClient: 5 * time.Millisecond})
		mustClose(t, server)
		mustWrite(t, client, "crosses the FIN") // at the server at 2 ms, answered at 7 ms
		wantError(t, client, io.EOF)            // at 5 ms: the FIN was under way before the RST
		wantKernel(t, client, 0, 8, len("crosses the FIN"))
		time.Sleep(time.Millisecond)
		wantKernel(t, client, 0, 8, len("crosses the FIN"))
		time.Sleep(time.Millisecond)
		wantKernel(t, client, syscall.EPIPE, 7, 0)
	})
}

func TestAnRSTArrivesPastBytesTheFullWindowHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{Window: 4, SendBuffer: 4, ToServer: time.Millisecond})
		mustWrite(t, client, "1234held")
		mustWrite(t, server, "unread")
		mustClose(t, client) // with unread bytes
		wantError(t, server, syscall.ECONNRESET)
		if n, err := server.Read(make([]byte, 8)); n != 0 || err != io.EOF {
			t.Errorf("read after the reset = %d, %v: what had not arrived must be lost", n, err)
		}
	})
}

func TestBytesBeyondTheWindowStayUnacknowledgedUntilThePeerReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{Window: 4, SendBuffer: 4})
		mustWrite(t, client, "12345678")
		wantKernel(t, client, 0, 1, 4)
		wantRead(t, server, "123")
		wantKernel(t, client, 0, 1, 1)
		mustWrite(t, client, "9ab") // fills both buffers again
		mustClose(t, client)
		wantKernel(t, client, 0, 4, len("89ab")+1) // the FIN counts as one
		wantRead(t, server, "456789ab")
		wantError(t, server, io.EOF)
	})
}

func TestASmallWindowPassesALongWriteInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{Window: 3, ToServer: time.Millisecond})
		start := time.Now()
		go func() {
			mustWrite(t, client, "0123456789")
			mustClose(t, client)
		}()
		wantRead(t, server, "0123456789")
		wantError(t, server, io.EOF)
		wantSince(t, start, 4*time.Millisecond) // 3+3+3+1 bytes, a window per delay
	})
}

func TestAWriteOfMoreThanTheWindowToAClosedPeerEndsWithItsRST(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{Window: 10})
		client.Close()
		server.SetWriteDeadline(time.Now().Add(time.Minute)) // the failure would be a hang
		_, err := server.Write(make([]byte, 20))
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("got %v, want the peer's reset", err)
		}
		server.Close()
	})
}

func TestTwoWritesAtOnceDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(memnet.Options{Window: 2})
		for _, text := range []string{"aaaaa", "bbbbb"} {
			go mustWrite(t, client, text)
		}
		got := make([]byte, 10)
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatal(err)
		}
		if s := string(got); s != "aaaaabbbbb" && s != "bbbbbaaaaa" {
			t.Errorf("two writes arrived as %q", s)
		}
	})
}

func TestALaterDeadlineOutlivesTheTimerOfAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := memnet.Pipe(memnet.Options{})
		start := time.Now()
		for _, wait := range []time.Duration{time.Second, 3 * time.Second} {
			if err := client.SetDeadline(start.Add(wait)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := client.Read(make([]byte, 1))
		if timeout, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); !ok || !timeout.Timeout() {
			t.Errorf("read error %v, want a timeout", err)
		}
		wantSince(t, start, 3*time.Second)
	})
}

func mustWrite(t *testing.T, c *memnet.Conn, data string) {
	t.Helper()
	if n, err := io.WriteString(c, data); n != len(data) || err != nil {
		t.Errorf("write %q = %d, %v", data, n, err)
	}
}

func mustClose(t *testing.T, c *memnet.Conn) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func wantRead(t *testing.T, c *memnet.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); string(got) != want || err != nil {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func wantError(t *testing.T, c *memnet.Conn, want error) {
	t.Helper()
	for range 100 {
		if n, err := c.Read(make([]byte, 1)); n == 0 {
			if !errors.Is(err, want) {
				t.Errorf("read error %v, want %v", err, want)
			}
			return
		}
	}
	t.Errorf("100 bytes read and no error, want %v", want)
}

func wantSince(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("it is %v after the start, want %v", got, want)
	}
}

func wantKernel(t *testing.T, c *memnet.Conn, wantErr syscall.Errno, wantState uint8, wantOutq int) {
	t.Helper()
	if err, state, outq := c.KernelState(); err != wantErr || state != wantState || outq != wantOutq {
		t.Errorf("kernel state: error %d (%v), state %d, %d unacknowledged; want %d, %d, %d",
			err, err, state, outq, wantErr, wantState, wantOutq)
	}
}
