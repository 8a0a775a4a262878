package books

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// maxWaiting bounds the verdicts of one end that wait for the other's. Both
// ends of a connection settle within moments, so more than this means that
// verdicts are being lost; those are counted as missing.
const maxWaiting = 1 << 17

// maxListed bounds the mismatches that are named one by one.
const maxListed = 20

// A Matcher holds the verdicts of both ends of each connection against each
// other. Its memory does not grow with the run. Its methods may be called from
// many goroutines.
type Matcher struct {
	run uint32
	mix []stats.Entry

	mu      sync.Mutex
	own     map[uint64]verdict
	its     map[uint64]verdict
	kinds   map[kind]uint64
	listed  []result.LedgerMismatch
	missing uint64

	misbehaved uint64 // connections on which the server did so on purpose
}

// A verdict is what one end says of a connection.
type verdict struct {
	mode           string // of the client; the server has it from the request
	class          stats.Class
	sent, received int    // status codes
	fault          string // how the server misbehaved on purpose; "" in this end's
}

// A kind is a pair of verdicts as the table of pairs knows it.
type kind struct {
	mode     string
	own, its stats.Class
	fit      fit
}

// NewMatcher returns a Matcher for the connections of a run.
func NewMatcher(run uint32, mix []stats.Entry) *Matcher {
	return &Matcher{
		run: run, mix: mix, kinds: make(map[kind]uint64),
		own: make(map[uint64]verdict), its: make(map[uint64]verdict),
	}
}

// Own takes this end's verdict. Of a connection that never opened the server
// has none.
func (m *Matcher) Own(o *stats.Outcome) {
	if !o.Opened {
		return
	}
	v := verdict{mode: m.mix[o.Entry].Mode, class: o.Class, sent: o.CodeSent, received: o.CodeReceived}
	m.mu.Lock()
	defer m.mu.Unlock()
	if other, ok := m.its[o.N]; ok {
		delete(m.its, o.N)
		m.pair(o.N, v, other)
		return
	}
	m.wait(m.own, o.N, v)
}

// Its takes the server's verdict. Those of other runs are not looked at.
func (m *Matcher) Its(e *target.End) {
	if e.ID.Run != m.run {
		return
	}
	v := verdict{mode: e.Mode, class: e.Class, sent: e.Sent, received: e.Received, fault: e.Fault}
	m.mu.Lock()
	defer m.mu.Unlock()
	if other, ok := m.own[e.ID.N]; ok {
		delete(m.own, e.ID.N)
		m.pair(e.ID.N, other, v)
		return
	}
	m.wait(m.its, e.ID.N, v)
}

// Missed counts verdicts of the server that it no longer held.
func (m *Matcher) Missed(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missing += n
}

func (m *Matcher) wait(waiting map[uint64]verdict, n uint64, v verdict) {
	if len(waiting) >= maxWaiting {
		m.missing++
		return
	}
	waiting[n] = v
}

func (m *Matcher) pair(n uint64, own, its verdict) {
	k := kind{mode: own.mode, own: own.class, its: its.class, fit: judge(own, its)}
	m.kinds[k]++
	if its.fault != "" {
		m.misbehaved++
	}
	if k.fit == mismatch && len(m.listed) < maxListed {
		m.listed = append(m.listed, result.LedgerMismatch{
			N: n, Mode: own.mode, Client: own.class, Server: its.class,
			Sent: own.sent, ServerReceived: its.received, Received: own.received, ServerSent: its.sent,
		})
	}
}

// Waiting reports whether a verdict of one end still waits for the other's.
func (m *Matcher) Waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unpaired() > 0
}

// unpaired counts the verdicts that wait. It is called with the mutex held.
func (m *Matcher) unpaired() uint64 {
	n := uint64(len(m.its))
	for _, v := range m.own {
		if !scenario.Mode(v.mode).Silent() { // the server does not know that they have gone
			n++
		}
	}
	return n
}

// Pairs is what the comparison came to.
func (m *Matcher) Pairs() *result.LedgerPairs {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &result.LedgerPairs{Missing: m.missing, Mismatches: slices.Clone(m.listed)}
	p.Missing += m.unpaired()
	p.Misbehaved = m.misbehaved
	for k, n := range maps.All(m.kinds) {
		p.Compared += n
		switch k.fit {
		case mismatch:
			p.Mismatched += n
		case race:
			p.Raced += n
		}
		p.Kinds = append(p.Kinds, result.LedgerKind{Mode: k.mode, Client: k.own, Server: k.its, Fit: k.fit.String(), Count: n})
	}
	slices.SortFunc(p.Kinds, func(a, b result.LedgerKind) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Client, b.Client),
			cmp.Compare(a.Server, b.Server), cmp.Compare(a.Fit, b.Fit))
	})
	return p
}
