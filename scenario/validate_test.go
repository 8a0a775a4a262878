package scenario_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// A refusal is a change to the default plan and all that Validate then says.
type refusal struct {
	change func(*scenario.Plan)
	want   string
}

func checkRefusals(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		plan := scenario.Default()
		r.change(&plan)
		if err := plan.Validate(); err == nil || err.Error() != r.want {
			t.Errorf("\n got %v\nwant %s", err, r.want)
		}
	}
}

// known is the hint for a reference in a text of each connection.
const known = "(only {{n}} and ${NAME} are known here)"

// entry changes one entry of the default mix: active, passive, abort.
func entry(i int, change func(*scenario.Close)) func(*scenario.Plan) {
	return func(p *scenario.Plan) { change(&p.Closes.Mix[i]) }
}

func TestAURLThatIsNoWebSocketURLIsRefusedWithItsRemedy(t *testing.T) {
	url := func(u string) func(*scenario.Plan) {
		return func(p *scenario.Plan) { p.Target.URL = u }
	}
	checkRefusals(t, []refusal{
		{url("localhost:9000/echo"), `target.url: has no scheme, got "localhost:9000/echo" (write ws:// or wss:// in front of it)`},
		{url("127.0.0.1:9000"), `target.url: has no scheme, got "127.0.0.1:9000" (write ws:// or wss:// in front of it)`},
		{url("ws://h/x?a=b c"), `target.url: has a space, which would end the request line, got "ws://h/x?a=b c" (write %20 for a space)`},
		{url("http://h/"), `target.url: the scheme must be ws or wss, got "http://h/" (write ws:// in place of http://)`},
		{url("https://h/"), `target.url: the scheme must be ws or wss, got "https://h/" (write wss:// in place of https://)`},
		{url("ftp://h/"), `target.url: the scheme must be ws or wss, got "ftp://h/" (write ws://, or wss:// for TLS)`},
		{url("wss:///echo"), `target.url: has no host, got "wss:///echo" (write ws://host:port/path)`},
		{url("ws:///no reply"), `target.url: has a space, which would end the request line, got "ws:///no reply" (write %20 for a space)`},
		{url("ws://::1:9000/"), `target.url: the IPv6 address is not in brackets, got "ws://::1:9000/" (write ws://[::1]:9000)`},
		{url("ws://h:65536/"), `target.url: the port must be 1 to 65535, got "ws://h:65536/"`},
		{url("ws://h:0/"), `target.url: the port must be 1 to 65535, got "ws://h:0/"`},
		{url("ws://h/#top"), `target.url: a WebSocket URL has no fragment (RFC 6455 section 3), got "ws://h/#***" ` +
			`(write %23 for a # in the path, or remove it)`},
		{url("ws://user:pass word@h/?token=x"), `target.url: is not a URL, got "***" ` +
			`(write ws://host:port/path, with %XX for characters a URL cannot have)`},
		{url("ws://h:port/"), `target.url: is not a URL, got "ws://h:port/" ` +
			`(write ws://host:port/path, with %XX for characters a URL cannot have)`},
		{url("ws://h/{{user}}"), `target.url: unknown reference "{{user}}", got "ws://h/{{user}}" ` + known},
		{url("ws://h/{{n}"), `target.url: a "{{" is not closed, got "ws://h/{{n}" ` + known},
		{url("ws://h/${USER"), `target.url: a "${" is not closed, got "ws://h/${USER" ` + known},
		{url("ws://h/${USER:-me}"), `target.url: unknown reference "${USER:-me}", got "ws://h/${USER:-me}" ` + known},
		{url("ws://h/${}"), `target.url: unknown reference "${}", got "ws://h/${}" ` + known},
		{url("ws://h/${1X}"), `target.url: unknown reference "${1X}", got "ws://h/${1X}" ` + known},
		{url("ws://h/\xff"), `target.url: is not UTF-8, got "ws://h/\xff" (text messages and results must be)`},
	})
}

