package prefork

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/stats"
)

// inherited is the descriptor of the listening socket.
const inherited = 3

// errOrphaned is the end of a worker whose Server is gone.
var errOrphaned = errors.New("serve for another process: it is gone")

// A worker is one of the processes.
type worker struct {
	server *target.Server

	mu    sync.Mutex // held while a line is made and written
	out   *json.Encoder
	enc   stats.Encoder
	spare *stats.Summary
}

// Work is what a process does that a Server has started: it takes its order
// from in and serves until it is told to end or ctx ends. It returns at once
// when in ends, and then leaves connections and goroutines behind: the process
// must end with it. What is logged, if that was ordered, goes to log.
func Work(ctx context.Context, in io.Reader, out, log io.Writer) error {
	told := bufio.NewReader(in)
	line, err := told.ReadBytes('\n')
	if err != nil {
		return errOrphaned
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read the order of a process: %w", err)
	}
	ln, err := inherit()
	if err != nil {
		return err
	}
	w := &worker{out: json.NewEncoder(out), server: &target.Server{Drain: o.Drain, Desk: passOn(o.Desk)}}
	if w.server.TLS, err = o.tlsConfig(); err != nil {
		ln.Close()
		return err
	}
	if o.Measure {
		w.server.Record = stats.NewRecorder(o.Name, target.Entries())
	}
	if o.Log {
		w.server.Log = slog.New(slog.NewTextHandler(log, nil)).With("process", o.Name)
	}
	return w.serve(ctx, ln, told)
}

// inherit takes the listening socket.
func inherit() (net.Listener, error) {
	f := os.NewFile(inherited, "listener")
	ln, err := net.FileListener(f)
	_ = f.Close() // the listener has its own
	if err != nil {
		return nil, fmt.Errorf("serve for another process: take its socket: %w", err)
	}
	return ln, nil
}

// serve serves, and reports, until the end. It closes ln.
func (w *worker) serve(ctx context.Context, ln net.Listener, told *bufio.Reader) error {
	desk, err := net.Listen("unix", "") // an address of the kernel's choice
	if err != nil {
		ln.Close()
		return fmt.Errorf("serve for another process: %w", err)
	}
	pages := &http.Server{Handler: w.server.Pages()}
	go pages.Serve(desk)
	defer pages.Close()

	// The end of ctx counts only as long as this function runs: what an orphan
	// leaves behind is the kernel's to cut, and not to be closed in order.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, end)()
	defer context.AfterFunc(serving, func() { w.say(report{Ending: true}) })()
	orphaned := make(chan struct{})
	go func() {
		defer close(orphaned)
		w.obey(told, end)
	}()
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(serving, ln) }()
	w.say(report{Desk: desk.Addr().String()})
	select {
	case err = <-served:
	case <-orphaned:
		return errOrphaned
	}
	end()
	w.tick()
	ledger := w.server.Ledger()
	w.say(report{Last: &ledger})
	return err
}

// obey does what it is told until nobody is there to tell it anything.
func (w *worker) obey(told *bufio.Reader, end func()) {
	for {
		line, err := told.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.TrimSuffix(line, "\n") {
		case wordTick:
			w.tick()
		case wordEnd:
			end()
		}
	}
}

// tick reports what was recorded since the last one, where anything is.
func (w *worker) tick() {
	rec := w.server.Record
	if rec == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := rec.Flip(w.spare)
	span := result.NewSpan(sum, &w.enc)
	span.Connections.Open = rec.Open()
	w.write(report{Span: &span})
	sum.Reset()
	w.spare = sum
}

func (w *worker) say(r report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(r)
}

// write writes a line. An error is that of a Server that is gone, of which the
// end of the input tells.
func (w *worker) write(r report) { _ = w.out.Encode(r) }
