package scenario_test

import (
	"testing"
	"time"

	"github.com/wsload/wsload/scenario/value"
)

const year = 8760 * time.Hour

// must reads a value of a plan from its text.
func must[T any](t testing.TB, read func(string) (T, error), text string) T {
	t.Helper()
	v, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustDist(t testing.TB, text string) value.Dist {
	t.Helper()
	return must(t, value.ParseDist, text)
}
func mustShape(t testing.TB, text string) value.Shape {
	t.Helper()
	return must(t, value.ParseShape, text)
}
func mustReconnect(t testing.TB, text string) value.Reconnect {
	t.Helper()
	return must(t, value.ParseReconnect, text)
}
