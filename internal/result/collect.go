package result

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsload/wsload/stats"
)

// document makes the Document of everything that was read.
func (c *collector) document() (*Document, error) {
	streams, err := c.streams()
	if err != nil {
		return nil, err
	}
	d := newDocument(streams)
	for _, name := range c.torn {
		d.warn("%s: the last line was cut off and is left out", name)
	}
	for _, s := range streams[1:] {
		if !bytes.Equal(s.head.Plan, streams[0].head.Plan) {
			d.warn("shard %s ran another plan than shard %s", s.head.Shard, streams[0].head.Shard)
		}
	}
	if err := d.addDrains(streams); err != nil {
		return nil, err
	}
	enc := new(stats.Encoder)
	if err := d.addTotal(streams, enc); err != nil {
		return nil, err
	}
	if err := d.addIntervals(streams, enc); err != nil {
		return nil, err
	}
	return d, nil
}

// streams returns the shards in order, and refuses those that are not parts of
// one whole.
func (c *collector) streams() ([]*stream, error) {
	if len(c.shards) == 0 {
		return nil, errors.New("read result: there is no header line, so nothing to read " +
			"(the run was stopped before it began, or the file is not one that run --out wrote)")
	}
	for _, name := range slices.Sorted(maps.Keys(c.shards)) {
		if s := c.shards[name]; s.head == nil {
			return nil, fmt.Errorf("read result: shard %s of run %s has no header line "+
				"(the beginning of its stream is missing)", name, c.run)
		}
		c.shards[name].addTail()
	}
	streams := slices.SortedFunc(maps.Values(c.shards), func(a, b *stream) int {
		return cmp.Or(cmp.Compare(a.head.Shard.Count, b.head.Shard.Count), cmp.Compare(a.head.Shard.Index, b.head.Shard.Index))
	})
	first := streams[0].head
	for _, s := range streams[1:] {
		if s.head.Shard.Count != first.Shard.Count || s.head.Seed != first.Seed ||
			s.head.Interval != first.Interval || !slices.Equal(s.head.Mix, first.Mix) {
			return nil, fmt.Errorf("read result: shards %s and %s of run %s differ in their number of shards, seed, interval or mix "+
				"(run all shards with the same plan)", first.Shard, s.head.Shard, c.run)
		}
	}
	return streams, nil
}

// missingShards names the shards of the run that are not among the streams.
func missingShards(streams []*stream) string {
	var missing []string
	shard := streams[0].head.Shard
	const most = 8
	for i := range shard.Count {
		shard.Index = i + 1
		if slices.ContainsFunc(streams, func(s *stream) bool { return s.head.Shard == shard }) {
			continue
		}
		if len(missing) == most {
			return strings.Join(append(missing, "..."), ", ")
		}
		missing = append(missing, shard.String())
	}
	return strings.Join(missing, ", ")
}

// addDrains merges what a deploy did to the shards.
func (d *Document) addDrains(streams []*stream) (err error) {
	var drains []*Drain
	for _, s := range streams {
		if s.drain != nil {
			drains = append(drains, s.drain)
		}
	}
	d.Drain, err = JoinDrains(drains)
	return err
}

// addTotal merges all intervals of all shards.
func (d *Document) addTotal(streams []*stream, enc *stats.Encoder) error {
	total := Interval{Summary: stats.NewSummary(d.Mix)}
	planned := new(uint64)
	for _, s := range streams {
		for i := range s.spans {
			if err := s.spans[i].AddTo(total.Summary); err != nil {
				return fmt.Errorf("read %s: %w", s.spans[i].where, err)
			}
		}
		if s.head.Planned == nil {
			planned = nil
		} else if planned != nil {
			*planned += *s.head.Planned
		}
		total.addGauges(s.spans)
	}
	total.Held = nil // the whole run held nothing
	d.Total = newSpan(total, enc)
	d.Total.Connections.Planned = planned
	d.checkSums(total.Summary)
	return nil
}

// addGauges adds the state that one shard was in at the end of its last span.
func (iv *Interval) addGauges(spans []placedSpan) {
	if len(spans) == 0 {
		return
	}
	last := slices.MaxFunc(spans, func(a, b placedSpan) int { return cmp.Compare(a.To, b.To) })
	iv.Open += last.Connections.Open
	iv.Closing += last.Connections.Closing
	iv.Held = cmp.Or(iv.Held, last.Held) // the shards of a host watch the same
}

// A piece is a span on the grid of the plan's interval.
type piece struct {
	begin, end time.Duration
	shard      int
	span       placedSpan
}

// addIntervals lists the intervals in order of time. Those of different shards
// that cover the same time, to the plan's interval, become one; where a shard
// has longer lines than another its line is the measure.
func (d *Document) addIntervals(streams []*stream, enc *stats.Encoder) error {
	interval := streams[0].head.Interval
	var pieces []piece
	for i, s := range streams {
		for _, span := range s.spans {
			pieces = append(pieces, piece{span.From.Round(interval), span.To.Round(interval), i, span})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.begin, b.begin) })
	scratch := stats.NewSummary(d.Mix)
	for len(pieces) > 0 {
		first, end := pieces[0].begin, pieces[0].end
		group := make([][]placedSpan, len(streams))
		n := 0
		for ; n < len(pieces) && (pieces[n].begin == first || pieces[n].begin < end); n++ {
			p := &pieces[n]
			end = max(end, p.end)
			group[p.shard] = append(group[p.shard], p.span)
		}
		pieces = pieces[n:]
		group = slices.DeleteFunc(group, func(own []placedSpan) bool { return len(own) == 0 })
		span, err := joinSpans(group, scratch, enc)
		if err != nil {
			return err
		}
		d.Intervals = append(d.Intervals, span)
	}
	return nil
}

// joinSpans merges the spans of several shards. A lone span stays as it was
// written: histograms of every line of a long run would fill the memory.
func joinSpans(shards [][]placedSpan, scratch *stats.Summary, enc *stats.Encoder) (Span, error) {
	if len(shards) == 1 && len(shards[0]) == 1 {
		return shards[0][0].Span, nil
	}
	scratch.Reset()
	joined := Interval{Summary: scratch}
	for _, spans := range shards {
		for i := range spans {
			if err := spans[i].AddTo(scratch); err != nil {
				return Span{}, fmt.Errorf("read %s: %w", spans[i].where, err)
			}
		}
		joined.addGauges(spans)
	}
	return newSpan(joined, enc), nil
}
