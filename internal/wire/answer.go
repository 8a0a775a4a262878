package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes: a server that sends a
// header without end must not fill this process.
const maxAnswer = 64 << 10

// heads holds buffers for requests and the heads of answers.
var heads = sync.Pool{New: func() any { return new([4096]byte) }}

// upgrade sends the request and judges the answer. rest is what the peer sent
// behind it.
func (h *Handshake) upgrade(r *Request, sock *socket, conn net.Conn) (rest []byte, err error) {
	tb := h.Dialer.Timebase
	h.Asked = UserInstant(tb.Now())
	conn.SetDeadline(tb.Time(h.Asked.At + h.Dialer.Upgrade))
	if !h.begin(func() { conn.SetDeadline(past) }) {
		return nil, context.Canceled
	}
	buf := heads.Get().(*[4096]byte)
	defer heads.Put(buf)
	text, key := r.appendTo(buf[:0])
	if _, err := conn.Write(text); err != nil {
		return nil, openError("upgrade", err)
	}
	// The answer is read over the request, so what it must accept is made first.
	accept := acceptOf(key)
	a, rest, err := h.answer(sock, conn, buf[:])
	if err == nil {
		err = a.judge(accept[:], r.offered)
	}
	if err == nil {
		h.Protocol = string(a.protocol)
		err = conn.SetDeadline(time.Time{})
	}
	return rest, err
}

// An answer is what a handshake looks at in a 101: the values of five headers.
type answer struct {
	upgrade, connection, accept, protocol, extensions []byte
}

// answer reads the answer. An ordinary 101 is read here, and its values stay in
// buf; everything else is net/http's to read, and what is no 101 is an error.
func (h *Handshake) answer(sock *socket, conn net.Conn, buf []byte) (a answer, rest []byte, err error) {
	n := 0
	for n < len(buf) {
		m, err := conn.Read(buf[n:])
		n += m
		h.Answered = sock.last
		if err != nil && m == 0 { // TLS may return its end with the last bytes
			return a, nil, responseError(err)
		}
		if !ordinary(buf[:n]) {
			break
		}
		if end := bytes.Index(buf[:n], blankLine); end >= 0 {
			if a, ok := parseAnswer(buf[:end]); ok {
				return a, bytes.Clone(buf[end+len(blankLine) : n]), nil
			}
			break
		}
		if bytes.Count(buf[:n], lineFeed) > bytes.Count(buf[:n], lineEnd) {
			break // line feeds alone: the blank line may be here unseen
		}
	}
	bounded := &io.LimitedReader{R: conn, N: maxAnswer - int64(n)}
	br := bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(buf[:n])), bounded))
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
	h.Answered = sock.last
	switch {
	case err != nil && bounded.N == 0:
		return a, nil, &OpenError{Reason: "malformed", Err: fmt.Errorf("upgrade: the answer's header is longer than %d bytes", maxAnswer)}
	case err != nil:
		return a, nil, responseError(err)
	case resp.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return a, nil, refusal(statusReason(resp.StatusCode), "the server answered %s instead of 101: %q", resp.Status, body)
	}
	rest, _ = br.Peek(br.Buffered())
	joined := func(name string) []byte { return []byte(strings.Join(resp.Header[name], ", ")) }
	return answer{
		joined("Upgrade"), joined("Connection"), joined("Sec-Websocket-Accept"),
		joined("Sec-Websocket-Protocol"), joined("Sec-Websocket-Extensions"),
	}, bytes.Clone(rest), nil
}

var (
	statusLine = []byte("HTTP/1.1 101 ")
	blankLine  = []byte("\r\n\r\n")
	lineEnd    = []byte("\r\n")
	lineFeed   = []byte("\n")
)

// ordinary reports whether p can be the beginning of a 101.
func ordinary(p []byte) bool {
	n := min(len(p), len(statusLine))
	return bytes.Equal(p[:n], statusLine[:n])
}

// parseAnswer reads the head of a 101, its blank line cut off. It is not ok for
// a head that needs a closer look.
func parseAnswer(head []byte) (a answer, ok bool) {
	_, head, ok = bytes.Cut(head, lineEnd)
	for ok && len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, lineEnd)
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || len(name) == 0 || bytes.ContainsFunc(name, notInName) || bytes.ContainsFunc(value, notInValue) {
			return a, false
		}
		if to := a.value(name); to != nil {
			if *to != nil {
				return a, false // it stands twice
			}
			if *to = bytes.TrimSpace(value); *to == nil {
				*to = []byte{} // it stands there all the same
			}
		} else if is(name, "Transfer-Encoding") || is(name, "Content-Length") {
			return a, false // a 101 has no body to frame (RFC 9110 section 15.2)
		}
	}
	return a, ok
}

// value is where the value of a header is kept, nil for one that is not.
func (a *answer) value(name []byte) *[]byte {
	switch {
	case is(name, "Upgrade"):
		return &a.upgrade
	case is(name, "Connection"):
		return &a.connection
	case is(name, "Sec-WebSocket-Accept"):
		return &a.accept
	case is(name, "Sec-WebSocket-Protocol"):
		return &a.protocol
	case is(name, "Sec-WebSocket-Extensions"):
		return &a.extensions
	}
	return nil
}

// is compares names, which have no case.
func is(name []byte, known string) bool {
	return len(name) == len(known) && strings.EqualFold(string(name), known)
}

// notInName reports whether r makes the name of a header uncommon.
func notInName(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-'
}

// notInValue reports whether r makes the value of a header uncommon.
func notInValue(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }

// responseError names what was wrong with bytes that are no response.
func responseError(err error) *OpenError {
	oe := openError("upgrade", err)
	if oe.Reason != "upgrade" {
		return oe
	}
	oe.Reason = "malformed"
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		oe.Reason = "eof"
	}
	return oe
}

// judge applies RFC 6455 section 4.1: what a client must check of a 101 before
// the connection is a WebSocket. accept is what the key asks for.
func (a *answer) judge(accept []byte, offered string) error {
	switch {
	case !hasToken(a.upgrade, "websocket"):
		return refusal("bad-upgrade", "the Upgrade header is %q, not websocket", a.upgrade)
	case !hasToken(a.connection, "upgrade"):
		return refusal("bad-connection", "the Connection header is %q, without upgrade", a.connection)
	case !bytes.Equal(a.accept, accept):
		return refusal("bad-accept", "the Sec-WebSocket-Accept header is %q, not %q", a.accept, accept)
	case len(a.extensions) > 0:
		return refusal("bad-extension", "the server chose extension %q; none was offered", a.extensions)
	case len(a.protocol) > 0 && !hasToken([]byte(offered), string(a.protocol)):
		return refusal("bad-subprotocol", "the server chose subprotocol %q; it was not offered", a.protocol)
	}
	return nil
}

// refusal is the error for an answer that opens no WebSocket.
func refusal(reason, format string, args ...any) *OpenError {
	return &OpenError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// hasToken looks for a token in a header's list.
func hasToken(list []byte, token string) bool {
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if is(bytes.TrimSpace(part), token) {
			return true
		}
	}
	return false
}
