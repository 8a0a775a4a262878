package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/report/ci"
	"github.com/wsload/wsload/internal/result"
)

// withRules is a run with rules of every kind and verdict.
func withRules(t *testing.T) *result.Document {
	t.Helper()
	doc := document(t, header(), good(), goodEnd())
	n := func(x float64) *float64 { return &x }
	doc.Verdict = string(gate.Fail)
	for _, r := range []rule.Result{
		{Rule: "close_handshake.p99 < 50ms", Verdict: gate.Fail, Value: n(61e6), Low: n(55e6), High: n(70e6), Reason: "1200 attempts; over 8 rounds"},
		{Rule: "fin.mean < 1s", Verdict: gate.Inconclusive, Low: n(1e9), Reason: "the interval holds the bound"},
		{Rule: "point( premature.rate ) < 1%", Verdict: gate.Pass, Value: n(0.005), Low: n(0.005), High: n(0.005), Reason: "as measured"},
		{Rule: "invalid_state.unexplained == 0", Verdict: gate.Pass, Value: n(0), Low: n(0), High: n(0), Reason: "counted, in 1265 attempts"},
		{Rule: "give_up.p50 < 1s", Verdict: gate.NoData, Reason: "it was never measured"},
	} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		doc.Rules = append(doc.Rules, text)
	}
	return doc
}

func TestTheReportOfARunEndsWithWhatItsRulesSay(t *testing.T) {
	want := `
rules   FAIL: 1 of 5 rules
  FAIL          close_handshake.p99 < 50ms   61.0ms (55.0ms … 70.0ms)
                1200 attempts; over 8 rounds
  INCONCLUSIVE  fin.mean < 1s   > limit (1.00s … ?)
                the interval holds the bound
  PASS          point( premature.rate ) < 1%   0.50%
                as measured
  PASS          invalid_state.unexplained == 0   0
                counted, in 1265 attempts
  NO DATA       give_up.p50 < 1s   -
                it was never measured
`
	got := text(t, withRules(t))
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant at its end%s", got, want)
	}
	if strings.Contains(text(t, document(t, header(), good(), goodEnd())), "rules") {
		t.Error("a run without rules has a section of rules")
	}
}

func TestARunThatIsNotWholeSaysThatThisIsWhyItDidNotPass(t *testing.T) {
	doc := withRules(t)
	doc.Verdict, doc.Rules = string(gate.NotComparable), doc.Rules[2:4]
	if got := text(t, doc); !strings.Contains(got, "\nrules   NOT COMPARABLE: the result is not whole\n") {
		t.Error(got)
	}
}

func TestTheSheetOfARunHasARowForEachRuleAndTheReport(t *testing.T) {
	doc := withRules(t)
	doc.Warnings = append(doc.Warnings, "be careful")
	s, err := RunSheet(doc)
	if err != nil {
		t.Fatal(err)
	}
	if s.Verdict != gate.Fail || s.Reason != "1 of 5 rules" || len(s.Rows) != 5 {
		t.Fatalf("%+v", s)
	}
	want := ci.Row{Name: "close_handshake.p99 < 50ms", Verdict: gate.Fail, Reason: "1200 attempts; over 8 rounds", Cells: []string{"61.0ms", "55.0ms … 70.0ms"}}
	if diff := cmp.Diff(want, s.Rows[0]); diff != "" {
		t.Error(diff)
	}
	report := strings.Join(s.Report, "\n")
	if !strings.Contains(report, "how they ended") || strings.Contains(report, "be careful") || !strings.Contains(strings.Join(s.Warnings, "\n"), "be careful") {
		t.Errorf("report\n%s\nwarnings %q", report, s.Warnings)
	}
	if s, err = RunSheet(document(t, header(), good(), goodEnd())); err != nil || s.Verdict != gate.None || s.Reason != "" {
		t.Errorf("without rules: %+v, %v", s, err)
	}
}

func TestTheWordsOfAServerInASheetCannotSteerATerminal(t *testing.T) {
	doc := badDocument(t)
	doc.Rules = []json.RawMessage{json.RawMessage(`{"rule":"fin.p50 < 1s","verdict":"fail","reason":"\u001b[2J\u202e"}`)}
	doc.Verdict = string(gate.Fail)
	s, err := RunSheet(doc)
	if err != nil {
		t.Fatal(err)
	}
	f, v := decided()
	f.A.Label, v.Reason, v.Findings[0].Reason = "\x1b]0;", "\x1b[2J\u202e", "\x1b[2J\u202e"
	for _, sheet := range []*ci.Sheet{s, TrialSheet(f, v)} {
		var out strings.Builder
		for _, part := range append([]string{sheet.Title, sheet.Reason}, sheet.Facts...) {
			out.WriteString(part)
		}
		for _, row := range sheet.Rows {
			out.WriteString(row.Name + row.Reason + strings.Join(row.Cells, ""))
		}
		out.WriteString(strings.Join(sheet.Report, ""))
		if strings.ContainsAny(out.String(), "\x1b\u202e") {
			t.Errorf("%q", out.String())
		}
	}
}

func TestTheSheetOfATrialShowsBothSidesAndTheContract(t *testing.T) {
	s := TrialSheet(decided())
	want := ci.Row{
		Name: "close_handshake.p50", Verdict: gate.Fail, Reason: "shown to be more than 3% worse",
		Cells: []string{"103µs", "124µs", "+20.0%", "+16.3% … +23.9%", "3%", "10%"},
	}
	if diff := cmp.Diff(want, s.Rows[0]); diff != "" {
		t.Error(diff)
	}
	if s.Verdict != gate.Fail || len(s.Rows) != 4 || len(s.Columns) != len(want.Cells) || s.Rows[3].Cells[4] != "-" {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(s.Facts, "\n"); got != "14 pairs, seed 0\na  ./old …\nb  ./new …" {
		t.Errorf("%q", got)
	}
}

func TestRulesThatCannotBeReadAreAnError(t *testing.T) {
	doc := withRules(t)
	doc.Rules[1] = json.RawMessage(`{"verdict":"passed"}`)
	if err := Text(new(bytes.Buffer), doc, false); err == nil || !strings.HasPrefix(err.Error(), "write report: rule 2: ") {
		t.Error(err)
	}
	if _, err := RunSheet(doc); err == nil {
		t.Error("the sheet has a rule that cannot be read")
	}
	doc = withRules(t)
	doc.Total.Latency[0].HDR = "damaged"
	if _, err := RunSheet(doc); err == nil {
		t.Error("the sheet has numbers that cannot be read")
	}
}
