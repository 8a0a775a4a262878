package launch

import "errors"

// A guard cannot be had: a group here takes no signal.
type guard struct{}

// newGuard refuses. A shell that is killed here leaves the server that it has
// started, and a contest would leave a hundred of them.
func newGuard() (*guard, error) {
	return nil, errors.New("this system has no way to end a server with all that it has started (start the servers yourself and give their URLs)")
}

func (*guard) over(int) {}
func (*guard) release() {}
