package watch

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsload/wsload/scenario/problem"
)

func TestSourcesAreReadAndWrittenAlike(t *testing.T) {
	for _, text := range []string{
		"self", "pid:1234", "pidfile:/run/server.pid", "pidfile:C:\\run\\s.pid", "port:9000",
		"http://127.0.0.1:9000/metrics", "https://host/debug/vars",
	} {
		s, err := ParseSource(" " + text + "\n")
		if err != nil || s.String() != text {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	if s, err := ParseSource("port:9000"); err != nil || s.Port() != 9000 {
		t.Errorf("port %d, %v, want 9000", s.Port(), err)
	}
	if s, err := ParseSource("pid:9000"); err != nil || s.Port() != 0 {
		t.Errorf("port %d of a pid, %v, want none", s.Port(), err)
	}
}

func TestASourceThatCannotBeReadIsToldWithItsRemedy(t *testing.T) {
	for text, remedy := range map[string]string{
		"":                 "write pid:1234",
		"1234":             "write pid:1234",
		"pid":              "as pid:1234",
		"pid:0":            "a number from 1",
		"pid:12x":          "as pid:1234",
		"pidfile:":         "as pidfile:/run/server.pid",
		"port:65536":       "from 1 to 65535",
		"prot:9000":        "did you mean port?",
		"http://":          "write it with its host",
		"http:host":        "write it with its host",
		"ws://host/socket": "give the page with the metrics",
	} {
		_, err := ParseSource(text)
		bad, ok := errors.AsType[*problem.TextError](err)
		if !ok || !strings.Contains(bad.Hint, remedy) {
			t.Errorf("%q: %v, want the remedy %q", text, err, remedy)
		}
	}
}

func TestSecretsOfAURLAreNotShown(t *testing.T) {
	for _, text := range []string{
		"http://user:hunter2@host/metrics?token=hunter2",
		"htp://user:hunter2@host/metrics",             // no source at all
		"http://user:hunter2@host:port/%zz?t=hunter2", // no URL
	} {
		s, err := ParseSource(text)
		if shown := s.String(); err == nil && strings.Contains(shown, "hunter2") {
			t.Errorf("%q is shown as %s", text, shown)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
