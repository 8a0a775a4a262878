package parts

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
)

// Orders are what a process of a run must know. They hold secrets, so they go
// over a pipe and are never part of a command line.
type Orders struct {
	Plan    scenario.Plan  `json:"plan"`   // variables replaced, but the target as it was written
	Told    scenario.Plan  `json:"told"`   // the same without secrets, to name things by
	Target  string         `json:"target"` // URL to dial
	Run     string         `json:"run"`    // name of the run
	RunID   uint32         `json:"run_id"` // of this process alone, so that a server tells it from the others
	Shard   scenario.Shard `json:"shard"`
	Secrets []string       `json:"secrets"`         // texts that must not be told, beside those of the plan
	Books   string         `json:"books"`           // URL of the server's verdicts; "" without double entry
	Server  *Server        `json:"server"`          // the own server; nil with a given target
	Leads   bool           `json:"leads"`           // fires the hooks of a drain
	Quiet   bool           `json:"quiet"`           // no progress is told
	Trace   string         `json:"trace,omitempty"` // which connections to trace, as runner.ParseTraceFilter reads it; "" for no trace
}

// Server is the tool's own server, as a process that did not start it must know
// it.
type Server struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"`
	Statz  string `json:"statz"`
}

// A told is a line that a process of a run hears behind its orders. One field is
// set.
type told struct {
	Go  *time.Time `json:"go,omitempty"`  // begin, once this moment is over: all offsets count from it
	Met *met       `json:"met,omitempty"` // all processes are full, or one never will be
	End string     `json:"end,omitempty"` // end in order, and why
	Cut bool       `json:"cut,omitempty"` // cut what is still open
}

// A met is when the population of all processes was full.
type met struct {
	OK   bool          `json:"ok"` // false: that will never be
	Open int           `json:"open"`
	At   time.Duration `json:"at_ns"` // offset in the run
}

// A heard is a line of a process of a run. One field is set. The lines of the
// result stream are among them: Interval, Drain and End.
type heard struct {
	Ready    bool          `json:"ready,omitempty"` // the first line
	Interval *result.Span  `json:"interval,omitempty"`
	State    *state        `json:"state,omitempty"` // behind each interval
	Full     *int          `json:"full,omitempty"`  // the population is: so many are open
	Fired    bool          `json:"fired,omitempty"` // by the one that leads: the first hook of the drain is launched
	Say      string        `json:"say,omitempty"`
	Drain    *result.Drain `json:"drain,omitempty"`
	Sum      *sum          `json:"sum,omitempty"`
	End      *result.End   `json:"end,omitempty"` // the last line
}

// A state is what a tick says beside the interval.
type state struct {
	Left  time.Duration `json:"left_ns"`
	Drain bool          `json:"drain"`
	Last  bool          `json:"last"`
}

// A sum is what a process' part of a run came to, beside its intervals.
type sum struct {
	Tally   map[string]runner.Tally `json:"tally"`
	Stamps  string                  `json:"stamps"`
	Pairs   *result.LedgerPairs     `json:"pairs"`   // nil without double entry
	Nothing *nothing                `json:"nothing"` // nil where a connection opened
	Trouble []string                `json:"trouble"` // what was not done as planned
}

// A nothing is a runner.NothingOpenedError.
type nothing struct {
	Tries  int    `json:"tries"`
	Reason string `json:"reason"`
	Tool   bool   `json:"tool"`
	Text   string `json:"text"`
}

// newNothing takes the error apart.
func newNothing(e *runner.NothingOpenedError) *nothing {
	n := &nothing{Tries: e.Tries, Text: fmt.Sprint(e.Last)}
	if open, ok := errors.AsType[*wire.OpenError](e.Last); ok {
		n.Reason, n.Tool, n.Text = open.Reason, open.Tool, fmt.Sprint(open.Err)
	}
	return n
}

// traceMark begins a line of a trace. All other lines are objects.
const traceMark = 'T'
