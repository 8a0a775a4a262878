package ci

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate"
)

// judged is a sheet with a row of every verdict.
func judged() *Sheet {
	return &Sheet{
		Title: "wsload gate", Verdict: gate.Fail, Reason: "close_handshake.p50: shown to be more than 3% worse",
		Facts: []string{"a  ./old …", "b  ./new …"}, Columns: []string{"a", "b", "change"},
		Rows: []Row{
			{"close_handshake.p50", gate.Fail, "shown to be more than 3% worse", []string{"103µs", "124µs", "+20.0%"}},
			{"close_handshake.p99", gate.Inconclusive, "neither is shown", []string{"2.31ms", "> limit", "-2.00%"}},
			{"notice.p50", gate.NoData, "never measured on b", []string{"1.00ms", "", ""}},
			{"unexpected.rate", gate.Pass, "shown to be less than 50% worse", []string{"0%", "0%", "+0% points"}},
		},
		Warnings: []string{"the tool was late"},
	}
}

// hostile is what a server may write into its log, its Close or its answer.
const hostile = "::error title=a,b::x\r\n::add-mask::y ##[error]z | `a` ```` <img src=x> @octocat #1 [l](http://e.com) www.e.com *b* ]]> \x1b[31m\u202e\x00\xff \\| 100%"

// attacked is a sheet whose every text is hostile.
func attacked() *Sheet {
	return &Sheet{
		Title: hostile, Verdict: gate.NotComparable, Reason: hostile, Facts: []string{hostile}, Columns: []string{"a"},
		Rows:     []Row{{hostile, gate.NoData, hostile, []string{hostile}}, {hostile, gate.Fail, hostile, []string{hostile}}},
		Warnings: []string{hostile}, Report: []string{hostile},
	}
}

func written(t *testing.T, write func(io.Writer, *Sheet) error, s *Sheet) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"\x1b", "\u202e", "\x00", "\r"} {
		if strings.Contains(out.String(), r) {
			t.Errorf("%q stands in the output", r)
		}
	}
	return out.String()
}

func TestMarkdownIsATableAndTheReasonsAsTheyAre(t *testing.T) {
	want := `### wsload gate: FAIL

|  | a | b | change | verdict |
| --- | ---: | ---: | ---: | ---: |
| <code>close&#95;handshake&#46;p50</code> | 103µs | 124µs | &#43;20.0% | FAIL |
| <code>close&#95;handshake&#46;p99</code> | 2.31ms | &#62; limit | &#45;2.00% | INCONCLUSIVE |
| <code>notice&#46;p50</code> | 1.00ms | &#45; | &#45; | NO DATA |
| <code>unexpected&#46;rate</code> | 0% | 0% | &#43;0% points | PASS |

` + "```text" + `
FAIL: close_handshake.p50: shown to be more than 3% worse
a  ./old …
b  ./new …
FAIL close_handshake.p50: shown to be more than 3% worse
INCONCLUSIVE close_handshake.p99: neither is shown
NO DATA notice.p50: never measured on b
PASS unexpected.rate: shown to be less than 50% worse
WARNING: the tool was late
` + "```\n"
	if diff := cmp.Diff(want, written(t, Markdown, judged())); diff != "" {
		t.Error(diff)
	}
}

func TestTheWordsOfAServerAreNoMarkup(t *testing.T) {
	text, report, ok := strings.Cut(written(t, Markdown, attacked()), "\n<details><summary>report</summary>\n\n")
	if !ok || strings.Count(report, "\n`````\n") != 1 || !strings.HasSuffix(report, "\n`````\n\n</details>\n") {
		t.Errorf("the report is not folded away:\n%s", report)
	}
	head, rest, ok := strings.Cut(text, "\n`````text\n")
	if !ok {
		t.Fatalf("no fence longer than the one in the text:\n%s", head)
	}
	body, ok := strings.CutSuffix(rest, "`````\n")
	if !ok || strings.Contains(body, "`````") {
		t.Errorf("the block does not end at its end:\n%s", rest)
	}
	for _, line := range strings.Split(head, "\n") {
		line = strings.NewReplacer("<code>", "", "</code>", "").Replace(line)
		if strings.ContainsAny(strings.TrimPrefix(line, "###"), "<>@`*[]\\!") || strings.Contains(line, "www.") || strings.Contains(line, "://") {
			t.Errorf("markup in %s", line)
		}
		if strings.HasPrefix(line, "| &") && strings.Count(line, "|") != 4 {
			t.Errorf("a cell broke the table: %s", line)
		}
	}
	if !strings.Contains(head, "&#64;&#8203;octocat &#35;&#8203;1 ") {
		t.Errorf("the text is lost:\n%s", head)
	}
}

