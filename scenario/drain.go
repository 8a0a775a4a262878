package scenario

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// Drain makes a run the measurement of a deploy: the population is filled and
// held, then the hooks are fired, and what becomes of each connection is counted
// from the launch of the first. Without hooks a run is no drain.
//
// Every connection then waits for the server (mode passive, trigger wait), and
// must be held for longer than the drain can last: see DrainSpan. With
// load.duration 0, which is the default unless load.reconnect says how to come
// back, nobody does; above it who lost a connection does (see Returns), and the
// duration bounds the run from above only.
type Drain struct {
	Hooks  []Hook        `key:"hooks"`
	After  time.Duration `key:"after"`  // from the full population to the first hook
	Within time.Duration `key:"within"` // from the launch of the first hook to the end
}

// Hook is what makes the server go. Exactly one of Signal, HTTP and Exec is set.
type Hook struct {
	Signal Signal        `key:"signal"` // to a process of this host
	To     string        `key:"to"`     // of the signal: own, pid:123, pidfile:/path or port:9000; "" follows the target
	HTTP   string        `key:"http"`   // a request: "GET http://host/path", or the URL alone for POST
	Exec   string        `key:"exec"`   // a command for the shell, which does not see ${VAR} but its value
	Wait   time.Duration `key:"wait"`   // pause before it: after the end of the hook before, or after Drain.After
}

// Watch says what else is read while a run lasts, and after it.
type Watch struct {
	Sources []string      `key:"sources"`
	Every   time.Duration `key:"every"`
	Settle  time.Duration `key:"settle"` // how long it goes on after the last connection
}

// ParseHook reads a hook in short form: a signal with where it goes, or
// nothing for the target ("TERM port:9000", "HUP"), "exec COMMAND" or
// "http [METHOD] URL". The error is problem.List of the key drain.hooks.
func ParseHook(text string) (Hook, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "exec":
		return Hook{Exec: rest}, nil
	case "http":
		return Hook{HTTP: rest}, nil
	}
	h := Hook{To: rest}
	if err := h.Signal.UnmarshalText([]byte(word)); err != nil {
		bad := err.(*problem.TextError)
		return Hook{}, problem.List{{
			Key: "drain.hooks", Value: problem.Quote(word), Msg: "neither a signal nor exec nor http",
			Hint: bad.Hint + "; or write 'exec COMMAND' or 'http URL'",
		}}
	}
	return h, nil
}

// String gives the short form, which ParseHook reads but for the wait.
func (h Hook) String() string {
	switch {
	case h.Exec != "":
		return "exec " + h.Exec
	case h.HTTP != "":
		return "http " + h.HTTP
	}
	return strings.TrimSpace(string(h.Signal) + " " + h.To)
}

// drainMargin is what a drain may be late by in all.
const drainMargin = 5 * time.Second

// drainDefaults fills in what a drain has in place of a plan's defaults, where
// it is not given. The name of a key without a section is "".
func (p *Plan) drainDefaults(given func(section, name string) bool) {
	if !given("closes", "mix") {
		entry := DefaultClose(Passive)
		entry.Trigger = Trigger{Wait: true}
		p.Closes.Mix = []Close{entry}
	}
	if !given("load", "duration") {
		p.Load.Duration = 0
		if given("load", "reconnect") && p.Load.Reconnect.Kind() != value.ReconnectNone { // somebody comes back, so it lasts
			p.Load.Duration = wholeSeconds(p.DrainSpan())
		}
	}
	if !given("traffic", "every") {
		p.Traffic.Every = time.Second
	}
	if !given("hold", "") {
		p.Hold = value.Constant(wholeSeconds(p.DrainSpan()))
	}
}

// wholeSeconds is the next duration above d in whole seconds that a plan may
// have.
func wholeSeconds(d time.Duration) time.Duration {
	return min(d.Truncate(time.Second)+time.Second, problem.MaxSpan)
}

// FullBy is the offset of the run at which the population of a drain is full at
// the latest, as the limits allow: the last start and the longest opening.
func (p *Plan) FullBy() time.Duration {
	by := p.Limits.Dial + p.Limits.Upgrade
	for _, step := range p.OnOpen {
		by += min(step.Within, problem.MaxSpan)
	}
	if p.Load.Connections > 0 {
		by += p.Load.Rate.At(uint64(p.Load.Connections - 1))
	}
	return by
}

// DrainSpan is the longest that a drain can take, up to the moment when what is
// still open is closed. It is 0 for a plan without hooks.
func (p *Plan) DrainSpan() time.Duration {
	if len(p.Drain.Hooks) == 0 {
		return 0
	}
	return p.FullBy() + p.Drain.After + p.Drain.Hooks[0].Wait + p.Drain.Within + drainMargin
}

// Returns reports whether in a drain who lost a connection opens another one.
// With load.reconnect none nobody does: that the server was to end all of them
// makes no difference.
func (p *Plan) Returns() bool {
	return p.Load.Duration > 0 && p.Load.Reconnect.Kind() != value.ReconnectNone
}

// Signal names a signal as kill does, without SIG. "" stands in hooks that send
// none.
type Signal string

func signals() []Signal { return []Signal{"TERM", "INT", "QUIT", "HUP", "KILL", "USR1", "USR2"} }

// UnmarshalText reads the name of a signal, with or without SIG, or nothing.
func (s *Signal) UnmarshalText(text []byte) error {
	return setWord(s, "signal", bytes.TrimPrefix(text, []byte("SIG")), signals()...)
}

