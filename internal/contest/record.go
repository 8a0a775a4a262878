package contest

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// recordSchema is the version of the record.
const recordSchema = 1

// A Header is the first line of a record.
type Header struct {
	Schema  int             `json:"contest"`
	Started time.Time       `json:"started"`
	Seed    uint64          `json:"seed"`
	Blocks  int             `json:"blocks"`
	Mix     []stats.Entry   `json:"mix"`
	Plan    json.RawMessage `json:"plan"` // without secrets
	Env     result.Env      `json:"env"`
}

// An End is the last line of a record.
type End struct {
	Pairs int    `json:"pairs"` // whole ones
	Cause string `json:"cause"` // why the contest ended: "done", a signal, a failure
}

// A record writes the lines. Each goes out with one Write, newline included, so
// what is on the disk is torn at its end at most.
type record struct {
	w   io.Writer // nil for none
	enc stats.Encoder
	err error // the first failure
}

func newRecord(opt Options) *record { return &record{w: opt.Record} }

func (r *record) begin(opt *Options) {
	if r.w == nil {
		return
	}
	plan, err := json.Marshal(opt.Plan.Redacted())
	if err != nil {
		r.err = fmt.Errorf("write contest header: %w", err)
		return
	}
	r.line("header", Header{
		Schema: recordSchema, Started: time.Now().UTC().Truncate(time.Millisecond), Seed: opt.Plan.Seed,
		Blocks: opt.Blocks, Mix: entries(&opt.Plan), Plan: plan, Env: opt.Env,
	})
}

func (r *record) slice(s *Slice, sum *stats.Summary) {
	if r.w == nil {
		return
	}
	s.Span = result.NewSpan(sum, &r.enc)
	r.line("slice", map[string]*Slice{"slice": s})
}

func (r *record) end(pairs int, cause string) {
	r.line("end", map[string]End{"end": {Pairs: pairs, Cause: cause}})
}

func (r *record) line(what string, value any) {
	if r.w == nil || r.err != nil {
		return
	}
	text, err := json.Marshal(value)
	if err == nil {
		_, err = r.w.Write(append(text, '\n'))
	}
	if err != nil {
		r.err = fmt.Errorf("write %s line of the contest's record: %w", what, err)
	}
}
