package scenario_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
)

// only makes the mix one entry of the mode, changed.
func only(mode scenario.Mode, change func(*scenario.Close)) func(*scenario.Plan) {
	return func(p *scenario.Plan) {
		entry := scenario.DefaultClose(mode)
		change(&entry)
		p.Closes.Mix = []scenario.Close{entry}
	}
}

// by makes the mix one entry of the mode with the trigger.
func by(mode scenario.Mode, t scenario.Trigger) func(*scenario.Plan) {
	return only(mode, func(c *scenario.Close) { c.Trigger = t })
}

func TestAnOwnCloseIsOneThatRFC6455Allows(t *testing.T) {
	const codes = "(use 1000 to 1003, 1007 to 1014, 3000 to 4999, or 1005 for a Close without a code)"
	code := func(code int) func(*scenario.Plan) {
		return entry(0, func(c *scenario.Close) { c.Code = code })
	}
	checkRefusals(t, []refusal{
		{code(0), `closes.mix[0].code: codes below 1000 are not used, got 0 ` + codes},
		{code(-1), `closes.mix[0].code: codes below 1000 are not used, got -1 ` + codes},
		{code(999), `closes.mix[0].code: codes below 1000 are not used, got 999 ` + codes},
		{code(1004), `closes.mix[0].code: 1004 is reserved and has no meaning yet, got 1004 ` + codes},
		{code(1006), `closes.mix[0].code: 1006 reports a connection lost without a Close and is never sent, got 1006 ` + codes},
		{code(1015), `closes.mix[0].code: 1015 reports a failed TLS handshake and is never sent, got 1015 ` + codes},
		{code(1016), `closes.mix[0].code: codes from 1016 to 2999 are reserved for the protocol, got 1016 ` + codes},
		{code(2999), `closes.mix[0].code: codes from 1016 to 2999 are reserved for the protocol, got 2999 ` + codes},
		{code(5000), `closes.mix[0].code: codes end at 4999, got 5000 ` + codes},
		{code(1005), `closes.mix[0].reason: a Close without a code has no reason (RFC 6455 section 5.5.1), got "done" ` +
			`(remove it, or choose another code than 1005)`},
		{entry(0, func(c *scenario.Close) { c.Reason = "\xff" }),
			`closes.mix[0].reason: is not UTF-8 (RFC 6455 section 5.5.1), got "\xff"`},
		{entry(0, func(c *scenario.Close) { c.Reason = strings.Repeat("x", 124) }), `closes.mix[0].reason: ` +
			`has 124 bytes and a Close frame has room for 123 (RFC 6455 section 5.5), got "` +
			strings.Repeat("x", 60) + `"… (shorten it)`},
	})
}

// TestAKeyOfAnotherModeIsRefusedWithTheModesThatHaveIt sets every key in every
// mode. What is in the table is all that a mode has beside name, mode and weight.
func TestAKeyOfAnotherModeIsRefusedWithTheModesThatHaveIt(t *testing.T) {
	const codes = "active, output, simultaneous or stall"
	for _, k := range []struct {
		key, shown, owners string
		set                func(*scenario.Close)
	}{
		{"code", "1001", codes, func(c *scenario.Close) { c.Code = 1001 }},
		{"reason", `"x"`, codes, func(c *scenario.Close) { c.Reason = "x" }},
		{"eager", "true", "active", func(c *scenario.Close) { c.Eager = true }},
		{"trigger", "a mapping", "passive, simultaneous or mute", func(c *scenario.Close) { c.Trigger = scenario.Trigger{Send: "x"} }},
		{"reply_delay", "1s", "passive", func(c *scenario.Close) { c.ReplyDelay = time.Second }},
		{"how", `"rst"`, "abort", func(c *scenario.Close) { c.How = scenario.RST }},
		{"when", `"idle"`, "abort", func(c *scenario.Close) { c.When = scenario.Idle }},
		{"for", "1s", "stall", func(c *scenario.Close) { c.For = time.Second }},
		{"payload", `"short-payload"`, "bad_close", func(c *scenario.Close) { c.Payload = scenario.PayloadShort }},
	} {
		has := strings.Split(strings.ReplaceAll(k.owners, " or ", ", "), ", ")
		for _, mode := range modes() {
			plan := scenario.Default()
			only(mode, k.set)(&plan)
			var want []string
			if !slices.Contains(has, string(mode)) {
				want = []string{"closes.mix[0]." + k.key + ": mode " + string(mode) + " has no such key, got " + k.shown +
					" (remove it; it belongs to " + k.owners + ")"}
			}
			if got := lines(plan.Validate()); !reflect.DeepEqual(got, want) {
				t.Errorf("%s in mode %s:\n got %q\nwant %q", k.key, mode, got, want)
			}
		}
	}
	if entry := reflect.TypeFor[scenario.Close](); entry.NumField() != 3+9 {
		t.Errorf("an entry has %d keys: this test does not know all of them", entry.NumField())
	}
}

