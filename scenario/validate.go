package scenario

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// Validate says whether p can be run. The error is problem.List: everything that
// is out of range, contradictory or without meaning. A text in which ${VAR}
// still stands is checked for its references only: validate what ExpandEnv
// returns for the rest.
func (p *Plan) Validate() error {
	var c checker
	c.name(p.Name)
	c.references(p, "target.")
	c.targetURL(p.Target.URL)
	c.connectTo(&p.Target)
	c.headers(p.Target.Headers)
	c.subprotocols(p.Target.Subprotocols)
	c.tls(&p.Target.TLS)
	c.localAddrs(p.Target.LocalAddrs)
	c.load(&p.Load)
	c.references(p, "on_open")
	c.onOpen(p.OnOpen)
	c.traffic(&p.Traffic)
	c.references(p, "closes.")
	c.closes(p)
	c.limits(&p.Limits)
	c.references(p, "faults.")
	c.faults(p)
	c.span("interval", p.Interval, 100*time.Millisecond, time.Hour, "")
	c.references(p, "drain.")
	c.drain(p)
	c.references(p, "watch.")
	c.watch(&p.Watch)
	c.gate(&p.Gate)
	return c.problems.Err()
}

// A checker collects the problems of one Validate.
type checker struct {
	problems problem.List
}

func (c *checker) refuse(key string, value any, msg, hint string) {
	c.problems = append(c.problems, problem.Problem{Key: key, Value: show(key, value), Msg: msg, Hint: hint})
}

// lacks reports what is not there, so there is no value to show.
func (c *checker) lacks(key, msg, hint string) {
	c.problems = append(c.problems, problem.Problem{Key: key, Msg: msg, Hint: hint})
}

// span refuses a duration outside of [least, most].
func (c *checker) span(key string, d, least, most time.Duration, hint string) {
	if d >= least && d <= most {
		return
	}
	msg := fmt.Sprintf("must be %s to %s", problem.DurationText(least), problem.DurationText(most))
	if least == 1 {
		msg = "must be above 0s and at most " + problem.DurationText(most)
	}
	c.refuse(key, d, msg, hint)
}

// count refuses a number outside of [least, most].
func (c *checker) count(key string, n, least, most int, hint string) {
	if n < least || n > most {
		c.refuse(key, n, fmt.Sprintf("must be %d to %d", least, most), hint)
	}
}

func (c *checker) name(name string) {
	const longest = 128
	strange := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(name) > longest || strings.ContainsFunc(name, strange) {
		c.refuse("name", name, fmt.Sprintf("must be at most %d bytes of printable text", longest),
			"it heads reports and results")
	}
}

// references checks what stands in braces in the texts below prefix.
func (c *checker) references(p *Plan, prefix string) {
	for _, t := range p.templates() {
		if !strings.HasPrefix(t.key, prefix) {
			continue
		}
		if !utf8.ValidString(*t.text) {
			c.refuse(t.key, *t.text, "is not UTF-8", "text messages and results must be")
		}
		for r := range references(*t.text) {
			msg, hint := r.fault(), "only {{n}} and ${NAME} are known here"
			switch {
			case msg == "" && !r.variable && !t.perN:
				msg, hint = "{{n}} has no meaning here", "the value is the same for all connections"
			case !t.perN:
				hint = "only ${NAME} is known here"
			}
			if msg != "" {
				c.refuse(t.key, *t.text, msg, hint)
				break
			}
		}
	}
}

func (c *checker) targetURL(raw string) {
	const key = "target.url"
	if raw == "" || hasVariable(raw) || c.problems.Covers(key) {
		return
	}
	full := raw
	if path, own := (&Target{URL: raw}).Own(); own {
		full = "ws://localhost" + path
	}
	c.url(key, raw, full, urlKind{
		scheme: "ws", mistaken: "http", noFragment: "a WebSocket URL has no fragment (RFC 6455 section 3)",
	})
}

// A urlKind is what one key wants of its URL. An s after a scheme is for TLS.
type urlKind struct {
	scheme     string
	mistaken   string // the scheme that is easily written in its place
	noFragment string // why it has none
}

