//go:build unix

package launch

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
)

// watch is what a guard runs. It reads the number of a group, and kills that
// group where its input ends before another line comes. Of this process' end,
// whatever the kind, the end of the input is the one sure sign.
const watch = `read -r group || exit 0; read -r _ || kill -KILL "-$group"`

// A guard kills a process group when this process is gone.
type guard struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// newGuard starts a guard. It guards nothing yet, but is ready to.
func newGuard() (*guard, error) {
	g := &guard{cmd: exec.Command("/bin/sh", "-c", watch)}
	g.cmd.SysProcAttr = OwnGroup()
	var err error
	if g.in, err = g.cmd.StdinPipe(); err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start its guard: %w", err)
	}
	return g, nil
}

// over names the group to guard.
func (g *guard) over(group int) {
	// It fails where somebody has killed the guard, who knew what they did.
	_, _ = io.WriteString(g.in, strconv.Itoa(group)+"\n")
}

// release ends the guard, and not what it guards.
func (g *guard) release() {
	_, _ = io.WriteString(g.in, "\n")
	_ = g.in.Close()
	_ = g.cmd.Wait()
}
