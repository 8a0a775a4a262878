package target

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// handler routes requests.
func (sv *service) handler() http.Handler {
	mux := http.NewServeMux()
	endpoints := paths()
	var list strings.Builder
	for _, p := range endpoints {
		mux.HandleFunc(p.name, func(w http.ResponseWriter, r *http.Request) { sv.serve(p, w, r) })
		fmt.Fprintf(&list, "  %-14s %s\n", p.name, p.does)
	}
	fmt.Fprintf(&list, "  %-14s %s\n", "/statz", "the server's own counts, as JSON")
	mux.HandleFunc("GET /statz", sv.statz)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, help, list.String(), ModeHeader)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("%s %q is not here; the paths are:\n\n%s", r.Method, r.URL.Path, list.String()), http.StatusNotFound)
	})
	return mux
}

const help = `wsload serve: a WebSocket server to test against.

Paths:
%s
All WebSocket paths echo text and binary messages and obey these texts:
  close CODE [REASON]   the server sends a Close and waits for the answer
  abort fin             the server ends TCP without a Close
  abort rst             the same by RST

The request header %s names the mode a connection is counted under.
`

// serve answers a request for a WebSocket endpoint.
func (sv *service) serve(p path, w http.ResponseWriter, r *http.Request) {
	m, err := p.manners(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !sv.reserve() {
		http.Error(w, "the server is going away", http.StatusServiceUnavailable)
		return
	}
	u := &upgrade{ResponseWriter: w, sv: sv, manners: m, mode: r.Header.Get(ModeHeader)}
	if c := u.open(r); c != nil {
		go c.run()
	} else {
		sv.open.Done()
	}
	if u.taken {
		sv.conns.Done() // net/http does not speak of it again
	}
}

// statz answers with the Ledger.
func (sv *service) statz(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	// An error here is a client that left: nobody is there to hear of it.
	_ = enc.Encode(sv.Ledger())
}