// url checks raw, which stands in value.
func (c *checker) url(key, value, raw string, kind urlKind) {
	plain, secure := kind.scheme+"://", kind.scheme+"s://"
	if !strings.Contains(raw, "://") {
		c.refuse(key, value, "has no scheme", "write "+plain+" or "+secure+" in front of it")
		return
	}
	if strings.Contains(raw, "#") {
		c.refuse(key, value, kind.noFragment, "write %23 for a # in the path, or remove it")
		return
	}
	u, err := url.Parse(Expand(raw, 0))
	if err != nil {
		// The parser's error quotes the URL, secrets and all.
		c.refuse(key, value, "is not a URL", "write "+plain+"host:port/path, with %XX for characters a URL cannot have")
		return
	}
	if strings.ContainsFunc(Expand(raw, 0), unicode.IsSpace) {
		c.refuse(key, value, "has a space, which would end the request line", "write %20 for a space")
		return
	}
	msg := fmt.Sprintf("the scheme must be %s or %[1]ss", kind.scheme)
	switch u.Scheme {
	case kind.scheme, kind.scheme + "s":
	case kind.mistaken:
		c.refuse(key, value, msg, "write "+plain+" in place of "+kind.mistaken+"://")
	case kind.mistaken + "s":
		c.refuse(key, value, msg, "write "+secure+" in place of "+kind.mistaken+"s://")
	default:
		c.refuse(key, value, msg, "write "+plain+", or "+secure+" for TLS")
	}
	if u.Hostname() == "" {
		c.refuse(key, value, "has no host", "write "+plain+"host:port/path")
	}
	if isBareIPv6(u) {
		c.refuse(key, value, "the IPv6 address is not in brackets", "write "+plain+"[::1]:9000")
	}
	if port := u.Port(); port != "" && !isPort(port) {
		c.refuse(key, value, "the port must be 1 to 65535", "")
	}
}

// isBareIPv6 finds the host that the parser lets pass and no dial can tell
// from its port.
func isBareIPv6(u *url.URL) bool {
	return strings.Contains(u.Hostname(), ":") && u.Host[0] != '['
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func (c *checker) connectTo(t *Target) {
	const key = "target.connect_to"
	addr := t.ConnectTo
	if addr == "" {
		return
	}
	if t.URL == "" {
		c.refuse(key, addr, "has no use without target.url", "set target.url, or remove this")
	}
	if hasVariable(addr) || c.problems.Covers(key) {
		return
	}
	u, err := url.Parse("ws://" + addr)
	if err != nil || u.Host != addr || u.Hostname() == "" || isBareIPv6(u) || !isPort(u.Port()) {
		c.refuse(key, addr, "is not host:port", "write 10.0.0.7:8080 or [::1]:8080")
	}
}

func (c *checker) headers(headers []string) {
	for i, header := range headers {
		key := fmt.Sprintf("target.headers[%d]", i)
		name, value, ok := strings.Cut(header, ":")
		lower := strings.ToLower(name)
		switch {
		case !ok:
			c.refuse(key, header, `is not "Name: value"`, "put a colon after the name")
		case !isToken(name):
			c.refuse(key, header, "the name has characters a header name cannot have", "use letters, digits and -")
		case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
			c.refuse(key, header, "the value has a control character", "remove line breaks, often one at the end")
		case lower == "sec-websocket-protocol":
			c.refuse(key, header, "the handshake writes this header itself", "set target.subprotocols")
		case strings.HasPrefix(lower, "sec-websocket-"),
			slices.Contains([]string{"connection", "upgrade", "content-length", "transfer-encoding"}, lower):
			c.refuse(key, header, "the handshake writes this header itself", "remove it")
		}
	}
}

// isToken says whether s is a token of HTTP (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(marks, r)
	})
}

func (c *checker) subprotocols(protocols []string) {
	for i, protocol := range protocols {
		key := fmt.Sprintf("target.subprotocols[%d]", i)
		switch {
		case !isToken(protocol):
			c.refuse(key, protocol, "has characters a subprotocol cannot have (RFC 6455 section 4.1)",
				"use letters, digits and marks, no spaces or commas")
		case slices.Contains(protocols[:i], protocol):
			c.refuse(key, protocol, "stands twice", "remove one")
		}
	}
}

func (c *checker) tls(t *TLS) {
	if t.Cert != "" && t.Key == "" {
		c.lacks("target.tls.key", "missing beside target.tls.cert", "a client certificate needs both")
	}
	if t.Key != "" && t.Cert == "" {
		c.lacks("target.tls.cert", "missing beside target.tls.key", "a client certificate needs both")
	}
}

func (c *checker) localAddrs(addrs []string) {
	for i, addr := range addrs {
		if _, err := netip.ParseAddr(addr); err != nil {
			c.refuse(fmt.Sprintf("target.local_addrs[%d]", i), addr, "is not an IP address",
				"write an address of this host, without a port")
		}
	}
}

// maxConnections bounds a population: slots and their starts are reckoned with
// in 64 bits.
const maxConnections = 10_000_000

