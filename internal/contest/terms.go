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

// Terms makes the terms of a contract. entries are the names of the mix;
// metrics are what is gated, none for the default; tolerances and mustDetect
// are texts like close_handshake.p99=5%. Servers that are not restarted differ
// by more than their builds do, so they are given more room by default. The
// error names the text that is wrong.
func Terms(entries, metrics, tolerances, mustDetect []string, restarts bool) ([]trial.Term, error) {
	byDefault := trial.DefaultContract().Terms // the median, the tail, the rate
	if len(metrics) == 0 {
		for _, t := range byDefault {
			metrics = append(metrics, t.Metric)
		}
	}
	var terms []trial.Term
	for _, name := range metrics {
		m, err := metric.Parse(name, entries)
		if err != nil {
			return nil, fmt.Errorf("read metric %s: %w", name, err)
		}
		like := byDefault[0]
		switch {
		case m.Kind() == metric.Rate:
			like = byDefault[2]
		case m.Quant().Float() > tailFrom:
			like = byDefault[1]
		}
		switch {
		case restarts || m.Kind() != metric.Duration:
		case m.Quant().Float() > tailFrom:
			like.Tolerance, like.MustDetect = 150_000, 400_000
		default:
			like.Tolerance, like.MustDetect = 100_000, 250_000
		}
		like.Metric = name
		terms = append(terms, like)
	}
	return terms, errors.Join(
		assign("tolerance", tolerances, terms, func(t *trial.Term) *trial.Share { return &t.Tolerance }),
		assign("must-detect", mustDetect, terms, func(t *trial.Term) *trial.Share { return &t.MustDetect }))
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
