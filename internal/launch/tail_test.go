package launch

import (
	"strings"
	"testing"
)

func TestATailKeepsAFewLastLinesOfPrintableText(t *testing.T) {
	long := strings.Repeat("x", 300)
	for written, want := range map[string]string{
		"":                          "",
		"\n \n\x00":                 "?",
		"one\ntwo\r\n\n three ":     "one; two; three",
		"10%\r20%\rdone":            "10%; 20%; done",
		"a\tb\x1b[2J\u202e\xff":     "a b?[2J??",
		long + "\nend":              "end",
		"begin\n" + long:            "…" + long[:197],
		strings.Repeat("é", 150):    "…" + strings.Repeat("é", 98),
		strings.Repeat("y\n", 9000): strings.Repeat("y; ", 66) + "y",
	} {
		var whole, bytewise Tail
		whole.Write([]byte(written))
		for i := range len(written) {
			bytewise.Write([]byte{written[i]})
		}
		for _, said := range []*Tail{&whole, &bytewise} {
			if got := said.String(); got != want {
				t.Errorf("%.40q: the words are %q, want %q", written, got, want)
			}
			if cap(said.kept) > 4*mostKept {
				t.Errorf("%.40q: %d bytes are held", written, cap(said.kept))
			}
		}
	}
}

func TestATextFromOutsideIsBriefAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"line\nline\x07":         "line line?",
		strings.Repeat("x", 200): strings.Repeat("x", 200),
		strings.Repeat("x", 201): strings.Repeat("x", 197) + "…",
		strings.Repeat("é", 101): strings.Repeat("é", 98) + "…",
	} {
		if got := Brief(text); got != want {
			t.Errorf("%.40q: the text is %q, want %q", text, got, want)
		}
	}
}

func TestACommandIsNamedByItsFirstWordWhereThatIsPlain(t *testing.T) {
	for line, want := range map[string]string{
		"kill -TERM $(cat /run/chat.pid)": "kill …",
		" ./deploy.sh\n":                  "./deploy.sh",
		"/opt/a-b_c/restart chat":         "/opt/a-b_c/restart …",
		`TOKEN="s e c" curl h`:            "…",
		"'my secret'":                     "…",
		"(cd /srv && make)":               "…",
		"curl\u00a0secret":                "…",
		strings.Repeat("x", 41):           "…",
		strings.Repeat("x", 41) + " y":    "…",
		"":                                "",
	} {
		if got := Name(line); got != want {
			t.Errorf("%q is named %q, want %q", line, got, want)
		}
	}
}
