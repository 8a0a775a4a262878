package launch

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Shell prepares a line for the shell. The line is passed as it is: cmd does
// not read the quotes that exec would put around an argument. With /S it takes
// off the outer pair alone.
func Shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = OwnGroup()
	cmd.SysProcAttr.CmdLine = `cmd /S /C "` + line + `"`
	return cmd
}

// OwnGroup puts a child into a process group of its own, which a console's
// Ctrl-C does not reach.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// AskToEnd kills the shell: there is no gentler way that every program heeds.
func AskToEnd(shell *os.Process) error { return shell.Kill() }

// AwaitGroup has nothing to do: a group here takes no signal.
func AwaitGroup(int, time.Time) {}

// KillGroup has nothing to do either.
func KillGroup(int) {}
