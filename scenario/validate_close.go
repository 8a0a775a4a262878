package scenario

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	emptyClose  = 1005      // in a plan: a Close frame without a status code
	maxReason   = 123       // a control frame's 125 bytes less the code (RFC 6455 section 5.5)
	maxEntries  = 64        // each entry keeps its own histograms
	maxWeight   = 1_000_000 // the sum of all stays far from overflow
	maxNameSize = 64
)

func (c *checker) closes(p *Plan) {
	if p.Closes.Shape.Kind() == ShapeAtEnd && p.Load.Duration == 0 {
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
		c.entry(fmt.Sprintf("closes.mix[%d].", i), &mix[i])
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

// entry checks what an entry says against its mode.
func (c *checker) entry(prefix string, e *Close) {
	if _, bad := oneOf("mode", string(e.Mode), modes()...); bad != nil && e.Mode == "" {
		c.lacks(prefix+"mode", "missing", bad.hint)
		return
	} else if bad != nil {
		c.refuse(prefix+"mode", e.Mode, bad.msg, bad.hint)
		return
	}
	c.count(prefix+"weight", e.Weight, 0, maxWeight, "weights are shares, and need not add up to 100")
	c.foreign(prefix, "code", e.Mode, e.Code, e.Code != 0)
	c.foreign(prefix, "reason", e.Mode, e.Reason, e.Reason != "")
	c.foreign(prefix, "eager", e.Mode, e.Eager, e.Eager)
	c.foreign(prefix, "trigger", e.Mode, e.Trigger, e.Trigger != Trigger{})
	c.foreign(prefix, "reply_delay", e.Mode, e.ReplyDelay, e.ReplyDelay != 0)
	c.foreign(prefix, "how", e.Mode, e.How, e.How != "")
	c.foreign(prefix, "when", e.Mode, e.When, e.When != "")
	c.foreign(prefix, "for", e.Mode, e.For, e.For != 0)
	c.foreign(prefix, "payload", e.Mode, e.Payload, e.Payload != "")
	if e.Mode.has("code") {
		c.ownClose(prefix, e)
	}
	if e.Mode.has("trigger") {
		c.trigger(prefix, e.Trigger)
	}
	if e.Mode.has("how") {
		if _, bad := oneOf("way to abort", string(e.How), RST, FIN); bad != nil {
			c.refuse(prefix+"how", e.How, bad.msg, bad.hint)
		}
	}
}

// foreign refuses a key that is set in an entry of another mode.
func (c *checker) foreign(prefix, key string, mode Mode, value any, set bool) {
	if set && !mode.has(key) {
		c.refuse(prefix+key, value, fmt.Sprintf("mode %s has no such key", mode),
			"remove it; it belongs to "+either(owners(key)))
	}
}

// ownClose checks the Close frame of an active entry.
func (c *checker) ownClose(prefix string, e *Close) {
	if msg := closeCodeFault(e.Code); msg != "" {
		c.refuse(prefix+"code", e.Code, msg,
			"use 1000 to 1003, 1007 to 1014, 3000 to 4999, or 1005 for a Close without a code")
	}
	switch {
	case e.Code == emptyClose && e.Reason != "":
		c.refuse(prefix+"reason", e.Reason, "a Close without a code has no reason (RFC 6455 section 5.5.1)",
			"remove it, or choose another code than 1005")
	case !utf8.ValidString(e.Reason):
		c.refuse(prefix+"reason", e.Reason, "is not UTF-8 (RFC 6455 section 5.5.1)", "")
	case len(e.Reason) > maxReason:
		c.refuse(prefix+"reason", e.Reason,
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

// trigger wants exactly one key.
func (c *checker) trigger(prefix string, t Trigger) {
	switch {
	case t == (Trigger{}):
		c.lacks(prefix+"trigger", "nothing makes the server close",
			"set send to a message that orders it, or wait: true where it closes by itself")
	case t.Send != "" && t.Wait:
		c.lacks(prefix+"trigger", "send and wait exclude each other", "keep one")
	}
}
