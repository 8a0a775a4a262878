package scenario

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wsload/wsload/scenario/problem"
)

// Close is one entry of the mix: a way to end a connection and its weight.
// Which modes have which of the keys is said by owners.
type Close struct {
	Name       string        `key:"name"` // default: the mode; unique within the mix
	Mode       Mode          `key:"mode"`
	Weight     int           `key:"weight"`
	Code       int           `key:"code"`   // status code of the own Close; 1005 sends an empty one
	Reason     string        `key:"reason"` // of the own Close: at most 123 bytes of UTF-8
	Eager      bool          `key:"eager"`  // close TCP at once after the peer's Close
	Trigger    Trigger       `key:"trigger"`
	ReplyDelay time.Duration `key:"reply_delay"` // from the peer's Close to the answer
	How        How           `key:"how"`         // rst or fin
	When       When          `key:"when"`        // idle, receiving, mid_message or after_close
	For        time.Duration `key:"for"`         // how long nothing is read
	Payload    Payload       `key:"payload"`     // what is wrong with the Close
}

// Trigger is how the server is brought to close. Exactly one of its keys is
// set.
type Trigger struct {
	Send    string  `key:"send"`    // text message that orders the server to close; {{n}} allowed
	Violate Violate `key:"violate"` // a frame for which every conformant server must fail the connection
	HTTP    string  `key:"http"`    // a request: "GET http://host/path", or the URL alone for POST; {{n}} allowed
	Exec    string  `key:"exec"`    // a command for the shell, which does not see ${VAR} but its value; {{n}} allowed
	Wait    bool    `key:"wait"`    // nothing is done: the server closes by itself
}

