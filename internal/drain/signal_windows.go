package drain

import (
	"fmt"
	"os"

	"github.com/wsload/wsload/scenario"
)

// signalOf knows one signal: processes here take no other.
func signalOf(name scenario.Signal) (os.Signal, error) {
	if name != "KILL" {
		return nil, fmt.Errorf("no signal %s on this system (use KILL, http or exec)", name)
	}
	return os.Kill, nil
}
