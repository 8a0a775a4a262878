package stats

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An Exemplar is one connection kept whole, to look at: the unexpected first,
// then the slowest. Interrupted connections, and those closed forward as
// expected, are never exemplars: their times say nothing about the server.
type Exemplar struct {
	Name     string        `json:"name"` // entry of the mix
	N        uint64        `json:"n"`
	Class    Class         `json:"class"`
	Expected bool          `json:"expected"`
	Detail   string        `json:"detail,omitempty"`
	Teardown time.Duration `json:"teardown_ns"` // 0 where the phase was not measured
	Timeline []Moment      `json:"timeline"`    // not changed once it is here: summaries share it
}

// maxExemplars bounds the exemplars of one entry of the mix.
const maxExemplars = 3

// rank orders the kinds of exemplars. A connection that never opened comes
// after the unexpected ones that did: it has no teardown to look at.
func (x *Exemplar) rank() int {
	switch {
	case x.Expected:
		return 2
	case x.Class == OpenFailed || x.Class == ToolError:
		return 1
	}
	return 0
}

// worse orders exemplars, the worst first. The order is total but for the
// timeline, so the worst few of a union do not depend on how it was merged.
func worse(a, b *Exemplar) int {
	return cmp.Or(
		cmp.Compare(a.rank(), b.rank()),
		cmp.Compare(b.Teardown, a.Teardown),
		cmp.Compare(a.N, b.N),
		strings.Compare(a.Name, b.Name),
		cmp.Compare(a.Class, b.Class),
		strings.Compare(a.Detail, b.Detail),
	)
}

func (s *Summary) addExemplar(o *Outcome, timeline func() []Moment) {
	entry := s.Entries[o.Entry]
	expected := goal(entry.Mode, o.Class)
	if o.Class == Interrupted || expected && o.Forward {
		return
	}
	x := Exemplar{Name: entry.Name, N: o.N, Class: o.Class, Expected: expected, Detail: o.Detail}
	if sample := o.Phases[Teardown]; sample.OK {
		x.Teardown = sample.D
	}
	at, ok := s.exemplarPlace(&x)
	if !ok {
		return
	}
	if timeline != nil {
		x.Timeline = timeline()
	}
	s.placeExemplar(at, x)
}

func (s *Summary) insertExemplar(x Exemplar) {
	if at, ok := s.exemplarPlace(&x); ok {
		s.placeExemplar(at, x)
	}
}

// exemplarPlace finds where x belongs in the list, and whether it belongs
// there at all: not when its entry already has maxExemplars worse ones.
func (s *Summary) exemplarPlace(x *Exemplar) (int, bool) {
	ahead := 0
	for i := range s.Exemplars {
		if worse(x, &s.Exemplars[i]) < 0 {
			return i, true
		}
		if s.Exemplars[i].Name == x.Name {
			ahead++
		}
		if ahead == maxExemplars {
			return 0, false
		}
	}
	return len(s.Exemplars), true
}

// placeExemplar inserts x and drops the one of its entry that is then too many.
func (s *Summary) placeExemplar(at int, x Exemplar) {
	s.Exemplars = slices.Insert(s.Exemplars, at, x)
	kept := 0
	s.Exemplars = slices.DeleteFunc(s.Exemplars, func(y Exemplar) bool {
		if y.Name == x.Name {
			kept++
		}
		return y.Name == x.Name && kept > maxExemplars
	})
}
