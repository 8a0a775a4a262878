package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	run := rule.Run{Close: plan.close, FIN: plan.fin, Echo: plan.echo, Figures: figures(doc)}
	if run.Total, err = doc.Summary(); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	if run.Rounds, err = rounds(doc.Intervals, doc.Mix, rules); err != nil {
		return err
	}
	results, _ := rule.Judge(rules, run)
	own := results[:len(plan.rules)]
	if err := ended(doc, own); err != nil {
		return err
	}
	if warning := differs(doc, own); warning != "" {
		doc.Warnings = append(doc.Warnings, warning)
	}
	doc.Rules, doc.Verdict = make([]json.RawMessage, len(results)), string(overall(doc, results))
	for i, r := range results {
		if doc.Rules[i], err = json.Marshal(r); err != nil {
			return fmt.Errorf("judge: write what %q says: %w", r.Rule, err)
		}
	}
	return nil
}

// overall is the verdict of rules on a run. One that is not whole does not pass.
func overall(doc *result.Document, results []rule.Result) gate.Verdict {
	var parts []gate.Verdict
	for _, r := range results {
		parts = append(parts, r.Verdict)
	}
	if !doc.Complete {
		parts = append(parts, gate.NotComparable)
	}
	return gate.Overall(parts)
}

func spoken(v gate.Verdict) string { return strings.ReplaceAll(string(v), "_", " ") }

// ended gives the rule that ended the run the verdict that it ended it with: it
// was found at a look, by less than the run has in the end, and may be in doubt
// again by then.
func ended(doc *result.Document, own []rule.Result) error {
	if doc.Failed == nil {
		return nil
	}
	var failed rule.Result
	if err := json.Unmarshal(doc.Failed, &failed); err != nil {
		return fmt.Errorf("judge run %s: read what ended it: %w", doc.Run, err)
	}
	for i, r := range own {
		if r.Rule == failed.Rule && failed.Verdict == gate.Fail && r.Verdict != gate.Fail {
			failed.Reason += "; that ended the run, over all of which it is " + spoken(r.Verdict)
			own[i] = failed
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
	verdict := overall(doc, own)
	if string(verdict) == doc.Verdict {
		return ""
	}
	return fmt.Sprintf("the run ended with the verdict %s by wsload %s, and judged again its rules give %s (another version judges otherwise, or the file was changed)",
		spoken(gate.Verdict(doc.Verdict)), doc.Env.Version, spoken(verdict))
}

// planned is what a stored plan says about judging. The zero value stands for a
// plan that says nothing: that of a server, or of another version.
type planned struct {
	rules      []string
	close, fin time.Duration
	echo       bool
	abort      bool // end the run where a rule has failed for good
	grace      time.Duration
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
			Rules       []string `json:"rules"`
			AbortOnFail bool     `json:"abort_on_fail"`
			Grace       string   `json:"grace"`
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
	return planned{
		rules: p.Gate.Rules, close: duration(p.Limits.Close), fin: duration(p.Limits.Fin), echo: p.Traffic.Expect == "echo",
		abort: p.Gate.AbortOnFail, grace: duration(p.Gate.Grace),
	}
}

// rounds makes the intervals of a run into rounds. They hold the histograms
// that the rules may ask for and no others, since each takes 224 KiB.
func rounds(spans []result.Span, mix []stats.Entry, rules []rule.Rule) ([]*stats.Summary, error) {
	n := len(spans)
	all := make([]*stats.Summary, min(n, maxRounds))
	for i := range all {
		all[i] = stats.NewSummary(mix)
		for _, span := range spans[i*n/len(all) : (i+1)*n/len(all)] {
			var latency []result.Latency
			for _, row := range span.Latency {
				if asked(rules, row.Phase) {
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

// asked tells whether a rule may ask for a phase.
func asked(rules []rule.Rule, p stats.Phase) bool {
	return slices.ContainsFunc(rules, func(r rule.Rule) bool { return strings.Contains(r.String(), p.String()) })
}