// given lists the keys that are set.
func (t *Trigger) given() []string {
	var keys []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"send", t.Send != ""}, {"violate", t.Violate != ""}, {"http", t.HTTP != ""}, {"exec", t.Exec != ""}, {"wait", t.Wait},
	} {
		if k.set {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// Request gives the method and the URL of HTTP, POST where it names no
// method, and nothing where HTTP is empty. {{n}} still stands in the URL.
func (t *Trigger) Request() (method, url string) {
	if t.HTTP == "" {
		return "", ""
	}
	text := strings.TrimSpace(t.HTTP)
	space := strings.IndexFunc(text, unicode.IsSpace)
	// A URL may have a space too, in {{ n }} or by mistake.
	if space < 0 || strings.ContainsAny(text[:space], ":/?#{") {
		return "POST", text
	}
	return text[:space], strings.TrimSpace(text[space:])
}

// Shared reports whether the trigger acts on the server as a whole: the
// connections whose closes are planned for the same moment then share one
// firing of http or exec.
func (t *Trigger) Shared() bool { return t.HTTP != "" || t.Exec != "" }

// Names reports whether the trigger names its connection: what it then does, it
// does to that one alone.
func (t *Trigger) Names() bool {
	text := t.Send + t.HTTP + t.Exec
	return Expand(text, 0) != text
}

// OrdersCut reports whether the trigger asks the server to end TCP without a
// Close.
func (t *Trigger) OrdersCut() bool {
	verb, _, _ := strings.Cut(t.Send, " ")
	return verb == "abort"
}

// Asks reports whether the trigger asks for a Close with the code: it stands
// in the order to the server, or what the server says is left to it. A frame
// that breaks a rule asks for 1002 or 1007 (RFC 6455 section 7.4.1).
func (t *Trigger) Asks(code int) bool {
	switch {
	case t.Violate != "":
		return code == 1002 || code == 1007
	case t.Send != "":
		return code == t.code()
	}
	return true
}

// code is the status code in an order to the server such as "close 1011 bye",
// 0 where there is none.
func (t *Trigger) code() int {
	for word := range strings.FieldsFuncSeq(t.Send, func(r rune) bool { return r < '0' || r > '9' }) {
		if code, err := strconv.Atoi(word); err == nil && code >= 1000 && code <= 4999 {
			return code
		}
	}
	return 0
}

// How is the way an abort ends TCP. "" stands in entries of other modes.
type How string

const (
	// RST resets the connection (SO_LINGER with 0 seconds).
	RST How = "rst"
	// FIN closes the socket with nothing left to read or send.
	FIN How = "fin"
)

// UnmarshalText reads rst, fin or nothing.
func (h *How) UnmarshalText(text []byte) error {
	return setWord(h, "way to abort", text, RST, FIN)
}

// When is the moment in which an abort cuts. "" stands in entries of other
// modes.
type When string

const (
	// Idle cuts as it is.
	Idle When = "idle"
	// Receiving sends a message and cuts as soon as bytes of the server arrive,
	// with what is behind the first of them unread.
	Receiving When = "receiving"
	// MidMessage cuts behind half of an own message.
	MidMessage When = "mid_message"
	// AfterClose cuts right behind an own Close 1001, without reading.
	AfterClose When = "after_close"
)

// UnmarshalText reads one of the moments, or nothing.
func (w *When) UnmarshalText(text []byte) error {
	return setWord(w, "moment to abort", text, moments()...)
}

func moments() []When { return []When{Idle, Receiving, MidMessage, AfterClose} }

// Violate is a frame that breaks RFC 6455 so that a server must fail the
// connection (section 7.1.7).
type Violate string

const (
	ViolateOpcode   Violate = "reserved-opcode"  // opcode 0xB (section 5.2)
	ViolateRSV      Violate = "rsv"              // a reserved bit without an extension (section 5.2)
	ViolateUnmasked Violate = "unmasked"         // an unmasked text message (section 5.1)
	ViolateOversize Violate = "oversize-control" // a ping of 126 bytes (section 5.5)
)

// UnmarshalText reads one of the violations, or nothing.
func (v *Violate) UnmarshalText(text []byte) error {
	return setWord(v, "violation", text, violations()...)
}

func violations() []Violate {
	return []Violate{ViolateOpcode, ViolateRSV, ViolateUnmasked, ViolateOversize}
}

// Payload is the Close of the mode bad_close. "" stands in entries of other
// modes.
type Payload string

const (
	// PayloadEach takes all of those below in turn, by the connection's number.
	PayloadEach Payload = "each"

	// Legal, at the edge of what a server must answer.

	PayloadEmpty      Payload = "empty"          // no payload (section 5.5.1)
	PayloadCodeOnly   Payload = "code-only"      // 1000 without a reason
	PayloadLongReason Payload = "long-reason"    // 1000 and 123 bytes of reason
	PayloadInside     Payload = "inside-message" // between the fragments of a message (section 5.4)

	// A Close that must be answered, with bytes behind it that must not be.

	PayloadTwice     Payload = "second-close" // the Close twice (section 5.5.1)
	PayloadPingAfter Payload = "ping-after"   // a ping behind it
	PayloadDataAfter Payload = "data-after"   // a text message behind it (section 5.5.1)
	PayloadBehindBig Payload = "behind-large" // 256 KiB of message before it, a ping behind it

	// Malformed: the server must fail the connection (section 7.1.7).

	PayloadShort      Payload = "short-payload" // one byte (section 5.5.1)
	PayloadOversize   Payload = "oversize"      // 126 bytes (section 5.5)
	PayloadBadUTF8    Payload = "bad-utf8"      // a reason that is not UTF-8 (section 5.5.1)
	PayloadFragmented Payload = "fragmented"    // without the FIN bit (section 5.4)
	PayloadUnmasked   Payload = "unmasked"      // without a mask (section 5.1)
)

// codePrefix begins the payloads that are a Close with a status code that must
// not be sent: code-1006.
const codePrefix = "code-"

// badCodes are those that PayloadEach takes (section 7.4).
var badCodes = [...]int{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}

// namedPayloads lists those with a name of their own.
func namedPayloads() []Payload {
	return []Payload{
		PayloadEmpty, PayloadCodeOnly, PayloadLongReason, PayloadInside,
		PayloadTwice, PayloadPingAfter, PayloadDataAfter, PayloadBehindBig,
		PayloadShort, PayloadOversize, PayloadBadUTF8, PayloadFragmented, PayloadUnmasked,
	}
}

// payloads lists all that PayloadEach takes in turn.
func payloads() []Payload {
	all := namedPayloads()
	for _, code := range badCodes {
		all = append(all, Payload(codePrefix+strconv.Itoa(code)))
	}
	return all
}

// Of gives the payload of connection n. PayloadEach gives all of them in turn
// as n counts up.
func (p Payload) Of(n uint64) Payload {
	if p != PayloadEach {
		return p
	}
	all := payloads()
	return all[n%uint64(len(all))]
}

// Code gives the status code, 0 to 65535, of a payload that is a code which
// must not be sent.
func (p Payload) Code() (code int, ok bool) {
	text, ok := strings.CutPrefix(string(p), codePrefix)
	n, err := strconv.ParseUint(text, 10, 16)
	if !ok || err != nil || strconv.FormatUint(n, 10) != text { // one spelling each: results are grouped by it
		return 0, false
	}
	return int(n), true
}

// Malformed reports whether a server must fail the connection for it, by a
// Close 1002 or 1007 or without any (RFC 6455 section 7.1.7).
func (p Payload) Malformed() bool {
	_, bad := p.Code()
	return bad || slices.Contains([]Payload{PayloadShort, PayloadOversize, PayloadBadUTF8, PayloadFragmented, PayloadUnmasked}, p)
}

// Trails reports whether bytes follow the Close. A server that has closed TCP
// before it read them answers them with an RST.
func (p Payload) Trails() bool {
	return slices.Contains([]Payload{PayloadTwice, PayloadPingAfter, PayloadDataAfter, PayloadBehindBig}, p)
}

// UnmarshalText reads one of the payloads, or nothing.
func (p *Payload) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = ""
		return nil
	}
	payload, bad := payloadOf(string(text))
	if bad != nil {
		return bad
	}
	*p = payload
	return nil
}

