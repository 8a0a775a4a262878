package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

func TestADialTakesOneRoundTripAndIsAcceptedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		defer l.Close()
		l.Options = memnet.Options{ToServer: 2 * time.Millisecond, ToClient: 3 * time.Millisecond}
		start := time.Now()
		first := dial(t, l)
		wantSince(t, start, 5*time.Millisecond)
		second := dial(t, l)
		for _, client := range []*memnet.Conn{first, second} {
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := accepted.RemoteAddr().String(), client.LocalAddr().String(); got != want {
				t.Errorf("accepted a connection from %s, want %s", got, want)
			}
			if got, want := client.RemoteAddr().String(), l.Addr().String(); got != want {
				t.Errorf("the client is connected to %s, want %s", got, want)
			}
			mustWrite(t, client, "hello")
			wantRead(t, accepted.(*memnet.Conn), "hello")
		}
		if first.LocalAddr().String() == second.LocalAddr().String() {
			t.Errorf("both connections come from %s", first.LocalAddr())
		}
	})
}

func TestAClosedListenerRefusesDialsAndResetsWhatWasNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		dial(t, l)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		waiting := dial(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, waiting, syscall.ECONNRESET)
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v, want %v", err, syscall.ECONNREFUSED)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestACloseWakesABlockedAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		accepted := make(chan error)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestADialGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		defer l.Close()
		l.Options.ToServer = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := l.Dial(ctx)
		wantSince(t, start, 10*time.Millisecond)
		if netErr, ok := errors.AsType[net.Error](err); !ok || !netErr.Timeout() {
			t.Errorf("dial: %v, want a timeout", err)
		}
	})
}

func TestADialWaitsForRoomInTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		for range 4096 {
			dial(t, l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial into a full backlog: %v, want %v", err, context.DeadlineExceeded)
		}
		dialled := make(chan error)
		go func() {
			_, err := l.Dial(t.Context())
			dialled <- err
		}()
		synctest.Wait()
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if err := <-dialled; err != nil {
			t.Error("dial after an accept:", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestHTTPServesOverIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path)
		})}
		served := make(chan error)
		go func() { served <- server.Serve(l) }()
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
		}}
		for _, path := range []string{"/one", "/two"} { // the second on the kept connection
			response, err := client.Get("http://memnet" + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if string(body) != path || err != nil {
				t.Errorf("got %q, %v, want %q", body, err, path)
			}
		}
		client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func dial(t *testing.T, l *memnet.Listener) *memnet.Conn {
	t.Helper()
	conn, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*memnet.Conn)
}