// SignalTo says where a hook's signal goes: own for the tool's own server,
// pid:123, pidfile:/path or port:9000. "" is a hook that does not say it, for a
// target that is not on this host.
func (t *Target) SignalTo(h *Hook) string {
	if h.To != "" {
		return h.To
	}
	if _, own := t.Own(); own {
		return "own"
	}
	address, err := t.Address()
	if err != nil {
		return ""
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return ""
	}
	return "port:" + port
}

// Request gives the method and the URL of HTTP as that of a Trigger does.
func (h *Hook) Request() (method, url string) { return (&Trigger{HTTP: h.HTTP}).Request() }

const (
	maxHooks  = 64
	maxWithin = 2 * time.Hour // what the distributions of a drain can hold
)

// drain wants hooks that can be fired, and a plan in which nothing else ends a
// connection.
func (c *checker) drain(p *Plan) {
	d := &p.Drain
	c.span("drain.after", d.After, 0, time.Hour, "")
	c.span("drain.within", d.Within, time.Second, maxWithin, "")
	if len(d.Hooks) == 0 {
		return
	}
	if len(d.Hooks) > maxHooks {
		c.refuse("drain.hooks", len(d.Hooks), fmt.Sprintf("must have at most %d", maxHooks), "")
		return
	}
	if len(p.Load.Stages) > 0 {
		c.lacks("load.stages", "a drain has one population, which load.rate fills", "leave load.stages out, and set load.connections")
	}
	rest := d.Within
	for i := range d.Hooks {
		key, wait := fmt.Sprintf("drain.hooks[%d].", i), d.Hooks[i].Wait
		c.hook(key, p, &d.Hooks[i])
		c.span(key+"wait", wait, 0, maxWithin, "")
		if i > 0 && wait > 0 {
			rest -= wait
		}
		if i > 0 && wait > 0 && rest <= 0 {
			c.refuse(key+"wait", wait, "the hook would come after the end", "raise drain.within above the sum of the waits")
		}
	}
	for i := range p.Closes.Mix {
		if e := &p.Closes.Mix[i]; e.Weight != 0 && (e.Mode != Passive || !e.Trigger.Wait) {
			c.refuse(fmt.Sprintf("closes.mix[%d].mode", i), e.Mode, "in a drain nothing but the server ends a connection",
				"write mode passive with trigger {wait: true}, or leave closes.mix out")
		}
	}
	span := p.DrainSpan()
	if p.Hold.Draw(0) < span {
		c.refuse("hold", p.Hold, "a connection may end before the drain does, which can take "+problem.DurationText(span),
			"leave it out, or hold them all for longer")
	}
	if l := p.Load.Duration; l > 0 && l < span {
		c.refuse("load.duration", l, "ends before the drain does, which can take "+problem.DurationText(span),
			"leave it out for a drain from which nobody comes back, or write more: the drain ends the run")
	}
}

// hook wants exactly one action, and a place for a signal to go to.
func (c *checker) hook(prefix string, p *Plan, h *Hook) {
	var given []string
	for _, k := range [][2]string{{"signal", string(h.Signal)}, {"http", h.HTTP}, {"exec", h.Exec}} {
		if k[1] != "" {
			given = append(given, k[0])
		}
	}
	key := strings.TrimSuffix(prefix, ".")
	if len(given) != 1 {
		msg := "has nothing to do"
		if len(given) > 1 {
			msg = strings.Join(given, " and ") + " exclude each other"
		}
		c.lacks(key, msg, "set one of signal, http and exec")
		return
	}
	if h.Signal == "" && h.To != "" {
		c.refuse(prefix+"to", h.To, "belongs to a signal", "remove it")
	}
	switch {
	case h.HTTP != "":
		c.request(prefix+"http", &Trigger{HTTP: h.HTTP})
	case h.Exec != "":
		c.command(prefix+"exec", h.Exec)
	default:
		word(c, prefix+"signal", "signal", h.Signal, signals()...)
		c.signalTo(prefix+"to", &p.Target, h)
	}
}

func (c *checker) signalTo(key string, t *Target, h *Hook) {
	const hint = "write pid:123, pidfile:/run/chat.pid, port:9000 or own"
	to := t.SignalTo(h)
	if hasVariable(h.To) || hasVariable(t.URL+t.ConnectTo) && h.To == "" || c.problems.Covers(key) || c.problems.Covers("target") {
		return
	}
	if to == "" {
		c.lacks(key, "missing: the target is not on this host, where a signal could reach it", hint+"; or use exec or http")
		return
	}
	_, own := t.Own()
	kind, value, _ := strings.Cut(to, ":")
	pid, err := strconv.ParseUint(value, 10, 31)
	switch {
	case to == "own" && !own:
		c.refuse(key, to, "there is no own server where a target is given", hint)
	case to == "own", kind == "pidfile" && value != "", kind == "pid" && err == nil && pid > 1, kind == "port" && isPort(value):
	default:
		c.refuse(key, to, "is no place for a signal", hint)
	}
}

func (c *checker) watch(w *Watch) {
	for i, source := range w.Sources {
		if strings.TrimSpace(source) == "" {
			c.refuse(fmt.Sprintf("watch.sources[%d]", i), source, "the source is empty", "write it or remove it")
		}
		// Who reads the sources cannot know what to mask in such a one.
		if isPage(source) && !hasVariable(source) && isUnclear(strings.TrimSpace(source)) {
			c.refuse(fmt.Sprintf("watch.sources[%d]", i), source, "not the URL of a page", "write it with its host, as http://user:password@host:9000/metrics")
		}
	}
	c.span("watch.every", w.Every, 10*time.Millisecond, time.Hour, "")
	c.span("watch.settle", w.Settle, 0, time.Hour, "")
}
