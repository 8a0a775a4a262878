package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/books"
	"github.com/wsload/wsload/internal/launch"
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
	readyLimit  = 10 * time.Second       // for the own server to listen
	endLimit    = 10 * time.Second       // for it to end
	ledgerLimit = 5 * time.Second        // for its last connection to end
	ledgerPause = 20 * time.Millisecond  // between two looks at the ledger
	ledgerReply = 2 * time.Second        // for one answer
	maxFarewell = 1 << 20                // of a ledger at the end, in bytes
	quietLimit  = 500 * time.Millisecond // for a child that broke off to be gone
)

// A server is the tool's own server: wsload serve in a process of its own, so
// that its scheduler, its memory and its descriptors are not the client's.
//
// It ends when its standard input does. So it cannot outlive this process,
// however that ends.
type server struct {
	ready
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  trimmed       // its standard error
	gone  chan struct{} // closed when it has ended, with what follows set
	err   error
	last  []byte // what it printed after its first line, where it is to say farewell
}

// startServer starts the own server and returns when it listens. One that says
// farewell prints its ledger at its end.
func (a *app) startServer(ctx context.Context, farewell bool) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start own server: %w", err)
	}
	s := &server{gone: make(chan struct{})}
	s.cmd = &exec.Cmd{
		Path:        self,
		Args:        []string{"wsload", "serve", "--listen", "127.0.0.1:0", "--json", "--until-eof", fmt.Sprintf("--quiet=%t", !farewell)},
		Env:         a.environ,
		Stderr:      &s.said,
		SysProcAttr: launch.OwnGroup(), // a terminal's Ctrl-C is for the run, which closes in order
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start own server: %w", err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start own server: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start own server: %w", err)
	}
	first := make(chan []byte, 1)
	go func() {
		defer close(s.gone)
		out := bufio.NewReader(stdout)
		line, _ := out.ReadBytes('\n')
		first <- line
		s.last, _ = io.ReadAll(io.LimitReader(out, maxFarewell))
		_, _ = io.Copy(io.Discard, out) // a full pipe would stop it
		s.err = s.cmd.Wait()
	}()
	if err := s.await(ctx, first); err != nil {
		s.kill()
		return nil, fmt.Errorf("start own server: %w", err)
	}
	return s, nil
}

// await takes the line that says where the server listens.
func (s *server) await(ctx context.Context, first <-chan []byte) error {
	timeout := time.NewTimer(readyLimit)
	defer timeout.Stop()
	select {
	case line := <-first:
		if err := json.Unmarshal(line, &s.ready); err != nil || s.URL == "" {
			s.waitGone(quietLimit)
			return fmt.Errorf("it did not say where it listens%s", s.lastWords())
		}
		return nil
	case <-timeout.C:
		return fmt.Errorf("it did not listen within %v%s", readyLimit, s.lastWords())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isGone reports whether the process has ended.
func (s *server) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// waitGone reports whether the process has ended within the limit.
func (s *server) waitGone(limit time.Duration) bool {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-s.gone:
		return true
	case <-timeout.C:
		return false
	}
}

// kill ends the process in any case, and returns when it has ended.
func (s *server) kill() {
	s.stdin.Close()
	if !s.isGone() {
		_ = s.cmd.Process.Kill() // fails where it has just ended
	}
	<-s.gone
}

// stop lets the process end by itself. The error says that it did not, or that
// it had ended before, and what it said.
func (s *server) stop() error {
	early := s.isGone()
	s.stdin.Close()
	if !s.waitGone(endLimit) {
		s.kill()
		return fmt.Errorf("own server: it did not end within %v and was killed%s", endLimit, s.lastWords())
	}
	switch {
	case s.err != nil:
		return fmt.Errorf("own server: %w%s", s.err, s.lastWords())
	case early:
		return fmt.Errorf("own server: it ended before the run did%s", s.lastWords())
	}
	return nil
}

func (s *server) lastWords() string {
	if text := s.said.String(); text != "" {
		return "; it said:\n" + text
	}
	return ""
}

// trimmed keeps the beginning of what is written to it.
type trimmed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *trimmed) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p[:min(len(p), most-t.buf.Len())])
	return len(p), nil
}

func (t *trimmed) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf.Bytes()))
}