func (c *checker) load(l *Load) {
	staged := len(l.Stages) > 0
	if !staged {
		c.count("load.connections", l.Connections, 1, maxConnections, "share more among machines with shards")
	}
	if msg, hint := l.Rate.Fault(); msg != "" {
		c.refuse("load.rate", l.Rate, msg, hint)
	}
	if staged {
		if c.stages(l) {
			c.follows(l)
			c.steepness(l)
		}
	} else {
		c.span("load.duration", l.Duration, 0, problem.MaxSpan, "0s opens each connection once")
	}
	if l.Reconnect.Kind() == value.ReconnectBackoff && l.Duration == 0 && !staged {
		c.refuse("load.reconnect", l.Reconnect, "nothing comes back when load.duration is 0s",
			"set load.duration, or remove this")
	}
}

// stages says whether the stages make a population.
func (c *checker) stages(l *Load) bool {
	const most = 256 // sums of so many spans cannot overflow
	before := len(c.problems)
	if len(l.Stages) > most {
		c.refuse("load.stages", len(l.Stages), fmt.Sprintf("must be at most %d", most), "")
		return false
	}
	for i, s := range l.Stages {
		key := fmt.Sprintf("load.stages[%d].", i)
		c.span(key+"for", s.For, 0, problem.MaxSpan, "0s is a step")
		c.count(key+"connections", s.Connections, 0, maxConnections, "share more among machines with shards")
		if s.For == 0 && i > 0 && l.Stages[i-1].For == 0 {
			c.refuse(key+"for", s.For, "a step right behind another", "make one step of the two")
		}
	}
	if len(c.problems) > before {
		return false
	}
	last := l.Stages[len(l.Stages)-1]
	switch connections, duration := l.staged(); {
	case connections == 0:
		c.lacks("load.stages", "none has a connection", "")
	case duration == 0 || duration > problem.MaxSpan:
		c.refuse("load.stages", duration, "must take more than 0s and at most "+problem.DurationText(problem.MaxSpan)+" together", "")
	case last.For == 0 && last.Connections > 0:
		c.lacks("load.stages", "the last is a step with nothing behind it", "add a stage that holds its connections")
	}
	return len(c.problems) == before
}

// follows refuses a population or a duration that is not that of the stages.
func (c *checker) follows(l *Load) {
	const hint = "remove it, or load.stages: it follows from them"
	connections, duration := l.staged()
	if l.Connections != connections {
		c.refuse("load.connections", l.Connections, fmt.Sprintf("the largest of load.stages is %d", connections), hint)
	}
	if l.Duration != duration {
		c.refuse("load.duration", l.Duration, "load.stages take "+problem.DurationText(duration), hint)
	}
}

// steepness refuses a stage that would open more than the rate allows.
func (c *checker) steepness(l *Load) {
	population := 0
	for i, s := range l.Stages {
		rise := s.Connections - population
		population = s.Connections
		if least := l.Rate.At(uint64(max(0, rise))); least > s.For {
			c.refuse(fmt.Sprintf("load.stages[%d].for", i), s.For,
				fmt.Sprintf("%d more connections take %s at load.rate %s", rise, problem.DurationText(least), l.Rate),
				"give it that long, raise load.rate, or set it to 0 for unlimited")
		}
	}
}

func (c *checker) onOpen(steps []Step) {
	for i, step := range steps {
		key := fmt.Sprintf("on_open[%d].", i)
		if step.Send == "" {
			c.lacks(key+"send", "there is no message to send", "write it, or remove the step")
		}
		c.span(key+"within", step.Within, 1, 24*time.Hour, "")
	}
}

func (c *checker) traffic(t *Traffic) {
	// A message carries its run, connection and sequence number.
	const least, most = 64, 16 << 20
	c.period("traffic.every", t.Every)
	if t.Every > 0 {
		c.count("traffic.size", t.Size, least, most, "each message carries its run, connection and number")
	} else {
		c.count("traffic.size", t.Size, 0, most, "")
	}
	c.period("traffic.ping", t.Ping)
	if _, bad := expectOf(string(t.Expect)); bad != nil {
		c.refuse("traffic.expect", t.Expect, bad.Msg, bad.Hint)
	}
}

// period refuses a time between two events that is neither 0, for none, nor
// one that can be kept.
func (c *checker) period(key string, d time.Duration) {
	if d != 0 {
		c.span(key, d, time.Millisecond, 24*time.Hour, "0s sends none")
	}
}

func (c *checker) limits(l *Limits) {
	// The histograms of the phases that these limits bound end here, and what
	// cannot be told apart is not worth waiting for.
	const measured = 120 * time.Second
	const hint = "latency is measured up to 2m, so a longer wait could not be told"
	c.span("limits.dial", l.Dial, 1, measured, hint)
	c.span("limits.upgrade", l.Upgrade, 1, measured, hint)
	c.span("limits.close", l.Close, 1, measured, hint)
	c.span("limits.fin", l.Fin, 1, measured, hint)
	c.span("limits.drain", l.Drain, 1, 24*time.Hour, "")
}
