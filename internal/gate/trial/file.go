package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// Schema is the version of a File. It changes when a field changes its meaning,
// or when the same pairs would give another verdict.
const Schema = "wsload.verdict/1"

// A File is a trial with everything its verdict rests on.
type File struct {
	Schema   string        `json:"schema"`
	Wsload   string        `json:"wsload"` // version
	Seed     uint64        `json:"seed"`   // of the coin; see Order
	Contract Contract      `json:"contract"`
	Mix      []stats.Entry `json:"mix"`
	A        Side          `json:"a"`
	B        Side          `json:"b"`
	Pairs    []Pair        `json:"pairs"`
	Verdict  *Verdict      `json:"verdict"` // for reading: Judge makes it from the rest
}

// A Side is one of the two servers.
type Side struct {
	Label string `json:"label"`
	// Load identifies the load the side had. The two must be the same text.
	Load string `json:"load"`
}

// A Pair is what both sides did, one after the other in some slices.
type Pair struct {
	Order string `json:"order"` // OrderABBA or OrderBAAB
	A     Arm    `json:"a"`
	B     Arm    `json:"b"`
}

// An Arm is one side in one pair: all its slices together.
type Arm struct {
	Span  result.Span `json:"span"`
	CPU   float64     `json:"cpu"`             // share of this process' processors in use, 0 to 1
	Fault string      `json:"fault,omitempty"` // why the side could not be measured: it died, or was never ready
}

// Judge judges the pairs. It does not look at the verdict that is stored. It
// fails for a file that no trial can have written.
func (f *File) Judge() (Verdict, error) {
	if f.Schema != Schema {
		return Verdict{}, fmt.Errorf("read verdict file: schema %q, this version reads %q", f.Schema, Schema)
	}
	names := make([]string, len(f.Mix))
	for i, e := range f.Mix {
		names[i] = e.Name
	}
	terms, invariants, err := f.Contract.terms(names)
	if err != nil {
		return Verdict{}, err
	}
	refuse := func(pairs int, reason string) (Verdict, error) {
		return Verdict{Verdict: gate.NotComparable, Reason: reason, Pairs: pairs, Findings: []Finding{}}, nil
	}
	switch {
	case f.A.Load != f.B.Load:
		return refuse(0, "the sides had different loads")
	case len(f.Pairs) == 0:
		return refuse(0, "there are no pairs")
	case len(f.Pairs) > MaxPairs:
		return Verdict{}, fmt.Errorf("read verdict file: %d pairs, a trial has at most %d", len(f.Pairs), MaxPairs)
	}
	course, answer := newCourse(&f.Contract, terms, invariants), gate.Inconclusive
	scratch := measured{stats.NewSummary(f.Mix), stats.NewSummary(f.Mix)}
	var kept pace
	for i := range f.Pairs {
		p := &f.Pairs[i]
		if want := Order(f.Seed, i); p.Order != want {
			return Verdict{}, fmt.Errorf("read verdict file: pair %d has the order %q, and by the seed %q (the file was changed)", i+1, p.Order, want)
		}
		if err := p.measure(scratch); err != nil {
			return Verdict{}, fmt.Errorf("read verdict file: pair %d: %w", i+1, err)
		}
		if reason := incomparable(p, scratch); reason != "" {
			return refuse(i, fmt.Sprintf("pair %d: %s", i+1, reason))
		}
		if reason := kept.add(scratch); reason != "" {
			return refuse(i+1, reason)
		}
		if answer = course.add(scratch); answer != gate.Inconclusive {
			break // what comes after the verdict has no say
		}
	}
	return course.verdict(answer), nil
}

// measure fills the summaries with what the pair's sides did.
func (p *Pair) measure(into measured) error {
	for i, arm := range []*Arm{&p.A, &p.B} {
		into[i].Reset()
		if err := arm.Span.AddTo(into[i]); err != nil {
			return fmt.Errorf("%s: %w", "ab"[i:i+1], err)
		}
	}
	return nil
}

// Check holds the verdict that is stored against the one that Judge makes. The
// error says how they differ; a file without a verdict has nothing to differ.
func (f *File) Check(judged Verdict) error {
	if f.Verdict == nil {
		return nil
	}
	stored, err := json.Marshal(f.Verdict)
	if err != nil {
		return fmt.Errorf("read stored verdict: %w", err)
	}
	computed, err := json.Marshal(judged)
	switch {
	case err != nil:
		return fmt.Errorf("write verdict: %w", err)
	case bytes.Equal(stored, computed):
		return nil
	case f.Verdict.Verdict != judged.Verdict:
		return fmt.Errorf("the stored verdict is %s and the pairs give %s (the file was changed, or wsload %s wrote another verdict than it should)",
			f.Verdict.Verdict, judged.Verdict, f.Wsload)
	}
	return fmt.Errorf("the stored verdict is %s, as the pairs give, but its reason or figures differ from theirs (the file was changed, or wsload %s wrote other figures than it should)",
		judged.Verdict, f.Wsload)
}

// Encode judges the pairs and writes the file with the verdict. The bytes
// depend on nothing else.
func (f *File) Encode() ([]byte, error) {
	v, err := f.Judge()
	if err != nil {
		return nil, err
	}
	out := *f
	out.Verdict = &v
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write verdict file: %w", err)
	}
	return append(text, '\n'), nil
}

// Decode reads a file. It refuses one that is cut off, that has more behind its
// end, or that has fields this version does not know: what is not read is not
// judged.
func Decode(text []byte) (*File, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	f := new(File)
	if err := dec.Decode(f); err != nil {
		return nil, fmt.Errorf("read verdict file: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read verdict file: there is more text behind its end")
	}
	return f, nil
}
