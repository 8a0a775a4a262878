package contest

import (
	"context"
	"net/netip"
	"net/url"
	"runtime"
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

// A host is a side's server in one pair. The nil host has none.
type host struct {
	server *launch.Server // nil for an address
	url    string         // of a server that is not ours
	cpu    proc.Fact      // used by the server up to the last look
}

// open starts the side's server for a pair, from 0, or takes its address.
func (s *Side) open(ctx context.Context, pair int) (*host, error) {
	if s.Command.Line == "" {
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
