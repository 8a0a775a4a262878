package target

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/wsload/wsload/internal/proc"
)

// handler routes requests.
func (sv *service) handler() http.Handler {
	mux := http.NewServeMux()
	all := faults()
	list := listing(all)
	for _, f := range all {
		mux.HandleFunc("/"+f.name, func(w http.ResponseWriter, r *http.Request) {
			m, err := behave(f, r.URL.Query(), all)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			sv.serve(m, w, r)
		})
	}
	desk := sv.Desk
	if desk == nil {
		desk = sv.Pages()
	}
	mux.Handle("GET /statz", desk)
	mux.Handle("GET /ended", desk)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, help, list, ModeHeader, IDHeader)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("%s %q is not here; the paths are:\n\n%s", r.Method, r.URL.Path, list), http.StatusNotFound)
	})
	return mux
}

// listing names all paths, one in a line with what it does.
func listing(all []fault) string {
	rows := [][2]string{}
	width := 0
	for _, f := range all {
		rows = append(rows, [2]string{"/" + f.name, f.does})
		width = max(width, len("/"+f.name))
	}
	rows = append(rows,
		[2]string{"/statz", "the server's own counts and what its process holds, as JSON"},
		[2]string{"/ended", "how the connections with an id ended, one by one, as JSON: ?after=0 is the next of the answer before, ?run=0a1b2c3d the one run to tell of"})
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], r[1])
	}
	return b.String()
}

const help = `wsload serve: a WebSocket server to test against.

Paths:
%s
All WebSocket paths echo text and binary messages and obey these texts:
  close CODE [REASON]   the server sends a Close and waits for the answer
  abort fin             the server ends TCP without a Close
  abort rst             the same by RST

All of them take these in their query:
  close_after=2s        the server closes by itself, so long after the 101
  code=1001             with this status code; 1000 without it
  seed=7                what is left to chance depends on this number alone:
                        wsload's seed={{n}} repeats a run's choices

A fault of the Close frame is in every Close that the server sends, be it an
answer, by order or by itself.

The request header %s names the mode a connection is counted under.
The request header %s, as 0a1b2c3d/7, gives it an id for /ended.
`

// serve answers a request for a WebSocket endpoint.
func (sv *service) serve(m manners, w http.ResponseWriter, r *http.Request) {
	if !sv.reserve() {
		http.Error(w, "the server is going away", http.StatusServiceUnavailable)
		return
	}
	u := &upgrade{ResponseWriter: w, sv: sv, manners: m, header: r.Header}
	if c := u.open(r); c != nil {
		go c.run()
	} else {
		sv.open.Done()
	}
	if u.taken {
		sv.conns.Done() // net/http does not speak of it again
	}
}

// Statz is the body of /statz.
type Statz struct {
	Ledger
	Process Process `json:"process"`
}

// Process is what the server's process holds at the moment, so that a client
// can see whether it comes back after the load. What the system does not tell
// is null.
type Process struct {
	Descriptors proc.Fact `json:"descriptors"`
	RSS         proc.Fact `json:"rss"`  // bytes
	Heap        proc.Fact `json:"heap"` // bytes that were alive at the end of the last collection
	Threads     proc.Fact `json:"threads"`
	Goroutines  int       `json:"goroutines"`
	CPU         proc.Fact `json:"cpu_ns"` // since the process began
}

// Add makes s what two processes of one server tell. A fact that one of them
// does not know is unknown.
func (s *Statz) Add(o Statz) {
	s.Ledger.Add(o.Ledger)
	p, its := &s.Process, &o.Process
	for _, fact := range [][2]*proc.Fact{
		{&p.Descriptors, &its.Descriptors}, {&p.RSS, &its.RSS}, {&p.Heap, &its.Heap}, {&p.Threads, &its.Threads}, {&p.CPU, &its.CPU},
	} {
		if sum := fact[0]; sum.OK && fact[1].OK {
			sum.N += fact[1].N
		} else {
			*sum = proc.Fact{}
		}
	}
	p.Goroutines += its.Goroutines
}

// Pages serves /statz and /ended of this process.
func (s *Server) Pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /statz", s.statz)
	mux.HandleFunc("GET /ended", s.ended)
	return mux
}

// statz answers with the Ledger and what the process holds.
func (s *Server) statz(w http.ResponseWriter, _ *http.Request) {
	self := proc.Self()
	Statz{Ledger: s.Ledger(), Process: Process{
		Descriptors: self.Descriptors,
		RSS:         self.RSS,
		Heap:        proc.Heap(),
		Threads:     self.Threads,
		Goroutines:  runtime.NumGoroutine(),
		CPU:         self.CPU,
	}}.Answer(w)
}

// Answer writes the body of /statz.
func (s Statz) Answer(w http.ResponseWriter) {
	enc := json.NewEncoder(asJSON(w))
	enc.SetIndent("", "  ")
	// An error here is a client that left: nobody is there to hear of it.
	_ = enc.Encode(s)
}

// ended answers with a page of Ends.
func (s *Server) ended(w http.ResponseWriter, r *http.Request) {
	q, err := ReadInquiry(r.URL.Query(), 1)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.Ended(q.After.At(0), q.Run).Answer(w)
}

// Answer writes the body of /ended.
func (e Ended) Answer(w http.ResponseWriter) {
	_ = json.NewEncoder(asJSON(w)).Encode(e) // as above
}

// asJSON says what the answer is, and that it is of this moment.
func asJSON(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return w
}
