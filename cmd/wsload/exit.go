package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/report/ci"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
)

// The exit codes of all commands.
const (
	// exitDone says that what was asked for was done.
	exitDone = 0
	// exitFailed says that it could not be done: no connection ever opened,
	// the own server did not start, a result could not be read or written.
	exitFailed = 1
	// exitUsage says that the command line or the configuration is wrong, or
	// that this host cannot carry out the plan. Nothing was opened.
	exitUsage = 2
	// exitInterrupted and exitTerminated say that SIGINT or SIGTERM ended the
	// run (128 and the signal's number), with the result complete up to there.
	exitInterrupted = 130
	exitTerminated  = 143
)

// A failure is an error with an exit code and what the user can do about it.
type failure struct {
	code  int
	err   error
	hints []string
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// failed is a failure of the task itself. Empty hints are left out.
func failed(err error, hints ...string) error {
	return &failure{code: exitFailed, err: err, hints: hints}
}

// usage is a mistake of the user, who is sent to the command's help.
func usage(cmd *cobra.Command, err error, hints ...string) error {
	hints = append(hints, fmt.Sprintf("see %s --help", cmd.CommandPath()))
	return &failure{code: exitUsage, err: err, hints: hints}
}

// explain tells the user of an error and returns its exit code. It is the one
// place where an error becomes a code. A command's untyped error is a failure
// of its task.
func (a *app) explain(err error) int {
	if err == nil {
		return exitDone
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{code: exitFailed, err: err}
	}
	for line := range strings.Lines(f.Error()) {
		fmt.Fprintf(a.stderr, "wsload: %s\n", harmless(strings.TrimSuffix(line, "\n")))
	}
	for _, hint := range f.hints {
		if hint != "" {
			fmt.Fprintf(a.stderr, "hint: %s\n", hint)
		}
	}
	return f.code
}

// harmless takes what steers a terminal or a runner out of a line: parts of it
// may be a server's.
func harmless(line string) string {
	return ci.Inert(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, line))
}

// A stopped is the cause of a run that a signal ended.
type stopped struct{ signal os.Signal }

// Error says which signal it was, with the name that kill knows.
func (s *stopped) Error() string {
	if s.signal == syscall.SIGTERM {
		return "stopped by SIGTERM"
	}
	return "stopped by SIGINT"
}

func (s *stopped) code() int {
	if s.signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// ruleFailed is the cause of a run that one of its rules ended.
type ruleFailed struct{ rule.Result }

func (f *ruleFailed) Error() string { return "rule failed: " + f.Rule + ": " + f.Reason }

// onSignals turns SIGINT and SIGTERM into the steps of an end: the first
// cancels the context with a *stopped as its cause, the second closes cut, and
// the third ends the process at once. The user hears of each step by say. The
// returned function gives the signals back; it returns when none is handled any
// more.
//
// From the call on, a pipe that nobody reads ends the process no more, not even
// as standard output or error: the write fails, and what becomes of that is its
// writer's business.
func (a *app) onSignals(parent context.Context, say func(text string)) (ctx context.Context, cut <-chan struct{}, restore func()) {
	ctx, cancel := context.WithCancelCause(parent)
	cutting := make(chan struct{})
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// Never read. It is not ignored either, since children would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		count := 0
		for sig := range signals {
			count++
			s := &stopped{sig}
			switch count {
			case 1:
				cancel(s)
				say(s.Error() + ": ending in order; again to cut what is open")
			case 2:
				close(cutting)
				say(s.Error() + " again: cutting what is open; once more to quit at once")
			default:
				a.exit(s.code())
			}
		}
	}()
	return ctx, cutting, func() {
		signal.Stop(signals)
		close(signals)
		<-handled
		cancel(nil)
	}
}

// code is the exit code as things stand. A failure to do the run beats a
// signal, since after a signal the result promises to be complete; only that
// nothing opened is no wonder when the run was stopped. Then comes what the
// rules say.
func (j *job) code(cause error) int {
	s, stop := errors.AsType[*stopped](cause)
	for _, err := range j.trouble {
		if _, nothing := errors.AsType[*runner.NothingOpenedError](err); !nothing || !stop {
			return exitFailed
		}
	}
	if stop {
		return s.code()
	}
	return j.judged.Exit()
}

