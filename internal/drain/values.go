package drain

import (
	"time"

	"github.com/wsload/wsload/internal/result"
)

// A Kind is what a Value is.
type Kind uint8

const (
	Count    Kind = iota
	Rate          // a share, 0 to 1
	Duration      // in nanoseconds
)

// A Value is one figure of a drain, as rules name it. One that is not known is
// not 0: nothing was there to be measured.
type Value struct {
	Name  string
	Kind  Kind
	X     float64
	Known bool
}

// Values gives the figures of a drain in the order of a report. The names are
// the same for every drain.
func Values(d *result.Drain) []Value {
	var all []Value
	count := func(name string, n uint64, known bool) {
		all = append(all, Value{Name: "drain." + name, Kind: Count, X: float64(n), Known: known})
	}
	span := func(name string, at *time.Duration) {
		v := Value{Name: "drain." + name, Kind: Duration, Known: at != nil}
		if at != nil {
			v.X = float64(*at)
		}
		all = append(all, v)
	}
	launched := d.Took != nil
	share := func(name string, n uint64, known bool) {
		count(name+".count", n, known)
		v := Value{Name: "drain." + name + ".rate", Kind: Rate, Known: known && d.Held > 0}
		if v.Known {
			v.X = float64(n) / float64(d.Held)
		}
		all = append(all, v)
	}
	count("held", d.Held, launched)
	share("closed", d.Closed.Count, launched)
	share("cut", d.Cut.Count, launched)
	share("other", d.Other, launched)
	var lost result.DrainLost
	if d.Lost != nil {
		lost = *d.Lost
	}
	share("lost", lost.Connections, launched && d.Lost != nil)
	count("lost.messages", lost.Messages, launched && d.Lost != nil)
	count("still_open", d.StillOpen, launched)
	span("first_close", d.Closed.First)
	span("close_p1", d.Closed.P1)
	span("close_p50", d.Closed.P50)
	span("close_p99", d.Closed.P99)
	span("last_close", d.Closed.Last)
	span("spread", d.Closed.Spread)
	span("first_cut", d.Cut.First)
	span("last_cut", d.Cut.Last)
	count("again", d.Again.Ended, launched)
	var herd result.Herd
	if d.Herd != nil {
		herd = *d.Herd
	}
	var failed uint64
	for _, n := range herd.Failed {
		failed += n
	}
	count("attempts", herd.Attempts, launched && d.Herd != nil)
	count("attempts.peak", herd.Peak, launched && d.Herd != nil)
	count("failed", failed, launched && d.Herd != nil)
	span("back", herd.Back)
	return all
}
