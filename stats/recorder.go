package stats

import (
	"sync"
	"sync/atomic"
)

// A Recorder takes the outcomes of one shard of the runner. Its methods may be
// called from any goroutine. Each connection calls Started once, Opened at most
// once, and Add once, all on the same recorder.
type Recorder struct {
	shard string
	open  *atomic.Int64 // shared by all recorders of the process

	mu   sync.Mutex
	peak int64 // of open, since the last Flip
	now  *Summary
}

// NewRecorder returns a Recorder. The shard is the process' share of the plan
// ("1/1" for all of it) and names the recorder's peak in the summary. Two
// recorders of one process must come from NewRecorders.
func NewRecorder(shard string, entries []Entry) *Recorder {
	return NewRecorders(shard, entries, 1)[0]
}

// NewRecorders returns n recorders for the goroutine shards of one process.
// They count the connections that are open in common. So each reports a moment
// of the whole process as its peak, the largest of them is the process' exact
// peak, and that is what Merge makes of them.
func NewRecorders(shard string, entries []Entry, n int) []*Recorder {
	open := new(atomic.Int64)
	recorders := make([]*Recorder, n)
	for i := range recorders {
		recorders[i] = &Recorder{shard: shard, open: open, now: NewSummary(entries)}
	}
	return recorders
}

// Started counts a connection whose dial begins.
func (r *Recorder) Started() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Connections.Started++
}

// Opened counts a connection whose opening handshake succeeded.
func (r *Recorder) Opened() {
	open := r.open.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peak = max(r.peak, open)
	r.now.Connections.Opened++
}

// Add counts the end of a connection, as Summary.Add does. The timeline is
// called under the recorder's lock: it must not call the recorder.
func (r *Recorder) Add(o *Outcome, timeline func() []Moment) {
	if o.Opened {
		r.open.Add(-1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Add(o, timeline)
}

// Open returns how many connections of the process are open.
func (r *Recorder) Open() uint64 {
	return uint64(max(r.open.Load(), 0))
}

// Flip takes out what was recorded since the last Flip and goes on recording
// into spare, which must be empty and of the same mix; nil makes a new one.
// The caller owns the returned summary, sets its span, and may give it back
// as spare after Reset.
func (r *Recorder) Flip(spare *Summary) *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	if spare == nil {
		spare = NewSummary(r.now.Entries)
	}
	full := r.now
	full.Peak[r.shard] = uint64(r.peak)
	r.now = spare
	// What is open now is open at the beginning of the next span too.
	r.peak = r.open.Load()
	return full
}
