package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsload/wsload/internal/memnet"
)

const upgradeLimit = 3 * time.Second

// refuse has an opening handshake that must not succeed. The peer reads the
// request and goes on by play.
func refuse(t *testing.T, play func(p *peer, req *http.Request)) (oe *OpenError, took time.Duration) {
	t.Helper()
	near, far := memnet.Pipe(memnet.Options{})
	hs := &Handshake{Dialer: &Dialer{
		Timebase: NewTimebase(), Connect: time.Minute, Upgrade: upgradeLimit,
		Dial: func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil },
	}}
	dial := hs.opening(t, context.Background(), "ws://peer.test/")
	p := newPeer(t, far)
	playing := beside(t, func() error { play(p, p.request()); return nil })
	err := dial.wait()
	playing.wait()
	oe, ok := errors.AsType[*OpenError](err)
	if !ok || hs.Tap != nil {
		t.Fatalf("got %v, tap %v", err, hs.Tap)
	}
	// A read at the client's end shows whether the socket is closed.
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is still open: %v", err)
	}
	return oe, dial.took
}

// answers plays a peer that answers and keeps the connection open.
func answers(s string) func(*peer, *http.Request) {
	return func(p *peer, req *http.Request) {
		p.send([]byte(strings.ReplaceAll(s, "ACCEPT", Accept(req.Header.Get("Sec-WebSocket-Key")))))
	}
}

func TestAnAnswerThatIsNoValidUpgradeIsRefusedWithItsReason(t *testing.T) {
	const plain = "HTTP/1.1 101 Switching Protocols\r\n"
	for _, tc := range []struct {
		name   string
		play   func(*peer, *http.Request)
		reason string
		took   time.Duration
		text   string // in the error
	}{
		{"a 404 with its body, on a connection that is kept open",
			answers("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nnothing"), "status-404", 0, `404 Not Found instead of 101: "nothing"`},
		{"a 404 whose body never ends, on a connection that is kept open",
			answers("HTTP/1.1 404 Not Found\r\n\r\nnoth"), "status-404", upgradeLimit, `"noth"`},
		{"a 404 whose body is longer than its connection",
			func(p *peer, r *http.Request) {
				answers("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnoth")(p, r)
				p.close()
			}, "status-404", 0, `"noth"`},
		{"a 301 is not followed",
			answers("HTTP/1.1 301 Moved Permanently\r\nLocation: ws://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"), "status-301", 0, "301"},
		{"a 200",
			answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "status-200", 0, "200 OK instead of 101"},
		{"a 503 that closes",
			func(p *peer, r *http.Request) {
				answers("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nbusy")(p, r)
				p.close()
			}, "status-503", 0, `"busy"`},

		{"a 101 with another Accept",
			answers(switching("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "bad-accept", 0, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
		{"a 101 without an Accept",
			answers(plain + "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), "bad-accept", 0, `""`},
		{"a 101 without Upgrade",
			answers(plain + "Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"), "bad-upgrade", 0, `""`},
		{"a 101 to another protocol",
			answers(plain + "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"), "bad-upgrade", 0, `"h2c"`},
		{"a 101 without Connection",
			answers(plain + "Upgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"), "bad-connection", 0, `""`},
		{"a 101 whose Connection does not upgrade",
			answers(plain + "Upgrade: websocket\r\nConnection: keep-alive\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"), "bad-connection", 0, `"keep-alive"`},
		{"a 101 with an extension that was not offered",
			answers(switching("ACCEPT", "Sec-WebSocket-Extensions: permessage-deflate")), "bad-extension", 0, "permessage-deflate"},
		{"a 101 with a subprotocol that was not offered",
			answers(switching("ACCEPT", "Sec-WebSocket-Protocol: chat")), "bad-subprotocol", 0, `"chat"`},

		{"bytes that are no HTTP",
			answers("SSH-2.0-OpenSSH_9.2\r\n"), "malformed", 0, "SSH-2.0"},
		{"binary bytes, and the end",
			func(p *peer, _ *http.Request) { p.send([]byte{0, 1, 2, 0xff, '\n'}); p.close() }, "malformed", 0, "malformed"},
		{"a header line without a colon",
			answers(plain + "nonsense\r\n\r\n"), "malformed", 0, "nonsense"},
		{"the end at once",
			func(p *peer, _ *http.Request) { p.close() }, "eof", 0, "EOF"},
		{"the end inside the header",
			func(p *peer, _ *http.Request) { p.send([]byte(plain)); p.close() }, "eof", 0, "EOF"},
		{"an RST",
			func(p *peer, _ *http.Request) { p.rst() }, "reset", 0, "reset"},
		{"no answer",
			func(*peer, *http.Request) {}, "timeout", upgradeLimit, "timeout"},
		{"half an answer",
			answers("HTTP/1.1 101 Switch"), "timeout", upgradeLimit, "timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oe, took := refuse(t, tc.play)
				if oe.Reason != tc.reason || oe.Tool || !strings.Contains(oe.Error(), tc.text) {
					t.Errorf("got %q (tool %t) %q, want %q and %q", oe.Reason, oe.Tool, oe.Error(), tc.reason, tc.text)
				}
				if took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
			})
		})
	}
}

// Servers write their 101 in many ways.
func TestAnUpgradeIsAnUpgradeHoweverItIsWritten(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\n"
	const must = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	for _, tc := range []struct{ name, answer string }{
		{"in the ordinary way", head + must + "\r\n"},
		{"with names and values in another case", head + "upgrade: WebSocket\r\nCONNECTION: uPGRADE\r\nsec-websocket-accept: ACCEPT\r\n\r\n"},
		{"with more tokens", head + "Upgrade: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"},
		{"with tokens on lines of their own", head + "Connection: keep-alive\r\n" + must + "\r\n"},
		{"with an offered subprotocol", head + must + "Sec-WebSocket-Protocol: chat\r\n\r\n"},
		{"with headers that mean nothing here", head + "Date: today\r\nServer: a/1\r\n" + must + "X-Empty:\r\n\r\n"},
		{"with blanks around the values", head + "Upgrade:websocket\r\nConnection:\t Upgrade \r\nSec-WebSocket-Accept:  ACCEPT\r\n\r\n"},
		{"with another reason", "HTTP/1.1 101 Web Socket Protocol Handshake\r\n" + must + "\r\n"},
		{"with a line that is folded", head + must + "X-Folded: one\r\n two\r\n\r\n"},
		{"with line feeds alone", strings.ReplaceAll(head+must+"\r\n", "\r\n", "\n")},
		{"with a head of 20 kB", head + strings.Repeat("X-Cookie: "+strings.Repeat("c", 990)+"\r\n", 20) + must + "\r\n"},
	} {
		for cuts, size := range map[string]int{"at once": 1 << 20, "byte by byte": 1, "in two pieces": 700} {
			t.Run(tc.name+", "+cuts, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { upgraded(t, tc.answer, size) })
			})
		}
	}
}

