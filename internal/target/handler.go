package target

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
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
	mux.HandleFunc("GET /statz", sv.statz)
	mux.HandleFunc("GET /ended", sv.ended)
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
		[2]string{"/ended", "how the connections with an id ended, one by one, as JSON: ?after=0 is the next of the answer before"})
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

// statz answers with the Ledger and what the process holds.
func (sv *service) statz(w http.ResponseWriter, _ *http.Request) {
	self := proc.Self()
	enc := json.NewEncoder(asJSON(w))
	enc.SetIndent("", "  ")
	// An error here is a client that left: nobody is there to hear of it.
	_ = enc.Encode(Statz{Ledger: sv.Ledger(), Process: Process{
		Descriptors: self.Descriptors,
		RSS:         self.RSS,
		Heap:        proc.Heap(),
		Threads:     self.Threads,
		Goroutines:  runtime.NumGoroutine(),
		CPU:         self.CPU,
	}})
}

// ended answers with a page of Ends.
func (sv *service) ended(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			http.Error(w, fmt.Sprintf("query: after=%q is no whole number: give the next of the answer before, or 0", brief([]byte(text))),
				http.StatusBadRequest)
			return
		}
	}
	_ = json.NewEncoder(asJSON(w)).Encode(sv.Ended(after)) // as above
}

// asJSON says what the answer is, and that it is of this moment.
func asJSON(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return w
}
