//go:build unix

package trigger

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// lookAgain is the pause between two looks whether a group has ended.
const lookAgain = 10 * time.Millisecond

// newShell prepares a line for the shell, in a process group of its own.
func newShell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// askToEnd sends SIGTERM to the group of a shell, and to none where the shell
// has been waited for: its number may be another's by then.
func askToEnd(shell *os.Process) error {
	if err := shell.Signal(syscall.Signal(0)); err != nil {
		return err // os.ErrProcessDone
	}
	return syscall.Kill(-shell.Pid, syscall.SIGTERM)
}

// killGroup waits for the end of a group that was asked for it and whose shell
// has ended, and kills what is left when the time is over. As long as a process
// is left the group's number is nobody else's. One that has ended counts as left
// until its parent takes notice, which costs the rest of the time and no more.
func killGroup(group int, deadline time.Time) {
	for time.Now().Before(deadline) {
		if syscall.Kill(-group, 0) != nil {
			return // nobody is left, or nobody who can be signalled
		}
		time.Sleep(lookAgain)
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // fails where the last one has just ended
}
