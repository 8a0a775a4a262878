package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

const (
	emptyClose  = 1005      // in a plan: a Close frame without a status code
	maxReason   = 123       // a control frame's 125 bytes less the code (RFC 6455 section 5.5)
	maxEntries  = 64        // each entry keeps its own histograms
	maxWeight   = 1_000_000 // the sum of all stays far from overflow
	maxNameSize = 64
)

func (c *checker) closes(p *Plan) {
	if p.Closes.Shape.Kind() == value.ShapeAtEnd && p.Load.Duration == 0 {
		c.refuse("closes.shape", p.Closes.Shape, "there is no end to close at when load.duration is 0s",
			"set load.duration, or use each")
	}
	mix := p.Closes.Mix
	if len(mix) == 0 {
		c.lacks("closes.mix", "is empty", "list at least one entry, or leave the key out for the default")
		return
	}
	if len(mix) > maxEntries {
		c.refuse("closes.mix", len(mix), fmt.Sprintf("must have at most %d entries", maxEntries),
			"each entry keeps its own histograms")
		return
	}
	for i := range mix {
		c.entry(fmt.Sprintf("closes.mix[%d].", i), &mix[i], p.Limits.Close)
		if mix[i].Name != "" || mix[i].Mode != "" {
			c.entryName(fmt.Sprintf("closes.mix[%d].name", i), mix[i].Name, mix[:i])
		}
	}
	if !slices.ContainsFunc(mix, func(e Close) bool { return e.Weight != 0 }) {
		c.lacks("closes.mix", "the weights add up to 0", "give at least one entry a weight above 0")
	}
}

// entryName checks a name against the entries before it.
func (c *checker) entryName(key, name string, before []Close) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_-"
	switch {
	case name == "":
		c.lacks(key, "missing", "name the entry, by its mode where the mode stands once")
	case len(name) > maxNameSize || strings.Trim(name, letters) != "":
		c.refuse(key, name, "is not a name", fmt.Sprintf("use up to %d of a-z, 0-9, _ and -", maxNameSize))
	case slices.ContainsFunc(before, func(e Close) bool { return e.Name == name }):
		c.refuse(key, name, "stands twice", "give each entry its own name where a mode repeats")
	}
}

// entry checks what an entry says against its mode. A zero is no value for a
// key that the mode does not have.
func (c *checker) entry(prefix string, e *Close, limit time.Duration) {
	if _, bad := problem.OneOf("mode", string(e.Mode), modes()...); bad != nil && e.Mode == "" {
		c.lacks(prefix+"mode", "missing", bad.Hint)
		return
	} else if bad != nil {
		c.refuse(prefix+"mode", e.Mode, bad.Msg, bad.Hint)
		return
	}
	c.count(prefix+"weight", e.Weight, 0, maxWeight, "weights are shares, and need not add up to 100")
	for _, k := range []struct {
		name  string
		value any
		check func(key string)
	}{
		{"code", e.Code, func(key string) { c.code(key, e.Code) }},
		{"reason", e.Reason, func(key string) { c.reason(key, e) }},
		{"eager", e.Eager, func(string) {}},
		{"trigger", e.Trigger, func(key string) { c.trigger(key, e.Mode, &e.Trigger) }},
		{"reply_delay", e.ReplyDelay, func(key string) { c.replyDelay(key, e.ReplyDelay, limit) }},
		{"how", e.How, func(key string) { word(c, key, "way to abort", e.How, RST, FIN) }},
		{"when", e.When, func(key string) { word(c, key, "moment to abort", e.When, moments()...) }},
		{"for", e.For, func(key string) { c.span(key, e.For, 1, 24*time.Hour, "") }},
		{"payload", e.Payload, func(key string) { c.payload(key, e.Payload) }},
	} {
		if key := prefix + k.name; e.Mode.has(k.name) {
			k.check(key)
		} else if !reflect.ValueOf(k.value).IsZero() {
			c.refuse(key, k.value, fmt.Sprintf("mode %s has no such key", e.Mode), "remove it; it belongs to "+problem.Either(owners(k.name)))
		}
	}
}

// word refuses what is none of the words.
func word[W ~string](c *checker, key, what string, value W, words ...W) {
	if _, bad := problem.OneOf(what, string(value), words...); bad != nil {
		c.refuse(key, value, bad.Msg, bad.Hint)
	}
}

func (c *checker) payload(key string, p Payload) {
	if _, bad := payloadOf(string(p)); bad != nil {
		c.refuse(key, p, bad.Msg, bad.Hint)
	}
}

// replyDelay holds the delay against limits.close, which is checked elsewhere.
func (c *checker) replyDelay(key string, d, limit time.Duration) {
	switch {
	case d < 0:
		c.refuse(key, d, "cannot be negative", "write 0s to answer at once")
	case d > 0 && limit > 0 && d >= limit:
		c.refuse(key, d, fmt.Sprintf("an answer after limits.close (%s) never counts", problem.DurationText(limit)),
			"write less, or raise limits.close")
	}
}

