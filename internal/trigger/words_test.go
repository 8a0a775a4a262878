package trigger

import (
	"strings"
	"testing"
)

func TestACommandIsNamedByItsFirstWordWhereThatIsPlain(t *testing.T) {
	for line, want := range map[string]string{
		"kill -TERM $(cat /run/chat.pid)": "exec kill …",
		" ./deploy.sh\n":                  "exec ./deploy.sh",
		"/opt/a-b_c/restart chat":         "exec /opt/a-b_c/restart …",
		`TOKEN="s e c" curl h`:            "exec …",
		"'my secret'":                     "exec …",
		"(cd /srv && make)":               "exec …",
		"curl\u00a0secret":                "exec …",
		strings.Repeat("x", 41):           "exec …",
		strings.Repeat("x", 41) + " y":    "exec …",
		"":                                "exec ",
	} {
		if got := (Command{Line: line}).name(); got != want {
			t.Errorf("%q is named %q, want %q", line, got, want)
		}
	}
}
