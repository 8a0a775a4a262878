package runner

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// ModeHeader is the request header that names the mode of a connection's
// planned close, so that a server can keep its own books by it.
const ModeHeader = "Wsload-Mode"

// IDHeader is the request header that names a connection to a server that
// keeps books of each: the run's id in 8 hex digits, a slash and the
// connection's number.
const IDHeader = "Wsload-Id"

// A request is what one connection asks the server with.
type request struct {
	url    string
	host   string
	header http.Header
}

// prepare builds the parts of the requests that all connections share, one per
// entry of the mix. Headers with {{n}} are made per connection.
func (e *engine) prepare() {
	e.base = make([]request, len(e.plan.Closes.Mix))
	for i, entry := range e.plan.Closes.Mix {
		r := request{url: e.plan.Target.URL, header: http.Header{ModeHeader: {string(entry.Mode)}}}
		for _, line := range e.plan.Target.Headers {
			name, value, _ := strings.Cut(line, ":")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if strings.EqualFold(name, "Host") {
				r.host = value
				continue
			}
			r.header.Add(name, value)
		}
		e.base[i] = r
	}
	for _, s := range append([]string{e.plan.Target.URL}, e.plan.Target.Headers...) {
		e.templated = e.templated || scenario.Expand(s, 0) != s
	}
}

// request is what connection n asks with.
func (e *engine) request(lc scenario.Lifecycle) request {
	r := e.base[lc.Entry]
	if e.opt.Settled != nil {
		r.header = r.header.Clone()
		r.header.Set(IDHeader, fmt.Sprintf("%08x/%d", e.opt.RunID, lc.N))
	}
	if !e.templated {
		return r
	}
	r.url, r.host = scenario.Expand(r.url, lc.N), scenario.Expand(r.host, lc.N)
	r.header = r.header.Clone()
	for _, values := range r.header {
		for i, v := range values {
			values[i] = scenario.Expand(v, lc.N)
		}
	}
	return r
}

// maxSources bounds the loopback addresses that a run rotates by itself.
const maxSources = 64

// sources are the addresses that connections come from, in turn. A pair of a
// source and a destination has one range of ports, and a connection this end
// closed first keeps its port for a minute, so a loopback target, where
// addresses cost nothing, is given as many as the plan needs, and each shard its
// own: others may be on this host.
func sources(plan *scenario.Plan, shard scenario.Shard, portsPerPair int) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range plan.Target.LocalAddrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("target.local_addrs: %w", err)
		}
		all = append(all, a)
	}
	if len(all) > 0 || !loopback4(plan) || !wholeLoopback() {
		return all, nil
	}
	need := shard.Size(plan.Load.Connections) + portsInTimeWait(plan, shard)
	n := min((need+portsPerPair-1)/portsPerPair, maxSources)
	if n <= 1 && shard.Count <= 1 {
		return nil, nil // the kernel's own choice does
	}
	n = max(1, n)
	first := max(0, shard.Index-1) * n
	for i := range n {
		k := 1 + first + i // less than 2^24: see the bounds of a shard and of n
		all = append(all, netip.AddrFrom4([4]byte{127, byte(k >> 16), byte(k >> 8), byte(k)}))
	}
	return all, nil
}

// wholeLoopback reports whether all of 127.0.0.0/8 can be bound without being
// configured, as on Linux and Windows alone.
func wholeLoopback() bool { return runtime.GOOS == "linux" || runtime.GOOS == "windows" }

// loopback4 reports whether the target is reached over IPv4's loopback.
func loopback4(plan *scenario.Plan) bool {
	host := plan.Target.ConnectTo
	if host == "" {
		u, err := url.Parse(scenario.Expand(plan.Target.URL, 0))
		if err != nil {
			return false
		}
		host = u.Host
	}
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().Is4() && ap.Addr().IsLoopback()
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is4() && a.IsLoopback()
}

