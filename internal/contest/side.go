package contest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"strings"

	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
)

// A Side is one of the two servers: a command to start for every pair, or
// addresses of servers that run already.
type Side struct {
	Command launch.Command // has no line where URLs are given
	URLs    []string       // ws:// or wss://; with several, each pair takes the next
	Path    string         // with its query, in place of the plan's; "" keeps that
}

// ParseSide reads a side: one command for the shell with {port} in it, or one or
// more URLs. The plan is what it will be loaded with. The error names the
// remedy.
func ParseSide(given []string, path string, plan *scenario.Plan) (Side, error) {
	s := Side{Path: path}
	switch {
	case len(given) == 0 || given[0] == "":
		return s, errors.New("no server is given (write a command with {port} in it, as in './server --port {port}', or a URL)")
	case path != "" && path[0] != '/':
		return s, fmt.Errorf("the path %q does not begin with / (write it like /chat?room=1)", path)
	case isURL(given[0]):
		for _, u := range given {
			p := *plan
			p.Target.URL = u
			if err := p.Validate(); err != nil || !isURL(u) {
				return s, fmt.Errorf("%q is no address of a WebSocket server (write it like ws://host:port/path)", p.Redacted().Target.URL)
			}
		}
		s.URLs = given
		return s, nil
	case len(given) > 1:
		return s, fmt.Errorf("%d servers are given and the first is a command (one command is started anew for every pair)", len(given))
	case strings.HasPrefix(given[0], "http://") || strings.HasPrefix(given[0], "https://"):
		return s, errors.New("an address of HTTP is no address of a WebSocket server (write ws:// or wss://)")
	case isBare(given[0]):
		return s, errors.New("an address is known by its scheme (write ws:// or wss:// in front of it)")
	case !strings.Contains(given[0], launch.PortMark):
		return s, errors.New("the command has no {port}, so it cannot be told where to listen (write it where the port belongs, as in 'PORT={port} ./server')")
	}
	s.Command.Line = given[0]
	return s, nil
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "ws://") || strings.HasPrefix(text, "wss://")
}

// isBare tells an address without a scheme, or with one that is none of ours,
// from a command.
func isBare(text string) bool {
	if strings.ContainsAny(text, " \t\n{") {
		return false
	}
	authority := text
	if end := strings.IndexAny(text, "/?"); end >= 0 {
		authority = text[:end]
	}
	_, port, err := net.SplitHostPort(authority)
	if err != nil || port == "" { // a scheme has a colon behind it, and no port
		return strings.Contains(text, "://")
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// Restarts reports whether the side is started anew for every pair.
func (s *Side) Restarts() bool { return s.Command.Line != "" }

// Label names the side without its secrets.
func (s *Side) Label(plan *scenario.Plan) string {
	if s.Restarts() {
		return launch.Name(s.Command.Line)
	}
	var labels []string
	for _, u := range s.URLs {
		p := *plan
		p.Target.URL = u
		labels = append(labels, p.Redacted().Target.URL)
	}
	return strings.Join(labels, " ")
}

// A host is a side's server in one pair. The nil host has none.
type host struct {
	server *launch.Server // nil for an address
	url    string         // of a server that is not ours
	cpu    proc.Fact      // used by the server up to the last look
}

// open starts the side's server for a pair, from 0, or takes its address.
func (s *Side) open(ctx context.Context, pair int) (*host, error) {
	if !s.Restarts() {
		return &host{url: s.withPath(s.URLs[pair%len(s.URLs)])}, nil
	}
	server, err := s.Command.Start(ctx)
	if err != nil {
		return nil, err
	}
	return &host{server: server}, nil
}

// stop ends the server, if there is one.
func (h *host) stop() error {
	if h == nil || h.server == nil {
		return nil
	}
	return h.server.Stop()
}

// died says why a server has ended, nil while it runs.
func (h *host) died() error {
	if h == nil || h.server == nil {
		return nil
	}
	return h.server.Err()
}

// gone is closed when the server has ended; nil where there is none.
func (h *host) gone() <-chan struct{} {
	if h.server == nil {
		return nil
	}
	return h.server.Gone()
}

// aim points the plan's target at the side's server. A host name in the plan
// stays what the server is asked for, and only the connection goes to the
// server that was started.
func (s *Side) aim(t *scenario.Target, h *host) {
	if h.server == nil {
		t.URL = h.url
		return
	}
	path, own := t.Own()
	switch {
	case t.URL == "":
		t.URL = s.withPath("ws://" + h.server.Addr + "/")
	case own:
		t.URL = s.withPath("ws://" + h.server.Addr + path)
	default:
		t.URL, t.ConnectTo = s.withPath(t.URL), h.server.Addr
	}
}

// withPath puts the side's path in the place of the URL's.
func (s *Side) withPath(address string) string {
	if s.Path == "" {
		return address
	}
	scheme, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + "://" + rest + s.Path
}

// sources is how many loopback addresses slices come from in turn. A port that
// a close has put into TIME_WAIT rests for a minute, and a contest that keeps to
// one address would run out of them at 470 closes per second on one server.
const sources = 32

// spread gives the plan a source address by the number of the slice, where that
// costs nothing: on loopback, and where the plan names none.
func spread(t *scenario.Target, slice int) {
	if len(t.LocalAddrs) == 0 && runtime.GOOS == "linux" && loopback(t) {
		t.LocalAddrs = []string{netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + slice%sources)}).String()}
	}
}

// loopback reports whether a target is an address of IPv4's loopback.
func loopback(t *scenario.Target) bool {
	at := t.ConnectTo
	if at == "" {
		u, err := url.Parse(scenario.Expand(t.URL, 0))
		if err != nil {
			return false
		}
		at = u.Host
	}
	if ap, err := netip.ParseAddrPort(at); err == nil {
		return ap.Addr().Is4() && ap.Addr().IsLoopback()
	}
	a, err := netip.ParseAddr(at)
	return err == nil && a.Is4() && a.IsLoopback()
}
