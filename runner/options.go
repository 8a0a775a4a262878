package runner

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// Options are what a run needs beside its Plan. The zero value works.
type Options struct {
	// Shard is this process' part of the plan; the zero value is all of it.
	Shard scenario.Shard
	// RunID marks the messages of this run, so that a message of another run
	// is never mistaken for one of its own. 0 draws one.
	RunID uint32
	// Dial opens TCP connections in place of the net package. local is not
	// valid when the kernel may choose the source address.
	Dial func(ctx context.Context, addr string, local netip.Addr) (net.Conn, error)
	// Secrets are texts that must not appear in what the run reports, beside
	// those of the plan: a server may send back what it was sent.
	Secrets []string
	// Tick receives each interval's summary, one call at a time. It must not
	// keep the summary.
	Tick func(Tick)
	// Begin is the moment of the wall clock from which all offsets count, the
	// planned starts among them. The zero value is when Run begins. Processes of
	// one run that begin together are given the same moment, which is over.
	Begin time.Time
	// Clock is called once, before anything opens, with the run's own clock: the
	// offset of the moment it is asked at, as in all that the run reports.
	Clock func(now func() time.Duration)
	// Opened receives the moment at which each connection opened, from many
	// goroutines and before the same connection's Settled. It must not block.
	Opened func(at time.Duration)
	// Settled receives the outcome of each connection, also of those that never
	// opened, from many goroutines. It must not block, nor keep the outcome. With
	// it the requests name their connection, by the header IDHeader.
	Settled func(*stats.Outcome)
	// End, once closed, ends the run as its duration would: nothing new opens,
	// and what is open is closed early.
	End <-chan struct{}
	// Cut, once closed, ends the drain at once: what is still open is cut and
	// counted as interrupted. It is heeded only in the drain.
	Cut <-chan struct{}
	// Trace asks for a line of JSON about each single connection.
	Trace Trace
}

// A Trace says where single connections are written to as they settle: JSON
// Lines, a header first, then for each connection its plan, its events with
// their clocks, and its class. The zero value writes none.
type Trace struct {
	// To is written to by one goroutine. A slow writer costs lines, which are
	// counted and warned about, and never time of the run.
	To   io.Writer
	Only TraceFilter
	Run  string // names the run in the lines; "" for its RunID
}

// A TraceFilter says which connections a Trace keeps. The zero value is all.
type TraceFilter struct {
	unexpected bool
	every      uint64 // 0 and 1: each; n: those whose number is a multiple of n
}

// ParseTraceFilter reads all, unexpected or 1/N. Unexpected is what ended in
// another class than the one its mode is for.
func ParseTraceFilter(text string) (TraceFilter, error) {
	switch text {
	case "all":
		return TraceFilter{}, nil
	case "unexpected":
		return TraceFilter{unexpected: true}, nil
	}
	if part, ok := strings.CutPrefix(text, "1/"); ok {
		if every, err := strconv.ParseUint(part, 10, 64); err == nil && every > 0 {
			return TraceFilter{every: every}, nil
		}
	}
	return TraceFilter{}, fmt.Errorf("parse trace filter %q: none of all, unexpected, 1/N (1/100 keeps one connection in a hundred)", text)
}

// String gives the text that ParseTraceFilter reads as the same TraceFilter.
func (f TraceFilter) String() string {
	switch {
	case f.unexpected:
		return "unexpected"
	case f.every > 1:
		return "1/" + strconv.FormatUint(f.every, 10)
	}
	return "all"
}

// wants reports whether connection n may be kept, before it is known how it
// ends.
func (f TraceFilter) wants(n uint64) bool { return f.every == 0 || n%f.every == 0 }

// A Tick is the state of a run at the end of an interval.
type Tick struct {
	Summary *stats.Summary // what happened in the interval
	Open    int            // connections held
	Closing int            // connections whose close has begun
	Left    time.Duration  // planned time left; 0 in the drain and where it is not known
	Drain   bool           // nothing new opens any more
	Last    bool           // the run is over
}

// A Result is what a run came to.
type Result struct {
	Total    *stats.Summary
	Tally    map[string]Tally // by mode of the mix
	Stamps   string           // "kernel" or "user": the best clock arrivals could have
	RunID    uint32
	Warnings []string
}

// GivenUp is the number of connections that this end gave up on, so that the
// server may rightly have seen more of them, or less: those that the end of the
// run or a limit cut, and those that failed to open.
func (r *Result) GivenUp() (n uint64) {
	for _, c := range []stats.Class{
		stats.Interrupted, stats.OpenFailed, stats.CloseTimeout, stats.NoClose, stats.CleanNoFIN,
	} {
		n += r.Total.Ended(c)
	}
	return n
}

// A Tally is a mode's connections as this end saw them, in the terms a
// server's own books use too.
type Tally struct {
	Opened        uint64
	CloseSent     uint64            // own Close frames wholly written
	CloseReceived uint64            // peer's Close frames
	Ended         map[string]uint64 // by who ended TCP first, and how: client_fin, server_rst, …
}

// EndedSilently is, among what a Tally counts as Ended, what this end left
// without a word.
const EndedSilently = "silent"
