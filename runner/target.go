package runner

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/wsload/wsload/scenario"
)

// ModeHeader is the request header that names the mode of a connection's
// planned close, so that a server can keep its own books by it.
const ModeHeader = "Wsload-Mode"

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
// addresses cost nothing, is given as many as the plan needs.
func sources(plan *scenario.Plan, shard scenario.Shard, portsPerPair int) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range plan.Target.LocalAddrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("target.local_addrs: %w", err)
		}
		all = append(all, a)
	}
	if len(all) > 0 || !loopback4(plan) {
		return all, nil
	}
	need := shard.Size(plan.Load.Connections) + portsInTimeWait(plan, shard)
	n := min(max(1, (need+portsPerPair-1)/portsPerPair), maxSources)
	for i := range n {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}))
	}
	return all, nil
}

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
