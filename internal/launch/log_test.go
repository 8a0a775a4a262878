package launch_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/wsload/wsload/internal/launch"
)

func TestALogTakesSoMuchAndSaysThatMoreIsMissing(t *testing.T) {
	var out bytes.Buffer
	l := launch.NewLog(&out, 10)
	for _, text := range []string{"12345", "67890", "more", "and more"} {
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%q: %d, %v", text, n, err)
		}
	}
	if want := "1234567890\n[the log is full; what comes after is left out]\n"; out.String() != want {
		t.Errorf("the log is %q, want %q", out.String(), want)
	}
	if _, err := launch.NewLog(full{}, 10).Write([]byte("x")); err == nil {
		t.Error("no error of a full disk")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }
