package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/fleet"
	"github.com/wsload/wsload/internal/parts"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
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

// serverProcs is how many processes the own server of a run needs: as many as
// the run itself, and one more where their descriptors would be short. The
// kernel deals connections out to them by chance, so one may get more than its
// share.
func serverProcs(c *settings.Config) int {
	if runtime.GOOS != "linux" {
		return 1 // elsewhere processes cannot share a port
	}
	return processesFor(c.Procs, c.Shard.Size(c.Plan.Load.Connections), proc.Self().SoftLimit)
}

func processesFor(procs, connections int, limit proc.Fact) int {
	const room = 95 // per cent of a process' descriptors that are planned for
	if limit.OK && procs > 1 && int64(connections)*100 > int64(procs)*min(limit.N, math.MaxInt32)*room {
		return min(procs+1, settings.MostProcs)
	}
	return procs
}

// startServer starts the own server and returns when it listens. One that says
// farewell prints its ledger at its end. What it warns of is said at once.
func (a *app) startServer(ctx context.Context, procs int, farewell bool, say func(text string)) (*server, error) {
	s := new(server)
	cmd := fleet.Command{
		Name: "own server",
		Args: []string{"serve", "--listen", "127.0.0.1:0", "--json", "--until-eof", fmt.Sprintf("--procs=%d", procs), fmt.Sprintf("--quiet=%t", !farewell)},
		Env:  a.environ,
		Line: func(line []byte) {
			if len(s.last)+len(line) <= maxFarewell {
				s.last = append(s.last, line...)
			}
		},
		Log: &heeder{say: say},
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

// stop ends a server that should have lasted until now. Where it ended with an
// error that it told itself, that is the error.
func (s *server) stop() error {
	err := s.Stop(endLimit)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailed {
		return err
	}
	var causes []string
	_, words, _ := strings.Cut(s.LastWords(), "\n")
	for line := range strings.Lines(words) {
		text, spoken := strings.CutPrefix(strings.TrimSpace(line), "wsload: ")
		if !spoken {
			return err // a runtime's account of its end, as it is
		}
		if text = strings.TrimPrefix(text, "warning: "); !slices.Contains(causes, text) {
			causes = append(causes, text)
		}
	}
	if len(causes) == 0 {
		return err
	}
	return fmt.Errorf("own server: %s", strings.Join(causes, "; "))
}

// A heeder says what the own server warns of in what it writes to its standard
// error.
type heeder struct {
	say  func(text string)
	part []byte // of a line that has not ended
}

func (h *heeder) Write(p []byte) (int, error) {
	h.part = append(h.part, p...)
	for {
		line, rest, whole := bytes.Cut(h.part, []byte("\n"))
		if !whole {
			h.part = h.part[:min(len(h.part), 4096)] // a warning is shorter
			return len(p), nil
		}
		if text, warns := strings.CutPrefix(string(line), "wsload: warning: "); warns {
			h.say("warning: own server: " + text)
		}
		h.part = rest
	}
}

// partCommand is what a process of a run is started with. It is not for users.
func (a *app) partCommand() *cobra.Command {
	return &cobra.Command{
		Use: "part", Hidden: true, Args: noArguments,
		Short: "carry out a part of a run for the process that started this one",
		RunE: func(*cobra.Command, []string) error {
			// Whoever signals all processes of a run reaches the first one too, and
			// that ends the others in order. Not ignored, which hooks would inherit;
			// a pipe that nobody reads must not end this one either.
			signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
			if a.env("GOGC") == "" {
				debug.SetGCPercent(400)
			}
			if err := parts.Work(a.stdin, a.stdout); err != nil {
				return failed(err)
			}
			return nil
		},
	}
}

// muster starts the processes of a run of which each is to carry out a part.
func (j *job) muster(ctx context.Context, head *result.Header, opt *runner.Options) (err error) {
	told := j.Plan.Redacted()
	shared := parts.Orders{
		Plan: j.Ready, Told: told, Target: j.target, Run: head.Run, Secrets: j.Secrets, Quiet: j.flags.quiet,
	}
	shared.Plan.Watch.Sources, shared.Told.Watch.Sources = nil, nil // the watch is here
	if j.server != nil {
		shared.Server = &parts.Server{PID: j.server.Process().Pid, Listen: j.server.Listen, Statz: j.server.Statz}
	}
	if j.entersTwice() {
		shared.Books = j.endedURL()
	}
	if opt.Trace.To != nil {
		shared.Trace = opt.Trace.Only.String()
	}
	all := parts.Options{
		Command: fleet.Command{Args: []string{"part"}, Env: j.environ},
		Shard:   j.Shard, Tick: j.tick, Trace: opt.Trace.To, Say: j.progress.say,
	}
	id := rand.Uint32()
	for k := range j.Procs {
		o := shared
		o.Shard, o.RunID, o.Leads = j.Shard.Split(k+1, j.Procs), id+uint32(k), k == 0
		all.Orders = append(all.Orders, o)
	}
	j.group, err = parts.Muster(ctx, all)
	return err
}

// carryOut runs the plan, in this process or in several.
func (j *job) carryOut(ctx context.Context, plan scenario.Plan, opt runner.Options) (*runner.Result, error) {
	if j.group == nil {
		return runner.Run(ctx, plan, opt)
	}
	res, err := j.group.Run(ctx, opt.Cut)
	if j.several = res; len(res.Died) > 0 && len(plan.Gate.Rules) == 0 && err == nil {
		err = fmt.Errorf("%d of %d processes of the run died: the result is not whole", len(res.Died), j.Procs)
	}
	return &res.Result, err
}

// anyDied reports whether a process of the run died.
func (j *job) anyDied() bool { return j.several != nil && len(j.several.Died) > 0 }

// causeText is why the run ended, for its result.
func (j *job) causeText(cause error) string {
	switch {
	case cause != nil:
		return cause.Error()
	case j.anyDied():
		return fmt.Sprintf("%d of %d processes died", len(j.several.Died), j.Procs)
	}
	return "done"
}

// whole reports whether every connection has its outcome.
func (j *job) whole(res *runner.Result) bool {
	return res.Total.Connections.Started == res.Total.Connections.Ended && !j.anyDied()
}

// entersTwice reports whether there is double entry. A server that goes takes
// its verdicts with it, and what the path cuts the two ends rightly see
// otherwise.
func (j *job) entersTwice() bool {
	return j.server != nil && len(j.Plan.Drain.Hooks) == 0 && len(j.Plan.Faults.Steps) == 0
}

// endedURL is where the own server tells how single connections ended.
func (j *job) endedURL() string { return "http://" + j.server.Listen + "/ended" }

// enterTwice begins double entry against the own server. Of a run in several
// processes each does that for itself.
func (j *job) enterTwice(opt *runner.Options, mix []stats.Entry) {
	if !j.entersTwice() || j.group != nil {
		return
	}
	opt.RunID = rand.Uint32()
	j.matcher = books.NewMatcher(opt.RunID, mix)
	j.follower = books.Follow(j.matcher, j.endedURL())
	opt.Settled = j.matcher.Own
}

// settleServer compares the counts of the own server, and its verdicts, with
// those of the run, and ends it.
func (j *job) settleServer(ctx context.Context, res *runner.Result) *result.Ledger {
	switch {
	case j.server == nil:
		return nil
	case len(j.Plan.Faults.Steps) > 0:
		j.note(j.server.stop())
		return nil
	case len(j.Plan.Drain.Hooks) > 0:
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
	var pairs *result.LedgerPairs
	if j.several != nil {
		pairs = j.several.Pairs
	} else {
		if err := j.follower.End(limit); err != nil {
			j.doubt("own server: " + err.Error())
		}
		pairs = j.matcher.Pairs()
	}
	if unread != nil {
		j.doubt("own server: " + unread.Error() + "; the sums of both ends are not compared")
	}
	if j.anyDied() {
		known = nil // what those saw is not in this end's sums
	}
	ledger, doubts := books.Settle(j.Plan.Closes.Mix, res, known, pairs)
	for _, text := range doubts {
		j.doubt(text)
	}
	j.note(j.server.stop())
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
	if j.anyDied() {
		return nil
	}
	if err := json.Unmarshal(s.last, &book); err != nil {
		j.doubt("own server: it left no ledger to compare with: " + cmp.Or(s.Err(), err).Error())
		return nil
	}
	ledger, doubts := books.Settle(j.Plan.Closes.Mix, res, &book, nil)
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
