package drain

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/trigger"
	"github.com/wsload/wsload/scenario"
)

// signal sends a hook's signal. launched is called right before, or with the
// failure where it was not sent.
func (c *Conductor) signal(h *scenario.Hook, launched func()) error {
	p, err := process(c.Plan.Target.SignalTo(h), c.Own)
	if err != nil {
		launched()
		return fmt.Errorf("%w: %w", trigger.ErrNotLaunched, err)
	}
	sig, err := signalOf(h.Signal)
	launched()
	if err == nil {
		err = p.Signal(sig)
	}
	if err != nil {
		return fmt.Errorf("%w: signal %s to process %d: %w", trigger.ErrNotLaunched, h.Signal, p.Pid, err)
	}
	return nil
}

// Check reports whether the first hook's signal has somewhere to go, which may
// be asked before anything is opened. The own server need not run yet.
func Check(plan *scenario.Plan) error {
	h := &plan.Drain.Hooks[0]
	to := plan.Target.SignalTo(h)
	if h.Signal == "" || to == "own" {
		return nil
	}
	_, err := process(to, nil)
	return err
}

// process finds where a signal goes.
func process(to string, own *os.Process) (*os.Process, error) {
	kind, value, _ := strings.Cut(to, ":")
	var pid int
	var err error
	switch kind {
	case "own":
		if own == nil {
			return nil, errors.New("there is no own server")
		}
		return own, nil
	case "port":
		if pid, err = strconv.Atoi(value); err == nil {
			pid, err = proc.Listener(pid)
		}
	case "pidfile":
		var text []byte
		if text, err = os.ReadFile(value); err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	default:
		pid, err = strconv.Atoi(value)
	}
	if err != nil {
		return nil, fmt.Errorf("find the process at %s: %w", to, err)
	}
	if pid <= 1 { // which would be a group, or all there is
		return nil, fmt.Errorf("find the process at %s: %d is none to signal", to, pid)
	}
	return os.FindProcess(pid)
}
