package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/fleet"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

// A ready is what serve --json prints once it listens.
type ready struct {
	Listen string `json:"listen"` // host:port
	URL    string `json:"url"`    // of the well-behaved path
	Statz  string `json:"statz"`  // of the ledger
}

const (
	readyLimit  = 10 * time.Second // for a child to be ready
	endLimit    = 10 * time.Second // for the own server to end
	maxFarewell = 1 << 20          // of a ledger at the end, in bytes
)

// A server is the tool's own server: wsload serve in a process of its own, so
// that its scheduler, its memory and its descriptors are not the client's.
type server struct {
	ready
	*fleet.Child
	last []byte // what it printed after its first line, where it is to say farewell; whole once it is gone
}

// startServer starts the own server and returns when it listens. One that says
// farewell prints its ledger at its end.
func (a *app) startServer(ctx context.Context, farewell bool) (*server, error) {
	s := new(server)
	cmd := fleet.Command{
		Name: "own server",
		Args: []string{"serve", "--listen", "127.0.0.1:0", "--json", "--until-eof", fmt.Sprintf("--quiet=%t", !farewell)},
		Env:  a.environ,
		Line: func(line []byte) {
			if len(s.last)+len(line) <= maxFarewell {
				s.last = append(s.last, line...)
			}
		},
	}
	var err error
	if s.Child, err = cmd.Start(); err != nil {
		return nil, err
	}
	line, err := s.First(ctx, readyLimit)
	if err == nil && (json.Unmarshal(line, &s.ready) != nil || s.URL == "") {
		err = fmt.Errorf("it did not say where it listens%s", s.LastWords())
	}
	if err != nil {
		s.Kill()
		return nil, fmt.Errorf("start own server: %w", err)
	}
	return s, nil
}

// enterTwice begins double entry against the own server.
func (j *job) enterTwice(opt *runner.Options, mix []stats.Entry) {
	// A server that goes takes its verdicts with it, and what the path cuts the
	// two ends rightly see otherwise.
	if j.server == nil || len(j.plan.Drain.Hooks) > 0 || len(j.plan.Faults.Steps) > 0 {
		return
	}
	opt.RunID = rand.Uint32()
	j.matcher = books.NewMatcher(opt.RunID, mix)
	j.follower = books.Follow(j.matcher, "http://"+j.server.Listen+"/ended")
	opt.Settled = j.matcher.Own
}

// settleServer compares the counts of the own server, and its verdicts, with
// those of the run, and ends it.
func (j *job) settleServer(ctx context.Context, res *runner.Result) *result.Ledger {
	switch {
	case j.server == nil:
		return nil
	case len(j.plan.Faults.Steps) > 0:
		j.note(j.server.Stop(endLimit))
		return nil
	case len(j.plan.Drain.Hooks) > 0:
		return j.settleDrained(res)
	}
	var silent uint64
	for _, t := range res.Tally {
		silent += t.Ended[runner.EndedSilently]
	}
	book, unread := books.Await(context.WithoutCancel(ctx), j.server.Statz, silent, j.server.Gone())
	limit, known := books.SettleLimit, &book
	if unread != nil {
		limit, known = 0, nil // there was time enough
	}
	if err := j.follower.End(limit); err != nil {
		j.doubt("own server: " + err.Error())
	}
	if unread != nil {
		j.doubt("own server: " + unread.Error() + "; the sums of both ends are not compared")
	}
	ledger, doubts := books.Settle(j.plan.Closes.Mix, res, known, j.matcher.Pairs())
	for _, text := range doubts {
		j.doubt(text)
	}
	j.note(j.server.Stop(endLimit))
	return ledger
}

// settleDrained ends the own server of a drain, if a hook has not, and compares
// the counts that it printed last. How it ended is what the hooks made of it.
func (j *job) settleDrained(res *runner.Result) *result.Ledger {
	s := j.server
	if err := s.End(endLimit); err != nil {
		j.note(err)
		return nil
	}
	var book target.Ledger
	if err := json.Unmarshal(s.last, &book); err != nil {
		j.doubt("own server: it left no ledger to compare with: " + cmp.Or(s.Err(), err).Error())
		return nil
	}
	ledger, doubts := books.Settle(j.plan.Closes.Mix, res, &book, nil)
	for _, text := range doubts {
		j.doubt(text)
	}
	return ledger
}

// doubt is a warning that is told at once and stands in the result.
func (j *job) doubt(text string) {
	j.warnings = append(j.warnings, text)
	j.warn("%s", text)
}
