package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/report/ci"
	"github.com/wsload/wsload/stats"
)

func TestADurationHasThreeDigitsInTheUnitThatFits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 1: "1ns", 999: "999ns", 1000: "1.00µs", 1234: "1.23µs", 9994: "9.99µs", 9996: "10.0µs",
		99_949: "99.9µs", 99_960: "100µs", 412_000: "412µs", 999_499: "999µs", 999_500: "1.00ms",
		1_550_000: "1.55ms", 999_600_000: "1.00s", 12_345_678_901: "12.3s", 120 * time.Second: "120s", time.Hour: "3600s",
		-1_550_000: "-1.55ms",
	} {
		if got := human(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
}

func TestALengthOfTimeIsTheCoarserTheLonger(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 1_234 * time.Millisecond: "1.2s", 12_345 * time.Millisecond: "12s", 95 * time.Second: "1m35s", 3*time.Hour + 600*time.Millisecond: "3h0m1s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestAShareNeverRoundsSomeToNoneOrAlmostAllToAll(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string
	}{
		{0, 0, "-"}, {0, 5, "0.0%"}, {5, 5, "100.0%"}, {1, 3, "33.3%"}, {1, 10_000, "<0.1%"}, {9_999, 10_000, ">99.9%"}, {1, 1000, "0.1%"},
	} {
		if got := share(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestForeignTextCannotSteerATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain text: ok":            "plain text: ok",
		"grüße, 世界":                 "grüße, 世界",
		"\x1b[2J\x1b]0;title\x07":   `\x1b[2J\x1b]0;title\a`,
		"a\r\nb\tc\x00\x7f":         `a\r\nb\tc\x00\x7f`,
		"\u009b31m":                 `\u009b31m`, // CSI as one C1 character
		"\u202egpj.exe\u2066\u200f": `\u202egpj.exe\u2066\u200f`,
		"\u2028\u2029\ufeff\u00ad":  `\u2028\u2029\ufeff\u00ad`,
		"\xff\xc3":                  `\xff\xc3`,
		"\ufffd":                    "\ufffd",
		`\x1b`:                      `\\x1b`,
		`"quoted" 'it'`:             `"quoted" 'it'`,
		"\U000e0041":                `\U000e0041`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[0m\u202e\\ \xff")
	f.Add("::error::x ::stop-commands::y ##[debug] ###[")
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q: %q is not UTF-8", text, got)
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Errorf("%q: %q is still there", text, r)
			}
		}
		if obeyed(got) {
			t.Errorf("%q: %q is a command", text, got)
		}
	})
}

func TestCountsAreListedByTheirSize(t *testing.T) {
	name := func(s string) string { return s }
	got := ranked(map[string]uint64{"b": 2, "a": 2, "c": 9}, name)
	if d := cmp.Diff([]string{"c 9", "a 2", "b 2"}, got); d != "" {
		t.Error(d)
	}
	many := make(map[string]uint64)
	for s := range strings.SplitSeq("abcdefghijk", "") {
		many[s] = 1
	}
	if got := ranked(many, name); len(got) != most+1 || got[most] != "3 more kinds" {
		t.Errorf("eleven kinds: %q", got)
	}
}

func TestLinesBreakBetweenItems(t *testing.T) {
	item := strings.Repeat("x", 40)
	got := wrap("head: ", []string{item, item, item, item}, ", ")
	want := []string{"head: " + item + ", " + item + ",", "      " + item + ", " + item}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	long := strings.Repeat("y", 200)
	if d := cmp.Diff([]string{"h " + long + ",", "  z"}, wrap("h ", []string{long, "z"}, ", ")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"head:"}, wrap("head: ", nil, ", ")); d != "" {
		t.Error(d)
	}
}

func TestAPeersNewlineIsEscapedOnce(t *testing.T) {
	quoted := fmt.Sprintf("close read, reason %q", "bye\nnow\\ \x1b") // as the timeline of a run has it
	want := `close read, reason "bye\nnow\\ \x1b"`
	if got := sentence(quoted); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, c := range []struct{ where, got string }{
		{"a reason", strings.Join(words(quoted), " ")},
		{"a timeline", timeline(t, quoted)},
	} {
		if !strings.Contains(c.got, want) {
			t.Errorf("%s has no %s:\n%s", c.where, want, c.got)
		}
	}
	// What a peer wrote and nobody quoted is escaped once too.
	if got, want := printable("bye\nnow\\"), `bye\nnow\\`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// timeline is the report of a connection with an event.
func timeline(t *testing.T, event string) string {
	t.Helper()
	s := stats.NewSummary(mix())
	s.Add(&stats.Outcome{Class: stats.PrematureEOF, Opened: true}, func() []stats.Moment {
		return []stats.Moment{{At: 1_000_000, Event: event}, {At: 2_000_000, Event: event}}
	})
	return text(t, document(t, header(), s, goodEnd()))
}

// obeyed reports whether GitHub's runner would find a command in a text, in
// whatever lines it is broken.
func obeyed(text string) bool {
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, "::") {
			return true
		}
	}
	return strings.Contains(text, "##[")
}

func TestNothingThatAPeerSaysIsACommandToTheRunnerThatPrintsIt(t *testing.T) {
	const evil = "::error::x ::add-mask::y\n::set-output name=a::b ##[error]z ###[group]"
	if !obeyed(evil) {
		t.Fatal("the commands are none")
	}
	s := stats.NewSummary(mix())
	s.Add(&stats.Outcome{Class: stats.PeerFirst, Opened: true, Detail: evil}, func() []stats.Moment {
		return []stats.Moment{{At: 1_000_000, Event: evil}, {At: 2_000_000, Event: evil}}
	})
	end := goodEnd()
	end.Warnings = []string{evil}
	doc := document(t, header(), s, end)
	if out := text(t, doc); obeyed(out) || !strings.Contains(out, `\::error::x`) {
		t.Errorf("the report of a run:\n%s", out)
	}
	f, v := decided()
	v.Reason, v.Findings[0].Reason, f.A.Label = evil, evil, evil
	var out bytes.Buffer
	if err := Trial(&out, f, v, false); err != nil || obeyed(out.String()) {
		t.Errorf("a verdict, %v:\n%s", err, out.String())
	}
	if line := Standing(trial.Verdict{Reason: evil}, 1); obeyed(line) {
		t.Errorf("%q", line)
	}
	sheet, err := RunSheet(doc)
	if err != nil {
		t.Fatal(err)
	}
	for name, sheet := range map[string]*ci.Sheet{"run": sheet, "verdict": TrialSheet(f, v)} {
		sheet.Facts, sheet.Report = append(sheet.Facts, evil), append(sheet.Report, evil)
		for i := range sheet.Rows {
			sheet.Rows[i].Reason = evil
		}
		out.Reset()
		if err := ci.Markdown(&out, sheet); err != nil || obeyed(out.String()) {
			t.Errorf("the Markdown of a %s, %v:\n%s", name, err, out.String())
		}
		out.Reset()
		if err := ci.JUnit(&out, sheet); err != nil || obeyed(out.String()) {
			t.Errorf("the JUnit report of a %s, %v:\n%s", name, err, out.String())
		}
	}
}
