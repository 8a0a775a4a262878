package trigger

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// newShell prepares a line for the shell. The line is passed as it is: cmd does
// not read the quotes that exec would put around an argument. With /S it takes
// off the outer pair alone.
func newShell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CmdLine:       `cmd /S /C "` + line + `"`,
		CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP,
	}
	return cmd
}

// askToEnd kills the shell: there is no gentler way that every program heeds.
func askToEnd(shell *os.Process) error { return shell.Kill() }

// killGroup has nothing to do: a group here takes no signal.
func killGroup(int, time.Time) {}
