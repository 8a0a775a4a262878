package contest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/trial"
)

// tailFrom is the quantile from which on a metric is gated like a tail.
const tailFrom = 0.75

// The presets of a contract's bounds. Default is trial.DefaultContract; Relaxed
// gives the noise of a host more room.
const (
	Default = "default"
	Relaxed = "relaxed"
)

// Wanted is what a contract is to be about.
type Wanted struct {
	Preset  string   // Default or Relaxed
	Metrics []string // what is gated; none for the metrics of the default contract
	// Tolerances and MustDetect are texts like close_handshake.p99=5%, in place
	// of the preset's.
	Tolerances, MustDetect []string
	// Restarts: the servers are started anew for every pair. Those that are not
	// differ by more than their builds do, so they are given more room than by
	// either preset.
	Restarts bool
	Echo     bool // messages are sequence-checked (traffic.expect: echo)
}

// unchecked is why a metric of lost messages is not gated without Echo.
const unchecked = "messages are not checked for loss, so it would always be 0 (set traffic.expect to echo, and traffic.every)"

// room is what a quantile is given by default: one of the middle, and one of
// the tail.
func (w *Wanted) room() (middle, far [2]trial.Share) {
	switch {
	case !w.Restarts:
		return [2]trial.Share{100_000, 250_000}, [2]trial.Share{150_000, 400_000}
	case w.Preset == Relaxed:
		return [2]trial.Share{50_000, 150_000}, [2]trial.Share{100_000, 300_000}
	}
	terms := trial.DefaultContract().Terms
	return [2]trial.Share{terms[0].Tolerance, terms[0].MustDetect}, [2]trial.Share{terms[1].Tolerance, terms[1].MustDetect}
}

// Terms makes the terms of a contract. entries are the names of the mix. The
// error names the text that is wrong.
func Terms(entries []string, w Wanted) ([]trial.Term, error) {
	if w.Preset != Default && w.Preset != Relaxed {
		return nil, fmt.Errorf("read contract %q: it is %s or %s", w.Preset, Default, Relaxed)
	}
	metrics := w.Metrics
	byDefault := trial.DefaultContract().Terms // the median, the tail, the rate
	if len(metrics) == 0 {
		for _, t := range byDefault {
			metrics = append(metrics, t.Metric)
		}
	}
	middle, far := w.room()
	var terms []trial.Term
	for _, name := range metrics {
		m, err := metric.Parse(name, entries)
		if err != nil {
			return nil, fmt.Errorf("read metric %s: %w", name, err)
		}
		if m.NeedsEcho() && !w.Echo {
			return nil, fmt.Errorf("read metric %s: %s", name, unchecked)
		}
		like := byDefault[0]
		switch {
		case m.Kind() == metric.Rate:
			like = byDefault[2]
		case m.Quant().Float() > tailFrom:
			like = byDefault[1]
		}
		switch {
		case m.Kind() != metric.Duration:
		case m.Quant().Float() > tailFrom:
			like.Tolerance, like.MustDetect = far[0], far[1]
		default:
			like.Tolerance, like.MustDetect = middle[0], middle[1]
		}
		like.Metric = name
		terms = append(terms, like)
	}
	return terms, errors.Join(
		assign("tolerance", w.Tolerances, terms, func(t *trial.Term) *trial.Share { return &t.Tolerance }),
		assign("must-detect", w.MustDetect, terms, func(t *trial.Term) *trial.Share { return &t.MustDetect }))
}

// Invariants are the counts that must stay 0 in a contract: those of the default
// one, and more. entries are the names of the mix, and echo tells that messages
// are sequence-checked. The error names the text that is wrong.
func Invariants(entries, more []string, echo bool) ([]string, error) {
	all := trial.DefaultContract().Invariants
	for _, name := range more {
		m, err := metric.Parse(name, entries)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read invariant %s: %w", name, err)
		case m.NeedsEcho() && !echo:
			return nil, fmt.Errorf("read invariant %s: %s", name, unchecked)
		case !slices.Contains(all, name):
			all = append(all, name)
		}
	}
	return all, nil
}

// assign reads METRIC=SHARE texts into the terms.
func assign(what string, texts []string, terms []trial.Term, field func(*trial.Term) *trial.Share) error {
	for _, text := range texts {
		name, share, ok := strings.Cut(text, "=")
		i := slices.IndexFunc(terms, func(t trial.Term) bool { return t.Metric == name })
		switch {
		case !ok:
			return fmt.Errorf("read %s %q: not a metric and its share (write it like %s=5%%)", what, text, terms[0].Metric)
		case i < 0:
			return fmt.Errorf("read %s %q: %s is not gated (name it with --metric)", what, text, name)
		}
		if err := field(&terms[i]).UnmarshalText([]byte(share)); err != nil {
			return fmt.Errorf("read %s %q: %w", what, text, err)
		}
	}
	return nil
}
