package trial

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/stats"
)

// A Drill holds the pairs of trials of a server against itself, to try
// contracts on: what would a trial have said of pairs with this noise, and what
// if b had been slower? Unlike a verdict its figures are estimates.
type Drill struct {
	contract Contract // of the trials: names the metrics
	names    []string
	recorded []*contender
	pairs    int
}

// NewDrill is a drill without pairs, for trials of one contract and mix. It
// fails for a contract that cannot be judged.
func NewDrill(c Contract, mix []stats.Entry) (*Drill, error) {
	d := &Drill{contract: c}
	for _, e := range mix {
		d.names = append(d.names, e.Name)
	}
	terms, _, err := c.terms(d.names)
	if err != nil {
		return nil, err
	}
	d.recorded = newCourse(&c, terms, nil).contenders
	return d, nil
}

// Add takes the pairs of a trial, but for those that cannot be compared. It
// fails for a file that no trial can have written.
func (d *Drill) Add(f *File) error {
	scratch := measured{stats.NewSummary(f.Mix), stats.NewSummary(f.Mix)}
	for i := range f.Pairs {
		p := &f.Pairs[i]
		if err := p.measure(scratch); err != nil {
			return fmt.Errorf("read pair %d: %w", i+1, err)
		}
		if incomparable(p, scratch) != "" {
			continue
		}
		d.pairs++
		for _, c := range d.recorded {
			c.evidence.add(scratch)
		}
	}
	for _, c := range d.recorded {
		if q, ok := c.evidence.(*quantiles); ok {
			q.drop() // a unit must not reach from one trial into the next
		}
	}
	return nil
}

// drop forgets the pairs that have not made a unit yet.
func (q *quantiles) drop() {
	for i := range q.open {
		q.open[i].Hist.Reset()
		q.open[i].Late = 0
	}
}

// Pairs is the number of pairs in the drill.
func (d *Drill) Pairs() int { return d.pairs }

// A Spread is how much the changes of one metric vary where there is none.
type Spread struct {
	Metric string
	Units  int // pairs, or groups of pairs, with a change
	Late   int // units without: the quantile was among the attempts that ran out of time
	// SD is the standard deviation of the changes about 0: of a quantile that
	// of the logarithms of b's share of a, of a rate that of the differences.
	// It is 0 without units.
	SD float64
}

// Spreads returns the spread of each metric of the contract, in its order.
func (d *Drill) Spreads() []Spread {
	all := make([]Spread, len(d.recorded))
	for i, c := range d.recorded {
		s, sum := Spread{Metric: c.term.Metric}, 0.0
		count := func(change float64) {
			s.Units++
			sum += change * change
		}
		switch e := c.evidence.(type) {
		case *quantiles:
			for _, u := range e.units {
				if u.a.late || u.b.late {
					s.Late++
				} else {
					count(math.Log(float64(u.b.d) / float64(u.a.d)))
				}
			}
		case *rates:
			for k := range e.a {
				count(share(e.b[k]) - share(e.a[k]))
			}
		}
		if s.Units > 0 {
			s.SD = math.Sqrt(sum / float64(s.Units))
		}
		all[i] = s
	}
	return all
}

// An Exercise is what is tried on a drill.
type Exercise struct {
	Terms  []Term // of the drill's metrics, in their order
	Trials int    // to make
	Pairs  int    // of each at most, up to MaxPairs
	Seed   uint64
	// Worse holds for each term how b is made worse, nil for not at all. A
	// quantile is longer by this share: 0.1 for a tenth. Of a rate, this share
	// of all attempts goes wrong that did not before, each by itself.
	Worse []float64
}

// An Answer is what the trials of an exercise came to.
type Answer struct {
	Fail, Pass, Inconclusive int
	Rested                   []int // for each trial, the pairs it took
}

// Try makes trials of pairs that are drawn from the drill with a coin for which
// side is which, so that a and b are equal but for what makes b slower. It
// fails for terms that are not those of the drill.
func (d *Drill) Try(x Exercise) (Answer, error) {
	c := d.contract
	c.Terms = x.Terms
	terms, _, err := c.terms(d.names)
	if err != nil {
		return Answer{}, err
	}
	if len(terms) != len(d.recorded) || d.pairs == 0 || x.Worse != nil && len(x.Worse) != len(terms) {
		return Answer{}, fmt.Errorf("drill: %d terms, %d changes and %d pairs, and the recorded metrics are %d", len(terms), len(x.Worse), d.pairs, len(d.recorded))
	}
	for i, t := range terms {
		if t.Metric != d.recorded[i].term.Metric {
			return Answer{}, fmt.Errorf("drill: term %d is %s, and %s was recorded", i+1, t.Metric, d.recorded[i].term.Metric)
		}
	}
	var all Answer
	rng := rand.New(rand.NewPCG(x.Seed, uint64(len(terms))))
	for range x.Trials {
		t := newCourse(&c, terms, nil)
		d.draw(t, x, rng)
		verdict := gate.Inconclusive
		for t.pairs < x.Pairs && verdict == gate.Inconclusive {
			verdict = t.step()
		}
		switch verdict {
		case gate.Fail:
			all.Fail++
		case gate.Pass:
			all.Pass++
		default:
			all.Inconclusive++
		}
		all.Rested = append(all.Rested, t.pairs)
	}
	return all, nil
}

// draw fills a course with as many pairs as the exercise has. The metrics of a
// pair stay together, but for those whose units are groups of pairs.
func (d *Drill) draw(t *course, x Exercise, rng *rand.Rand) {
	drawn, swapped := make([]int, x.Pairs), make([]bool, x.Pairs)
	for i := range drawn {
		drawn[i], swapped[i] = rng.IntN(d.pairs), rng.IntN(2) == 0
	}
	for m, c := range t.contenders {
		switch from := d.recorded[m].evidence.(type) {
		case *quantiles:
			to := c.evidence.(*quantiles)
			to.all, to.lagged = from.all, from.lagged
			if len(from.units) == 0 {
				continue
			}
			group := (d.pairs + len(from.units) - 1) / len(from.units) // pairs of a unit
			for i := group - 1; i < x.Pairs; i += group {
				u := from.units[drawn[i]%len(from.units)]
				if u.end = i + 1; swapped[i] {
					u.a, u.b = u.b, u.a
				}
				if x.Worse != nil {
					u.b = slowed(u.b, x.Worse[m])
				}
				to.units = append(to.units, u)
			}
		case *rates:
			to := c.evidence.(*rates)
			for i, k := range drawn {
				a, b := from.a[k], from.b[k]
				if swapped[i] {
					a, b = b, a
				}
				if x.Worse != nil {
					b = spoiled(b, x.Worse[m], rng)
				}
				to.a, to.b = append(to.a, a), append(to.b, b)
			}
		}
	}
}

// slowed is a value that is longer by a share.
func slowed(v value, share float64) value {
	v.d += time.Duration(share * float64(v.d))
	return v
}

// spoiled is a tally with a share of the attempts gone wrong that had not.
func spoiled(t metric.Tally, share float64, rng *rand.Rand) metric.Tally {
	if share == 0 {
		return t
	}
	for range t.Of - t.N {
		if rng.Float64() < share {
			t.N++
		}
	}
	return t
}
