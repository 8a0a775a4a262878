package trigger

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/wsload/wsload/internal/launch"
)

// grace is what a command has between the request to end and its kill.
const grace = time.Second

// A Command is a line for the shell that makes the server close: /bin/sh -c, on
// Windows cmd /C. Its standard input is empty, its environment that of this
// process.
//
// On Unix it runs in a process group of its own, which a terminal's Ctrl-C does
// not reach. Where its time is over the group gets SIGTERM, and what is left of
// it after a second SIGKILL. Elsewhere only the shell itself is killed.
//
// A process it leaves in the background lives on, as the new server of a deploy
// should. It needs an output of its own (>/dev/null 2>&1 &): the one it
// inherited is read for a second after the shell's end and then closed.
type Command struct {
	Line  string
	Limit time.Duration // from the launch to the shell's end; no limit if 0
}

// Fire runs the command. An exit status of 0 is success; the error of any other
// end has the last lines the command wrote.
//
// The launch is the moment before the shell is started.
func (c Command) Fire(ctx context.Context, launched func()) error {
	ctx, cancel := bounded(ctx, c.Limit)
	defer cancel()
	cmd := launch.Shell(ctx, c.Line)
	var said launch.Tail
	cmd.Stdout, cmd.Stderr = &said, &said // the same value: one goroutine writes
	cmd.WaitDelay = grace
	var asked time.Time // when it was asked to end; zero where it ended by itself
	cmd.Cancel = func() error {
		err := launch.AskToEnd(cmd.Process)
		if err == nil {
			asked = time.Now()
		}
		return err
	}

	launched()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w: %w", c.name(), ErrNotLaunched, causeOf(ctx, err))
	}
	err := cmd.Wait()
	switch {
	case !asked.IsZero():
		launch.AwaitGroup(cmd.Process.Pid, asked.Add(grace))
		err = causeOf(ctx, err)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // something in the background held its output
		return nil
	}
	if words := said.String(); words != "" {
		return fmt.Errorf("%s: %w: %s", c.name(), err, words)
	}
	return fmt.Errorf("%s: %w", c.name(), err)
}

func (c Command) name() string { return "exec " + launch.Name(c.Line) }
