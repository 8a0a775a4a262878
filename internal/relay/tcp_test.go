package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// listen gives a listener on loopback that ends with the test.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

// connect opens a connection through a relay over loopback.
func connect(t *testing.T, r *Relay, ln *net.TCPListener, from string) (client, server *net.TCPConn) {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.DialContext(t.Context(), "tcp4", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
	})
	return conn.(*net.TCPConn), server
}

func TestTheServerSeesTheClientsOwnLoopbackAddress(t *testing.T) {
	ln := listen(t)
	r, err := Start(t.Context(), Options{Upstream: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	from := []string{""}
	if pc, err := net.ListenPacket("udp4", "127.0.0.7:0"); err == nil { // not on every system
		pc.Close()
		from = append(from, "127.0.0.7")
	}
	for _, address := range from {
		client, server := connect(t, r, ln, address)
		want := client.LocalAddr().(*net.TCPAddr).IP
		if got := server.RemoteAddr().(*net.TCPAddr).IP; !got.Equal(want) {
			t.Errorf("a client at %v comes from %v", want, got)
		}
		client.Close()
		server.Close()
	}
}

func TestOverTCPEachEndingIsPassedOn(t *testing.T) {
	ln := listen(t)
	r, err := Start(t.Context(), Options{Upstream: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	for _, fromServer := range []bool{false, true} {
		one, other := connect(t, r, ln, "")
		if fromServer {
			one, other = other, one
		}
		mustWrite(t, one, "half")
		one.CloseWrite()
		wantRead(t, other, "half")
		wantEnd(t, other, io.EOF)
		mustWrite(t, other, "answer")
		other.CloseWrite()
		wantRead(t, one, "answer")
		wantEnd(t, one, io.EOF)

		one, other = connect(t, r, ln, "")
		if fromServer {
			one, other = other, one
		}
		mustWrite(t, one, "last words")
		one.SetLinger(0)
		one.Close()
		wantRead(t, other, "last words")
		wantEnd(t, other, syscall.ECONNRESET)
	}
}

func TestAServerThatRefusesIsAnRSTForItsClients(t *testing.T) {
	ln := listen(t)
	ln.Close()
	r, err := Start(t.Context(), Options{Upstream: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	for range 3 {
		conn, err := net.Dial("tcp4", r.Addr().String())
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) { // the connect itself may meet it
			t.Errorf("a client of no server meets %v, want ECONNRESET", err)
		}
	}
	if s := r.Stats(); s.Refused != 3 || s.LastError == "" {
		t.Errorf("stats %+v, want 3 refused", s)
	}
}

func TestManyConnectionsLeaveNothingBehind(t *testing.T) {
	ln := listen(t)
	r, err := Start(t.Context(), Options{Upstream: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	const clients, rounds, text = 50, 20, "there and back"
	work.Go(func() {
		for range clients * rounds {
			conn, err := ln.AcceptTCP()
			if err != nil {
				t.Error(err)
				return
			}
			work.Go(func() {
				defer conn.Close()
				if _, err := io.Copy(conn, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Error(err)
				}
			})
		}
	})
	for k := range clients {
		work.Go(func() {
			for i := range rounds {
				conn, err := net.Dial("tcp4", r.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.WriteString(conn, text)
				if _, readErr := io.ReadFull(conn, make([]byte, len(text))); err != nil || readErr != nil {
					t.Errorf("there %v, and back %v", err, readErr)
				}
				if (k+i)%3 == 0 {
					conn.(*net.TCPConn).SetLinger(0)
				}
				conn.Close()
			}
		})
	}
	work.Wait()
	s := r.Stop()
	want := uint64(clients * rounds * len(text))
	if s.Accepted != clients*rounds || s.Refused != 0 || s.Open != 0 || s.Up != want || s.Down != want {
		t.Errorf("stats %+v, want %d connections and %d bytes each way", s, clients*rounds, want)
	}
}
