package value

import (
	"cmp"
	"fmt"
	"time"

	"github.com/wsload/wsload/scenario/problem"
)

// A Reconnect says what follows in the slot of a connection that ended before
// its planned close. As text it is one of
//
//	replace            a new connection as soon as load.rate allows
//	none               nothing, until a stage switches the slot on anew
//	backoff(1s,30s)    a new connection after a random wait that grows with each failure
//
// What ended as planned is replaced under each of them, with two exceptions: in
// a drain none is nobody at all, and under backoff a connection that the peer ended, asked or unasked, comes back
// after a wait as well, as clients do that a server sends away.
//
// A Reconnect comes from text only, so it is always valid. Reconnects compare
// with ==. The zero Reconnect is replace.
type Reconnect struct {
	kind        ReconnectKind
	first, most time.Duration // backoff
}

// ReconnectKind is a Reconnect without its parameters.
type ReconnectKind uint8

const (
	ReconnectReplace ReconnectKind = iota // at once, at the pace of the load
	ReconnectNone                         // not at all
	ReconnectBackoff                      // after a random wait, at no pace
)

const (
	reconnectForms = "use replace, none or backoff(1s,30s)"
	backoffForm    = "write backoff(first,most), as in backoff(1s,30s)"
	shortestWait   = time.Millisecond // less would be a busy loop against a server that refuses
)

// ParseReconnect reads the text of a Reconnect. The error names the text, what
// is wrong with it and where, and the forms that there are.
func ParseReconnect(text string) (Reconnect, error) {
	fail := func(msg, hint string) (Reconnect, error) {
		return Reconnect{}, &problem.TextError{What: "reconnect", Text: text, Msg: msg, Hint: hint}
	}
	c, fault := problem.ParseCall(text)
	if fault != "" {
		return fail(fault, reconnectForms)
	}
	r, params := Reconnect{}, 0
	switch c.Name {
	case "replace":
	case "none":
		r.kind = ReconnectNone
	case "backoff":
		r.kind, params = ReconnectBackoff, 2
	default:
		hint := reconnectForms
		if near := problem.Nearest(c.Name, []string{"replace", "none", "backoff"}); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return fail(fmt.Sprintf("unknown reconnect %s at position %d", problem.Quote(c.Name), c.At), hint)
	}
	if len(c.Args) != params {
		return fail(fmt.Sprintf("%s: the number of values is %d and must be %d", c.Name, len(c.Args), params), reconnectForms)
	}
	for i, into := range []*time.Duration{&r.first, &r.most}[:params] {
		span, msg, hint := problem.ParseSpan(c.Args[i])
		if msg != "" {
			return fail(msg, cmp.Or(hint, backoffForm))
		}
		*into = span
	}
	switch {
	case params > 0 && r.first < shortestWait:
		return fail("the first wait must be at least "+problem.DurationText(shortestWait), backoffForm)
	case r.first > r.most:
		return fail("the first wait is above the most", backoffForm)
	}
	return r, nil
}

// Kind gives the policy without its parameters.
func (r Reconnect) Kind() ReconnectKind { return r.kind }

// Most is the longest wait of ReconnectBackoff, and 0 for all other kinds.
func (r Reconnect) Most() time.Duration { return r.most }

// String gives the text that ParseReconnect reads as the same Reconnect.
func (r Reconnect) String() string {
	switch r.kind {
	case ReconnectNone:
		return "none"
	case ReconnectBackoff:
		return "backoff(" + problem.DurationText(r.first) + "," + problem.DurationText(r.most) + ")"
	}
	return "replace"
}

// MarshalText is String. It never fails.
func (r Reconnect) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseReconnect.
func (r *Reconnect) UnmarshalText(text []byte) error {
	parsed, err := ParseReconnect(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Wait gives how long to wait under backoff, for a number from 0 to 1 and so
// many failures in a row before the last one: that share of the first wait
// doubled as often, or of the most where that is less. It is 0 under the other
// policies.
func (r Reconnect) Wait(failures int, u float64) time.Duration {
	limit := r.first
	for ; failures > 0 && limit < r.most; failures-- {
		limit *= 2 // at most twice a year
	}
	return bounded(u * float64(min(limit, r.most)))
}
