package trigger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/wsload/wsload/internal/trigger"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fire fires a trigger and wants launched to be called exactly once.
func fire(ctx context.Context, t *testing.T, tr trigger.Trigger) error {
	t.Helper()
	launches := 0
	err := tr.Fire(ctx, func() { launches++ })
	if launches != 1 {
		t.Errorf("launched was called %d times, want once", launches)
	}
	return err
}

// wantError wants an error with exactly this text, which is ErrNotLaunched or
// is not.
func wantError(t *testing.T, err error, text string, launched bool) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if err.Error() != text {
		t.Errorf("the error is\n\t%v\nwant\n\t%s", err, text)
	}
	if errors.Is(err, trigger.ErrNotLaunched) == launched {
		t.Errorf("%v: launched is not %v", err, launched)
	}
}
