package wire

import (
	"net/http"
	"slices"
	"testing"
)

// FuzzAnswer compares the short way through an ordinary 101 with net/http's:
// what the short way takes, net/http takes too, with the same headers.
func FuzzAnswer(f *testing.F) {
	for _, head := range []string{
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"connection:keep-alive\r\nConnection:\tUpgrade \r\nUPGRADE: h2c, websocket",
		"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
		"Upgrade: web\r\n socket", "Upgrade : websocket", "Upgrade", ": x", "Up(grade: x", "X: \x00", "X: \x01", "X:\x7f", "Ü: x",
		" Upgrade: websocket", "Upgrade: a\rb", "Upgrade: a\nConnection: b", "Content-Length: -5", "Transfer-Encoding:", "TrAnsfer-EnCoding: x", "\r\nUpgrade: x",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		all := append(append([]byte("HTTP/1.1 101 Switching Protocols\r\n"), head...), "\r\n\r\n"...)
		short, ok := parseAnswer(all[:len(all)-len("\r\n\r\n")])
		if !ok {
			return
		}
		long, err := http.ReadResponse(newReader(all), nil)
		if err != nil {
			t.Fatalf("the short way takes %q, net/http says %v", head, err)
		}
		for name, got := range map[string][]byte{
			"Upgrade": short.upgrade, "Connection": short.connection, "Sec-WebSocket-Accept": short.accept,
			"Sec-WebSocket-Protocol": short.protocol, "Sec-WebSocket-Extensions": short.extensions,
		} {
			if want := long.Header.Values(name); (got != nil) != (len(want) > 0) || len(want) > 0 && !slices.Equal(want, []string{string(got)}) {
				t.Errorf("%s of %q: the short way reads %q, net/http %q", name, head, got, want)
			}
		}
	})
}
