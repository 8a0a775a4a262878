package runner

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/wsload/wsload/internal/need"
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

	ready *wire.Request // nil where it is another one for each connection
	err   *wire.OpenError
}

// prepare builds the parts of the requests that all connections share, one per
// entry of the mix. Those with {{n}} are made per connection.
func (e *engine) prepare() {
	templated := false
	for _, s := range append([]string{e.plan.Target.URL}, e.plan.Target.Headers...) {
		templated = templated || scenario.Expand(s, 0) != s
	}
	e.base = make([]request, len(e.plan.Closes.Mix))
	for i, entry := range e.plan.Closes.Mix {
		r := &e.base[i]
		r.url, r.header = e.plan.Target.URL, http.Header{ModeHeader: {string(entry.Mode)}}
		for _, line := range e.plan.Target.Headers {
			name, value, _ := strings.Cut(line, ":")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if strings.EqualFold(name, "Host") {
				r.host = value
				continue
			}
			r.header.Add(name, value)
		}
		if !templated {
			r.ready, r.err = wire.NewRequest(r.url, r.host, r.header, e.plan.Target.Subprotocols)
		}
	}
}

// request is what the connection asks with.
func (e *engine) request(lc scenario.Lifecycle) (*wire.Request, *wire.OpenError) {
	base := &e.base[lc.Entry]
	req, err := base.ready, base.err
	if req == nil && err == nil {
		header := base.header.Clone()
		for _, values := range header {
			for i, v := range values {
				values[i] = scenario.Expand(v, lc.N)
			}
		}
		req, err = wire.NewRequest(scenario.Expand(base.url, lc.N), scenario.Expand(base.host, lc.N), header, e.plan.Target.Subprotocols)
	}
	if err == nil && e.opt.Settled != nil {
		req = req.With(IDHeader, fmt.Sprintf("%08x/%d", e.opt.RunID, lc.N))
	}
	return req, err
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
	of, err := need.Of(plan, shard, procs, host)
	if err != nil {
		return nil, err
	}
	refuse := func(msg, hint string) {
		problems = append(problems, problem.Problem{
			Key: "load.connections", Value: strconv.Itoa(plan.Load.Connections), Msg: msg, Hint: hint + "; wsload doctor says how",
		})
	}
	with := ""
	if of.Each > 1 {
		with = fmt.Sprintf(", %d for each on the path of faults.steps,", of.Each)
	}
	if limit.OK && of.Descriptors > limit.N {
		room := max(0, limit.N-need.Reserve) / of.Each // for connections of one process
		hint := "raise the limit (ulimit -Hn)"
		if room > 0 {
			hint = fmt.Sprintf("share them among processes with --procs %d, use at most %d, or %s", (int64(of.Connections)+room-1)/room, room*int64(procs), hint)
		}
		refuse(fmt.Sprintf("%d connections need about %d descriptors%s and a process may open %d", of.Largest, of.Descriptors, with, limit.N), hint)
	}
	remedy := "name more source addresses in target.local_addrs"
	if of.Whose != "" {
		remedy = "split the run with --shard among hosts"
	}
	has := of.Ports * of.Pairs
	if of.Sharing > has {
		refuse(fmt.Sprintf("%d connections need as many ports and %d source address(es)%s have %d", of.Sharing, of.Pairs, of.Whose, has),
			remedy+", or widen net.ipv4.ip_local_port_range")
	}
	if len(problems) == 0 && of.Busy > has {
		warnings = append(warnings, fmt.Sprintf(
			"connections that this end closes first keep their port for %v: at this rate up to %d ports are wanted and %d source address(es)%s have %d; "+
				"%s, or expect eaddrnotavail", need.TimeWait, of.Busy, of.Pairs, of.Whose, has, remedy))
	}
	if backlog := host.Somaxconn; backlog.OK && int64(of.Burst) > backlog.N {
		warnings = append(warnings, fmt.Sprintf(
			"load.rate is unlimited: %d connections arrive at once and a listen backlog holds at most %d here (net.core.somaxconn); "+
				"what does not fit retries after a second", of.Burst, backlog.N))
	}
	warnings = append(warnings, lonely(&plan.Closes, plan.Load.Stages)...)
	if len(problems) > 0 {
		return warnings, problems
	}
	return warnings, nil
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
