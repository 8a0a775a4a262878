package result

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wsload/wsload/stats"
)

// schemaName is Document.Schema. It changes when a field changes its meaning.
const schemaName = "wsload.result/1"

// Document is a whole run in one JSON document.
type Document struct {
	Schema    string            `json:"schema"`
	Complete  bool              `json:"complete"` // every shard that was read is whole
	Verdict   string            `json:"verdict"`  // none, pass, fail, inconclusive or not_comparable
	Seed      uint64            `json:"seed"`
	Rules     []json.RawMessage `json:"rules"` // what each rule of a gate said; empty without a gate
	Total     Span              `json:"total"`
	Intervals []Span            `json:"intervals"`
	Env       Env               `json:"env"` // of the first shard
	Plan      json.RawMessage   `json:"plan"`
	Warnings  []string          `json:"warnings"`
	Run       string            `json:"run"`
	Name      string            `json:"name"`
	Started   time.Time         `json:"started"`               // of the first shard to start
	Cause     string            `json:"cause"`                 // why the run ended; "" where a stream has no end line
	Failed    json.RawMessage   `json:"failed_rule,omitempty"` // what the rule said that ended the run; of a whole run only
	Mix       []stats.Entry     `json:"mix"`
	Shards    []Shard           `json:"shards"`
	Ledger    *Ledger           `json:"ledger"` // null where no server kept one
	Drain     *Drain            `json:"drain"`  // null where nothing was deployed
	Watch     *Watch            `json:"watch"`  // null where nothing was watched; each figure the worst of all shards
	Path      *Path             `json:"path"`   // null where it had no faults; the sum of all shards
}

// Shard is one stream that went into a Document.
type Shard struct {
	Shard    string    `json:"shard"`
	Started  time.Time `json:"started"`
	Complete bool      `json:"complete"`
	Cause    string    `json:"cause"`
	Exit     int       `json:"exit"`
	Env      *Env      `json:"env,omitempty"` // where it differs from the first shard's
}

// done is the cause of a run that ended by itself.
const done = "done"

// NewDocument makes the document of a run that kept only its total. The
// document of a stream comes from Read.
func NewDocument(head Header, total Interval, end End) *Document {
	d := newDocument([]*stream{{head: &head, end: &end}})
	d.Total = newSpan(total, new(stats.Encoder))
	d.Total.Connections.Planned = head.Planned
	d.checkSums(total.Summary)
	return d
}

// Summary returns the total as a Summary, to judge or to merge.
func (d *Document) Summary() (*stats.Summary, error) {
	s := stats.NewSummary(d.Mix)
	if err := d.Total.AddTo(s); err != nil {
		return nil, fmt.Errorf("read total of run %s: %w", d.Run, err)
	}
	return s, nil
}

// newDocument fills in all but the numbers from the streams of a run, at least
// one, in the order of their shards.
func newDocument(streams []*stream) *Document {
	first := streams[0].head
	d := &Document{
		Schema:    schemaName,
		Complete:  true,
		Verdict:   noVerdict,
		Seed:      first.Seed,
		Rules:     []json.RawMessage{},
		Intervals: []Span{},
		Env:       first.Env,
		Plan:      first.Plan,
		Warnings:  []string{},
		Run:       first.Run,
		Name:      first.Name,
		Started:   first.Started,
		Cause:     done,
		Mix:       first.Mix,
	}
	var ledgers []*Ledger
	for i, s := range streams {
		shard := Shard{Shard: s.head.Shard.String(), Started: s.head.Started}
		if s.head.Env != first.Env {
			shard.Env = &s.head.Env
		}
		if s.head.Started.Before(d.Started) {
			d.Started = s.head.Started
		}
		if s.end != nil {
			shard.Complete, shard.Cause, shard.Exit = s.end.Complete, s.end.Cause, s.end.Exit
			d.Watch, d.Path = joinWatches(d.Watch, s.end.Watch), JoinPaths(d.Path, s.end.Path)
			if s.end.Ledger != nil {
				ledgers = append(ledgers, s.end.Ledger)
			}
		}
		d.addVerdict(i, s)
		if s.end != nil && s.head.Shard.Count <= 1 {
			d.Failed = s.end.Failed
		}
		d.Complete = d.Complete && shard.Complete
		if d.Cause == done {
			d.Cause = shard.Cause
		}
		d.Shards = append(d.Shards, shard)
	}
	d.Ledger = joinLedgers(ledgers)
	d.addWarnings(streams)
	return d
}

// addVerdict keeps the verdict that all shards share. A verdict of a part says
// nothing about the whole.
func (d *Document) addVerdict(i int, s *stream) {
	verdict := noVerdict
	if s.end != nil && s.end.Verdict != "" {
		verdict = s.end.Verdict
	}
	if i == 0 {
		d.Verdict = verdict
	} else if verdict != d.Verdict {
		d.Verdict = noVerdict
	}
}

func (d *Document) warn(format string, args ...any) {
	d.Warnings = append(d.Warnings, fmt.Sprintf(format, args...))
}

func (d *Document) addWarnings(streams []*stream) {
	seen := make(map[string]bool)
	for _, s := range streams {
		prefix := ""
		if len(streams) > 1 {
			prefix = "shard " + s.head.Shard.String() + ": "
		}
		if s.end == nil {
			d.warn("%sthe stream has no end line: it holds the run up to %s", prefix, s.to())
			continue
		}
		if !s.end.Complete {
			d.warn("%sthe run ended before every connection had settled", prefix)
		}
		for _, w := range s.end.Warnings {
			if !seen[prefix+w] {
				seen[prefix+w] = true
				d.warn("%s%s", prefix, w)
			}
		}
	}
	if missing := missingShards(streams); missing != "" {
		d.warn("this is a part of the run: shards missing: %s", missing)
	}
}

func (d *Document) checkSums(s *stats.Summary) {
	if err := s.Conserved(); err != nil {
		d.warn("the counts do not add up: %v", err)
	}
}
