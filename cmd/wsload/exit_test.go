package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/runner"
)

func TestTheExitCodeOfARunFollowsFromWhatWentWrong(t *testing.T) {
	nothing := &runner.NothingOpenedError{Tries: 1, Last: errors.New("refused")}
	broken := errors.New("write result: no space left")
	interrupted, terminated := &stopped{os.Interrupt}, &stopped{syscall.SIGTERM}
	for name, row := range map[string]struct {
		trouble []error
		cause   error
		want    int
	}{
		"nothing":                       {nil, nil, exitDone},
		"nothing opened":                {[]error{nothing}, nil, exitFailed},
		"a result that is not whole":    {[]error{broken}, nil, exitFailed},
		"SIGINT":                        {nil, interrupted, exitInterrupted},
		"SIGTERM":                       {nil, terminated, exitTerminated},
		"SIGINT before anything opened": {[]error{nothing}, interrupted, exitInterrupted},
		"SIGTERM, and a result that is not complete": {[]error{broken}, terminated, exitFailed},
		"SIGINT, nothing opened, result not whole":   {[]error{nothing, broken}, interrupted, exitFailed},
	} {
		j := &job{trouble: row.trouble, judged: gate.None}
		if got := j.code(row.cause); got != row.want {
			t.Errorf("%s: exit code %d, want %d", name, got, row.want)
		}
		var said bytes.Buffer
		a := &app{stderr: &said}
		if got := a.explain(j.verdict(row.cause, nil)); got != row.want {
			t.Errorf("%s: the run ends with %d, want %d", name, got, row.want)
		}
		if silent := said.Len() == 0; silent != (row.want == exitDone) {
			t.Errorf("%s: said %q", name, said.String())
		}
	}
}

func TestAServerThatCannotBeReachedComesWithAHint(t *testing.T) {
	for _, reason := range []string{
		"refused", "timeout", "unreachable", "dns", "tls", "eof", "reset", "malformed", "status-401", "status-404", "status-302",
		"status-400", "status-503", "bad-accept", "bad-upgrade", "on-open", "emfile", "eaddrnotavail",
	} {
		last := fmt.Errorf("dial: %w", &wire.OpenError{Reason: reason, Err: errors.New("cause")})
		if openHint(&runner.NothingOpenedError{Tries: 1, Last: last}) == "" {
			t.Errorf("no hint for %s", reason)
		}
	}
	if hint := openHint(&runner.NothingOpenedError{Tries: 1, Last: errors.New("other")}); hint != "" {
		t.Errorf("a hint for an unknown reason: %s", hint)
	}
}

func TestAnErrorIsOneLinePerProblemAndItsHints(t *testing.T) {
	var said bytes.Buffer
	a := &app{stderr: &said}
	code := a.explain(&failure{code: exitUsage, err: errors.Join(errors.New("one"), errors.New("two")), hints: []string{"", "do this"}})
	if want := "wsload: one\nwsload: two\nhint: do this\n"; code != exitUsage || said.String() != want {
		t.Errorf("exit code %d, said:\n%s", code, said.String())
	}
}
