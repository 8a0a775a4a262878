package relay

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/scenario"
)

// silence is how long a side that is cut in silence is kept once its peer has
// sent a FIN: longer than any limit of a plan, so that nobody waits for it.
const silence = 150 * time.Second

// past is a deadline that has expired.
var past = time.Unix(1, 0)

// A tcpConn is what a side needs: a *net.TCPConn has it.
type tcpConn interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// A side is one of the two TCP connections of a link.
type side struct {
	conn    tcpConn
	leg     scenario.Leg // LegClient or LegServer
	dead    atomic.Bool  // a write has met an RST
	finSent atomic.Bool
	read    bool // to its end, a FIN, which was passed on; under the link's mutex
}

// isDead reports whether an RST has come, as far as this platform tells.
func (s *side) isDead() bool {
	if !s.dead.Load() && wasReset(s.conn, s.finSent.Load()) {
		s.dead.Store(true)
	}
	return s.dead.Load()
}

// A link joins a client's connection to one of its own to the server. The two
// flows carry bytes, FIN and RST. Each passes on how the side that it reads
// from has ended; a flow that cannot write leaves that to the other one, which
// keeps the order of its direction, unless that has ended.
type link struct {
	r      *Relay
	n      uint64 // its number, from 0
	hits   uint64 // the steps that meet it, one bit for each
	met    atomic.Uint64
	client *side
	server *side
	woken  chan struct{} // closed by a cut
	isOver atomic.Bool   // a cut was made

	mu     sync.Mutex // guards what is below, and deadlines of the conns
	cut    *scenario.Fault
	lifted bool // the relay is ending: no deadlines of the path any more
	ended  bool // both flows have
}

func (r *Relay) newLink(n uint64, client, server tcpConn) *link {
	return &link{
		r: r, n: n, hits: r.path.hits(n),
		client: &side{conn: client, leg: scenario.LegClient},
		server: &side{conn: server, leg: scenario.LegServer},
		woken:  make(chan struct{}),
	}
}

// run carries the connection to its end.
func (l *link) run() {
	up := flow{l: l, leg: scenario.LegUp, src: l.client, dst: l.server}
	down := flow{l: l, leg: scenario.LegDown, src: l.server, dst: l.client}
	up.random.Seed(l.r.path.seed, 2*l.n)
	down.random.Seed(l.r.path.seed, 2*l.n+1)
	var flows sync.WaitGroup
	flows.Go(down.run)
	up.run()
	flows.Wait()

	l.mu.Lock()
	l.ended = true
	cut := l.cut
	l.mu.Unlock()
	if cut == nil {
		l.close()
		return
	}
	var sides sync.WaitGroup
	sides.Go(func() { l.leave(l.server, cut) })
	l.leave(l.client, cut)
	sides.Wait()
}

// close ends both sides. After a FIN each way, or an RST, nothing is left to
// say to either.
func (l *link) close() {
	_ = l.client.conn.Close()
	_ = l.server.conn.Close()
}

// reset passes an RST on to a side. What it has not read of the other is lost,
// as where one machine sends both.
func (l *link) reset(to *side) {
	_ = to.conn.SetLinger(0)
	l.close()
}

// died says that a write to a side has met an RST.
func (l *link) died(s *side) {
	l.mu.Lock()
	s.dead.Store(true)
	read := s.read
	l.mu.Unlock()
	if read {
		l.reset(l.other(s))
	}
}

// finished says that the FIN of a side was passed on.
func (l *link) finished(s *side) {
	l.mu.Lock()
	s.read = true
	l.mu.Unlock()
	if s.dead.Load() {
		l.reset(l.other(s))
	}
}

func (l *link) other(s *side) *side {
	if s == l.client {
		return l.server
	}
	return l.client
}

// count books the connection once with each of the steps.
func (l *link) count(steps uint64) {
	if l.met.Load()&steps != steps {
		l.r.path.countConnection(steps &^ l.met.Or(steps))
	}
}

func (l *link) isCut() bool { return l.isOver.Load() }

// cutBy makes a step's cut, unless the link has ended.
func (l *link) cutBy(f *scenario.Fault) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != nil || l.ended {
		return false
	}
	l.cut = f
	l.isOver.Store(true)
	close(l.woken)
	_ = l.client.conn.SetDeadline(past)
	_ = l.server.conn.SetDeadline(past)
	return true
}

// leave ends a side by a cut. What is done to one leg the other does not hear
// of: to that it is as if the path had forgotten the connection.
func (l *link) leave(s *side, cut *scenario.Fault) {
	how := scenario.CutSilent
	if cut.Leg.Has(s.leg) {
		how = cut.Cut
	}
	switch how {
	case scenario.CutRST:
		_ = s.conn.SetLinger(0)
	case scenario.CutFIN:
		_ = s.conn.CloseWrite()
		l.forget(s)
	default:
		// A FIN of this side is not answered, since a path that is gone
		// would not.
		if l.forget(s) {
			l.r.pause(silence)
		}
	}
	_ = s.conn.Close()
}

// forget takes what a side sends and drops it, until the side or the relay
// ends. It reports whether that was a FIN.
func (l *link) forget(s *side) (fin bool) {
	l.mu.Lock()
	if !l.lifted {
		_ = s.conn.SetReadDeadline(time.Time{})
	}
	l.mu.Unlock()
	_, err := io.Copy(io.Discard, s.conn)
	return err == nil
}

// lift takes the faults from the link: it wakes whoever waits for a moment of
// the schedule, and who keeps a side that was cut.
func (l *link) lift() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lifted = true
	_ = l.client.conn.SetReadDeadline(past)
	_ = l.server.conn.SetReadDeadline(past)
}

// kill ends the link by an RST each way.
func (l *link) kill() {
	_ = l.client.conn.SetLinger(0)
	l.reset(l.server)
}