func TestAnAddressToConnectToIsAHostAndAPort(t *testing.T) {
	const remedy = "(write 10.0.0.7:8080 or [::1]:8080)"
	connectTo := func(addr string) func(*scenario.Plan) {
		return func(p *scenario.Plan) { p.Target.URL, p.Target.ConnectTo = "ws://h/", addr }
	}
	checkRefusals(t, []refusal{
		{func(p *scenario.Plan) { p.Target.ConnectTo = "h:1" },
			`target.connect_to: has no use without target.url, got "h:1" (set target.url, or remove this)`},
		{connectTo("bob:hunter2@h:80"), `target.connect_to: is not host:port, got "***" ` + remedy},
		{connectTo("h"), `target.connect_to: is not host:port, got "h" ` + remedy},
		{connectTo(":80"), `target.connect_to: is not host:port, got ":80" ` + remedy},
		{connectTo("::1:80"), `target.connect_to: is not host:port, got "::1:80" ` + remedy},
		{connectTo("h:http"), `target.connect_to: is not host:port, got "h:http" ` + remedy},
		{connectTo("h:70000"), `target.connect_to: is not host:port, got "h:70000" ` + remedy},
		{connectTo("ws://h:80"), `target.connect_to: is not host:port, got "ws://h:80" ` + remedy},
		{connectTo("h:80/x"), `target.connect_to: is not host:port, got "h:80/x" ` + remedy},
		{connectTo("h{{n}}:80"), `target.connect_to: {{n}} has no meaning here, got "h{{n}}:80" ` +
			`(the value is the same for all connections)`},
		{connectTo("${X"), `target.connect_to: a "${" is not closed, got "${X" (only ${NAME} is known here)`},
	})
}

func TestAHeaderThatWouldBreakTheHandshakeIsRefusedAndItsValueNotShown(t *testing.T) {
	header := func(h string) func(*scenario.Plan) {
		return func(p *scenario.Plan) { p.Target.Headers = []string{h} }
	}
	checkRefusals(t, []refusal{
		{header("hunter2"), `target.headers[0]: is not "Name: value", got "***" (put a colon after the name)`},
		{header("X Token: hunter2"), `target.headers[0]: the name has characters a header name cannot have, got "X Token: ***" ` +
			`(use letters, digits and -)`},
		{header(": hunter2"), `target.headers[0]: the name has characters a header name cannot have, got ": ***" ` +
			`(use letters, digits and -)`},
		{header("A: hunter2\r\nB: c"), `target.headers[0]: the value has a control character, got "A: ***" ` +
			`(remove line breaks, often one at the end)`},
		{header("Sec-WebSocket-Protocol: chat"), `target.headers[0]: the handshake writes this header itself, ` +
			`got "Sec-WebSocket-Protocol: ***" (set target.subprotocols)`},
		{header("sec-websocket-key: x"), `target.headers[0]: the handshake writes this header itself, ` +
			`got "sec-websocket-key: ***" (remove it)`},
		{header("Connection: x"), `target.headers[0]: the handshake writes this header itself, got "Connection: ***" (remove it)`},
		{header("UPGRADE: x"), `target.headers[0]: the handshake writes this header itself, got "UPGRADE: ***" (remove it)`},
		{header("Content-Length: 1"), `target.headers[0]: the handshake writes this header itself, got "Content-Length: ***" (remove it)`},
		{header("Transfer-Encoding: x"), `target.headers[0]: the handshake writes this header itself, ` +
			`got "Transfer-Encoding: ***" (remove it)`},
		{header("X: {{m}}"), `target.headers[0]: unknown reference "{{m}}", got "X: ***" ` + known},
	})
}

func TestTheRestOfATargetIsCheckedToo(t *testing.T) {
	checkRefusals(t, []refusal{
		{func(p *scenario.Plan) { p.Name = "a\nb" },
			`name: must be at most 128 bytes of printable text, got "a\nb" (it heads reports and results)`},
		{func(p *scenario.Plan) { p.Name = strings.Repeat("x", 129) },
			`name: must be at most 128 bytes of printable text, got "` + strings.Repeat("x", 60) + `"… (it heads reports and results)`},

		{func(p *scenario.Plan) { p.Target.Subprotocols = []string{"a, b"} },
			`target.subprotocols[0]: has characters a subprotocol cannot have (RFC 6455 section 4.1), got "a, b" ` +
				`(use letters, digits and marks, no spaces or commas)`},
		{func(p *scenario.Plan) { p.Target.Subprotocols = []string{""} },
			`target.subprotocols[0]: has characters a subprotocol cannot have (RFC 6455 section 4.1), got "" ` +
				`(use letters, digits and marks, no spaces or commas)`},
		{func(p *scenario.Plan) { p.Target.Subprotocols = []string{"a", "b", "a"} },
			`target.subprotocols[2]: stands twice, got "a" (remove one)`},
		{func(p *scenario.Plan) { p.Target.TLS.Cert = "c.pem" },
			`target.tls.key: missing beside target.tls.cert (a client certificate needs both)`},
		{func(p *scenario.Plan) { p.Target.TLS.Key = "k.pem" },
			`target.tls.cert: missing beside target.tls.key (a client certificate needs both)`},
		{func(p *scenario.Plan) { p.Target.TLS.CA = "{{n}}.pem" },
			`target.tls.ca: {{n}} has no meaning here, got "{{n}}.pem" (the value is the same for all connections)`},
		{func(p *scenario.Plan) { p.Target.LocalAddrs = []string{"127.0.0.2", "127.0.0.3:0"} },
			`target.local_addrs[1]: is not an IP address, got "127.0.0.3:0" (write an address of this host, without a port)`},
	})
}

