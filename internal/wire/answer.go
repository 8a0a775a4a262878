package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes: a server that sends a
// header without end must not fill this process.
const maxAnswer = 64 << 10

// heads holds buffers for requests and the heads of answers.
var heads = sync.Pool{New: func() any { return new([4096]byte) }}

// upgrade sends the request and judges the response. rest is what the peer
// sent behind it.
func (h *Handshake) upgrade(req *http.Request, sock *socket, conn net.Conn) (_ *http.Response, rest []byte, err error) {
	tb := h.Dialer.Timebase
	h.Asked = UserInstant(tb.Now())
	conn.SetDeadline(tb.Time(h.Asked.At + h.Dialer.Upgrade))
	if !h.begin(func() { conn.SetDeadline(past) }) {
		return nil, nil, context.Canceled
	}
	buf := heads.Get().(*[4096]byte)
	defer heads.Put(buf)
	if _, err := conn.Write(appendRequest(buf[:0], req)); err != nil {
		return nil, nil, openError("upgrade", err)
	}
	resp, rest, err := h.answer(req, sock, conn, buf[:])
	if err == nil {
		err = judge(req, resp)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	return resp, rest, err
}

// appendRequest renders the upgrade request.
func appendRequest(dst []byte, req *http.Request) []byte {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	dst = append(dst, "GET "...)
	dst = append(dst, req.URL.RequestURI()...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	var room [16]string
	names := room[:0]
	for name := range req.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range req.Header[name] {
			dst = append(dst, "\r\n"...)
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, newlines.Replace(value)...)
		}
	}
	return append(dst, "\r\n\r\n"...)
}

// newlines keeps a value from ending its line.
var newlines = strings.NewReplacer("\r", " ", "\n", " ")

// answer reads the response. An ordinary 101 is read here; everything else is
// net/http's to read.
func (h *Handshake) answer(req *http.Request, sock *socket, conn net.Conn, buf []byte) (*http.Response, []byte, error) {
	n := 0
	for n < len(buf) {
		m, err := conn.Read(buf[n:])
		n += m
		h.Answered = sock.last
		if err != nil && m == 0 { // TLS may return its end with the last bytes
			return nil, nil, responseError(err)
		}
		if !ordinary(buf[:n]) {
			break
		}
		if end := bytes.Index(buf[:n], blankLine); end >= 0 {
			if header, ok := parseHeader(buf[:end]); ok {
				rest := bytes.Clone(buf[end+len(blankLine) : n])
				return &http.Response{
					Status: "101 Switching Protocols", StatusCode: http.StatusSwitchingProtocols,
					Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req,
				}, rest, nil
			}
			break
		}
		if bytes.Count(buf[:n], lineFeed) > bytes.Count(buf[:n], lineEnd) {
			break // line feeds alone: the blank line may be here unseen
		}
	}
	bounded := &io.LimitedReader{R: conn, N: maxAnswer - int64(n)}
	br := bufio.NewReader(io.MultiReader(bytes.NewReader(buf[:n]), bounded))
	resp, err := http.ReadResponse(br, req)
	h.Answered = sock.last
	switch {
	case err != nil && bounded.N == 0:
		return nil, nil, &OpenError{Reason: "malformed", Err: fmt.Errorf("upgrade: the answer's header is longer than %d bytes", maxAnswer)}
	case err != nil:
		return nil, nil, responseError(err)
	}
	rest, _ := br.Peek(br.Buffered())
	return resp, bytes.Clone(rest), nil
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

// parseHeader reads the head of a 101, its blank line cut off, as far as a
// WebSocket handshake looks at it. It is not ok for a head that needs a closer
// look.
func parseHeader(head []byte) (header http.Header, ok bool) {
	_, head, ok = bytes.Cut(head, lineEnd)
	header = make(http.Header, 4)
	for line := range bytes.SplitSeq(head, lineEnd) {
		if !ok {
			break
		}
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || len(name) == 0 || bytes.ContainsFunc(name, notInName) || bytes.ContainsFunc(value, notInValue) {
			return nil, false
		}
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) || bytes.EqualFold(name, []byte("Content-Length")) {
			return nil, false // a 101 has no body to frame (RFC 9110 section 15.2)
		}
		for _, known := range [...]string{
			"Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
		} {
			if len(name) == len(known) && strings.EqualFold(string(name), known) {
				header[known] = append(header[known], string(bytes.TrimSpace(value)))
			}
		}
	}
	return header, ok
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

// judge applies RFC 6455 section 4.1: what a client must check of the response
// before the connection is a WebSocket.
func judge(req *http.Request, resp *http.Response) error {
	refuse := func(reason, format string, args ...any) error {
		return &OpenError{Reason: reason, Err: fmt.Errorf(format, args...)}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return refuse(statusReason(resp.StatusCode), "the server answered %s instead of 101: %q", resp.Status, body)
	}
	if !hasToken(resp.Header, "Upgrade", "websocket") {
		return refuse("bad-upgrade", "the Upgrade header is %q, not websocket", resp.Header.Get("Upgrade"))
	}
	if !hasToken(resp.Header, "Connection", "upgrade") {
		return refuse("bad-connection", "the Connection header is %q, without upgrade", resp.Header.Get("Connection"))
	}
	if got, want := first(resp.Header["Sec-Websocket-Accept"]), Accept(first(req.Header["Sec-Websocket-Key"])); got != want {
		return refuse("bad-accept", "the Sec-WebSocket-Accept header is %q, not %q", got, want)
	}
	if ext := strings.Join(resp.Header["Sec-Websocket-Extensions"], ""); ext != "" {
		return refuse("bad-extension", "the server chose extension %q; none was offered", ext)
	}
	if got := first(resp.Header["Sec-Websocket-Protocol"]); got != "" && !hasToken(req.Header, "Sec-Websocket-Protocol", got) {
		return refuse("bad-subprotocol", "the server chose subprotocol %q; it was not offered", got)
	}
	return nil
}

// first is the first of a header's values, "" for none.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// hasToken looks for a token in the header of a canonical key.
func hasToken(h http.Header, key, token string) bool {
	for _, line := range h[key] {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// Accept is the Sec-WebSocket-Accept value that answers key (RFC 6455 section
// 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
