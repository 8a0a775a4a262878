package stats

import (
	"errors"
	"fmt"
)

// Ended returns how many connections ended in a class, over all entries.
func (s *Summary) Ended(c Class) uint64 {
	var n uint64
	for e := range s.Outcomes {
		n += s.Outcomes[e][c].N
	}
	return n
}

// Premature returns how many connections ended before their close handshake
// was complete; see Class.Premature.
func (s *Summary) Premature() uint64 {
	var n uint64
	for c := range Class(NumClasses) {
		if c.Premature() {
			n += s.Ended(c)
		}
	}
	return n
}

// Unexpected returns how many connections ended in a class that is not the one
// their mode is for; see Expected. Interrupted ones are not among them.
func (s *Summary) Unexpected() uint64 {
	var n uint64
	for e, entry := range s.Entries {
		for c := range Class(NumClasses) {
			if c != Interrupted && !goal(entry.Mode, c) {
				n += s.Outcomes[e][c].N
			}
		}
	}
	return n
}

// Forward returns how many connections were closed before their plan because
// the run ended.
func (s *Summary) Forward() uint64 {
	var n uint64
	for e := range s.Outcomes {
		for c := range s.Outcomes[e] {
			n += s.Outcomes[e][c].Forward
		}
	}
	return n
}

// OpenedEnded returns how many of the connections that ended had opened. What
// has opened and not ended is open.
func (s *Summary) OpenedEnded() uint64 {
	return sum(s.CodesSent)
}

// PeakOpen returns the largest number of connections open at once, as the sum
// of each process' own peak. It is exact for one process. For several it is an
// upper bound, since their peaks need not fall together.
func (s *Summary) PeakOpen() uint64 {
	return sum(s.Peak)
}

// Row returns one phase over all entries, the way a rule without an entry's
// name reads it. The row may share its histogram with the summary: read it
// before the summary changes, and do not change it.
func (s *Summary) Row(p Phase) Latency {
	var row Latency
	shared := false
	for e := range s.Latency {
		l := &s.Latency[e][p]
		switch {
		case l.Hist.Exact() == (Exact{}):
		case row.Hist == nil:
			row.Hist, shared = l.Hist, true
		default:
			if shared {
				own := new(Histogram)
				own.Merge(row.Hist)
				row.Hist, shared = own, false
			}
			row.Hist.Merge(l.Hist)
		}
		row.Unstamped += l.Unstamped
		row.Crossed += l.Crossed
	}
	return row
}

// Conserved checks that no connection was lost or counted twice. It holds for
// a run from its beginning up to any moment, merged over any shards. The error
// names every sum that does not add up.
func (s *Summary) Conserved() error {
	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(format, args...))
	}
	n := s.Connections
	var classes uint64
	for e, entry := range s.Entries {
		for c := range Class(NumClasses) {
			count := &s.Outcomes[e][c]
			classes += count.N
			if err := count.conserved(); err != nil {
				wrong("%s %s: %w", entry.Name, c, err)
			}
		}
	}
	if classes != n.Ended {
		wrong("%d connections ended and %d have a class", n.Ended, classes)
	}
	if n.Opened > n.Started {
		wrong("%d connections opened of %d started", n.Opened, n.Started)
	}
	if n.Ended > n.Started {
		wrong("%d connections ended of %d started", n.Ended, n.Started)
	}
	opened := s.OpenedEnded()
	if received := sum(s.CodesReceived); opened != received {
		wrong("codes sent are of %d connections, codes received of %d", opened, received)
	}
	if opened > min(n.Opened, n.Ended) {
		wrong("%d connections with codes, of %d opened and %d ended", opened, n.Opened, n.Ended)
	} else if n.Ended <= n.Started && n.Ended-opened > n.Started-min(n.Opened, n.Started) {
		wrong("%d connections ended unopened, of %d that did not open", n.Ended-opened, n.Started-min(n.Opened, n.Started))
	}
	var sides uint64
	for _, m := range s.ClosedFirst {
		sides += m
	}
	if sides != n.Ended {
		wrong("%d connections ended and %d say who closed first", n.Ended, sides)
	}
	return errors.Join(problems...)
}

// conserved checks that no part of the count is more than all of it.
func (c *Count) conserved() error {
	if max(c.Forward, sum(c.Detail)) > c.N {
		return fmt.Errorf("%d forward and %d with detail of %d", c.Forward, sum(c.Detail), c.N)
	}
	for f, flagged := range c.Flags {
		if flagged > c.N {
			return fmt.Errorf("%d with %s of %d", flagged, Flag(f), c.N)
		}
	}
	return nil
}

func sum[K comparable](counts map[K]uint64) uint64 {
	var total uint64
	for _, n := range counts {
		total += n
	}
	return total
}