func TestLoadDialogueAndTrafficHaveBounds(t *testing.T) {
	step := func(s scenario.Step) func(*scenario.Plan) {
		return func(p *scenario.Plan) { p.OnOpen = []scenario.Step{s} }
	}
	checkRefusals(t, []refusal{
		// load
		{func(p *scenario.Plan) { p.Load.Connections = 0 },
			`load.connections: must be 1 to 10000000, got 0 (share more among machines with shards)`},
		{func(p *scenario.Plan) { p.Load.Connections = 10_000_001 },
			`load.connections: must be 1 to 10000000, got 10000001 (share more among machines with shards)`},
		{func(p *scenario.Plan) { p.Load.Rate = -1 },
			`load.rate: a rate cannot be negative, got "-1/s" (write 500/s, 30/m, 3600/h or 0 for unlimited)`},
		{func(p *scenario.Plan) { p.Load.Rate = value.Rate(math.NaN()) },
			`load.rate: not a number, got "NaN/s" (write 500/s, 30/m, 3600/h or 0 for unlimited)`},
		{func(p *scenario.Plan) { p.Load.Rate = value.Rate(math.Inf(1)) },
			`load.rate: a rate this high cannot be paced, got "+Inf/s" (write at most 1e9/s, or 0 for unlimited)`},
		{func(p *scenario.Plan) { p.Load.Rate = 1e-6 },
			`load.rate: a rate this low never starts anything, got "1e-06/s" (write at least 1 a day, or 0 for unlimited)`},
		{func(p *scenario.Plan) { p.Load.Duration = -1 },
			`load.duration: must be 0s to 8760h, got -1ns (0s opens each connection once)`},
		{func(p *scenario.Plan) { p.Load.Duration = 8761 * time.Hour },
			`load.duration: must be 0s to 8760h, got 8761h (0s opens each connection once)`},

		// on_open
		{step(scenario.Step{Expect: "ok", Within: 1}),
			`on_open[0].send: there is no message to send (write it, or remove the step)`},
		{step(scenario.Step{Send: "a"}), `on_open[0].within: must be above 0s and at most 24h, got 0s`},
		{step(scenario.Step{Send: "{{x}}", Within: 1}), `on_open[0].send: unknown reference "{{x}}", got "{{x}}" ` + known},
		{step(scenario.Step{Send: "a", Expect: "${", Within: 1}), `on_open[0].expect: a "${" is not closed, got "${" ` + known},
		{step(scenario.Step{Send: "\xff", Within: 1}),
			`on_open[0].send: is not UTF-8, got "\xff" (text messages and results must be)`},

		// traffic
		{func(p *scenario.Plan) { p.Traffic.Every = 1 }, `traffic.every: must be 1ms to 24h, got 1ns (0s sends none)`},
		{func(p *scenario.Plan) { p.Traffic.Every, p.Traffic.Size = time.Second, 63 },
			`traffic.size: must be 64 to 16777216, got 63 (each message carries its run, connection and number)`},
		{func(p *scenario.Plan) { p.Traffic.Every, p.Traffic.Size = time.Second, 16<<20+1 },
			`traffic.size: must be 64 to 16777216, got 16777217 (each message carries its run, connection and number)`},
		{func(p *scenario.Plan) { p.Traffic.Size = -1 }, `traffic.size: must be 0 to 16777216, got -1`},
		{func(p *scenario.Plan) { p.Traffic.Ping = -time.Second }, `traffic.ping: must be 1ms to 24h, got -1s (0s sends none)`},
		{func(p *scenario.Plan) { p.Traffic.Expect = "ehco" },
			`traffic.expect: unknown expectation, got "ehco" (did you mean echo? use any or echo)`},
	})
}

