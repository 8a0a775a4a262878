package watch

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// A Phase is the part of a run that a sample belongs to.
type Phase string

// The phases, in their order.
const (
	Before Phase = "before" // nothing has been opened yet
	Ramp   Phase = "ramp"   // the population fills, and caches with it: not analysed
	Load   Phase = "load"
	Settle Phase = "settle" // all is closed, but the target may still be freeing
	After  Phase = "after"  // it has had its time
)

// Facts are what a process holds at one moment.
type Facts struct {
	FDs        proc.Fact `json:"fds"`
	RSS        proc.Fact `json:"rss"`  // bytes
	Heap       proc.Fact `json:"heap"` // bytes in objects, as the runtime tells: see doc.go
	Threads    proc.Fact `json:"threads"`
	Goroutines proc.Fact `json:"goroutines"`
	CPU        proc.Fact `json:"cpu_ns"` // used since the process began
}

// fill takes from other what is unknown in f.
func (f *Facts) fill(other Facts) {
	for _, pair := range []struct{ to, from *proc.Fact }{
		{&f.FDs, &other.FDs}, {&f.RSS, &other.RSS}, {&f.Heap, &other.Heap},
		{&f.Threads, &other.Threads}, {&f.Goroutines, &other.Goroutines}, {&f.CPU, &other.CPU},
	} {
		if !pair.to.OK {
			*pair.to = *pair.from
		}
	}
}

// Sockets counts the sockets on one side of the target's port. Where OK is
// false they are unknown.
type Sockets struct {
	proc.States
	OK bool
}

// in is the number of sockets in a state.
func (s Sockets) in(state proc.State) proc.Fact {
	if !s.OK {
		return proc.Fact{}
	}
	return proc.Known(s.States[state])
}

// MarshalJSON writes the states that occur with their counts, or null.
func (s Sockets) MarshalJSON() ([]byte, error) {
	if !s.OK {
		return []byte("null"), nil
	}
	counts := map[string]int64{}
	for _, state := range proc.AllStates() {
		if n := s.States[state]; n != 0 {
			counts[state.String()] = n
		}
	}
	return json.Marshal(counts)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sockets) UnmarshalJSON(text []byte) error {
	*s = Sockets{}
	var counts map[string]int64
	if err := json.Unmarshal(text, &counts); err != nil {
		return fmt.Errorf("read sockets: %w", err)
	}
	for _, state := range proc.AllStates() {
		s.States[state] = counts[state.String()]
		delete(counts, state.String())
	}
	for name := range counts {
		return fmt.Errorf("read sockets: unknown state %q", name)
	}
	s.OK = counts != nil
	return nil
}

// A Sample is what was seen of a process at one moment. It is part of a line of
// the result: a report can be made again from the lines alone, also where not
// every sample has one.
type Sample struct {
	At     time.Duration `json:"at_ns"` // from the beginning of the run
	Phase  Phase         `json:"phase"`
	Closes uint64        `json:"closes"` // connections that had ended by then, as the caller counts
	Facts
	Server    Sockets `json:"server"`             // of the target: its port is the socket's own
	Client    Sockets `json:"client"`             // of this host: the target's port is the peer's
	Restarted bool    `json:"restarted"`          // it is another process than in the sample before
	Restarts  int     `json:"restarts,omitempty"` // so far, this one with it
	Unread    string  `json:"unread,omitempty"`   // what of a page could not be read, the first of it
	Failed    int     `json:"failed"`             // sources that told nothing this time
	Err       string  `json:"err,omitempty"`      // why the first of them did not
}
