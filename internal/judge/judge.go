package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/rule"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// maxRounds bounds the memory: neighbouring intervals of a long run become one
// round.
const maxRounds = 50

// Read reads the texts of rules about a mix. The error names every text that
// is no rule, one on a line.
func Read(texts []string, mix []stats.Entry) ([]rule.Rule, error) {
	names := make([]string, len(mix))
	for i, e := range mix {
		names[i] = e.Name
	}
	var rules []rule.Rule
	var problems []error
	for _, text := range texts {
		r, err := rule.Parse(text, names)
		if err != nil {
			problems = append(problems, err)
		}
		rules = append(rules, r)
	}
	return rules, errors.Join(problems...)
}

// Document judges a run by the rules of its plan and by more, and puts what
// they say into its Rules and its Verdict. Without any rule it changes nothing.
// A run that is not whole does not pass: what is missing may be what went
// wrong. Where the run ended with another verdict than the rules of its plan
// give, a warning of the document says so. The error is of numbers that cannot
// be read, or of a rule in the plan.
func Document(doc *result.Document, more []rule.Rule) error {
	plan := readPlan(doc.Plan)
	rules, err := Read(plan.rules, doc.Mix)
	if err != nil {
		return fmt.Errorf("judge run %s: %w", doc.Run, err)
	}
	if rules = append(rules, more...); len(rules) == 0 {
		return nil
	}
	run := rule.Run{Close: plan.close, FIN: plan.fin, Echo: plan.echo}
	if run.Total, err = doc.Summary(); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	if run.Rounds, err = rounds(doc, rules); err != nil {
		return err
	}
	results, verdict := rule.Judge(rules, run)
	if !doc.Complete {
		verdict = gate.Overall([]gate.Verdict{verdict, gate.NotComparable})
	}
	if warning := differs(doc, results[:len(plan.rules)]); warning != "" {
		doc.Warnings = append(doc.Warnings, warning)
	}
	doc.Rules, doc.Verdict = make([]json.RawMessage, len(results)), string(verdict)
	for i, r := range results {
		if doc.Rules[i], err = json.Marshal(r); err != nil {
			return fmt.Errorf("judge: write what %q says: %w", r.Rule, err)
		}
	}
	return nil
}

// differs says how the verdict that a run ended with is another than what the
// rules of its plan give, "" where it is not. Shards judge their parts, which
// says nothing about the whole, and a stream without an end line says nothing.
func differs(doc *result.Document, own []rule.Result) string {
	if len(own) == 0 || len(doc.Shards) != 1 || doc.Shards[0].Shard != "1/1" || doc.Shards[0].Cause == "" {
		return ""
	}
	var parts []gate.Verdict
	for _, r := range own {
		parts = append(parts, r.Verdict)
	}
	if !doc.Complete {
		parts = append(parts, gate.NotComparable)
	}
	verdict := gate.Overall(parts)
	if string(verdict) == doc.Verdict {
		return ""
	}
	spoken := func(v string) string { return strings.ReplaceAll(v, "_", " ") }
	return fmt.Sprintf("the run ended with the verdict %s by wsload %s, and judged again its rules give %s (another version judges otherwise, or the file was changed)",
		spoken(doc.Verdict), doc.Env.Version, spoken(string(verdict)))
}

// planned is what a stored plan says about judging. The zero value stands for a
// plan that says nothing: that of a server, or of another version.
type planned struct {
	rules      []string
	close, fin time.Duration
	echo       bool
}

func readPlan(text json.RawMessage) planned {
	var p struct {
		Limits struct {
			Close string `json:"close"`
			Fin   string `json:"fin"`
		} `json:"limits"`
		Traffic struct {
			Expect string `json:"expect"`
		} `json:"traffic"`
		Gate struct {
			Rules []string `json:"rules"`
		} `json:"gate"`
	}
	if json.Unmarshal(text, &p) != nil {
		return planned{}
	}
	duration := func(text string) time.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0
		}
		return d
	}
	return planned{rules: p.Gate.Rules, close: duration(p.Limits.Close), fin: duration(p.Limits.Fin), echo: p.Traffic.Expect == "echo"}
}

// rounds makes the intervals of a run into rounds. They hold the histograms
// that the rules may ask for and no others, since each takes 224 KiB.
func rounds(doc *result.Document, rules []rule.Rule) ([]*stats.Summary, error) {
	asked := func(p stats.Phase) bool {
		for _, r := range rules {
			if strings.Contains(r.String(), p.String()) {
				return true
			}
		}
		return false
	}
	n := len(doc.Intervals)
	all := make([]*stats.Summary, min(n, maxRounds))
	for i := range all {
		all[i] = stats.NewSummary(doc.Mix)
		for _, span := range doc.Intervals[i*n/len(all) : (i+1)*n/len(all)] {
			var latency []result.Latency
			for _, row := range span.Latency {
				if asked(row.Phase) {
					latency = append(latency, row)
				}
			}
			span.Latency = latency
			if err := span.AddTo(all[i]); err != nil {
				return nil, fmt.Errorf("judge: interval from %v: %w", span.From, err)
			}
		}
	}
	return all, nil
}
