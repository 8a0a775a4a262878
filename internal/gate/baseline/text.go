package baseline

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wsload/wsload/internal/gate"
)

// WriteText writes a verdict for a person. It fails where w does.
func (v *Verdict) WriteText(w io.Writer) error {
	var out bytes.Buffer
	spoken := func(word string) string { return strings.ToUpper(strings.ReplaceAll(word, "_", " ")) }
	fmt.Fprintf(&out, "%s against %s: %s\n", spoken(string(v.Verdict)), gate.Number(v.Jobs, "job"), v.Reason)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if len(v.Findings) > 0 {
		fmt.Fprintln(table, "metric\tjobs\tthis run\tchange\tinterval\ttolerated\tmust detect\tverdict")
	}
	for _, f := range v.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s … %s\t%s\t%s\t%s\n", f.Metric, duration(f.Baseline), duration(f.Value),
			change(f.Change), change(f.Low), change(f.High), f.Tolerance, f.MustDetect, spoken(string(f.Verdict)))
	}
	table.Flush()
	for _, f := range v.Findings {
		fmt.Fprintf(&out, "%s: %s\n", f.Metric, f.Reason)
	}
	for _, l := range v.LeftOut {
		fmt.Fprintf(&out, "left out: run %q: %s\n", l.Run, l.Reason)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	return nil
}

// duration writes nanoseconds with about three digits.
func duration(ns *float64) string {
	if ns == nil {
		return "-"
	}
	d := time.Duration(*ns)
	for unit := time.Second; unit >= time.Microsecond; unit /= 1000 {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

// change writes a ratio as what is added; "?" for an end that is open.
func change(ratio *float64) string {
	if ratio == nil {
		return "?"
	}
	return fmt.Sprintf("%+.1f%%", 100*(*ratio-1))
}