func TestTheKeysOfAModeHaveBounds(t *testing.T) {
	const day = 24 * time.Hour
	delay := func(d time.Duration) func(*scenario.Plan) {
		return only(scenario.Passive, func(c *scenario.Close) { c.ReplyDelay = d })
	}
	stall := func(d time.Duration) func(*scenario.Plan) {
		return only(scenario.Stall, func(c *scenario.Close) { c.For = d })
	}
	payload := func(p scenario.Payload) func(*scenario.Plan) {
		return only(scenario.BadClose, func(c *scenario.Close) { c.Payload = p })
	}
	checkRefusals(t, []refusal{
		{entry(2, func(c *scenario.Close) { c.How = "" }), `closes.mix[2].how: unknown way to abort, got "" (use rst or fin)`},
		{entry(2, func(c *scenario.Close) { c.How = "rts" }),
			`closes.mix[2].how: unknown way to abort, got "rts" (did you mean rst? use rst or fin)`},
		{entry(2, func(c *scenario.Close) { c.When = "" }),
			`closes.mix[2].when: unknown moment to abort, got "" (use idle, receiving, mid_message or after_close)`},
		{entry(2, func(c *scenario.Close) { c.When = "recieving" }), `closes.mix[2].when: unknown moment to abort, got "recieving" ` +
			`(did you mean receiving? use idle, receiving, mid_message or after_close)`},

		{delay(-1), `closes.mix[0].reply_delay: cannot be negative, got -1ns (write 0s to answer at once)`},
		{delay(35 * time.Second), `closes.mix[0].reply_delay: an answer after limits.close (35s) never counts, got 35s ` +
			`(write less, or raise limits.close)`},
		{stall(0), `closes.mix[0].for: must be above 0s and at most 24h, got 0s`},
		{stall(-time.Second), `closes.mix[0].for: must be above 0s and at most 24h, got -1s`},
		{stall(day + 1), `closes.mix[0].for: must be above 0s and at most 24h, got 24h0m0.000000001s`},

		{payload(""), `closes.mix[0].payload: unknown payload, got "" (` + usePayload + `)`},
		{payload("code-999x"), `closes.mix[0].payload: unknown payload, got "code-999x" (` + usePayload + `)`},
		{payload("code-0999"), `closes.mix[0].payload: unknown payload, got "code-0999" (` + usePayload + `)`},
		{payload("code--1"), `closes.mix[0].payload: unknown payload, got "code--1" (` + usePayload + `)`},
		{payload("code-65536"), `closes.mix[0].payload: unknown payload, got "code-65536" (` + usePayload + `)`},
		{payload("code-4999"), `closes.mix[0].payload: a Close may carry that code, got "code-4999" (set it as the code of mode active)`},
	})
	for _, change := range []func(*scenario.Plan){
		delay(0), delay(35*time.Second - 1), stall(1), stall(day), payload("code-0"), payload("code-1005"), payload("code-65535"),
	} {
		plan := scenario.Default()
		change(&plan)
		if err := plan.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestADelayedReplyIsNotHeldAgainstALimitThatIsItselfRefused(t *testing.T) {
	plan := scenario.Default()
	plan.Closes.Mix[1].ReplyDelay, plan.Limits.Close = time.Second, 0
	if got := lines(plan.Validate()); len(got) != 1 || !strings.HasPrefix(got[0], "limits.close: ") {
		t.Errorf("got %q", got)
	}
}

func TestATriggerHasExactlyOneKey(t *testing.T) {
	checkRefusals(t, []refusal{
		{by(scenario.Passive, scenario.Trigger{}),
			`closes.mix[0].trigger: nothing makes the server close (set send, violate, http, exec or wait)`},
		{by(scenario.Simultaneous, scenario.Trigger{}),
			`closes.mix[0].trigger: nothing makes the server close (set send, http or exec)`},
		{by(scenario.Mute, scenario.Trigger{}),
			`closes.mix[0].trigger: nothing makes the server close (set send, http, exec or wait)`},
		{by(scenario.Passive, scenario.Trigger{Send: "x", Wait: true}),
			`closes.mix[0].trigger: send and wait exclude each other (keep one)`},
		{by(scenario.Mute, scenario.Trigger{Violate: "rsv", HTTP: "http://h/"}),
			`closes.mix[0].trigger: violate and http exclude each other (keep one)`},
		{by(scenario.Passive, scenario.Trigger{Send: "x", Violate: "rsv", HTTP: "x", Exec: "x", Wait: true}),
			`closes.mix[0].trigger: send, violate, http, exec and wait exclude each other (keep one)`},
	})
}

func TestEachModeTakesTheTriggersThatServeIt(t *testing.T) {
	triggers := map[string]scenario.Trigger{
		"send": {Send: "close"}, "violate": {Violate: scenario.ViolateUnmasked}, "http": {HTTP: "https://h/"},
		"exec": {Exec: "true"}, "wait": {Wait: true}, "abort": {Send: "abort rst"},
	}
	refused := map[scenario.Mode]map[string]string{
		scenario.Passive: {},
		scenario.Simultaneous: {
			"violate": `closes.mix[0].trigger.violate: a server that fails the connection reads no Close of ours ` +
				`(RFC 6455 section 7.1.7), got "unmasked" (use send, http or exec)`,
			"wait": `closes.mix[0].trigger.wait: the own Close has no trigger to follow at once, got true (use send, http or exec)`,
			"abort": `closes.mix[0].trigger.send: a server that ends TCP without a Close has none that ours could cross, ` +
				`got "abort rst" (order one, as in "close 1001 bye")`,
		},
		scenario.Mute: {
			"violate": `closes.mix[0].trigger.violate: a server that fails the connection awaits no answer ` +
				`(RFC 6455 section 7.1.7), got "unmasked" (use send, http, exec or wait)`,
		},
	}
	for mode, why := range refused {
		for name, trigger := range triggers {
			plan := scenario.Default()
			by(mode, trigger)(&plan)
			var want []string
			if why[name] != "" {
				want = []string{why[name]}
			}
			if got := lines(plan.Validate()); !reflect.DeepEqual(got, want) {
				t.Errorf("%s in mode %s:\n got %q\nwant %q", name, mode, got, want)
			}
		}
	}
}

func TestATriggerThatCannotBeFiredIsRefused(t *testing.T) {
	http := func(text string) func(*scenario.Plan) { return by(scenario.Passive, scenario.Trigger{HTTP: text}) }
	exec := func(text string) func(*scenario.Plan) { return by(scenario.Passive, scenario.Trigger{Exec: text}) }
	const key, notURL = `closes.mix[0].trigger.http: `, `(write http://host:port/path, with %XX for characters a URL cannot have)`
	checkRefusals(t, []refusal{
		{by(scenario.Passive, scenario.Trigger{Send: "close {{N}}"}),
			`closes.mix[0].trigger.send: unknown reference "{{N}}", got "close {{N}}" ` + known},
		{by(scenario.Passive, scenario.Trigger{Violate: "opcode"}), `closes.mix[0].trigger.violate: unknown violation, got "opcode" ` +
			`(use reserved-opcode, rsv, unmasked or oversize-control)`},

		{http("POST"), key + `has no scheme, got "POST" (write http:// or https:// in front of it)`},
		{http(" "), key + `has no scheme, got "" (write http:// or https:// in front of it)`},
		{http("DELETE h/kick"), key + `has no scheme, got "DELETE h/kick" (write http:// or https:// in front of it)`},
		{http("ws://h/kick"), key + `the scheme must be http or https, got "ws://h/kick" (write http:// in place of ws://)`},
		{http("GET wss://h/"), key + `the scheme must be http or https, got "GET wss://h/" (write https:// in place of wss://)`},
		{http("ftp://h/"), key + `the scheme must be http or https, got "ftp://h/" (write http://, or https:// for TLS)`},
		{http("POST http:///kick"), key + `has no host, got "POST http:///kick" (write http://host:port/path)`},
		{http("http://::1:80/"), key + `is not a URL, got "http://::1:80/" ` + notURL},
		{http("http://h:0/"), key + `the port must be 1 to 65535, got "http://h:0/"`},
		{http("http://h:x/"), key + `is not a URL, got "http://h:x/" ` + notURL},
		{http("GET http://bob:hunter 2@h/"), key + `is not a URL, got "***" ` + notURL},
		{http("http://h/#now"), key + `a fragment is never sent (RFC 9110 section 7.1), got "http://h/#***" ` +
			`(write %23 for a # in the path, or remove it)`},
		{http("http://h/?user=a b&token=x"), key + `has a space, which would end the request line, ` +
			`got "http://h/?user=a b&token=***" (write %20 for a space)`},
		{http("P(ST http://bob:hunter2@h/"), key + `the method has characters a method cannot have, ` +
			`got "P(ST http://***@h/" (write POST http://host:port/path)`},
		{http("Post http://h/"), key + `a method is case-sensitive (RFC 9110 section 9.1), got "Post http://h/" (write POST)`},
		{http("http://h/{{user}}"), key + `unknown reference "{{user}}", got "http://h/{{user}}" ` + known},
		{http("http://${HOST"), key + `a "${" is not closed, got "http://${HOST" ` + known},

		{exec(" \n"), `closes.mix[0].trigger.exec: the command is blank, got " \n" (write it, or choose another trigger)`},
		{exec("true\x00"), `closes.mix[0].trigger.exec: has a NUL, which no command can, got "true\x00" (remove it)`},
		{exec("kill ${PID:-1}"), `closes.mix[0].trigger.exec: unknown reference "${PID:-1}", got "kill ${PID:-1}" ` + known},
		{exec("curl -u bob:hunter2 {{m}}"), `closes.mix[0].trigger.exec: unknown reference "{{m}}", got "curl -u *** {{m}}" ` + known},
	})
	for _, change := range []func(*scenario.Plan){
		http("${ADMIN}/kick"), http("PURGE http://${HOST}/#"), http("https://bob:pw@[::1]:1/a?user={{ n }}"), http(" get2\thttp://h "),
		exec("${KILL}"), exec("kill -TERM $(cat /run/chat-{{n}}.pid)"),
	} {
		plan := scenario.Default()
		change(&plan)
		if err := plan.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryCodeAnEndpointMaySendIsAccepted(t *testing.T) {
	for code := range 6000 {
		may := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999 || code == 1005
		plan := scenario.Default()
		plan.Closes.Mix[0].Code, plan.Closes.Mix[0].Reason = code, ""
		if err := plan.Validate(); (err == nil) != may {
			t.Errorf("code %d: %v", code, err)
		}
	}
}
