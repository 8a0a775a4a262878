package result

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/wsload/wsload/stats"
)

// AddTo merges the span into a summary of the same mix. It is the reverse of
// writing a Summary as a Span, and adds no histograms in between. After an
// error the summary holds a part of the span and is of no use.
func (s *Span) AddTo(sum *stats.Summary) error {
	// Counts go by way of a summary without samples, whose Merge knows the
	// bounds and the order of exemplars.
	part := stats.NewSummary(sum.Entries)
	if err := s.counts(part); err != nil {
		return err
	}
	hists := make([]*stats.Histogram, len(s.Latency))
	for i := range s.Latency {
		row := &s.Latency[i]
		e, err := entryOf(sum.Entries, row.Name, row.Mode)
		if err != nil {
			return fmt.Errorf("%s: %w", row.Phase, err)
		}
		if row.Unstamped > row.Count {
			return fmt.Errorf("%s %s: %d unstamped of %d samples", row.Name, row.Phase, row.Unstamped, row.Count)
		}
		part.Latency[e][row.Phase].Unstamped += row.Unstamped
		part.Latency[e][row.Phase].Crossed += row.Crossed
		if row.Count == 0 && row.Refused == 0 && row.HDR == "" {
			continue
		}
		l := &sum.Latency[e][row.Phase]
		if l.Hist == nil {
			l.Hist = new(stats.Histogram)
		}
		hists[i] = l.Hist
	}
	sum.Merge(part)
	for i, hist := range hists {
		row := &s.Latency[i]
		if hist == nil {
			continue
		}
		exact := stats.Exact{
			Count: row.Count, Min: row.Min, Max: row.Max, Sum: row.Sum,
			Clamped: row.Clamped, Refused: row.Refused,
		}
		if err := hist.MergeEncoded(row.HDR, exact); err != nil {
			return fmt.Errorf("%s %s: %w", row.Name, row.Phase, err)
		}
	}
	return nil
}

// counts fills an empty summary with all of the span but its samples.
func (s *Span) counts(sum *stats.Summary) error {
	n := &s.Connections
	if s.From < 0 || s.To < s.From {
		return fmt.Errorf("from %s to %s is no span", s.From, s.To)
	}
	sum.From, sum.To = s.From, s.To
	sum.Connections = stats.Connections{Started: n.Started, Opened: n.Opened, Ended: n.Ended}
	maps.Copy(sum.Peak, n.Peaks)
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		e, err := entryOf(sum.Entries, o.Name, o.Mode)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Class, err)
		}
		count := &sum.Outcomes[e][o.Class]
		if count.N > 0 {
			return fmt.Errorf("%s %s: counted twice", o.Name, o.Class)
		}
		*count = stats.Count{N: o.Count, Forward: o.Forward, Detail: o.Detail}
		for f, flagged := range o.Flags {
			if int(f) >= stats.NumFlags {
				return fmt.Errorf("%s %s: %s is no flag", o.Name, o.Class, f)
			}
			count.Flags[f] = flagged
		}
	}
	sum.InvalidState = [stats.NumCauses]uint64{
		stats.Probe:       s.Errors.InvalidState.Probe,
		stats.Race:        s.Errors.InvalidState.Race,
		stats.Echo:        s.Errors.InvalidState.Echo,
		stats.Unexplained: s.Errors.InvalidState.Unexplained,
	}
	sum.ProbeAccepted = s.Errors.ProbeAccepted
	first := s.TCPClosedFirst
	if first.Server > n.Ended || first.Client > n.Ended-first.Server {
		return fmt.Errorf("tcp_closed_first: %d and %d of %d ended", first.Server, first.Client, n.Ended)
	}
	sum.ClosedFirst = [stats.NumSides]uint64{
		stats.Neither: n.Ended - first.Server - first.Client,
		stats.Server:  first.Server,
		stats.Client:  first.Client,
	}
	sum.Messages = s.Messages
	sum.Exemplars = s.Exemplars
	return errors.Join(
		codeNumbers(sum.CodesSent, s.Codes.Sent),
		codeNumbers(sum.CodesReceived, s.Codes.Received),
	)
}

func codeNumbers(codes map[int]uint64, texts map[string]uint64) error {
	for text, n := range texts {
		if text == noCode {
			codes[stats.NoCode] = n
			continue
		}
		code, err := strconv.ParseUint(text, 10, 16)
		if err != nil || code == stats.NoCode {
			return fmt.Errorf("%q is not a Close code", text)
		}
		codes[int(code)] = n
	}
	return nil
}

func entryOf(entries []stats.Entry, name, mode string) (int, error) {
	e := slices.Index(entries, stats.Entry{Name: name, Mode: mode})
	if e < 0 {
		return 0, fmt.Errorf("the mix has no entry %q of mode %q", name, mode)
	}
	return e, nil
}
