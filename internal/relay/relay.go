package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/scenario"
)

const (
	// defaultConnect is the limit of Connect where it is not set.
	defaultConnect = 5 * time.Second
	// parting is how long Stop leaves to connections for what is under way.
	parting = 2 * time.Second
	// acceptPause is between two attempts to accept where one has failed: for
	// want of descriptors, most likely.
	acceptPause = 10 * time.Millisecond
)

// Options say what a Relay stands in front of and what it does to it.
type Options struct {
	// Upstream is the server's host:port.
	Upstream string
	// Steps are the faults, as a valid plan has them.
	Steps []scenario.Fault
	// Seed decides which connections a step with a share meets, and jitter.
	Seed uint64
	// Begin is the begin of the run, from which the steps count. The zero time
	// is the moment of Start.
	Begin time.Time
	// Shard is the part of the run that the path is for. It is in the name of a
	// Toxiproxy's proxy, so that the shards of a run have one each.
	Shard scenario.Shard
	// Connect is the limit of a connection to the server; 0 means 5 s.
	Connect time.Duration
}

// Stats is what a Relay has done so far.
type Stats struct {
	Accepted  uint64 // connections of clients
	Refused   uint64 // of those, reset because the server could not be reached
	Failed    uint64 // times that accepting failed
	LastError string // of what is counted in Refused and Failed, "" for none
	Open      int    // connections carried, or kept after a cut
	Up, Down  uint64 // bytes that have left, to the server and to clients
	Steps     []Step // in the order of the Options
}

// Step is what one step has done so far.
type Step struct {
	Connections uint64 // connections that it cut, or of which it held bytes back
	Bytes       uint64 // bytes that it delayed or limited, or that waited at the end of a stall; 0 for a cut
}

// A Relay stands between clients and a server. It is made by Start.
type Relay struct {
	path   *path
	ln     net.Listener
	dial   func(ctx context.Context, client net.Addr) (tcpConn, error)
	chunks sync.Pool // of *[chunkSize]byte
	rings  sync.Pool // of *[queueSize]byte

	ctx      context.Context // ends connections under way to the server
	cancel   context.CancelFunc
	unwatch  func() bool
	stopping chan struct{} // closed when the faults are lifted
	work     sync.WaitGroup

	accepted, refused, failed, up, down atomic.Uint64

	mu    sync.Mutex
	links map[*link]struct{}
	stage stage
	last  error // why a server was not reached, or accepting failed
}

// A stage is how far the end of a Relay has come.
type stage uint8

const (
	carrying stage = iota
	parts          // no faults any more, and nothing new
	killed         // what is left is cut
)

// Start begins to carry connections from a port of 127.0.0.1, see Addr, to the
// server. It fails where it cannot listen. The end of ctx ends the relay and
// all its connections at once. Stop must be called in any case.
func Start(ctx context.Context, o Options) (*Relay, error) {
	// Probes are off on both sides: they would hide an idle limit of the path.
	config := net.ListenConfig{KeepAlive: -1}
	ln, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	u := upstream{addr: o.Upstream, limit: cmp.Or(o.Connect, defaultConnect)}
	return start(ctx, o, ln, u.dial), nil
}

// start carries connections from any listener to what dial opens.
func start(ctx context.Context, o Options, ln net.Listener, dial func(context.Context, net.Addr) (tcpConn, error)) *Relay {
	r := &Relay{
		path: newPath(&o), ln: ln, dial: dial, stopping: make(chan struct{}), links: make(map[*link]struct{}),
		chunks: sync.Pool{New: func() any { return new([chunkSize]byte) }},
		rings:  sync.Pool{New: func() any { return new([queueSize]byte) }},
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.unwatch = context.AfterFunc(ctx, func() { r.proceed(killed) })
	r.work.Go(r.accept)
	r.work.Go(r.cuts)
	return r
}

// Addr is where clients connect to, in place of the server's address.
func (r *Relay) Addr() net.Addr { return r.ln.Addr() }

// Stop lifts the faults, takes no new connections, gives those that are open
// 2 s to end by themselves, and cuts the rest by an RST each way. When it
// returns every goroutine has ended. It may be called twice.
func (r *Relay) Stop() Stats {
	r.unwatch()
	r.proceed(parts)
	limit := time.AfterFunc(parting, func() { r.proceed(killed) })
	defer limit.Stop()
	r.work.Wait()
	return r.Stats()
}

// Stats gives what was done so far.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{
		Accepted: r.accepted.Load(), Refused: r.refused.Load(), Failed: r.failed.Load(),
		Open: len(r.links), Up: r.up.Load(), Down: r.down.Load(),
	}
	if r.last != nil {
		s.LastError = r.last.Error()
	}
	for i := range r.path.tolls {
		t := &r.path.tolls[i]
		s.Steps = append(s.Steps, Step{Connections: t.connections.Load(), Bytes: t.bytes.Load()})
	}
	return s
}

// proceed moves the relay's end on.
func (r *Relay) proceed(to stage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to <= r.stage {
		return
	}
	if r.stage == carrying {
		r.path.lifted.Store(true)
		close(r.stopping)
		r.cancel()
		_ = r.ln.Close()
	}
	r.stage = to
	for l := range r.links {
		r.tell(l)
	}
}

// tell tells a link how far the relay's end has come. The caller holds mu.
func (r *Relay) tell(l *link) {
	switch r.stage {
	case parts:
		l.lift()
	case killed:
		l.lift()
		l.kill()
	}
}

// accept takes connections until the listener is closed.
func (r *Relay) accept() {
	for n := uint64(0); ; {
		conn, err := r.ln.Accept()
		switch {
		case err == nil:
			r.accepted.Add(1)
			number := n
			n++
			r.work.Go(func() { r.serve(number, conn.(tcpConn)) })
		case errors.Is(err, net.ErrClosed):
			return
		default:
			r.failed.Add(1)
			r.note(err)
			r.pause(acceptPause)
		}
	}
}

// serve carries one connection to its end.
func (r *Relay) serve(n uint64, client tcpConn) {
	server, err := r.dial(r.ctx, client.RemoteAddr())
	if err != nil {
		r.refused.Add(1)
		r.note(err)
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	l := r.newLink(n, client, server)
	r.mu.Lock()
	r.links[l] = struct{}{}
	r.tell(l)
	r.mu.Unlock()
	l.run()
	r.mu.Lock()
	delete(r.links, l)
	r.mu.Unlock()
}

// cuts makes each cut at its time.
func (r *Relay) cuts() {
	var order []int
	for i := range r.path.steps {
		if r.path.steps[i].Kind() == scenario.FaultCut {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.path.steps[a].At, r.path.steps[b].At) })
	for _, i := range order {
		if !r.pause(time.Until(r.path.begin.Add(r.path.steps[i].At))) {
			return
		}
		r.cut(i)
	}
}

// cut cuts what a step meets.
func (r *Relay) cut(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if l.hits&(1<<i) != 0 && l.cutBy(&r.path.steps[i]) {
			l.count(1 << i)
		}
	}
}

// pause waits for d, and reports whether that passed before the faults were
// lifted.
func (r *Relay) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.stopping:
		return false
	}
}

func (r *Relay) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stage == carrying {
		r.last = err
	}
}

// carried counts the bytes of a direction.
func (r *Relay) carried(leg scenario.Leg) *atomic.Uint64 {
	if leg == scenario.LegUp {
		return &r.up
	}
	return &r.down
}