// verdict is the end of the run as an error, nil when it was done.
func (j *job) verdict(cause error, doc *result.Document) error {
	code := j.code(cause)
	if code == exitDone {
		return nil
	}
	if _, broken := errors.AsType[*ruleFailed](cause); len(j.trouble) == 0 && (cause == nil || broken) {
		return notPassed(doc)
	}
	f := &failure{code: code, err: errors.Join(append(j.trouble, cause)...)}
	for _, err := range j.trouble {
		if nothing, ok := errors.AsType[*runner.NothingOpenedError](err); ok {
			f.hints = append(f.hints, openHint(nothing))
		}
	}
	return f
}

// notPassed tells which rules a run did not pass, nil where it passed all. The
// exit code is that of the verdict.
func notPassed(doc *result.Document) error {
	verdict := gate.Verdict(doc.Verdict)
	if verdict.Exit() == exitDone {
		return nil
	}
	spoken := func(v gate.Verdict) string { return strings.ReplaceAll(string(v), "_", " ") }
	var lines []error
	for _, text := range doc.Rules {
		var r rule.Result
		if err := json.Unmarshal(text, &r); err != nil {
			return failed(fmt.Errorf("read what a rule says: %w", err))
		}
		if r.Verdict != gate.Pass {
			lines = append(lines, fmt.Errorf("rule: %s: %s: %s", spoken(r.Verdict), r.Rule, r.Reason))
		}
	}
	if !doc.Complete {
		lines = append(lines, errors.New("rules: "+spoken(verdict)+": the result is not whole"))
	}
	return &failure{code: verdict.Exit(), err: errors.Join(lines...)}
}

// startError tells a process that cannot be started from a user who did not
// wait for it.
func startError(err error, hints ...string) error {
	if s, ok := errors.AsType[*stopped](err); ok {
		return &failure{code: s.code(), err: err}
	}
	return failed(err, hints...)
}

// openHint is what can be done about a server to which no connection opened.
func openHint(nothing *runner.NothingOpenedError) string {
	open, ok := errors.AsType[*wire.OpenError](nothing)
	if !ok {
		return ""
	}
	switch open.Reason {
	case "refused":
		return "is the server listening there? without --target wsload starts one of its own"
	case "timeout":
		return "is the address right? limits.dial and limits.upgrade say how long to wait: --set limits.upgrade=30s"
	case "unreachable":
		return "is there a route to that address from here?"
	case "dns":
		return "is the name of the host right?"
	case "tls":
		return "trust the server's CA with --set target.tls.ca=FILE, or check nothing with --set target.tls.insecure=true; a server without TLS wants ws://"
	case "eof", "reset", "malformed":
		return "does something else than a WebSocket server listen there? a server with TLS wants wss://"
	case "status-401", "status-403", "status-407":
		return `does it want credentials? --set 'target.headers=["Authorization: Bearer ${TOKEN}"]'`
	case "status-200", "status-404", "status-405":
		return "is the path right?"
	case "status-301", "status-302", "status-303", "status-307", "status-308":
		return "redirects are not followed: use the address it points to"
	case "status-400":
		return "is the request what the server wants (path, query, subprotocol)? a server with TLS wants wss://"
	case "status-429", "status-503":
		return "the server or a proxy turns connections away: open fewer at once with --rate"
	case "on-open":
		return "the opening dialogue failed: is on_open what the server expects, and on_open within long enough?"
	case "emfile":
		return "this process ran out of descriptors: use fewer --connections, or raise the limit (ulimit -n): wsload doctor says how"
	case "eaddrnotavail":
		return "this host ran out of ports: name more source addresses in target.local_addrs, or see wsload doctor"
	}
	if strings.HasPrefix(open.Reason, "bad-") {
		return "the answer breaks RFC 6455 section 4: a proxy or a cache on the way may have given it"
	}
	return ""
}
