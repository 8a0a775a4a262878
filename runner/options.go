package runner

import (
	"context"
	"net"
	"net/netip"
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
	// Tick receives each interval's summary, one call at a time. It must not
	// keep the summary.
	Tick func(Tick)
	// Cut, once closed, ends the drain at once: what is still open is cut and
	// counted as interrupted. It is heeded only in the drain.
	Cut <-chan struct{}
}

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

// A Tally is a mode's connections as this end saw them, in the terms a
// server's own books use too.
type Tally struct {
	Opened        uint64
	CloseSent     uint64            // own Close frames wholly written
	CloseReceived uint64            // peer's Close frames
	Ended         map[string]uint64 // by who ended TCP first, and how: client_fin, server_rst, …
}