// upgraded opens with an answer in pieces of the given size, and reads a
// message that comes with its last byte.
func upgraded(t *testing.T, answer string, size int) {
	near, far := memnet.Pipe(memnet.Options{})
	hs := &Handshake{Dialer: &Dialer{
		Timebase: NewTimebase(), Connect: time.Minute, Upgrade: upgradeLimit,
		Dial: func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil },
	}}
	var ws *websocket.Conn
	dial := beside(t, func() (err error) {
		ws, _, err = websocket.Dial(context.Background(), "ws://peer.test/", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: hs}, Subprotocols: []string{"mqtt", "Chat"},
		})
		return err
	})
	p := newPeer(t, far)
	answer = strings.ReplaceAll(answer, "ACCEPT", Accept(p.request().Header.Get("Sec-WebSocket-Key")))
	all := append([]byte(answer), text("a\nb\r\nc")...)
	for piece := range slices.Chunk(all, size) {
		p.send(piece)
		synctest.Wait()
	}
	if err := dial.after(0); err != nil {
		t.Fatal(err)
	}
	defer hs.Tap.Shut()
	defer ws.CloseNow()
	if want := strings.Contains(answer, "chat"); (ws.Subprotocol() == "chat") != want {
		t.Errorf("subprotocol %q", ws.Subprotocol())
	}
	if _, got, err := ws.Read(context.Background()); err != nil || string(got) != "a\nb\r\nc" {
		t.Errorf("behind the answer: %q, %v", got, err)
	}
}

// A server that answers without end must not fill this process.
func TestOnlyTheBeginningOfAnAnswerIsRead(t *testing.T) {
	const flood = 4 << 20
	for _, tc := range []struct {
		name, head, more string
		reason           string
	}{
		{"of the body", "HTTP/1.1 404 Not Found\r\nContent-Length: 9999999\r\n\r\n", "body", "status-404"},
		{"of the header", "HTTP/1.1 101 Switching Protocols\r\n", "X-More: and more\r\n", "malformed"},
		{"of the status line", "HTTP/1.1 101 ", "Switching ", "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := 0
				oe, took := refuse(t, func(p *peer, _ *http.Request) {
					p.conn.SetWriteDeadline(time.Now().Add(time.Second))
					taken, _ = p.conn.Write([]byte(tc.head + strings.Repeat(tc.more, flood/len(tc.more))))
				})
				if oe.Reason != tc.reason || took != 0 {
					t.Errorf("refused as %q after %v, want %q at once", oe.Reason, took, tc.reason)
				}
				if limit := memnet.DefaultWindow + 128<<10; taken > limit {
					t.Errorf("%d bytes were taken from the peer, want %d at most", taken, limit)
				}
				if n := len(oe.Error()); n > 8<<10 {
					t.Errorf("the error has %d bytes", n)
				}
			})
		})
	}
}

