package target

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/wsload/wsload/internal/wire"
)

// A cut is how the server ends TCP.
type cut uint8

const (
	noCut cut = iota
	cutFIN
	cutRST
)

// An order is what a text message asks of the server. The zero order is none.
type order struct {
	cut    cut    // end TCP so, without a Close
	code   int    // send a Close with this code; 0 for none
	reason string // and this reason
}

// maxReason is the room a Close leaves for its reason, in bytes (RFC 6455
// section 5.5).
const maxReason = wire.MaxControlPayload - 2

// parseOrder reads a text message as an order. A message that is not one gives
// the zero order; one that begins like an order and cannot be obeyed gives an
// error that says what to send instead.
func parseOrder(text []byte) (order, error) {
	verb, rest, _ := bytes.Cut(text, []byte(" "))
	switch string(verb) {
	case "close":
		return parseClose(rest)
	case "abort":
		return parseAbort(rest)
	}
	return order{}, nil
}

func parseAbort(how []byte) (order, error) {
	switch string(how) {
	case "rst":
		return order{cut: cutRST}, nil
	case "fin":
		return order{cut: cutFIN}, nil
	}
	return order{}, fmt.Errorf("abort: %q is no way to end a connection: send \"abort rst\" or \"abort fin\"", brief(how))
}

func parseClose(rest []byte) (order, error) {
	number, reason, _ := bytes.Cut(rest, []byte(" "))
	code, err := strconv.Atoi(string(number))
	switch {
	case err != nil || !sendable(code):
		return order{}, fmt.Errorf("close: %q is no status code a Close may carry: "+
			"send 1000 to 1003, 1007 to 1014 or 3000 to 4999, as in \"close 1001 bye\"", brief(number))
	case len(reason) > maxReason:
		return order{}, fmt.Errorf("close: the reason has %d bytes: send at most %d", len(reason), maxReason)
	}
	return order{code: code, reason: string(reason)}, nil
}

// sendable reports whether a server may send the code: what RFC 6455 section
// 7.4.1 and IANA's registry define, without those that stand for a missing
// code, and the ranges of section 7.4.2.
func sendable(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// brief is the beginning of a text from outside, for an error to quote.
func brief(text []byte) []byte {
	const most = 32
	if len(text) <= most {
		return text
	}
	return append(bytes.Clone(text[:most]), "…"...)
}
