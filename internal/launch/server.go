package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// PortMark is what stands in a command's line for its port.
const PortMark = "{port}"

const (
	defaultReady = 10 * time.Second
	defaultGrace = 5 * time.Second

	dialAgain = 10 * time.Millisecond  // between two looks whether a server listens
	lastRead  = 500 * time.Millisecond // for output of a process that has left the group
)

// A Command is a server as a line for the shell, /bin/sh -c. Its standard input
// is empty. Windows has none: see the package comment.
type Command struct {
	Line  string        // each {port} in it becomes the port to listen on, at 127.0.0.1
	Env   []string      // nil is this process' environment
	Log   io.Writer     // gets its output, by one goroutine; nil drops all but the last words
	Ready time.Duration // from the start to the first connection; 10 s if 0
	Grace time.Duration // from SIGTERM to SIGKILL; 5 s if 0
}

// A Server is a Command that was started. Its methods may be called from any
// goroutine.
type Server struct {
	Addr string // host:port it listens on

	cmd   *exec.Cmd
	guard *guard
	grace time.Duration
	gone  chan struct{} // closed when the shell has ended
	ended chan struct{} // closed when all has, with err set
	err   error         // of the shell's end; nil for status 0

	mu    sync.Mutex
	asked time.Time // when Stop was called first; zero before
	said  Tail
}

// Start runs the command and returns when it accepts a TCP connection. The
// error says why it does not, with its last words; nothing of it is left then.
func (c Command) Start(ctx context.Context) (*Server, error) {
	s, err := c.start()
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	if err := s.await(ctx, cmp.Or(c.Ready, defaultReady)); err != nil {
		_ = s.Stop() // the error is told already
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, fmt.Errorf("start server: %w%s", err, s.lastWords())
	}
	return s, nil
}

// start runs the command.
func (c Command) start() (*Server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr: addr, grace: cmp.Or(c.Grace, defaultGrace),
		gone: make(chan struct{}), ended: make(chan struct{}),
	}
	// The pipe is the server's own and not the library's: that would wait for
	// its end, which a process left behind can put off, before it tells of the
	// shell's.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s.cmd = Shell(context.Background(), strings.ReplaceAll(c.Line, PortMark, port))
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = c.Env, in, in
	if s.guard, err = newGuard(); err != nil {
		out.Close()
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		s.guard.release()
		out.Close()
		return nil, err
	}
	s.guard.over(s.cmd.Process.Pid)
	go s.run(out, c.Log)
	return s, nil
}

// firstPort is the lowest port a server is given: below it are those with a
// meaning.
const firstPort = 10000

// freeAddr is an address of loopback where nothing listens. It may be taken
// before the server has it, which then fails to start. That is rare below the
// ports the kernel gives to connections: in its own range, any connection of
// this host may take it.
func freeAddr() (string, error) {
	if ports := proc.ReadHost().Ports; ports.OK && ports.Low > firstPort {
		const tries = 20
		for range tries {
			port := firstPort + rand.IntN(ports.Low-firstPort)
			if addr, err := tryAddr(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
				return addr, nil
			}
		}
	}
	addr, err := tryAddr("127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return addr, nil
}

// tryAddr listens for a moment, and returns where.
func tryAddr(addr string) (string, error) {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// run reads the output and waits for the end.
func (s *Server) run(out *os.File, log io.Writer) {
	var reading sync.WaitGroup
	reading.Go(func() { s.read(out, log) })
	s.err = s.cmd.Wait()
	close(s.gone)
	s.mu.Lock()
	asked := s.asked
	s.mu.Unlock()
	if asked.IsZero() {
		KillGroup(s.cmd.Process.Pid)
	} else {
		AwaitGroup(s.cmd.Process.Pid, asked.Add(s.grace))
	}
	s.guard.release()
	_ = out.SetReadDeadline(time.Now().Add(lastRead)) // a pipe of another system may have none
	reading.Wait()
	out.Close()
	close(s.ended)
}

// read takes the output to the log. A log that fails gets no more.
func (s *Server) read(out io.Reader, log io.Writer) {
	buf := make([]byte, 4<<10)
	for {
		n, err := out.Read(buf)
		s.mu.Lock()
		s.said.Write(buf[:n])
		s.mu.Unlock()
		if log != nil && n > 0 {
			if _, failed := log.Write(buf[:n]); failed != nil {
				log = nil
			}
		}
		if err != nil {
			return
		}
	}
}

// await connects until it succeeds.
func (s *Server) await(ctx context.Context, limit time.Duration) error {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	again := time.NewTicker(dialAgain)
	defer again.Stop()
	for {
		conn, err := net.DialTimeout("tcp4", s.Addr, limit)
		if err == nil {
			conn.Close()
		}
		select {
		case <-s.gone: // what listens there is another
			return fmt.Errorf("it ended before it listened on %s: %s", s.Addr, s.status())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-timeout.C:
			return fmt.Errorf("it does not listen on %s after %v (write %s in the command where its port belongs)", s.Addr, limit, PortMark)
		case <-ctx.Done():
			return fmt.Errorf("given up: %w", context.Cause(ctx))
		}
	}
}

// Usage reads what the server and its children use. All is unknown where the
// system does not tell, and after the end.
func (s *Server) Usage() proc.Group {
	select {
	case <-s.gone:
		return proc.Group{}
	default:
		return proc.ReadGroup(s.cmd.Process.Pid)
	}
}

// Gone is closed when the server has ended, whoever ended it.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Err says why the server has ended by itself, with its last words. It is nil
// as long as it runs, and where Stop ended it. It may wait for those words a
// moment.
func (s *Server) Err() error {
	select {
	case <-s.gone:
	default:
		return nil
	}
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked.IsZero() {
		return nil
	}
	return fmt.Errorf("server: it ended by itself: %s%s", s.status(), s.lastWords())
}

// Stop asks the server to end, kills what is left of its group after the grace,
// and returns when nothing is. The error says that it had ended before, or that
// it had to be killed.
func (s *Server) Stop() error {
	if err := s.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.asked.IsZero() {
		s.asked = time.Now()
	}
	s.mu.Unlock()
	killed := false
	if err := AskToEnd(s.cmd.Process); !errors.Is(err, os.ErrProcessDone) {
		grace := time.NewTimer(s.grace)
		defer grace.Stop()
		select {
		case <-s.gone:
		case <-grace.C:
			killed = true
			_ = s.cmd.Process.Kill() // run kills the rest then, whose time is over too
		}
	}
	<-s.ended
	if killed {
		return fmt.Errorf("server: it did not end within %v of being asked, and was killed", s.grace)
	}
	return nil
}

// status is how the shell ended, as text. Only after the end.
func (s *Server) status() string {
	if s.err == nil {
		return "exit status 0 (a server must stay in the foreground)"
	}
	return s.err.Error()
}

// lastWords are those of the output, behind a colon. The caller holds mu.
func (s *Server) lastWords() string {
	if words := s.said.String(); words != "" {
		return ": " + words
	}
	return ""
}