func TestAMixThatCannotBeDrawnFromIsRefused(t *testing.T) {
	checkRefusals(t, []refusal{
		{func(p *scenario.Plan) { p.Load.Duration, p.Closes.Shape = 0, mustShape(t, "at_end") },
			`closes.shape: there is no end to close at when load.duration is 0s, got "at_end" (set load.duration, or use each)`},
		{func(p *scenario.Plan) { p.Closes.Mix = nil },
			`closes.mix: is empty (list at least one entry, or leave the key out for the default)`},
		{func(p *scenario.Plan) { p.Closes.Mix = make([]scenario.Close, 65) },
			`closes.mix: must have at most 64 entries, got 65 (each entry keeps its own histograms)`},
		{func(p *scenario.Plan) {
			for i := range p.Closes.Mix {
				p.Closes.Mix[i].Weight = 0
			}
		}, `closes.mix: the weights add up to 0 (give at least one entry a weight above 0)`},
		{entry(0, func(c *scenario.Close) { c.Weight = -1 }),
			`closes.mix[0].weight: must be 0 to 1000000, got -1 (weights are shares, and need not add up to 100)`},
		{entry(0, func(c *scenario.Close) { c.Weight = 1_000_001 }),
			`closes.mix[0].weight: must be 0 to 1000000, got 1000001 (weights are shares, and need not add up to 100)`},
		{entry(0, func(c *scenario.Close) { *c = scenario.Close{Weight: 1} }),
			`closes.mix[0].mode: missing (` + useMode + `)`},
		{entry(0, func(c *scenario.Close) { c.Mode = "kill" }), `closes.mix[0].mode: unknown mode, got "kill" (` + useMode + `)`},
		{entry(0, func(c *scenario.Close) { c.Name = "" }),
			`closes.mix[0].name: missing (name the entry, by its mode where the mode stands once)`},
		{entry(0, func(c *scenario.Close) { c.Name = "My Close" }),
			`closes.mix[0].name: is not a name, got "My Close" (use up to 64 of a-z, 0-9, _ and -)`},
		{entry(0, func(c *scenario.Close) { c.Name = strings.Repeat("x", 65) }), `closes.mix[0].name: is not a name, got "` +
			strings.Repeat("x", 60) + `"… (use up to 64 of a-z, 0-9, _ and -)`},
		{entry(1, func(c *scenario.Close) { *c = scenario.DefaultClose(scenario.Active) }),
			`closes.mix[1].name: stands twice, got "active" (give each entry its own name where a mode repeats)`},
	})
}

func TestLimitsAndIntervalHaveBounds(t *testing.T) {
	const (
		tooLong = "must be above 0s and at most 2m"
		told    = "(latency is measured up to 2m, so a longer wait could not be told)"
	)
	checkRefusals(t, []refusal{
		{func(p *scenario.Plan) { p.Limits.Dial = 0 }, `limits.dial: ` + tooLong + `, got 0s ` + told},
		{func(p *scenario.Plan) { p.Limits.Upgrade = -time.Second }, `limits.upgrade: ` + tooLong + `, got -1s ` + told},
		{func(p *scenario.Plan) { p.Limits.Close = 121 * time.Second }, `limits.close: ` + tooLong + `, got 2m1s ` + told},
		{func(p *scenario.Plan) { p.Limits.Fin = 0 }, `limits.fin: ` + tooLong + `, got 0s ` + told},
		{func(p *scenario.Plan) { p.Limits.Drain = 25 * time.Hour }, `limits.drain: must be above 0s and at most 24h, got 25h`},
		{func(p *scenario.Plan) { p.Interval = time.Millisecond }, `interval: must be 100ms to 1h, got 1ms`},
		{func(p *scenario.Plan) { p.Interval = 2 * time.Hour }, `interval: must be 100ms to 1h, got 2h`},
		{func(p *scenario.Plan) { p.Gate.Rules = []string{"a", " "} },
			`gate.rules[1]: the rule is empty, got " " (write it or remove it)`},
		{func(p *scenario.Plan) { p.Gate.AbortOnFail = true },
			`gate.abort_on_fail: there is no rule that could fail, got true (add gate.rules, or remove it)`},
		{func(p *scenario.Plan) { p.Gate.Grace = -1 },
			`gate.grace: must be 0s to 24h, got -1ns (0s looks from the first interval on)`},
	})
}