func TestJUnitTellsFailureFromDoubtFromWhatWasNotMeasured(t *testing.T) {
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="wsload gate" tests="4" failures="1" errors="1" skipped="1">
    <testcase classname="wsload gate" name="close_handshake.p50">
      <failure message="shown to be more than 3% worse" type="fail">shown to be more than 3% worse&#xA;a: 103µs&#xA;b: 124µs&#xA;change: +20.0%</failure>
    </testcase>
    <testcase classname="wsload gate" name="close_handshake.p99">
      <skipped message="neither is shown">neither is shown&#xA;a: 2.31ms&#xA;b: &gt; limit&#xA;change: -2.00%</skipped>
    </testcase>
    <testcase classname="wsload gate" name="notice.p50">
      <error message="never measured on b" type="no_data">never measured on b&#xA;a: 1.00ms&#xA;b: &#xA;change: </error>
    </testcase>
    <testcase classname="wsload gate" name="unexpected.rate">
      <system-out>shown to be less than 50% worse&#xA;a: 0%&#xA;b: 0%&#xA;change: +0% points</system-out>
    </testcase>
    <system-out>FAIL: close_handshake.p50: shown to be more than 3% worse&#xA;a  ./old …&#xA;b  ./new …&#xA;WARNING: the tool was late</system-out>
  </testsuite>
</testsuites>
`
	if diff := cmp.Diff(want, written(t, JUnit, judged())); diff != "" {
		t.Error(diff)
	}
}

func TestTheWordsOfAServerStayInsideTheirElement(t *testing.T) {
	text := written(t, JUnit, attacked())
	var read junitSuites
	if err := xml.Unmarshal([]byte(text), &read); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	// A failing row makes the whole a fail, so this whole is a case of its own.
	if s := read.Suite; len(s.Cases) != 3 || s.Errors != 2 || s.Failures != 1 || s.Cases[2].Name != "verdict" {
		t.Errorf("%+v", s)
	}
	if got := read.Suite.Cases[0].Error.Message; !strings.Contains(got, "<img src=x> @octocat") || !strings.HasSuffix(got, `\| 100%`) {
		t.Errorf("the text is not as it was: %q", got)
	}
}

func TestAnnotationsTellTheWorstFirst(t *testing.T) {
	want := `::error title=wsload gate FAIL::close_handshake.p50: shown to be more than 3%25 worse
::error title=wsload gate NO DATA::notice.p50: never measured on b
::warning title=wsload gate INCONCLUSIVE::close_handshake.p99: neither is shown
::warning title=wsload gate::the tool was late
::notice title=wsload gate::FAIL: close_handshake.p50: shown to be more than 3%25 worse
`
	if diff := cmp.Diff(want, written(t, Annotations, judged())); diff != "" {
		t.Error(diff)
	}
}

func TestTheWordsOfAServerAreNoCommandForTheRunner(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(written(t, Annotations, attacked()), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d commands: %q", len(lines), lines)
	}
	words := line(hostile)
	for i, text := range lines {
		// As the runner reads it: the properties end at the next ::, and at a
		// comma each.
		command, message, ok := strings.Cut(strings.TrimPrefix(text, "::"), "::")
		kind, title, _ := strings.Cut(command, " title=")
		if want := []string{"error", "error", "error", "warning", "notice"}[i]; !ok || kind != want || strings.Contains(title, ",") {
			t.Errorf("not one %s: %s", want, text)
		}
		unescape := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
		if title = unescape.Replace(title); !strings.HasPrefix(title, words) {
			t.Errorf("the title is not as it was: %s", title)
		}
		if message = unescape.Replace(message); !strings.HasSuffix(message, words) {
			t.Errorf("the message is not as it was: %s", message)
		}
	}
}

func TestAPointIsPlainOnlyBetweenDigits(t *testing.T) {
	if got := plain("1.5 www.1 1.www 5."); got != "1.5 www&#46;1 1&#46;www 5&#46;" {
		t.Error(got)
	}
}

func TestAWholeThatItsPartsDoNotTellIsACaseOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		sheet Sheet
		want  int
	}{
		{Sheet{Verdict: gate.NotComparable, Reason: "b died"}, 1},
		{Sheet{Verdict: gate.NotComparable, Rows: []Row{{Verdict: gate.Pass}}}, 2},
		{Sheet{Verdict: gate.NotComparable, Rows: []Row{{Verdict: gate.NoData}}}, 1},
		{Sheet{Verdict: gate.Pass, Rows: []Row{{Verdict: gate.Pass}}}, 1},
		{Sheet{Verdict: gate.None}, 0},
	} {
		if got := c.sheet.cases(); len(got) != c.want {
			t.Errorf("%s with %v has the cases %v", c.sheet.Verdict, c.sheet.Rows, got)
		}
	}
}

func TestALongTextLosesItsEnd(t *testing.T) {
	if got := []rune(line(strings.Repeat("µ", 3*longest))); len(got) != longest+1 || got[longest] != '…' {
		t.Errorf("%d characters", len(got))
	}
}

func TestASheetThatCannotBeWrittenIsAnError(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *Sheet) error{
		"write Markdown: full": Markdown, "write JUnit report: full": JUnit, "write annotations: full": Annotations,
	} {
		if err := write(full{}, judged()); err == nil || err.Error() != name {
			t.Error(err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// FuzzNoTextIsMoreThanText holds every form against texts of any kind.
func FuzzNoTextIsMoreThanText(f *testing.F) {
	f.Add(hostile)
	f.Add("```\n```")
	f.Add("\u2028::error::x")
	f.Fuzz(func(t *testing.T, text string) {
		s := &Sheet{
			Title: "wsload", Verdict: gate.Fail, Reason: text, Facts: []string{text}, Columns: []string{text},
			Rows: []Row{{text, gate.Fail, text, []string{text}}}, Warnings: []string{text}, Report: []string{text},
		}
		var xmlText, markdown, annotations bytes.Buffer
		if err := errors.Join(JUnit(&xmlText, s), Markdown(&markdown, s), Annotations(&annotations, s)); err != nil {
			t.Fatal(err)
		}
		var read junitSuites
		if err := xml.Unmarshal(xmlText.Bytes(), &read); err != nil || read.Suite.Cases[0].Failure.Message != line(text) {
			t.Errorf("%v: %q", err, xmlText.String())
		}
		if n := strings.Count(annotations.String(), "\n"); n != 3 || strings.Count(annotations.String(), "\n::") != n-1 {
			t.Errorf("not three commands: %q", annotations.String())
		}
		table, rest, _ := strings.Cut(markdown.String(), "\n```")
		for i, row := range strings.Split(strings.TrimPrefix(table, "### wsload: FAIL\n\n"), "\n")[:3] {
			row = strings.NewReplacer("<code>", "", "</code>", "").Replace(row)
			if strings.Count(row, "|") != 4 || i != 1 && strings.ContainsAny(row, "<>@`*_[]\\!:/") {
				t.Errorf("not a row of three plain cells: %q", row)
			}
		}
		fence := "```" + rest[:strings.Index(rest, "t")] // up to its info string
		if strings.Count(rest, "\n"+fence+"\n") != 2 {
			t.Errorf("the two blocks do not end where they should: %q", rest)
		}
	})
}
