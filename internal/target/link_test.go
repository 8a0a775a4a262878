package target

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
)

// tcpPair is a connection over loopback and its link.
func tcpPair(t *testing.T) (client *net.TCPConn, l *link) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
	})
	return conn.(*net.TCPConn), &link{Conn: server}
}

// reset ends a connection by RST.
func reset(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if err := conn.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// writeUntilError writes single bytes until one fails.
func writeUntilError(t *testing.T, l *link) error {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := l.Write([]byte("x")); err != nil {
			return err
		}
	}
	t.Fatal("no write has failed")
	return nil
}

func TestALinkRemembersWhichEndWasFirstAndHow(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, client *net.TCPConn, l *link)
		want ending
	}{
		{"a FIN that was read", func(t *testing.T, client *net.TCPConn, l *link) {
			client.CloseWrite()
			if _, err := l.Read(make([]byte, 1)); err != io.EOF {
				t.Fatal(err)
			}
			l.Close()
		}, clientFIN},
		{"an RST that was read", func(t *testing.T, client *net.TCPConn, l *link) {
			reset(t, client)
			if _, err := l.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			l.Close()
		}, clientRST},
		{"an RST that a write has taken, before a read finds an end of file", func(t *testing.T, client *net.TCPConn, l *link) {
			reset(t, client)
			if err := writeUntilError(t, l); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			if _, err := l.Read(make([]byte, 1)); err != io.EOF {
				t.Fatal(err)
			}
		}, clientRST},
		{"a FIN that an RST followed, both unread", func(t *testing.T, client *net.TCPConn, l *link) {
			client.Close()
			if err := writeUntilError(t, l); !errors.Is(err, syscall.EPIPE) {
				t.Fatal(err)
			}
		}, clientFIN},
		{"the own close", func(_ *testing.T, client *net.TCPConn, l *link) {
			l.Close()
			client.Close()
		}, serverFIN},
		{"the own close by RST", func(t *testing.T, _ *net.TCPConn, l *link) {
			if err := l.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			l.Close()
		}, serverRST},
		{"the own close after a linger that was taken back", func(t *testing.T, _ *net.TCPConn, l *link) {
			if err := errors.Join(l.SetLinger(0), l.SetLinger(-1)); err != nil {
				t.Fatal(err)
			}
			l.Close()
		}, serverFIN},
		{"a deadline that passed before the own close", func(t *testing.T, _ *net.TCPConn, l *link) {
			l.SetReadDeadline(time.Now())
			if _, err := l.Read(make([]byte, 1)); err == nil {
				t.Fatal("a read without data succeeded")
			}
			l.Close()
		}, serverFIN},
		{"a second close after the client's end", func(t *testing.T, client *net.TCPConn, l *link) {
			client.CloseWrite()
			l.Read(make([]byte, 1))
			l.Close()
			l.Close()
		}, clientFIN},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, l := tcpPair(t)
			tt.do(t, client, l)
			if got := l.ending(); got != tt.want {
				t.Errorf("the ending is %d, want %d", got, tt.want)
			}
		})
	}
}

// errorConn fails every read with an error.
type errorConn struct {
	net.Conn
	err error
}

func (c errorConn) Read([]byte) (int, error) { return 0, c.err }
func (c errorConn) Close() error             { return nil }

func TestALinkThatFailsInAnotherWayIsNobodysEnding(t *testing.T) {
	l := &link{Conn: errorConn{err: syscall.ETIMEDOUT}}
	l.Read(nil)
	l.Close()
	if got := l.ending(); got != failed {
		t.Errorf("the ending is %d, want %d", got, failed)
	}
}

func TestALinkWithoutLingerIsClosedByFIN(t *testing.T) {
	l := &link{Conn: errorConn{}}
	if err := l.SetLinger(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetLinger: %v, want %v", err, errors.ErrUnsupported)
	}
	l.Close()
	if got := l.ending(); got != serverFIN {
		t.Errorf("the ending is %d, want %d", got, serverFIN)
	}
}

func TestALinkHearsOfTheEndThatAStampedCloseMeets(t *testing.T) {
	client, l := tcpPair(t)
	l.stamped = true
	tb := wire.NewTimebase()
	tap := wire.NewTap(l, tb, wire.TapOptions{Server: true})
	reset(t, client)
	time.Sleep(10 * time.Millisecond) // a peek would take the error
	if err := tap.WriteClose(wire.CodeNormal, "", tb.Now()+time.Second); err == nil {
		t.Error("a Close was written to a client that is gone")
	}
	if got := l.ending(); got != clientRST {
		t.Errorf("the ending is %d, want %d", got, clientRST)
	}
}