// ledger asks the server for its own count, until it has no open connection but
// those that have gone silently, or the limit is over. What was read last comes
// with the error too.
func (s *server) ledger(ctx context.Context, silent uint64) (book target.Ledger, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	client := &http.Client{Timeout: ledgerReply, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		latest, err := s.statz(ctx, client)
		if err == nil {
			book = latest
			if book.Open <= silent {
				return book, nil
			}
			err = fmt.Errorf("it still holds %d connections %v after the run", book.Open, ledgerLimit)
		}
		select {
		case <-time.After(ledgerPause):
		case <-s.gone:
			return book, errors.New("own server: it was gone before its ledger could be read")
		case <-ctx.Done():
			return book, fmt.Errorf("own server: %w", err)
		}
	}
}

func (s *server) statz(ctx context.Context, client *http.Client) (book target.Ledger, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Statz, nil)
	if err != nil {
		return book, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return book, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return book, errors.New(resp.Status)
	}
	err = json.NewDecoder(resp.Body).Decode(&book)
	return book, err
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
// those of the run, and ends it. Of connections that this end gave up on, the
// server may have seen more or less, and one that misbehaves may be deaf to a
// Close: sums that differ say nothing then, and only single connections are
// compared.
func (j *job) settleServer(ctx context.Context, res *runner.Result) *result.Ledger {
	switch {
	case j.server == nil:
		return nil
	case len(j.plan.Faults.Steps) > 0:
		j.note(j.server.stop())
		return nil
	case len(j.plan.Drain.Hooks) > 0:
		return j.settleDrained(res)
	}
	var silent uint64
	for _, t := range res.Tally {
		silent += t.Ended[runner.EndedSilently]
	}
	book, err := j.server.ledger(context.WithoutCancel(ctx), silent)
	limit := ledgerLimit
	if err != nil {
		limit = 0 // there was time enough
	}
	if err := j.follower.End(limit); err != nil {
		j.doubt("own server: " + err.Error())
	}
	pairs := j.matcher.Pairs()
	ledger := &result.Ledger{Matched: pairs.Mismatched == 0, Pairs: pairs}
	if err == nil {
		sums := books.Compare(j.plan.Closes.Mix, res.Tally, book)
		switch {
		case sums.Matched, pairs.Misbehaved == 0 && res.GivenUp() == 0:
			ledger = sums
			ledger.AddPairs(pairs)
		case pairs.Misbehaved == 0:
			j.doubt(fmt.Sprintf("the own server's sums are not compared: this run gave up on %d connections first, and the server may rightly count those otherwise", res.GivenUp()))
		}
	} else {
		j.doubt(err.Error() + "; the sums of both ends are not compared")
	}
	switch {
	case pairs.Mismatched > 0:
		j.doubt(fmt.Sprintf("the own server says otherwise of %d connections: one of the two is wrong", pairs.Mismatched))
	case !ledger.Matched:
		j.doubt("the own server counted other connections than this run did: one of the two is wrong")
	case err == nil && pairs.Missing > 0:
		j.doubt(fmt.Sprintf("of %d connections only one end's verdict is known", pairs.Missing))
	}
	j.note(j.server.stop())
	return ledger
}

// settleDrained ends the own server of a drain, if a hook has not, and compares
// the counts that it printed last. How it ended is what the hooks made of it.
func (j *job) settleDrained(res *runner.Result) *result.Ledger {
	s := j.server
	s.stdin.Close()
	if !s.waitGone(endLimit) {
		s.kill()
		j.note(fmt.Errorf("own server: it did not end within %v and was killed%s", endLimit, s.lastWords()))
		return nil
	}
	var book target.Ledger
	if err := json.Unmarshal(s.last, &book); err != nil {
		j.doubt("own server: it left no ledger to compare with: " + cmp.Or(s.err, err).Error())
		return nil
	}
	ledger := books.Compare(j.plan.Closes.Mix, res.Tally, book)
	if n := res.GivenUp(); !ledger.Matched && n > 0 {
		j.doubt(fmt.Sprintf("the own server's sums are not compared: this run gave up on %d connections first", n))
		return nil
	}
	if !ledger.Matched {
		j.doubt("the own server counted other connections than this run did: one of the two is wrong")
	}
	return ledger
}

// doubt is a warning that is told at once and stands in the result.
func (j *job) doubt(text string) {
	j.warnings = append(j.warnings, text)
	j.warn("%s", text)
}