// payloadOf reads a payload's name, or code-N for any N that must not be sent.
func payloadOf(text string) (Payload, *problem.TextError) {
	p := Payload(text)
	code, isCode := p.Code()
	switch {
	case isCode && (code == emptyClose || closeCodeFault(code) != ""): // 1005 is for an own Close without one
		return p, nil
	case isCode:
		return "", &problem.TextError{
			What: "payload", Text: text, Msg: "a Close may carry that code", Hint: "set it as the code of mode active",
		}
	}
	p, bad := problem.OneOf("payload", text, append([]Payload{PayloadEach}, namedPayloads()...)...)
	if bad != nil {
		bad.Hint += ", or code-1006 and the like for a code that must not be sent"
	}
	return p, bad
}

// owners gives the modes that have a key of a mix entry, none for a key that
// every entry has.
func owners(key string) []Mode {
	switch key {
	case "code", "reason":
		return []Mode{Active, Output, Simultaneous, Stall}
	case "eager":
		return []Mode{Active}
	case "trigger":
		return []Mode{Passive, Simultaneous, Mute}
	case "reply_delay":
		return []Mode{Passive}
	case "how", "when":
		return []Mode{Abort}
	case "for":
		return []Mode{Stall}
	case "payload":
		return []Mode{BadClose}
	}
	return nil
}

// has says whether entries of the mode have the key.
func (m Mode) has(key string) bool {
	only := owners(key)
	return only == nil || slices.Contains(only, m)
}

// triggers gives the keys of a trigger that serve the mode.
func (m Mode) triggers() []string {
	switch m {
	case Passive:
		return []string{"send", "violate", "http", "exec", "wait"}
	case Simultaneous:
		return []string{"send", "http", "exec"}
	case Mute:
		return []string{"send", "http", "exec", "wait"}
	}
	return nil
}

// DefaultClose gives an entry of the mix with the values that mode has where
// a configuration names none: weight 1, and the mode as the name.
func DefaultClose(mode Mode) Close {
	entry := Close{Name: string(mode), Mode: mode, Weight: 1}
	if mode.has("code") {
		entry.Code, entry.Reason = 1000, "done"
	}
	if mode.has("trigger") {
		entry.Trigger.Send = "close 1001 bye"
	}
	switch mode {
	case Abort:
		entry.How, entry.When = RST, Idle
	case Stall:
		entry.For = 10 * time.Second
	case BadClose:
		entry.Payload = PayloadEach
	}
	return entry
}
