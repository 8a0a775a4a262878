package prefork

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/target"
)

// askLimit is how long the desk waits for a worker's answer.
const askLimit = 4 * time.Second

// over is a way to the Unix address, with a connection for each request: one
// that is kept would stand in the counts of who watches the process.
func over(desk string) http.RoundTripper {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", desk)
		},
	}
}

// passOn has the desk of all answer what a worker is asked.
func passOn(desk string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "desk"
		},
		Transport: over(desk),
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			http.Error(rw, "ask all processes: "+err.Error(), http.StatusServiceUnavailable)
		},
	}
}

// desk serves the pages of all workers together.
func (s *Server) desk() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /statz", s.statz)
	mux.HandleFunc("GET /ended", s.ended)
	return mux
}

// statz adds up the ledgers of all workers that are left or ended in order, and
// what the processes of those that are left hold.
func (s *Server) statz(w http.ResponseWriter, r *http.Request) {
	all, err := ask[target.Statz](s, r.Context(), func(int) string { return "/statz" })
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var sum *target.Statz
	past := target.Ledger{}
	for i, one := range all {
		switch {
		case one == nil:
			past.Add(s.workers[i].past())
		case sum == nil:
			sum = one
		default:
			sum.Add(*one)
		}
	}
	if sum == nil {
		http.Error(w, "no process is left", http.StatusServiceUnavailable)
		return
	}
	sum.Ledger.Add(past)
	sum.Answer(w)
}

// ended puts the pages of all workers that are left behind one another.
func (s *Server) ended(w http.ResponseWriter, r *http.Request) {
	q, err := target.ReadInquiry(r.URL.Query(), len(s.workers))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	all, err := ask[target.Ended](s, r.Context(), func(i int) string {
		return "/ended?" + target.Inquiry{After: target.Cursor{q.After.At(i)}, Run: q.Run}.Query()
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	page := target.Ended{Ends: []target.End{}}
	for i, one := range all {
		next := q.After.At(i)
		if one != nil {
			next = one.Next.At(0)
			page.Dropped += one.Dropped
			page.Ends = append(page.Ends, one.Ends...)
		}
		page.Next = append(page.Next, next)
	}
	page.Answer(w)
}

// ask gets a page from every worker, by its index. That of one which is gone is
// nil. One that is there and does not answer is an error: sums without it would
// be wrong.
func ask[T any](s *Server, ctx context.Context, page func(i int) string) ([]*T, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	all := make([]*T, len(s.workers))
	errs := make([]error, len(s.workers))
	var asking sync.WaitGroup
	for i, c := range s.workers {
		asking.Go(func() {
			if c.isGone() {
				return
			}
			answer := new(T)
			if err := get(ctx, c.way, page(i), answer); err == nil {
				all[i] = answer
			} else if !c.goneSoon() {
				errs[i] = fmt.Errorf("ask process %s: %w", c.name, err)
			}
		})
	}
	asking.Wait()
	return all, errors.Join(errs...)
}

// get reads one page.
func get(ctx context.Context, way http.RoundTripper, page string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://desk"+page, nil)
	if err != nil {
		return err
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
