package trigger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/trigger"
)

// A nap is a trigger that takes a second and ends with its error.
type nap struct{ err error }

func (n nap) Fire(_ context.Context, launched func()) error {
	launched()
	time.Sleep(time.Second)
	return n.err
}

func TestALauncherRunsSoManyAtOnceInTheOrderOfTheCalls(t *testing.T) {
	for most, want := range map[int][]time.Duration{
		0: {0, 1, 2, 3, 4},
		1: {0, 1, 2, 3, 4},
		2: {0, 0, 1, 1, 2},
		9: {0, 0, 0, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, begin := trigger.NewLauncher(most), time.Now()
			launches := make([]time.Duration, len(want))
			for i := range launches {
				failed := errors.New("failed")
				go func() {
					if err := l.Fire(t.Context(), nap{failed}, func() { launches[i] = time.Since(begin) / time.Second }); err != failed {
						t.Errorf("at most %d: the error is %v, want the trigger's own", most, err)
					}
				}()
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if !slices.Equal(launches, want) {
				t.Errorf("at most %d: launches at the seconds %d, want %d", most, launches, want)
			}
		})
	}
}

func TestWhoWaitsForAPlaceGivesUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := trigger.NewLauncher(1)
		go l.Fire(t.Context(), nap{}, func() {})
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second/2, func() { cancel(errors.New("signal")) })
		launches := 0
		err := l.Fire(ctx, nap{errors.New("it was fired")}, func() { launches++ })
		wantError(t, err, "trigger: not launched: given up while all 1 places were taken: signal", false)
		if launches != 1 {
			t.Errorf("launched was called %d times, want once", launches)
		}
		time.Sleep(time.Second)
		if err := l.Fire(t.Context(), nap{}, func() {}); err != nil {
			t.Error("the place was not given back:", err)
		}
	})
}