// tlsConfig is the client's side of wss.
func tlsConfig(t scenario.TLS) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Insecure, NextProtos: []string{"http/1.1"}}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("target.tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("target.tls.ca: %s holds no certificate in PEM form", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("target.tls.cert and target.tls.key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// reserve is the descriptors kept for everything that is no connection: the
// program's own files, the poller, a result file, a child's pipes.
const reserve = 64

// timeWait is how long Linux keeps the port of a connection that this end
// closed first.
const timeWait = 60 * time.Second

// defaultPorts is the size of Linux's default range of ephemeral ports, for
// hosts that do not tell theirs.
const defaultPorts = 28232

// Preflight says whether this host can carry out the shard of the plan. The
// error lists every impossibility with its remedy; the warnings are what may
// distort the measurement.
func Preflight(plan *scenario.Plan, shard scenario.Shard) (warnings []string, err error) {
	return PreflightProcs(plan, shard, 1)
}

// PreflightProcs is Preflight of a shard that so many processes of this host
// carry out, each its part by Shard.Split.
func PreflightProcs(plan *scenario.Plan, shard scenario.Shard, procs int) (warnings []string, err error) {
	warnings, err = preflight(plan, shard, procs, proc.ReadHost(), proc.Self().SoftLimit)
	return warnings, problem.Join(err, usable(plan))
}

// usable checks what the plan names of this host: files and addresses.
func usable(plan *scenario.Plan) error {
	var problems problem.List
	if _, err := tlsConfig(plan.Target.TLS); err != nil {
		problems = append(problems, problem.Problem{Key: "target.tls", Msg: err.Error(), Hint: "name files in PEM form that can be read"})
	}
	for i, entry := range plan.Closes.Mix {
		if entry.Mode != scenario.Vanish || entry.Weight == 0 {
			continue
		}
		if err := wire.CanVanish(); err != nil {
			problems = append(problems, problem.Problem{
				Key: fmt.Sprintf("closes.mix[%d].mode", i), Value: string(entry.Mode), Msg: "this process may not: " + err.Error(),
				Hint: "run it with that capability, or give the entry weight 0",
			})
		}
	}
	for i, text := range plan.Target.LocalAddrs {
		pc, err := net.ListenPacket("udp", net.JoinHostPort(text, "0"))
		if err != nil {
			problems = append(problems, problem.Problem{
				Key: fmt.Sprintf("target.local_addrs[%d]", i), Value: text, Msg: "not an address of this host", Hint: "ip addr lists them",
			})
			continue
		}
		pc.Close()
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

func preflight(plan *scenario.Plan, shard scenario.Shard, procs int, host proc.Host, limit proc.Fact) (warnings []string, err error) {
	var problems problem.List
	part := shard.Split(1, procs) // no other is larger
	n := part.Size(plan.Load.Connections)
	refuse := func(msg, hint string) {
		problems = append(problems, problem.Problem{
			Key: "load.connections", Value: strconv.Itoa(plan.Load.Connections), Msg: msg, Hint: hint,
		})
	}
	each, with := int64(1), ""
	if relayed(plan) {
		each, with = 3, ", 3 for each on the path of faults.steps," // this end's, and the relay's to either side
	}
	if need := int64(n)*each + reserve; limit.OK && need > limit.N {
		room := max(0, limit.N-reserve) / each // for connections of one process
		hint := "raise the limit (ulimit -Hn)"
		if room > 0 {
			all := int64(shard.Size(plan.Load.Connections))
			hint = fmt.Sprintf("share them among processes with --procs %d, use at most %d, or %s", (all+room-1)/room, room*int64(procs), hint)
		}
		refuse(fmt.Sprintf("%d connections need about %d descriptors%s and a process may open %d", n, need, with, limit.N), hint)
	}
	ports := portsOf(host)
	sharing := shard // who share the addresses
	if len(plan.Target.LocalAddrs) == 0 && loopback4(plan) && wholeLoopback() {
		sharing = part // each process has its own
	}
	n = sharing.Size(plan.Load.Connections)
	pairs, whose, err := portPairs(plan, sharing, ports)
	if err != nil {
		return nil, err
	}
	remedy := "name more source addresses in target.local_addrs"
	if whose != "" {
		remedy = "split the run with --shard among hosts"
	}
	if n > ports*pairs {
		refuse(fmt.Sprintf("%d connections need as many ports and %d source address(es)%s have %d", n, pairs, whose, ports*pairs),
			remedy+", or widen net.ipv4.ip_local_port_range")
	}
	if busy := n + portsInTimeWait(plan, sharing); len(problems) == 0 && busy > ports*pairs {
		warnings = append(warnings, fmt.Sprintf(
			"connections that this end closes first keep their port for %v: at this rate up to %d ports are wanted and %d source address(es)%s have %d; "+
				"%s, or expect eaddrnotavail", timeWait, busy, pairs, whose, ports*pairs, remedy))
	}
	if backlog, n := host.Somaxconn, burst(&plan.Load, shard); backlog.OK && int64(n) > backlog.N {
		warnings = append(warnings, fmt.Sprintf(
			"load.rate is unlimited: %d connections arrive at once and a listen backlog holds at most %d here (net.core.somaxconn); "+
				"what does not fit retries after a second", n, backlog.N))
	}
	warnings = append(warnings, lonely(&plan.Closes, plan.Load.Stages)...)
	if len(problems) > 0 {
		return warnings, problems
	}
	return warnings, nil
}

// relayed reports whether connections go through a relay in this process.
func relayed(plan *scenario.Plan) bool {
	return len(plan.Faults.Steps) > 0 && plan.Faults.Toxiproxy == ""
}

// portPairs is how many pairs of a source and a destination, each with a range of
// ports, the connections have. On a relayed path the part with the fewest
// counts. whose names the relay where that is what it opens to the server, for
// which no addresses can be named.
func portPairs(plan *scenario.Plan, shard scenario.Shard, ports int) (n int, whose string, err error) {
	part := *plan
	if relayed(plan) {
		part.Target.ConnectTo = "127.0.0.1:0" // the relay's
	}
	from, err := sources(&part, shard, ports)
	n = max(1, len(from))
	if !relayed(plan) || err != nil {
		return n, "", err
	}
	onward := 0 // the relay keeps a client's address from loopback to loopback alone
	for _, a := range from {
		if loopback4(plan) && a.Is4() && a.IsLoopback() {
			onward++
		}
	}
	if onward = max(1, onward); onward < n || !loopback4(plan) {
		return onward, " of the relay", nil
	}
	return n, "", nil
}

// burst is how many connections the plan opens at one moment, at most: none
// where a rate paces them.
func burst(load *scenario.Load, shard scenario.Shard) int {
	switch {
	case load.Rate > 0:
		return 0
	case len(load.Stages) == 0:
		return shard.Size(load.Connections)
	}
	most, before := 0, 0
	for _, s := range load.Stages {
		if s.For == 0 {
			most = max(most, shard.Size(s.Connections)-shard.Size(before))
		}
		before = s.Connections
	}
	return most
}

// lonely warns of triggers for the server as a whole that each connection
// fires for itself.
func lonely(closes *scenario.Closes, stages []scenario.Stage) (warnings []string) {
	why := "with closes.shape " + closes.Shape.String() + " each connection of %s fires it; for once for many take wave(10s) or at_end"
	if kind := closes.Shape.Kind(); kind == value.ShapeWave || kind == value.ShapeAtEnd {
		if !falls(stages) {
			return nil
		}
		why = "each connection of %s that a falling stage closes fires it; for once for many make the stage a step (for: 0s)"
	}
	for i := range closes.Mix {
		c := &closes.Mix[i]
		if c.Trigger.Shared() && !c.Trigger.Names() && c.Weight > 0 {
			warnings = append(warnings, fmt.Sprintf("closes.mix[%d].trigger: "+why, i, c.Name))
		}
	}
	return warnings
}

// falls reports whether a stage takes connections away one after the other.
func falls(stages []scenario.Stage) bool {
	before := 0
	for _, s := range stages {
		if s.Connections < before && s.For > 0 {
			return true
		}
		before = s.Connections
	}
	return false
}

func portsOf(host proc.Host) int {
	if n := host.Ports.Count(); n > 0 {
		return n
	}
	return defaultPorts
}

func ephemeralPorts() int { return portsOf(proc.ReadHost()) }

// portsInTimeWait estimates how many ports closed connections still hold: of
// the entries whose end is this tool's doing, a minute's worth at the full
// rate. An abort by RST holds none.
func portsInTimeWait(plan *scenario.Plan, shard scenario.Shard) int {
	first, all := 0, 0
	for _, c := range plan.Closes.Mix {
		all += c.Weight
		if c.Eager || c.Mode == scenario.HalfClose || c.Mode == scenario.Abort && c.How == scenario.FIN {
			first += c.Weight
		}
	}
	n := shard.Size(plan.Load.Connections)
	if first == 0 || plan.Load.Duration == 0 {
		return 0
	}
	life := min(plan.Load.Duration, timeWait).Seconds()
	closes := float64(plan.Load.Rate) * life
	if plan.Load.Rate == 0 {
		closes = float64(n) * life
	}
	return int(closes * float64(first) / float64(all) * float64(n) / float64(plan.Load.Connections))
}
