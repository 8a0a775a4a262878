package rig

import (
	"encoding/json"
	"fmt"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/watch"
)

// Recall judges again what a run held that was killed: its findings would have
// been in the end line that its stream has not. What is there is the last sample
// of each interval, and none of before the load and of after it, so that growth
// can be told and not what came back. A document that has its findings, or
// never was watched, stays as it is.
func Recall(doc *result.Document) {
	killed := false
	for _, shard := range doc.Shards {
		killed = killed || shard.Cause == ""
	}
	var held []*result.Held
	for i := range doc.Intervals {
		if h := doc.Intervals[i].Held; h != nil {
			held = append(held, h)
		}
	}
	switch {
	case !killed || len(held) == 0:
		return
	case len(doc.Shards) > 1: // whose samples are of one of them at a time
		doc.Warnings = append(doc.Warnings, "watch: of a shard without an end line it is not told here what was held; a report of its file alone tells it")
		return
	}
	target, err := recalled(held, func(h *result.Held) json.RawMessage { return h.Target })
	if err == nil {
		var self watch.Report
		if self, err = recalled(held, func(h *result.Held) json.RawMessage { return h.Self }); err == nil {
			doc.Watch, err = findings(target, self, "; the run has no end")
		}
	}
	if err != nil {
		doc.Warnings = append(doc.Warnings, "watch: the samples of the stream cannot be judged: "+err.Error())
		return
	}
	doc.Warnings = append(doc.Warnings, fmt.Sprintf("watch: the run has no end, so growth is judged by the samples in the stream (%d, one of each line), and what came back is not known", target.Samples))
	doc.Warnings = append(doc.Warnings, doubts(target)...)
}

// recalled is what the samples of one process say. Where it was looked at less
// often than lines were written, several have the same.
func recalled(held []*result.Held, of func(*result.Held) json.RawMessage) (watch.Report, error) {
	series := watch.Series{Warm: warm}
	var last watch.Sample
	for i, h := range held {
		var s watch.Sample
		if len(of(h)) == 0 { // nothing was seen yet
			continue
		}
		if err := json.Unmarshal(of(h), &s); err != nil {
			return watch.Report{}, err
		}
		if i > 0 && s.At == last.At && s.Phase == last.Phase {
			continue
		}
		series.Add(s)
		last = s
	}
	return series.Report(), nil
}
