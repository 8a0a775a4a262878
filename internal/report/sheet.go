package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/report/ci"
	"github.com/wsload/wsload/internal/result"
)

// TrialSheet is the verdict of a trial for the forms of package ci.
func TrialSheet(f *trial.File, v trial.Verdict) *ci.Sheet {
	s := &ci.Sheet{
		Title: "wsload gate", Verdict: v.Verdict, Reason: sentence(v.Reason),
		Columns: []string{"a", "b", "change", "interval", "tolerated", "must detect"},
		Facts:   []string{fmt.Sprintf("%s, seed %d", gate.Number(v.Pairs, "pair"), f.Seed)},
	}
	for _, side := range [][2]string{{"a", f.A.Label}, {"b", f.B.Label}} {
		if side[1] != "" {
			s.Facts = append(s.Facts, side[0]+"  "+printable(side[1]))
		}
	}
	for _, x := range v.Findings {
		tolerated, mustDetect := shares(f, x.Metric)
		s.Rows = append(s.Rows, ci.Row{
			Name: printable(x.Metric), Verdict: x.Verdict, Reason: sentence(x.Reason),
			Cells: []string{amount(x.Metric, x.A), amount(x.Metric, x.B), change(x, x.Change), interval(x), tolerated, mustDetect},
		})
	}
	return s
}

// RunSheet is a run with what its rules say, for the forms of package ci. It
// fails when the document's numbers or rules cannot be read.
func RunSheet(doc *result.Document) (*ci.Sheet, error) {
	sum, err := doc.Summary()
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	p := page{doc: doc, sum: sum}
	if p.rules, err = readRules(doc); err != nil {
		return nil, err
	}
	p.head()
	p.body()
	s := &ci.Sheet{
		Title: "wsload run", Verdict: gate.Verdict(doc.Verdict), Reason: p.reason(),
		Columns: []string{"value", "interval"}, Warnings: p.allWarnings(), Report: strings.Split(strings.TrimSpace(p.out.String()), "\n"),
	}
	for _, r := range p.rules {
		s.Rows = append(s.Rows, ci.Row{
			Name: printable(r.Rule), Verdict: r.Verdict, Reason: sentence(r.Reason), Cells: []string{ruleValue(&r), ruleInterval(&r)},
		})
	}
	return s, nil
}

// readRules reads what the rules of a run say.
func readRules(doc *result.Document) ([]rule.Result, error) {
	rules := make([]rule.Result, len(doc.Rules))
	for i, text := range doc.Rules {
		if err := json.Unmarshal(text, &rules[i]); err != nil {
			return nil, fmt.Errorf("write report: rule %d: %w", i+1, err)
		}
	}
	return rules, nil
}

// judged is the part of the page that says what the rules say.
func (p *page) judged() {
	if len(p.rules) == 0 {
		return
	}
	verdict := gate.Verdict(p.doc.Verdict)
	p.line(plain, "")
	p.list(tone(verdict), "rules   "+spoken(verdict)+": ", words(p.reason()), " ")
	for _, r := range p.rules {
		value := ruleValue(&r)
		if in := ruleInterval(&r); in != "-" {
			value += " (" + in + ")"
		}
		p.line(tone(r.Verdict), "  %s%s   %s", pad(spoken(r.Verdict), 14), printable(r.Rule), value)
		p.list(plain, "                ", words(r.Reason), " ")
	}
}

// reason says in one line what the verdict on the rules rests on.
func (p *page) reason() string {
	verdict, count := gate.Verdict(p.doc.Verdict), 0
	for _, r := range p.rules {
		if gate.Overall([]gate.Verdict{r.Verdict}) == verdict {
			count++
		}
	}
	switch {
	case len(p.rules) == 0:
		return ""
	case count == 0:
		return "the result is not whole"
	}
	return fmt.Sprintf("%d of %s", count, gate.Number(len(p.rules), "rule"))
}

// ruleMetric is the metric in the text of a rule, with what stands before it:
// its end tells what its values are.
func ruleMetric(text string) string {
	if at := strings.IndexAny(text, ")<>=!"); at >= 0 {
		text = text[:at]
	}
	return strings.TrimSpace(text)
}

func ruleValue(r *rule.Result) string {
	if r.Verdict == gate.NoData {
		return "-"
	}
	return amount(ruleMetric(r.Rule), r.Value)
}

// ruleInterval is the interval of a rule's value, "-" for one that has none: it
// was counted, or never measured.
func ruleInterval(r *rule.Result) string {
	if r.Low == nil && r.High == nil || r.Low != nil && r.High != nil && *r.Low == *r.High {
		return "-"
	}
	end := func(value *float64) string {
		if value == nil {
			return "?"
		}
		return amount(ruleMetric(r.Rule), value)
	}
	return end(r.Low) + " … " + end(r.High)
}

// amount writes the value of a metric; nil is that of a quantile among the
// attempts that ran out of time.
func amount(name string, value *float64) string {
	kind, figure := metric.KindOf(name)
	switch {
	case value == nil:
		return "> limit"
	case figure && kind == metric.Bytes:
		return size(*value)
	case figure && kind == metric.Number:
		return strconv.FormatFloat(*value, 'g', 4, 64)
	case figure && kind == metric.Duration, !figure && isDuration(name):
		return human(time.Duration(*value))
	case isRate(name):
		return percent(*value)
	}
	return strconv.FormatFloat(*value, 'f', -1, 64)
}

// size writes a number of bytes in the unit that fits.
func size(v float64) string {
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if math.Abs(v) < 1024 {
			break
		}
		v, unit = v/1024, larger
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + unit
}

// isDuration tells a metric of durations by its text: it ends in their
// statistic.
func isDuration(metric string) bool {
	switch stat := metric[strings.LastIndex(metric, ".")+1:]; stat {
	case "min", "max", "mean":
		return true
	}
	dot := strings.LastIndex(metric, ".p")
	return dot >= 0 && strings.Trim(metric[dot+2:], "0123456789.") == ""
}

func isRate(metric string) bool { return strings.HasSuffix(metric, ".rate") }
