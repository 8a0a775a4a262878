package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
)

// decided is a trial that fails by its median.
func decided() (*trial.File, trial.Verdict) {
	n := func(x float64) *float64 { return &x }
	f := &trial.File{Contract: trial.DefaultContract(), A: trial.Side{Label: "./old …"}, B: trial.Side{Label: "./new …"}}
	return f, trial.Verdict{
		Verdict: gate.Fail, Reason: "close_handshake.p50: shown to be more than 3% worse", Pairs: 14,
		Findings: []trial.Finding{
			{Metric: "close_handshake.p50", Verdict: gate.Fail, Reason: "shown to be more than 3% worse",
				A: n(103_000), B: n(124_000), Change: n(1.2004), Low: n(1.163), High: n(1.2393), Units: 14, PFail: n(0.0001), PPass: n(1)},
			{Metric: "close_handshake.p99", Verdict: gate.Inconclusive, Reason: "neither is shown",
				A: n(2_310_000), Change: n(0.98), Low: n(0.8), Units: 14, PFail: n(0.5), PPass: n(0.5)},
			{Metric: "unexpected.rate", Verdict: gate.Pass, Reason: "shown to be less than 50% worse",
				A: n(0), B: n(0.0000713), Change: n(0.0000713), Low: n(0), High: n(0.0012), Units: 14, PFail: n(1), PPass: n(0.001)},
			{Metric: "invalid_state.unexplained", Verdict: gate.Pass, Reason: "it did not happen", A: n(0), B: n(0), Units: 14},
		},
	}
}

func TestAVerdictShowsBothSidesTheChangeAndWhy(t *testing.T) {
	f, v := decided()
	var out bytes.Buffer
	if err := Trial(&out, f, v, false); err != nil {
		t.Fatal(err)
	}
	want := `FAIL after 14 pairs: close_handshake.p50: shown to be more than 3% worse
a  ./old …
b  ./new …
metric                          a         b           change         interval  tolerated  must detect  verdict
close_handshake.p50         103µs     124µs           +20.0%  +16.3% … +23.9%         3%          10%  FAIL
close_handshake.p99        2.31ms   > limit           -2.00%       -20.0% … ?         5%          20%  INCONCLUSIVE
unexpected.rate                0%  0.0071%  +0.0071% points     +0% … +0.12%        10% and 1 in 10,000          50% and 1 in 2,000  PASS
invalid_state.unexplained       0         0                -                -          -            -  PASS
close_handshake.p50: shown to be more than 3% worse
close_handshake.p99: neither is shown
unexpected.rate: shown to be less than 50% worse
invalid_state.unexplained: it did not happen
`
	if squeeze(out.String()) != squeeze(want) {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	lines := strings.Split(out.String(), "\n")
	for _, column := range []string{"tolerated", "verdict"} {
		if at := strings.Index(lines[3], column); at < 0 || len(lines[4]) < at {
			t.Errorf("the table has no column %s:\n%s", column, out.String())
		}
	}
	out.Reset()
	if err := Trial(&out, f, v, true); err != nil || !strings.HasPrefix(out.String(), "\x1b[31mFAIL") {
		t.Errorf("in colour: %v\n%s", err, out.String())
	}
}

// squeeze leaves one blank of each run of them.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestTheWordsOfAServerInAVerdictCannotSteerATerminal(t *testing.T) {
	f, v := decided()
	v.Verdict, v.Reason, v.Findings = gate.NotComparable, "pair 1: b: it ended: \x1b[2J\u202egone\nnext", nil
	f.A.Label = "\x1b]0;"
	var out bytes.Buffer
	if err := Trial(&out, f, v, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e") || !strings.HasPrefix(out.String(), "NOT COMPARABLE after 14 pairs: pair 1: b: it ended: ") {
		t.Errorf("%q", out.String())
	}
	if line := Standing(v, 1); strings.ContainsAny(line, "\x1b\u202e\n") {
		t.Errorf("%q", line)
	}
}

func TestTheStandingOfATrialIsOneLine(t *testing.T) {
	_, v := decided()
	want := "pair 14  close_handshake.p50 +20.0% (+16.3% … +23.9%)  close_handshake.p99 -2.00% (-20.0% … ?)  " +
		"unexpected.rate +0.0071% points (+0% … +0.12%)"
	if got := Standing(v, 14); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAVerdictThatCannotBeWrittenIsAnError(t *testing.T) {
	f, v := decided()
	if err := Trial(broken{}, f, v, false); err == nil || err.Error() != "write verdict: no space left" {
		t.Error(err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }
