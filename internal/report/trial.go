package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
)

// Trial writes the verdict of a trial for a person: what was found, and for
// each gated metric both sides, the change with its interval, and why. With
// colour it marks the verdicts by ANSI sequences. It fails where w does.
func Trial(w io.Writer, f *trial.File, v trial.Verdict, colour bool) error {
	var out bytes.Buffer
	head := fmt.Sprintf("%s after %s: ", spoken(v.Verdict), gate.Number(v.Pairs, "pair"))
	for i, line := range wrap(head, words(v.Reason), " ") {
		if i == 0 && colour {
			line = string(tone(v.Verdict)) + line + "\x1b[0m"
		}
		fmt.Fprintln(&out, line)
	}
	for _, side := range []struct{ name, label string }{{"a", f.A.Label}, {"b", f.B.Label}} {
		if side.label != "" {
			fmt.Fprintf(&out, "%s  %s\n", side.name, printable(side.label))
		}
	}
	rows := [][]string{{"metric", "a", "b", "change", "interval", "tolerated", "must detect", "verdict"}}
	for _, x := range v.Findings {
		tolerated, mustDetect := shares(f, x.Metric)
		row := []string{printable(x.Metric), amount(x.Metric, x.A), amount(x.Metric, x.B), change(x, x.Change), interval(x), tolerated, mustDetect, spoken(x.Verdict)}
		rows = append(rows, row)
	}
	if len(rows) > 1 {
		aligned(&out, rows)
	}
	for _, x := range v.Findings {
		for _, line := range wrap(printable(x.Metric)+": ", words(x.Reason), " ") {
			fmt.Fprintln(&out, line)
		}
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	return nil
}

// Standing is where a trial stands after its latest pair, in one line: the
// change of each metric that has an interval or will have one.
func Standing(v trial.Verdict, pairs int) string {
	parts := []string{fmt.Sprintf("pair %d", pairs)}
	for _, x := range v.Findings {
		if x.PFail == nil && x.Change == nil {
			continue // an invariant
		}
		part := printable(x.Metric) + " " + change(x, x.Change)
		if x.Low != nil || x.High != nil {
			part += " (" + interval(x) + ")"
		}
		parts = append(parts, part)
	}
	if len(v.Findings) == 0 {
		parts = append(parts, sentence(v.Reason))
	}
	return strings.Join(parts, "  ")
}

// shares are what the contract says of a metric, "-" for an invariant.
func shares(f *trial.File, metric string) (tolerated, mustDetect string) {
	i := slices.IndexFunc(f.Contract.Terms, func(t trial.Term) bool { return t.Metric == metric })
	if i < 0 {
		return "-", "-"
	}
	return f.Contract.Terms[i].Tolerated(), f.Contract.Terms[i].Detected()
}

func tone(v gate.Verdict) style {
	switch v {
	case gate.Pass:
		return heading
	case gate.Fail:
		return alarm
	}
	return doubt
}

// spoken is a verdict as a person reads it.
func spoken(v gate.Verdict) string {
	return strings.ToUpper(strings.ReplaceAll(string(v), "_", " "))
}

// change is b against a: of a quantile as a share of a, of a rate the
// difference in percentage points.
func change(x trial.Finding, value *float64) string {
	switch {
	case value == nil:
		return "-"
	case isRate(x.Metric):
		return signed(*value) + " points"
	}
	return signed(*value - 1)
}

// interval is the ends of a change; one that is open has no number.
func interval(x trial.Finding) string {
	end := func(value *float64) string {
		if value == nil {
			return "?"
		}
		return strings.TrimSuffix(change(x, value), " points")
	}
	if x.Change == nil {
		return "-"
	}
	return end(x.Low) + " … " + end(x.High)
}

// percent writes a share with three significant digits at most.
func percent(share float64) string {
	switch size := math.Abs(100 * share); {
	case size == 0:
		return "0%"
	case size >= 99.95:
		return strconv.FormatFloat(100*share, 'f', 0, 64) + "%"
	case size >= 9.995:
		return strconv.FormatFloat(100*share, 'f', 1, 64) + "%"
	case size >= 0.01:
		return strconv.FormatFloat(100*share, 'f', 2, 64) + "%"
	}
	return strconv.FormatFloat(100*share, 'g', 2, 64) + "%"
}

// signed writes a share with its sign.
func signed(share float64) string {
	if share >= 0 {
		return "+" + percent(share)
	}
	return percent(share)
}

// aligned writes rows under each other: the first column to the left, numbers to
// the right.
func aligned(out *bytes.Buffer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			if i == 0 || i == len(row)-1 {
				cells[i] = pad(cell, widths[i])
			} else {
				cells[i] = pad(cell, -widths[i])
			}
		}
		fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}
