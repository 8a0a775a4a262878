package target

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// DefaultLimit is the limit of Reply and Drain where they are not set.
const DefaultLimit = 5 * time.Second

const (
	// defaultFin is the limit of Fin where it is not set.
	defaultFin = time.Second
	// syncEvery is how often the clock of the kernel's stamps is compared with
	// the process' own.
	syncEvery = time.Second
	// requestLimit bounds the way from an accepted connection to a whole
	// request: a client that never asks must not hold a descriptor for ever.
	requestLimit = 30 * time.Second
)

// A Server is a WebSocket server for tests. Its zero value serves ws with the
// default limits. The fields must not change after the first Serve.
type Server struct {
	// TLS makes it serve wss. SelfSigned makes a certificate for it.
	TLS *tls.Config
	// Reply is how long the server waits for the client's answer to its own
	// Close before it ends TCP; 0 means 5 s.
	Reply time.Duration
	// Drain is how long open connections may take to end once Serve is told to
	// end; 0 means 5 s.
	Drain time.Duration
	// Record takes the outcome of every connection; nil measures nothing. It
	// must be of Entries. A server that measures ends TCP by a FIN first, and
	// waits for the client's before it closes the socket.
	Record *stats.Recorder
	// Fin is how long a server that measures waits for the client's FIN once
	// both Closes have passed; 0 means 1 s.
	Fin time.Duration
	// Desk answers /statz and /ended where this is one process of several that
	// are one server; nil answers for this one.
	Desk http.Handler
	// Log hears of trouble with accepting and with handshakes; nil discards.
	Log *slog.Logger

	book  book
	ends  ends
	hoard hoard
}

// Ledger returns the counts so far, over all listeners.
func (s *Server) Ledger() Ledger { return s.book.ledger() }

// Serve accepts connections on ln until ctx ends. Then it takes no new ones,
// sends a Close 1001 to every open one, gives them Drain to end, cuts the rest
// by FIN and returns nil. It returns an error only where ln fails before that;
// open connections then end in the same way. In any case ln is closed and every
// connection and goroutine has ended when it returns. It may run on several
// listeners at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.book.begin(time.Now())
	sv := &service{Server: s, tb: wire.NewTimebase(), ending: make(chan struct{}), sessions: make(map[*session]struct{})}
	hs := sv.httpServer()
	stopSync := sv.sync()
	var closer sync.WaitGroup
	failed := make(chan struct{})
	closer.Go(func() {
		select {
		case <-ctx.Done():
		case <-failed:
		}
		ln.Close()
	})
	err := hs.Serve(sv.listener(ln))
	close(failed)
	closer.Wait()

	sv.drain(s.drainLimit())
	hs.Close()
	sv.conns.Wait()
	stopSync()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve %s: %w", ln.Addr(), err)
}

// sync keeps the clock of the stamps right where the server measures. The
// function it returns ends that.
func (sv *service) sync() (stop func()) {
	if sv.Record == nil {
		return func() {}
	}
	done := make(chan struct{})
	var syncing sync.WaitGroup
	syncing.Go(func() {
		tick := time.NewTicker(syncEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				sv.tb.Sync()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		syncing.Wait()
	}
}

// httpServer reads the requests.
func (sv *service) httpServer() *http.Server {
	log := sv.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // the upgrade of RFC 6455 knows no other
	return &http.Server{
		Handler:           sv.handler(),
		Protocols:         protocols,
		ReadHeaderTimeout: requestLimit,
		IdleTimeout:       requestLimit,
		ConnState:         sv.state,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func (s *Server) replyLimit() time.Duration { return cmp.Or(s.Reply, DefaultLimit) }

func (s *Server) finLimit() time.Duration { return cmp.Or(s.Fin, defaultFin) }

func (s *Server) drainLimit() time.Duration { return cmp.Or(s.Drain, DefaultLimit) }

// A stage is how far the end of a Serve has come.
type stage uint8

const (
	serving  stage = iota
	draining       // connections are asked to end
	cutting        // what is left is cut
)

// A service is one Serve.
type service struct {
	*Server
	tb      *wire.Timebase
	buffers sync.Pool      // of *bytes.Buffer: messages on their way back
	conns   sync.WaitGroup // connections in the hands of net/http
	open    sync.WaitGroup // upgrades begun, each up to its session's end
	ending  chan struct{}  // closed when the end of the Serve begins
	drained time.Duration  // when; for sessions that have heard of it
	kept    atomic.Int64   // connections kept though the client has gone

	mu       sync.Mutex
	stage    stage
	sessions map[*session]struct{}
}

// listener puts a link under every connection, and TLS above it where asked.
type listener struct {
	net.Listener
	sv  *service
	tls *tls.Config
}

func (sv *service) listener(ln net.Listener) *listener {
	l := &listener{Listener: ln, sv: sv}
	if sv.TLS != nil {
		l.tls = sv.TLS.Clone()
		l.tls.NextProtos = []string{"http/1.1"}
	}
	return l
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.sv.conns.Add(1)
	lk := &link{Conn: conn, stamped: l.sv.Record != nil}
	if l.tls == nil {
		return lk, nil
	}
	return tls.Server(lk, l.tls), nil
}

// state hears from net/http that it has done with a connection. One that was
// taken from it is done with when its handler returns.
func (sv *service) state(_ net.Conn, to http.ConnState) {
	if to == http.StateClosed {
		sv.conns.Done()
	}
}

// reserve counts an upgrade in, unless the service is ending. leave undoes it.
func (sv *service) reserve() bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.stage != serving {
		return false
	}
	sv.open.Add(1)
	return true
}

// enter lists an open session, so that it hears of the service's end.
func (sv *service) enter(c *session) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.sessions[c] = struct{}{}
	c.hear(sv.stage)
}

// leave takes back what reserve and enter did.
func (sv *service) leave(c *session) {
	sv.mu.Lock()
	delete(sv.sessions, c)
	sv.mu.Unlock()
	sv.open.Done()
}

// proceed moves the service's end on and tells every session.
func (sv *service) proceed(to stage) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.stage = to
	for c := range sv.sessions {
		c.hear(to)
	}
}

// drain ends all sessions, within the limit where they let themselves be ended.
func (sv *service) drain(limit time.Duration) {
	close(sv.ending)
	sv.drained = sv.tb.Now()
	sv.proceed(draining)
	stop := after(limit, func() { sv.proceed(cutting) })
	sv.open.Wait()
	stop()
}

// pause waits for d, or for the service's end to begin.
func (sv *service) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sv.ending:
	}
}

// Bounds of what a server keeps in memory of connections that have ended, in
// bytes: of one, and of all, since a path that leaks must not take the host's.
const (
	maxPiece = 1 << 20
	maxHoard = 1 << 30
)

// A hoard is memory that is never given back. Its zero value is empty.
type hoard struct {
	mu   sync.Mutex
	held int // bytes
	last *piece
}

// A piece is what is kept of one connection.
type piece struct {
	bytes []byte
	next  *piece
}

// keep takes n bytes more, where there is room for them. It writes to them: the
// kernel gives no memory for pages that nobody has touched.
func (h *hoard) keep(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n > 0 && n <= maxHoard-h.held {
		h.held += n
		h.last = &piece{bytes: bytes.Repeat([]byte{1}, n), next: h.last}
	}
}

// after calls f once d has passed. The function it returns calls that off or,
// where f has begun, waits for its end.
func after(d time.Duration, f func()) (stop func()) {
	ended := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(ended)
		f()
	})
	return func() {
		if !t.Stop() {
			<-ended
		}
	}
}
