//go:build unix

package target

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// arrived waits until what the client sent is in the server's socket: its own
// next byte could be read only after it. It peeks, and takes nothing.
func arrived(t *testing.T, l *link, ready func(n int, err error) bool) {
	t.Helper()
	raw, err := l.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		ok := false
		raw.Control(func(fd uintptr) {
			n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
			ok = ready(n, err)
		})
		if ok {
			return
		}
	}
	t.Fatal("it has not arrived")
}

func TestALookFindsAnEndThatHasArrivedAndWasNotRead(t *testing.T) {
	t.Run("FIN behind bytes", func(t *testing.T) {
		client, l := tcpPair(t)
		client.Write(make([]byte, 5000))
		client.CloseWrite()
		arrived(t, l, func(n int, _ error) bool { return n == 5000 })
		l.cut()
		if got := l.ending(); got != clientFIN {
			t.Errorf("the ending is %d, want %d", got, clientFIN)
		}
	})
	t.Run("RST", func(t *testing.T) {
		client, l := tcpPair(t)
		reset(t, client)
		time.Sleep(10 * time.Millisecond) // a peek would take the error
		l.cut()
		if got := l.ending(); got != clientRST {
			t.Errorf("the ending is %d, want %d", got, clientRST)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		_, l := tcpPair(t)
		l.cut()
		if got := l.ending(); got != serverFIN {
			t.Errorf("the ending is %d, want %d", got, serverFIN)
		}
	})
}

func TestUnreadBytesDoNotTurnTheFINIntoAnRST(t *testing.T) {
	client, l := tcpPair(t)
	client.Write(make([]byte, 5000))
	arrived(t, l, func(n int, _ error) bool { return n == 5000 })
	l.cut()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v, want the FIN", err)
	}
}

func TestACutWakesAReadInProgress(t *testing.T) {
	_, l := tcpPair(t)
	read := make(chan error)
	go func() {
		_, err := l.Read(make([]byte, 1))
		read <- err
	}()
	time.Sleep(10 * time.Millisecond)
	l.cut()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the read returned %v, want %v", err, net.ErrClosed)
	}
}
