package main

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// A schedule plans the Closes of a run, by number and not by connection: the
// k-th connection to open gets the k-th Close.
type schedule struct {
	start  time.Time
	at     time.Duration // of the first Close, from the start
	closes float64       // per second; 0: all at once

	opened atomic.Int64
	wrote  []atomic.Int64 // ns from the start to just before the write; 0: never written
}

func newSchedule(n int64, at time.Duration, closes float64) *schedule {
	return &schedule{at: at, closes: closes, wrote: make([]atomic.Int64, n)}
}

// next gives the next Close of the plan.
func (s *schedule) next() (k int64, due time.Duration) {
	k = s.opened.Add(1) - 1
	return k, s.due(k)
}

func (s *schedule) due(k int64) time.Duration {
	if s.closes == 0 {
		return s.at
	}
	return s.at + time.Duration(float64(k)/s.closes*float64(time.Second))
}

// A lateness says how the Closes kept to their schedule, from the planned
// moment to just before the write.
type lateness struct {
	Closes      int     `json:"closes"` // written ones
	P50         float64 `json:"lag_p50_us"`
	P99         float64 `json:"lag_p99_us"`
	FirstToLast float64 `json:"first_to_last_ms"` // from the first write to the last
}

// lateness is for after the run. It is nil where no Close was written.
func (s *schedule) lateness() *lateness {
	var lags, writes []time.Duration
	for k := range s.wrote {
		if at := time.Duration(s.wrote[k].Load()); at > 0 {
			writes = append(writes, at)
			lags = append(lags, at-s.due(int64(k)))
		}
	}
	if len(lags) == 0 {
		return nil
	}
	slices.Sort(lags)
	quantile := func(q float64) float64 {
		return float64(lags[int(math.Ceil(q*float64(len(lags))))-1]) / 1e3
	}
	return &lateness{
		Closes: len(lags), P50: quantile(0.5), P99: quantile(0.99),
		FirstToLast: float64(slices.Max(writes)-slices.Min(writes)) / 1e6,
	}
}
