package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/launch"
)

// quietLimit is how long a child that ended its output before its first line
// may take to be gone: only then are all of its words there.
const quietLimit = 500 * time.Millisecond

// A Command is how a process of this binary is started.
type Command struct {
	Name string   // what the process is, for errors: "own server"
	Args []string // behind the name of the program
	Env  []string // nil is this process' environment
	// Line takes each line of the standard output behind the first, its newline
	// included where it has one, from one goroutine. It must not keep the line.
	// The process waits as long as Line does. nil drops them.
	Line func(line []byte)
	// Files are its descriptors from 3 on. Windows has no such thing.
	Files []*os.File
	// Log takes the standard error too, as it comes. nil drops it.
	Log io.Writer
}

// A Child is a process of this binary. It is in a group of its own, so that a
// terminal's Ctrl-C is for this process alone, which ends in order. Its methods
// may be called from any goroutine.
type Child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	first chan []byte
	said  said
	gone  chan struct{} // closed when it has ended, with err set
	err   error
}

// Start starts the process. It is ended by End, Stop or Kill, of which one must
// be called.
func (c Command) Start() (*Child, error) {
	fail := func(err error) (*Child, error) { return nil, fmt.Errorf("start %s: %w", c.Name, err) }
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	child := &Child{name: c.Name, first: make(chan []byte, 1), gone: make(chan struct{}), said: said{log: c.Log}}
	child.cmd = &exec.Cmd{
		Path: self, Args: append([]string{"wsload"}, c.Args...), Env: c.Env,
		Stderr: &child.said, ExtraFiles: c.Files, SysProcAttr: launch.OwnGroup(),
	}
	if child.stdin, err = child.cmd.StdinPipe(); err != nil {
		return fail(err)
	}
	stdout, err := child.cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := child.cmd.Start(); err != nil {
		return fail(err)
	}
	go child.read(stdout, c.Line)
	return child, nil
}

// read takes the output to its end, and then the process'.
func (c *Child) read(stdout io.Reader, take func(line []byte)) {
	defer close(c.gone)
	in := bufio.NewReaderSize(stdout, 1<<16)
	line, err := in.ReadBytes('\n')
	c.first <- line
	for err == nil {
		if line, err = in.ReadBytes('\n'); len(line) > 0 && take != nil {
			take(line)
		}
	}
	c.err = c.cmd.Wait()
}

// First returns the first line of the standard output. It is empty where the
// output ended without one; the process is gone then, unless it clings to life.
// Call it once.
func (c *Child) First(ctx context.Context, limit time.Duration) ([]byte, error) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case line := <-c.first:
		if len(line) == 0 {
			c.waitGone(quietLimit)
		}
		return line, nil
	case <-timeout.C:
		return nil, fmt.Errorf("it was not ready within %v%s", limit, c.LastWords())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Send writes to the standard input. It fails where the process reads no more,
// and waits where the process does.
func (c *Child) Send(line []byte) error {
	if _, err := c.stdin.Write(line); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// Process is the process, for signals and its number.
func (c *Child) Process() *os.Process { return c.cmd.Process }

// Gone is closed when the process has ended and all of its lines were taken.
func (c *Child) Gone() <-chan struct{} { return c.gone }

// Err is how the process ended, nil for exit code 0, and as long as it has not.
func (c *Child) Err() error {
	if !c.isGone() {
		return nil
	}
	return c.err
}

// LastWords is what the process wrote to its standard error, or the beginning
// of it, as the rest of an error's sentence; "" where it wrote nothing.
func (c *Child) LastWords() string {
	if text := c.said.String(); text != "" {
		return "; it said:\n" + text
	}
	return ""
}

func (c *Child) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// waitGone reports whether the process has ended within the limit.
func (c *Child) waitGone(limit time.Duration) bool {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-c.gone:
		return true
	case <-timeout.C:
		return false
	}
}

// Release ends the standard input, which tells the process to end. It does not
// wait.
func (c *Child) Release() { _ = c.stdin.Close() } // a second time, or that of one that has ended, does no harm

// Kill ends the process in any case, and returns when it has ended.
func (c *Child) Kill() {
	c.Release()
	if !c.isGone() {
		_ = c.cmd.Process.Kill() // fails where it has just ended
	}
	<-c.gone
}

// End lets the process end by itself, and kills it at the limit, which is the
// one error. How it ended otherwise is in Err.
func (c *Child) End(limit time.Duration) error {
	c.Release()
	if c.waitGone(limit) {
		return nil
	}
	c.Kill()
	return fmt.Errorf("%s: it did not end within %v and was killed%s", c.name, limit, c.LastWords())
}

// Stop is End for a process that should have lasted until now and end well: the
// error also says that it had ended before, or with what.
func (c *Child) Stop(limit time.Duration) error {
	early := c.isGone()
	if err := c.End(limit); err != nil {
		return err
	}
	switch {
	case c.err != nil:
		return fmt.Errorf("%s: %w%s", c.name, c.err, c.LastWords())
	case early:
		return fmt.Errorf("%s: %w%s", c.name, errEarly, c.LastWords())
	}
	return nil
}

// errEarly is the end of a process that nobody had asked to end.
var errEarly = errors.New("it ended before the run did")

// said keeps the beginning of what is written to it: the cause of an end stands
// there, in front of a runtime's long account of it.
type said struct {
	log io.Writer // takes all of it; may be nil
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	const most = 4 << 10
	if s.log != nil {
		_, _ = s.log.Write(p) // a log that fails must not end who writes to it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p[:min(len(p), most-s.buf.Len())])
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(bytes.TrimSpace(s.buf.Bytes()))
}
