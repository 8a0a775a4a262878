package result

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// schemaNumber is the version of the stream. A reader refuses any other.
const schemaNumber = 1

// Header is the first line of a stream: which run and shard it is, and what
// was planned. Make one with NewHeader.
type Header struct {
	Schema   int             `json:"wsload"`
	Run      string          `json:"run"` // the same for all shards of a run, and for no other run
	Shard    scenario.Shard  `json:"shard"`
	Started  time.Time       `json:"started"`
	Name     string          `json:"name"`
	Seed     uint64          `json:"seed"`
	Planned  *uint64         `json:"planned"`     // connections of this shard; null where replacements leave it open
	Interval time.Duration   `json:"interval_ns"` // the plan's; lines of a long run cover a multiple of it
	Mix      []stats.Entry   `json:"mix"`
	Plan     json.RawMessage `json:"plan"` // without secrets; opaque to readers, so that an old plan stays readable
	Env      Env             `json:"env"`
}

// NewServerHeader describes what a server sees of its clients, under the
// address it serves. Nothing was planned, and the mix is that of the server's
// end: its modes say what the server did. A line covers a second.
func NewServerHeader(run string, started time.Time, url string, mix []stats.Entry, env Env) (Header, error) {
	var plan struct {
		Target struct {
			URL string `json:"url"`
		} `json:"target"`
	}
	plan.Target.URL = url
	text, err := json.Marshal(plan)
	if err != nil {
		return Header{}, fmt.Errorf("encode address: %w", err)
	}
	return Header{
		Schema:   schemaNumber,
		Run:      run,
		Shard:    scenario.Shard{Index: 1, Count: 1},
		Started:  started.UTC().Truncate(time.Millisecond),
		Name:     "seen by the server",
		Interval: time.Second,
		Mix:      mix,
		Plan:     text,
		Env:      env,
	}, nil
}

// NewHeader describes one shard of a run. Secrets of the plan are masked.
func NewHeader(run string, shard scenario.Shard, started time.Time, plan *scenario.Plan, env Env) (Header, error) {
	redacted := plan.Redacted()
	text, err := json.Marshal(redacted)
	if err != nil {
		return Header{}, fmt.Errorf("encode plan: %w", err)
	}
	h := Header{
		Schema:   schemaNumber,
		Run:      run,
		Shard:    shard,
		Started:  started.UTC().Truncate(time.Millisecond),
		Name:     plan.Name,
		Seed:     plan.Seed,
		Interval: plan.Interval,
		Plan:     text,
		Env:      env,
	}
	if plan.Load.Duration == 0 {
		planned := uint64(shard.Size(plan.Load.Connections))
		h.Planned = &planned
	}
	for _, c := range plan.Closes.Mix {
		h.Mix = append(h.Mix, stats.Entry{Name: cmp.Or(c.Name, string(c.Mode)), Mode: string(c.Mode)})
	}
	return h, nil
}