func TestAPlanAtItsBoundsIsAccepted(t *testing.T) {
	for name, change := range map[string]func(*scenario.Plan){
		"an own server":     func(p *scenario.Plan) {},
		"a URL":             func(p *scenario.Plan) { p.Target.URL = "WSS://user:pw@[::1]:65535/a%20b?c={{n}}" },
		"a URL in variable": func(p *scenario.Plan) { p.Target.URL, p.Target.ConnectTo = "${TARGET}", "${POD}" },
		"an own Host":       func(p *scenario.Plan) { p.Target.Headers = []string{"Host: other", "X: ü\t", "Y:"} },
		"one connection":    func(p *scenario.Plan) { p.Load = scenario.Load{Connections: 1} },
		"ten million":       func(p *scenario.Plan) { p.Load.Connections, p.Load.Duration = 10_000_000, year },
		"one message a day": func(p *scenario.Plan) { p.Traffic = scenario.Traffic{Every: 24 * time.Hour, Size: 64} },
		"large messages":    func(p *scenario.Plan) { p.Traffic = scenario.Traffic{Every: time.Millisecond, Size: 16 << 20} },
		"no size unused":    func(p *scenario.Plan) { p.Traffic = scenario.Traffic{Ping: time.Millisecond} },
		"longest reason":    func(p *scenario.Plan) { p.Closes.Mix[0].Reason = strings.Repeat("x", 123) },
		"an empty Close":    func(p *scenario.Plan) { p.Closes.Mix[0].Code, p.Closes.Mix[0].Reason = 1005, "" },
		"one weight":        func(p *scenario.Plan) { p.Closes.Mix[0].Weight, p.Closes.Mix[1].Weight = 0, 0 },
		"heaviest weights":  func(p *scenario.Plan) { p.Closes.Mix[0].Weight = 1_000_000 },
		"shortest limits":   func(p *scenario.Plan) { p.Limits = scenario.Limits{Dial: 1, Upgrade: 1, Close: 1, Fin: 1, Drain: 1} },
		"longest limits": func(p *scenario.Plan) {
			m := 2 * time.Minute
			p.Limits = scenario.Limits{Dial: m, Upgrade: m, Close: m, Fin: m, Drain: 24 * time.Hour}
		},
		"at_end": func(p *scenario.Plan) { p.Closes.Shape = mustShape(t, "at_end") },
	} {
		plan := scenario.Default()
		change(&plan)
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateReportsAllProblemsInTheOrderOfTheKeys(t *testing.T) {
	plan := scenario.Default()
	plan.Target.URL = "http://h/"
	plan.Load.Connections = -5
	plan.OnOpen = []scenario.Step{{}}
	plan.Closes.Mix[2].How = ""
	plan.Limits = scenario.Limits{}
	plan.Interval = 0
	want := []string{
		`target.url: the scheme must be ws or wss, got "http://h/" (write ws:// in place of http://)`,
		`load.connections: must be 1 to 10000000, got -5 (share more among machines with shards)`,
		`on_open[0].send: there is no message to send (write it, or remove the step)`,
		`on_open[0].within: must be above 0s and at most 24h, got 0s`,
		`closes.mix[2].how: unknown way to abort, got "" (use rst or fin)`,
		`limits.dial: must be above 0s and at most 2m, got 0s (latency is measured up to 2m, so a longer wait could not be told)`,
		`limits.upgrade: must be above 0s and at most 2m, got 0s (latency is measured up to 2m, so a longer wait could not be told)`,
		`limits.close: must be above 0s and at most 2m, got 0s (latency is measured up to 2m, so a longer wait could not be told)`,
		`limits.fin: must be above 0s and at most 2m, got 0s (latency is measured up to 2m, so a longer wait could not be told)`,
		`limits.drain: must be above 0s and at most 24h, got 0s`,
		`interval: must be 100ms to 1h, got 0s`,
	}
	if got := lines(plan.Validate()); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
