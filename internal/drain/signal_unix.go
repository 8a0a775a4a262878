//go:build unix

package drain

import (
	"fmt"
	"os"
	"syscall"

	"github.com/wsload/wsload/scenario"
)

func signalOf(name scenario.Signal) (os.Signal, error) {
	sig, ok := map[scenario.Signal]os.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
		"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	}[name]
	if !ok {
		return nil, fmt.Errorf("no signal %s", name)
	}
	return sig, nil
}
