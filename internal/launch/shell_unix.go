//go:build unix

package launch

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// lookAgain is the pause between two looks whether a group has ended.
const lookAgain = 10 * time.Millisecond

// Shell prepares a line for the shell, in a process group of its own. The end
// of ctx kills the shell, unless the caller sets Cancel.
func Shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.SysProcAttr = OwnGroup()
	return cmd
}

// OwnGroup puts a child into a process group of its own, which a terminal's
// Ctrl-C does not reach.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// AskToEnd sends SIGTERM to the group of a shell, and to none where the shell
// has been waited for: its number may be another's by then. The error is
// os.ErrProcessDone there.
func AskToEnd(shell *os.Process) error {
	if err := shell.Signal(syscall.Signal(0)); err != nil {
		return err
	}
	return syscall.Kill(-shell.Pid, syscall.SIGTERM)
}

// AwaitGroup waits for the end of a group that was asked for it and whose shell
// has ended, and kills what is left when the time is over. As long as a process
// is left the group's number is nobody else's. One that has ended and whose
// parent has not taken notice is not waited for, where the system tells them.
func AwaitGroup(group int, deadline time.Time) {
	for time.Now().Before(deadline) {
		if syscall.Kill(-group, 0) != nil {
			return // nobody is left, or nobody who can be signalled
		}
		if alive := proc.ReadGroup(group).Alive; alive.OK && alive.N == 0 {
			return
		}
		time.Sleep(lookAgain)
	}
	KillGroup(group)
}

// KillGroup kills what is left of a group. Where its shell has been waited for,
// call it right after: later the number may be another's.
func KillGroup(group int) {
	_ = syscall.Kill(-group, syscall.SIGKILL) // fails where the last one has just ended
}
