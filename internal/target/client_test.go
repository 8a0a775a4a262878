package target_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/target"
)

// listen serves s on loopback until the test ends and returns the address.
func listen(t *testing.T, s *target.Server) (addr string) {
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
	return ln.Addr().String()
}

// settled reads /statz until no connection is open.
func settled(t *testing.T, client *http.Client, url string) target.Ledger {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		var l target.Ledger
		err = json.NewDecoder(resp.Body).Decode(&l)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		wantConserved(t, l)
		switch {
		case l.Open == 0:
			return l
		case time.Now().After(deadline):
			t.Fatalf("%d connections do not end: %+v", l.Open, l)
		}
	}
}

func TestARealClientIsServedByWsAndWss(t *testing.T) {
	secure, cfg := secured(t)
	cfg.MaxVersion = 0
	for scheme, s := range map[string]*target.Server{"ws": new(target.Server), "wss": secure} {
		t.Run(scheme, func(t *testing.T) {
			addr := listen(t, s)
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
			defer client.CloseIdleConnections()
			dial := func(path string) *websocket.Conn {
				conn, _, err := websocket.Dial(t.Context(), scheme+"://"+addr+path, &websocket.DialOptions{
					HTTPClient: client,
					HTTPHeader: http.Header{target.ModeHeader: {"real"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				return conn
			}

			conn := dial("/echo")
			if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if typ, got, err := conn.Read(t.Context()); err != nil || typ != websocket.MessageText || string(got) != "hello" {
				t.Errorf("the echo is %v, %q, %v", typ, got, err)
			}
			if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
				t.Errorf("close: %v", err)
			}

			conn = dial("/echo")
			if err := conn.Write(t.Context(), websocket.MessageText, []byte("close 1013 later")); err != nil {
				t.Fatal(err)
			}
			_, _, err := conn.Read(t.Context())
			if got := websocket.CloseStatus(err); got != websocket.StatusTryAgainLater {
				t.Errorf("the read ended with %v, want code 1013", err)
			}

			page := map[string]string{"ws": "http", "wss": "https"}[scheme] + "://" + addr + "/statz"
			got := settled(t, client, page).Modes["real"]
			// This client closes its socket as soon as both Close frames have
			// passed, as the server does: either may be first.
			if ended := got.Ended; ended.ServerFIN+ended.ClientFIN != 2 {
				t.Errorf("the connections ended %+v, want two by FIN", ended)
			}
			got.Ended = target.Endings{}
			if want := (target.Counts{Opened: 2, CloseSent: 2, CloseReceived: 2}); got != want {
				t.Errorf("the ledger has %+v, want %+v", got, want)
			}
		})
	}
}

func TestAClientWithAnotherAuthorityRefusesTheServer(t *testing.T) {
	s, _ := secured(t)
	addr := listen(t, s)
	_, other := secured(t)
	conn, err := tls.Dial("tcp", addr, other)
	if err == nil {
		conn.Close()
		t.Fatal("the handshake succeeded")
	}
	if len(s.Ledger().Modes) != 0 {
		t.Errorf("the ledger counts a connection: %+v", s.Ledger())
	}
}
