package trigger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotLaunched is the error of a trigger that failed before the server could
// notice anything.
var ErrNotLaunched = errors.New("not launched")

// A Trigger is what a Launcher fires: a Request or a Command.
type Trigger interface {
	// Fire launches the trigger and waits for its end. It calls launched exactly
	// once, as the package comment says.
	Fire(ctx context.Context, launched func()) error
}

// A Launcher fires triggers, a limited number of them at once. Its methods may
// be called from many goroutines.
type Launcher struct {
	places chan struct{}
}

// NewLauncher returns a Launcher for which at most so many triggers, at least
// one, run at once.
func NewLauncher(most int) *Launcher {
	return &Launcher{places: make(chan struct{}, max(most, 1))}
}

// Fire waits for a place, fires the trigger and returns its error. Places are
// given in the order of the calls. A trigger's own limit does not count while it
// waits; where ctx ends meanwhile it is not launched.
func (l *Launcher) Fire(ctx context.Context, t Trigger, launched func()) error {
	select {
	case l.places <- struct{}{}: // waiting senders are served in their order
	case <-ctx.Done():
		launched()
		return fmt.Errorf("trigger: %w: given up while all %d places were taken: %w", ErrNotLaunched, cap(l.places), context.Cause(ctx))
	}
	defer func() { <-l.places }()
	return t.Fire(ctx, launched)
}

// bounded is ctx with a limit, none if that is 0. The cause of its end says
// which of the two it was.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %v", limit))
}

// causeOf is why ctx ended, or err where it did not: after its end all other
// errors are its consequences.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("given up: %w", context.Cause(ctx))
	}
	return err
}
