package prefork

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/stats"
)

const (
	readyLimit = 10 * time.Second       // for a worker to serve
	endGrace   = 5 * time.Second        // for a worker to end, beyond its drain
	tickLimit  = 500 * time.Millisecond // for the workers to hand over what they recorded
)

// Options are what a Server is to be.
type Options struct {
	Procs   int           // processes, 1 or more
	TLS     *tls.Config   // with one certificate, for wss; nil serves ws. Nothing else in it counts
	Drain   time.Duration // how long open connections may take to end
	Measure bool          // judge the clients, for Flip
	Log     io.Writer     // takes what the processes write to standard error; nil has them log nothing
	// Say hears at once of a process that has died, and may be called from
	// several goroutines.
	Say func(text string)
	// Args make this binary call Work, and Env is what it finds then.
	Args, Env []string
}

// A Server is a target in several processes.
type Server struct {
	opt     Options
	at      net.Addr
	workers []*child
	pages   *http.Server
	paging  sync.WaitGroup
	none    chan struct{} // closed when no worker is left
	ending  chan struct{} // closed when they are told to end
	changed chan struct{} // a worker has reported, or is gone

	mu      sync.Mutex
	pending *stats.Summary // what was reported since the last Flip
	errs    []error
}

// Start makes the listening sockets on addr and starts the workers. It returns
// when all of them serve. Serve must be called then, which ends them.
func Start(ctx context.Context, addr string, opt Options) (*Server, error) {
	at, files, err := share(addr, opt.Procs)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opt: opt, at: at, none: make(chan struct{}), ending: make(chan struct{}), changed: make(chan struct{}, 1),
		pending: stats.NewSummary(target.Entries()),
	}
	if err := s.start(ctx, files); err != nil {
		closeAll(files[len(s.workers):])
		s.kill()
		return nil, fmt.Errorf("start server in %d processes: %w", opt.Procs, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, files []*os.File) error {
	desk, err := net.Listen("unix", "") // an address of the kernel's choice
	if err != nil {
		return err
	}
	if err := s.staff(ctx, files, desk.Addr().String()); err != nil {
		desk.Close()
		return err
	}
	s.pages = &http.Server{Handler: s.desk()}
	s.paging.Go(func() { _ = s.pages.Serve(desk) }) // until it is closed
	var watching sync.WaitGroup
	for _, c := range s.workers {
		watching.Go(func() { s.watch(c) })
	}
	go func() {
		watching.Wait()
		close(s.none)
	}()
	return nil
}

// staff starts a worker on each socket and waits until all serve.
func (s *Server) staff(ctx context.Context, files []*os.File, desk string) error {
	o := order{Desk: desk, Drain: s.opt.Drain, Measure: s.opt.Measure, Log: s.opt.Log != nil}
	if err := o.enclose(s.opt.TLS); err != nil {
		return err
	}
	for i, f := range files {
		c, err := s.startWorker(i, f, o)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, c)
	}
	for _, c := range s.workers {
		if err := c.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// kill ends the workers of a Server that did not come to serve.
func (s *Server) kill() {
	for _, c := range s.workers {
		c.letGo()
		c.Kill()
	}
}

// watch tells of the end of a worker that nobody has asked to end, or that did
// not come in order.
func (s *Server) watch(c *child) {
	<-c.Gone()
	c.letGo() // else the kernel would go on to give it connections
	s.change()
	select {
	case <-s.ending:
		if c.Err() == nil {
			return
		}
	default:
	}
	err := fmt.Errorf("process %s of the server has ended: %w", c.name, c.howItEnded())
	if s.opt.Log == nil { // else they have been seen
		err = fmt.Errorf("%w%s", err, c.LastWords())
	}
	s.fail(err)
	s.opt.Say(err.Error())
}

func (s *Server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// change wakes who waits for the workers.
func (s *Server) change() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.at }

// Serve waits until ctx ends, and then ends all workers in order: they close
// their connections, for as long as Options.Drain allows. It returns when all
// have ended, and with an error where one of them had ended before, or had to
// be killed. The others go on meanwhile; when none is left Serve returns.
func (s *Server) Serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.none:
	}
	close(s.ending)
	for _, c := range s.workers {
		c.letGo() // as long as one of the two holds it open, the kernel accepts
		_ = c.Send([]byte(wordEnd + "\n"))
	}
	limit := time.NewTimer(s.opt.Drain + endGrace)
	defer limit.Stop()
	select {
	case <-s.none:
	case <-limit.C:
	}
	for _, c := range s.workers {
		if !c.isGone() {
			c.overdue(fmt.Errorf("it did not end within %v of being told, and was killed", s.opt.Drain+endGrace))
		}
		c.Kill()
	}
	<-s.none
	s.pages.Close()
	s.paging.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs...)
}

// Ledger adds up the last words of all workers, once Serve has returned. What
// one that died had counted is lost, which is in the ledger too.
func (s *Server) Ledger() target.Ledger {
	var sum target.Ledger
	for _, c := range s.workers {
		sum.Add(c.past())
	}
	return sum
}

// Flip is that of a stats.Recorder, over all workers, with how many connections
// are open. One that does not answer soon enough has its part in the next.
func (s *Server) Flip(spare *stats.Summary) (sum *stats.Summary, open uint64) {
	for _, c := range s.workers {
		c.ask()
	}
	limit := time.NewTimer(tickLimit)
	defer limit.Stop()
	for s.owing() {
		select {
		case <-s.changed:
			continue
		case <-limit.C:
		}
		break
	}
	if spare == nil {
		spare = stats.NewSummary(target.Entries())
	}
	s.mu.Lock()
	sum, s.pending = s.pending, spare
	s.mu.Unlock()
	for _, c := range s.workers {
		open += c.openNow()
	}
	return sum, open
}

// owing says whether a worker that is left has yet to hand over something.
func (s *Server) owing() bool {
	for _, c := range s.workers {
		if c.owes() {
			return true
		}
	}
	return false
}

// take is called with each line of a worker behind its first.
func (s *Server) take(c *child, line []byte) {
	var r report
	err := json.Unmarshal(line, &r)
	switch {
	case err != nil:
	case r.Ending:
		c.letGo()
	case r.Span != nil:
		err = s.add(c, &r)
	case r.Last != nil:
		c.leave(r.Last)
	}
	if err != nil {
		s.fail(fmt.Errorf("process %s of the server: read what it says: %w", c.name, err))
	}
}

// add merges what a worker recorded.
func (s *Server) add(c *child, r *report) error {
	// Each worker numbers its connections from 0 on.
	for i := range r.Span.Exemplars {
		x := &r.Span.Exemplars[i]
		x.N = x.N*uint64(s.opt.Procs) + uint64(c.index)
	}
	s.mu.Lock()
	err := r.Span.AddTo(s.pending)
	s.mu.Unlock()
	c.answered(r.Span.Connections.Open)
	s.change()
	return err
}
