package arbiter

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/wsload/wsload/internal/gate"
)

// WriteText writes a qualification for a person. It fails where w does.
func (q *Qualification) WriteText(w io.Writer) error {
	var out bytes.Buffer
	c := &q.Counts
	n := c.Pass + c.Fail + c.Inconclusive
	fmt.Fprintf(&out, "%s of the server against itself in %v, %s of %.1fs; contract %s\n",
		gate.Number(len(q.Gates), "gate"), q.Took.Round(time.Second), gate.Number(q.Recorded, "pair"), q.PerPair, q.Contract)
	fmt.Fprintf(&out, "server        %s\n", plain(q.Server))
	fmt.Fprintf(&out, "false alarms  %d of %s (at most %s of them, with a certainty of 95%%)\n", c.Fail, gate.Number(n, "gate"), share(c.MostFalse))
	fmt.Fprintf(&out, "verdicts      pass %d, fail %d, inconclusive %d, not comparable %d\n", c.Pass, c.Fail, c.Inconclusive, c.NotComparable)
	if q.Cut > 0 {
		fmt.Fprintf(&out, "cut           one gate after %s: it is in no count of gates, and its pairs are in the figures below\n", gate.Number(q.Cut, "pair"))
	}
	if n > 0 {
		fmt.Fprintf(&out, "time          to a verdict: median %v, p95 %v\n", c.Median.Round(time.Second), c.P95.Round(time.Second))
	}
	for i, g := range q.Gates {
		if g.Verdict != "pass" {
			fmt.Fprintf(&out, "gate %d        %s after %s: %s\n", i+1, strings.ReplaceAll(string(g.Verdict), "_", " "), gate.Number(g.Pairs, "pair"), plain(g.Reason))
		}
	}
	fmt.Fprintf(&out, "\nWith %s, which %v holds, nine of ten gates find:\n", gate.Number(q.Held, "pair"), q.Budget)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "metric\tsd of change\tsmallest change")
	for _, m := range q.Metrics {
		found := "-"
		switch {
		case m.Detectable != nil:
			found = "+" + share(*m.Detectable)
		case !isRate(m.Metric):
			found = "none up to +400%"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", m.Metric, strconv.FormatFloat(m.SD, 'g', 3, 64), found)
	}
	table.Flush()
	q.offers(&out)
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write qualification: %w", err)
	}
	return nil
}

// offers writes what became of each contract on the recorded pairs.
func (q *Qualification) offers(out *bytes.Buffer) {
	if len(q.Offers) > 0 {
		fmt.Fprint(out, "\nTrials made of these pairs, with b worse by:\n")
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "contract\tchange\tfail\tpass\tinconclusive\tmedian\tp95")
		for _, o := range q.Offers {
			for _, x := range o.Exercises {
				of := func(k int) string { return share(float64(k) / float64(x.Trials)) }
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.0fs\t%.0fs\n", o.Contract, x.Change, of(x.Fail), of(x.Pass), of(x.Inconclusive), x.MedianS, x.P95S)
			}
		}
		table.Flush()
	}
	switch {
	case q.Advice != "":
		fmt.Fprintf(out, "\nThis host affords the contract %s: equal servers pass in at least 90%% of its trials and fail in at most 1%%.\n", q.Advice)
	case len(q.Offers) > 0:
		fmt.Fprint(out, "\nThis host affords no contract: equal servers pass in less than 90% of its trials, or fail in more than 1%. Longer pairs (--slices, --connections) or a larger --budget help.\n")
	}
}

// share writes a share of a whole as a percentage.
func share(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) + "%" }

// plain takes what steers a terminal out of a text, and what GitHub's runner
// obeys in the middle of a line: parts of it may be a server's.
func plain(text string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text), "##[", `#\#[`)
}