func TestWhatComesBehindThe101IsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{behind: frames(text("one"), text("two")[:3])})
		c.wantText("one")
		if tr := c.wantTrace(Open, None); tr.Received != 1 {
			t.Errorf("received %d messages, want 1", tr.Received)
		}
		c.peer.send(text("two")[3:])
		c.wantText("two")
		if tr := c.wantTrace(Open, None); tr.Received != 2 {
			t.Errorf("received %d messages, want 2", tr.Received)
		}
	})
}

func TestWhatComesBehindThe101IsTheOwnersToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{behind: closing(1013, "full")})
		c.tap.LetGo()
		time.Sleep(time.Second)
		if err := c.next(time.Minute); err != nil {
			t.Fatal(err)
		}
		if tr := c.wantTrace(CloseReceived, None); tr.PeerCode != 1013 || tr.PeerClose.At != 0 {
			t.Errorf("Close %d, dated %v, want 1013 with the 101", tr.PeerCode, tr.PeerClose.At)
		}
	})
}

func TestTheLimitOfTheUpgradeEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		reader := c.reading()
		time.Sleep(time.Hour)
		c.peer.send(text("late"))
		if err := reader.wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheStepsOfAnOpeningAreDated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const way = 10 * time.Millisecond
		near, far := memnet.Pipe(memnet.Options{ToServer: way, ToClient: way})
		o := openTLS(t)
		c := open(t, near, far, o)
		// TLS 1.3 takes one round trip, the upgrade another.
		got := []Instant{UserInstant(c.hs.Begun), c.hs.Connected, c.hs.Secured, c.hs.Asked, c.hs.Answered}
		want := []Instant{UserInstant(0), UserInstant(0), UserInstant(2 * way), UserInstant(2 * way), UserInstant(4 * way)}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAcceptAnswersTheKeyOfTheRFC(t *testing.T) {
	// The example of RFC 6455 section 1.3.
	if got, want := Accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheRequestIsWrittenAsItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(memnet.Options{})
		hs := &Handshake{Dialer: dialer()}
		hs.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
		dial := beside(t, func() error {
			ws, _, err := websocket.Dial(context.Background(), "ws://user:secret@peer.test:81/a%20b?q=%7B%7D", &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: hs},
				Host:       "shop.example",
				HTTPHeader: http.Header{
					"X-Two":  {"one", "two"},
					"X-Evil": {"a\r\nX-More: b\nX-Most: c"},
				},
			})
			if err == nil {
				ws.CloseNow()
			}
			return err
		})
		req := newPeer(t, far).upgrade(nil)
		if err := dial.wait(); err != nil {
			t.Error(err)
		}
		hs.Tap.Shut()
		if req.Method != "GET" || req.Proto != "HTTP/1.1" || req.RequestURI != "/a%20b?q=%7B%7D" || req.Host != "shop.example" {
			t.Errorf("%s %s %s for %s", req.Method, req.RequestURI, req.Proto, req.Host)
		}
		if user, secret, ok := req.BasicAuth(); user != "user" || secret != "secret" || !ok {
			t.Errorf("credentials %q, %q, %t", user, secret, ok)
		}
		if got := req.Header.Values("X-Two"); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("two lines of one name became %q", got)
		}
		if got := req.Header.Get("X-Evil"); req.Header.Get("X-More")+req.Header.Get("X-Most") != "" || !strings.HasSuffix(got, "X-Most: c") {
			t.Errorf("a value broke out of its line: %q in %q", got, req.Header)
		}
	})
}

func TestARequestForManyConnectionsHasEachItsOwnKeyAndTheHandshakesHeaders(t *testing.T) {
	r, err := NewRequest("wss://user:secret@[::1]/a?b#c", "", http.Header{
		"Connection": {"close"}, "Sec-Websocket-Key": {"mine"}, "X-One": {"1\r\nX-Two: 2"},
	}, []string{"mqtt", "chat"})
	if err != nil {
		t.Fatal(err)
	}
	r = r.With("Wsload-Id", "7")
	first, key := r.appendTo(nil)
	second, other := r.appendTo(nil)
	if len(key) != 24 || bytes.Equal(key, other) {
		t.Errorf("keys %q and %q", key, other)
	}
	want := "GET /a?b HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\nConnection: Upgrade\r\n" +
		"Sec-Websocket-Protocol: mqtt,chat\r\nSec-Websocket-Version: 13\r\nUpgrade: websocket\r\nX-One: 1  X-Two: 2\r\nWsload-Id: 7\r\nSec-WebSocket-Key: "
	for text, key := range map[string][]byte{string(first): key, string(second): other} {
		if text != want+string(key)+"\r\n\r\n" {
			t.Errorf("%q", text)
		}
	}
	if r.addr != "[::1]:443" || r.name != "::1" || !r.secure {
		t.Errorf("it dials %s, asks for %s, secure %t", r.addr, r.name, r.secure)
	}
	for _, bad := range []string{"ws://", "ws:///path", "ws://a b/", "://"} {
		if _, err := NewRequest(bad, "", nil, nil); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
