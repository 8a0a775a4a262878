package watch

import (
	"cmp"
	"time"
)

// Bounds of what a Series holds.
const (
	maxLoad  = 2048 // samples under load
	maxQuiet = 256  // samples before, and as many after
)

// A Series holds the samples of one target, in bounded memory however long the
// run. Its zero value is ready.
type Series struct {
	// Warm is how long a load must last before a growth of memory is called a
	// leak: up to then pools, caches and heaps of any process fill.
	Warm time.Duration

	before, load, after thinned
	samples, failed     int
	err, unread         string // of the first that failed, and of the first that was read in part
	restarts            int    // more than were added where samples are missing
	peak                Facts  // most of each under load
}

// Add takes the next sample in. Ramp and Settle are looked at for their peaks
// alone.
func (s *Series) Add(sample Sample) {
	s.samples++
	if sample.Failed > 0 {
		s.failed++
		if s.err == "" {
			s.err = sample.Err
		}
	}
	s.unread = cmp.Or(s.unread, sample.Unread)
	if sample.Restarted || sample.Restarts > s.restarts {
		*s = Series{Warm: s.Warm, samples: s.samples, failed: s.failed, err: s.err, unread: s.unread, restarts: max(s.restarts+1, sample.Restarts)}
	}
	sample.Err, sample.Unread = "", ""
	switch sample.Phase {
	case Before:
		s.before.add(sample, maxQuiet)
		return
	case Load:
		s.load.add(sample, maxLoad)
	case After:
		s.after.add(sample, maxQuiet)
		return
	}
	for _, pair := range []struct {
		most *int64
		ok   *bool
		now  int64
		is   bool
	}{
		{&s.peak.RSS.N, &s.peak.RSS.OK, sample.RSS.N, sample.RSS.OK},
		{&s.peak.Heap.N, &s.peak.Heap.OK, sample.Heap.N, sample.Heap.OK},
	} {
		if pair.is {
			*pair.most, *pair.ok = max(*pair.most, pair.now), true
		}
	}
}

// thinned is a list that drops every other sample where it would grow beyond
// its bound, and from then on takes half as many. What it holds stays spread
// evenly over time.
type thinned struct {
	samples []Sample
	stride  int // takes each so many, 0 for each
	skipped int
}

func (t *thinned) add(sample Sample, most int) {
	if t.skipped++; t.skipped < t.stride {
		return
	}
	t.skipped = 0
	if len(t.samples) == most {
		half := t.samples[:0]
		for i := 0; i < most; i += 2 {
			half = append(half, t.samples[i])
		}
		t.samples = half
		t.stride = max(2*t.stride, 2)
	}
	t.samples = append(t.samples, sample)
}
