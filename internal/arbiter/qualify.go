package arbiter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
)

// QualificationSchema is the version of a Qualification as JSON.
const QualificationSchema = "wsload.qualification/1"

// mostIncomparable is the number of gates in a row without a comparison after
// which no other is begun: this host or this server does not give one.
const mostIncomparable = 3

// errLimit is why a gate was cut.
var errLimit = errors.New("the limit is over")

// Qualifying is a qualification to be carried out: gates of a server against
// itself. Its sides must be the same.
type Qualifying struct {
	Setup Setup
	Plan  *Plan
	Gates int           // to play; 0 for as many as the limit holds
	Limit time.Duration // no gate lasts beyond it; 0 for no limit
	Begin func(m *Match, n int)
	Done  func(g Gate, n int)
}

// A Gate is one of the gates of a server against itself.
type Gate struct {
	Seed    uint64        `json:"seed"`
	Verdict gate.Verdict  `json:"verdict"`
	Reason  string        `json:"reason"`
	Pairs   int           `json:"pairs"`
	Took    time.Duration `json:"took_ns"`
}

// A Qualification says what a verdict on this host is worth.
type Qualification struct {
	Schema   string        `json:"schema"`
	Wsload   string        `json:"wsload"`
	Started  time.Time     `json:"started"`
	Took     time.Duration `json:"took_ns"`
	Server   string        `json:"server"`
	Load     string        `json:"load"` // as in a verdict file
	Restarts bool          `json:"restarts"`
	Env      result.Env    `json:"env"`
	Contract string        `json:"contract"` // of the gates
	Terms    []trial.Term  `json:"terms"`
	Pairs    int           `json:"pairs"` // of a gate, at most
	Budget   time.Duration `json:"budget_ns"`
	Gates    []Gate        `json:"gates"`
	// Cut is how many pairs belong to a gate that the limit or a signal cut. It
	// is in no count of gates.
	Cut      int     `json:"cut"`
	Counts   Counts  `json:"counts"`
	Recorded int     `json:"recorded"` // comparable pairs, on which the rest stands
	PerPair  float64 `json:"per_pair_s"`
	Held     int     `json:"held"` // pairs that the budget holds, at most Pairs
	Metrics  []Noise `json:"metrics"`
	Offers   []Offer `json:"contracts"`
	Advice   string  `json:"advice"` // the contract that this host affords; "" for none
}

// Counts are of whole gates.
type Counts struct {
	Pass          int `json:"pass"`
	Fail          int `json:"fail"` // false alarms: the server is the same
	Inconclusive  int `json:"inconclusive"`
	NotComparable int `json:"not_comparable"`
	// MostFalse is an upper limit for the share of false alarms among gates
	// that compare, by Clopper and Pearson: it is too low once in twenty times.
	MostFalse float64       `json:"most_false"`
	Median    time.Duration `json:"median_ns"` // from the start of a gate to its end
	P95       time.Duration `json:"p95_ns"`
}

// Qualify plays the gates and says what they show. It ends early where the
// server or this host gives no comparison, and at the end of ctx; what there is
// up to there is in the result, which is nil only where no pair was played. The
// error says that the setup is wrong or that the tool failed.
func Qualify(ctx context.Context, o Qualifying) (*Qualification, error) {
	first, err := o.Setup.Match(o.Plan)
	if err != nil {
		return nil, err
	}
	q := &Qualification{
		Schema: QualificationSchema, Wsload: o.Plan.Version, Started: time.Now().UTC().Truncate(time.Millisecond),
		Server: first.File.A.Label, Load: first.File.A.Load, Restarts: first.Restarts(), Env: first.Contest.Env,
		Contract: o.Setup.Contract, Terms: first.File.Contract.Terms, Pairs: o.Setup.Pairs, Budget: o.Setup.Budget,
		Gates: []Gate{},
	}
	drill, err := trial.NewDrill(first.File.Contract, first.File.Mix)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if o.Limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, o.Limit, errLimit)
		defer cancel()
		ctx = limited
	}
	var inPairs time.Duration
	pairs, row := 0, 0
	for n := 0; o.more(ctx, n, time.Since(begun)) && row < mostIncomparable; n++ {
		g, err := o.play(ctx, n, drill)
		if err != nil {
			return q, err
		}
		inPairs += g.Took
		pairs += g.Pairs
		if ctx.Err() != nil && g.Verdict != gate.Pass && g.Verdict != gate.Fail {
			q.Cut = g.Pairs
			break
		}
		if row++; q.take(g) {
			row = 0
		}
		o.Done(g, n)
	}
	q.Took, q.Recorded = time.Since(begun), drill.Pairs()
	if pairs == 0 {
		return nil, nil
	}
	q.PerPair = (inPairs / time.Duration(pairs)).Seconds()
	q.Held = min(q.Pairs, int(q.Budget.Seconds()/q.PerPair))
	q.count()
	return q, q.rehearse(&o.Setup, first, drill)
}

// more tells whether another gate begins after n of them.
func (o *Qualifying) more(ctx context.Context, n int, passed time.Duration) bool {
	switch {
	case ctx.Err() != nil || o.Gates > 0 && n == o.Gates:
		return false
	case n == 0 || o.Limit == 0:
		return true
	}
	return passed+passed/time.Duration(n) <= o.Limit
}

// play plays gate n, from 0, and takes its pairs into the drill.
func (o *Qualifying) play(ctx context.Context, n int, drill *trial.Drill) (Gate, error) {
	plan := *o.Plan
	plan.Ready.Seed = 1 + rand.NewPCG(o.Plan.Ready.Seed, uint64(n)).Uint64()>>12 // below 2^53 and not 0, as any reader of JSON wants
	m, err := o.Setup.Match(&plan)
	if err != nil {
		return Gate{}, err
	}
	o.Begin(m, n)
	begun := time.Now()
	judged, err := m.Play(ctx)
	g := Gate{Seed: plan.Ready.Seed, Pairs: len(m.File.Pairs), Took: time.Since(begun), Verdict: m.Verdict.Verdict, Reason: m.Verdict.Reason}
	if err != nil {
		return g, fmt.Errorf("gate %d: %w", n+1, err)
	}
	if !judged {
		return g, nil
	}
	return g, drill.Add(&m.File)
}

// take counts a gate, and reports whether it was a comparison.
func (q *Qualification) take(g Gate) (compared bool) {
	q.Gates = append(q.Gates, g)
	switch g.Verdict {
	case gate.Pass:
		q.Counts.Pass++
	case gate.Fail:
		q.Counts.Fail++
	case gate.Inconclusive:
		q.Counts.Inconclusive++
	default:
		q.Counts.NotComparable++
		return false
	}
	return true
}

// count sums the gates up.
func (q *Qualification) count() {
	c := &q.Counts
	c.MostFalse = 1
	if n := c.Pass + c.Fail + c.Inconclusive; n > 0 {
		_, c.MostFalse = rule.ShareLimits(float64(c.Fail), float64(n))
	}
	var took []time.Duration
	for _, g := range q.Gates {
		if g.Verdict != gate.NotComparable {
			took = append(took, g.Took)
		}
	}
	c.Median, c.P95 = ranked(took, 0.5), ranked(took, 0.95)
}

// ranked is the smallest value that a share of all are no more than; the zero
// value for none.
func ranked[T time.Duration | int](values []T, share float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[max(0, min(at, len(sorted)-1))]
}
