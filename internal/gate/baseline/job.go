package baseline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rank"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

const (
	tail       = 10             // attempts beyond a quantile that a round needs
	mostRounds = rank.MaxValues // of a job
)

// A job is a stored run, as far as it is judged.
type job struct {
	doc    *result.Document
	load   string
	limits limits
}

// limits are those of a plan.
type limits struct{ close, fin time.Duration }

// newJob reads what a run was. It fails for a plan that this version cannot
// read.
func newJob(d *result.Document) (*job, error) {
	var plan map[string]any
	dec := json.NewDecoder(bytes.NewReader(d.Plan))
	dec.UseNumber()
	if err := dec.Decode(&plan); err != nil {
		return nil, fmt.Errorf("read plan of run %s: %w", d.Run, err)
	}
	var l struct{ Limits struct{ Close, Fin string } }
	if err := json.Unmarshal(d.Plan, &l); err != nil {
		return nil, fmt.Errorf("read limits of run %s: %w", d.Run, err)
	}
	j := &job{doc: d}
	for _, one := range []struct {
		text string
		d    *time.Duration
	}{{l.Limits.Close, &j.limits.close}, {l.Limits.Fin, &j.limits.fin}} {
		var err error
		if *one.d, err = time.ParseDuration(one.text); err != nil {
			return nil, fmt.Errorf("read limits of run %s: %w", d.Run, err)
		}
	}
	for _, key := range []string{"name", "seed", "target", "gate"} { // none of them changes the load
		delete(plan, key)
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("write plan of run %s: %w", d.Run, err)
	}
	j.load = string(text)
	return j, nil
}

// differs says why a stored job cannot be compared with the candidate, "" where
// it can.
func (j *job) differs(candidate *job) string {
	a, b := j.doc.Env, candidate.doc.Env
	switch {
	case j.doc.Run == candidate.doc.Run:
		return "it is the judged run itself"
	case !j.doc.Complete:
		return "it is not complete"
	case j.load != candidate.load:
		return "it had another load"
	case a.OS != b.OS || a.Arch != b.Arch || a.Kernel != b.Kernel:
		return fmt.Sprintf("it ran on %s/%s %s", a.OS, a.Arch, a.Kernel)
	case a.CPU != b.CPU:
		model := "an unknown model"
		if a.CPU != "" {
			model = fmt.Sprintf("the model %q", a.CPU)
		}
		return "it ran on processors of " + model
	case a.CPUs != b.CPUs || a.GOMAXPROCS != b.GOMAXPROCS:
		return fmt.Sprintf("it ran on %s, with %d in use", gate.Number(a.CPUs, "processor"), a.GOMAXPROCS)
	case a.Stamps != b.Stamps || a.GOGC != b.GOGC:
		return fmt.Sprintf("it was measured with %s stamps and GOGC %d", a.Stamps, a.GOGC)
	}
	return ""
}

// A reading is a metric of a job.
type reading struct {
	ns   float64 // the centre of the rounds; 0 where there are none
	late bool    // some round has its quantile among what ran out of time: ns is what it is at least
}

// read measures a quantile: its centre over rounds, which are neighbouring
// intervals with enough attempts. What is left at the end is in no round.
func (j *job) read(m metric.Metric) (r reading, err error) {
	var values []float64
	total := uint64(0)
	sum := stats.NewSummary(j.doc.Mix)
	if err := j.doc.Total.AddTo(sum); err != nil {
		return r, fmt.Errorf("read total of run %s: %w", j.doc.Run, err)
	}
	total = m.Sample(sum).N()
	least := max(uint64(math.Ceil(float64(total)/mostRounds)), 1)
	sum.Reset()
	for i := range j.doc.Intervals {
		if err := j.doc.Intervals[i].AddTo(sum); err != nil {
			return r, fmt.Errorf("read interval %d of run %s: %w", i+1, j.doc.Run, err)
		}
		s := m.Sample(sum)
		if s.N() < least || m.Quant().Beyond(s.N()) < tail {
			continue
		}
		d, ok := s.At(m.Quant().Rank(s.N()))
		if !ok {
			r.late, d = true, max(m.Limit(j.limits.close, j.limits.fin), s.Hist.Max())
		}
		values = append(values, float64(max(d, 1)))
		sum.Reset()
	}
	if len(values) > 0 {
		r.ns = rank.Centre(values, 0.05, rank.Geometric).Centre
	}
	return r, nil
}