func (c *checker) code(key string, code int) {
	if msg := closeCodeFault(code); msg != "" {
		c.refuse(key, code, msg, "use 1000 to 1003, 1007 to 1014, 3000 to 4999, or 1005 for a Close without a code")
	}
}

func (c *checker) reason(key string, e *Close) {
	switch {
	case e.Code == emptyClose && e.Reason != "":
		c.refuse(key, e.Reason, "a Close without a code has no reason (RFC 6455 section 5.5.1)",
			"remove it, or choose another code than 1005")
	case !utf8.ValidString(e.Reason):
		c.refuse(key, e.Reason, "is not UTF-8 (RFC 6455 section 5.5.1)", "")
	case len(e.Reason) > maxReason:
		c.refuse(key, e.Reason,
			fmt.Sprintf("has %d bytes and a Close frame has room for %d (RFC 6455 section 5.5)", len(e.Reason), maxReason),
			"shorten it")
	}
}

// closeCodeFault says why an endpoint may not send a status code, "" for one
// that it may (RFC 6455 section 7.4 and the IANA registry it opened).
func closeCodeFault(code int) string {
	switch {
	case code == emptyClose:
		return ""
	case code < 1000:
		return "codes below 1000 are not used"
	case code == 1004:
		return "1004 is reserved and has no meaning yet"
	case code == 1006:
		return "1006 reports a connection lost without a Close and is never sent"
	case code == 1015:
		return "1015 reports a failed TLS handshake and is never sent"
	case code > 1015 && code < 3000:
		return "codes from 1016 to 2999 are reserved for the protocol"
	case code > 4999:
		return "codes end at 4999"
	}
	return ""
}

// trigger wants exactly one key, and one that serves the mode.
func (c *checker) trigger(key string, mode Mode, t *Trigger) {
	serve, given := mode.triggers(), t.given()
	switch {
	case len(given) == 0:
		c.lacks(key, "nothing makes the server close", "set "+problem.Either(serve))
		return
	case len(given) > 1:
		last := len(given) - 1
		c.lacks(key, strings.Join(given[:last], ", ")+" and "+given[last]+" exclude each other", "keep one")
		return
	case !slices.Contains(serve, given[0]):
		c.misplaced(key+"."+given[0], mode, t)
		return
	}
	switch {
	case t.Violate != "":
		word(c, key+".violate", "violation", t.Violate, violations()...)
	case t.HTTP != "":
		c.request(key+".http", t)
	case t.Exec != "":
		c.command(key+".exec", t.Exec)
	case mode == Simultaneous && t.OrdersCut():
		c.refuse(key+".send", t.Send, "a server that ends TCP without a Close has none that ours could cross",
			`order one, as in "close 1001 bye"`)
	}
}

// misplaced says why a trigger that serves other modes does not serve this one.
func (c *checker) misplaced(key string, mode Mode, t *Trigger) {
	hint := "use " + problem.Either(mode.triggers())
	switch {
	case t.Wait:
		c.refuse(key, t.Wait, "the own Close has no trigger to follow at once", hint)
	case mode == Simultaneous:
		c.refuse(key, t.Violate, "a server that fails the connection reads no Close of ours (RFC 6455 section 7.1.7)", hint)
	default:
		c.refuse(key, t.Violate, "a server that fails the connection awaits no answer (RFC 6455 section 7.1.7)", hint)
	}
}

func (c *checker) request(key string, t *Trigger) {
	if hasVariable(t.HTTP) || c.problems.Covers(key) {
		return
	}
	method, raw := t.Request()
	// The library sends a method as it is written.
	known := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	switch upper := strings.ToUpper(method); {
	case !isToken(method):
		c.refuse(key, t.HTTP, "the method has characters a method cannot have", "write POST http://host:port/path")
	case method != upper && slices.Contains(known, upper):
		c.refuse(key, t.HTTP, "a method is case-sensitive (RFC 9110 section 9.1)", "write "+upper)
	}
	c.url(key, t.HTTP, raw, urlKind{
		scheme: "http", mistaken: "ws", noFragment: "a fragment is never sent (RFC 9110 section 7.1)",
	})
}

func (c *checker) command(key, command string) {
	switch {
	case c.problems.Covers(key):
	case strings.ContainsRune(command, 0): // whatever its variables are
		c.refuse(key, command, "has a NUL, which no command can", "remove it")
	case hasVariable(command):
	case strings.TrimSpace(command) == "":
		c.refuse(key, command, "the command is blank", "write it, or choose another trigger")
	}
}

func (c *checker) gate(g *Gate) {
	for i, rule := range g.Rules {
		if strings.TrimSpace(rule) == "" {
			c.refuse(fmt.Sprintf("gate.rules[%d]", i), rule, "the rule is empty", "write it or remove it")
		}
	}
	if g.AbortOnFail && len(g.Rules) == 0 {
		c.refuse("gate.abort_on_fail", g.AbortOnFail, "there is no rule that could fail", "add gate.rules, or remove it")
	}
	c.span("gate.grace", g.Grace, 0, 24*time.Hour, "0s looks from the first interval on")
}
