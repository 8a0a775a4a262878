package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/wsload/wsload/internal/need"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario/problem"
)

// JSON writes the report as an indented document.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes the report for a person: what the plan needs, line by line, with
// remedies where there is too little; the other facts; how it lasts; the sum.
func (r Report) Text(w io.Writer) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "plan  %s\nhost  %s\n\n", r.Plan, r.Host)
	lines := aligned(r.Findings)
	for i, f := range r.Findings {
		if !f.matters() {
			continue
		}
		fmt.Fprintln(&out, lines[i])
		if f.Effect != "" {
			for _, line := range wrap(f.Effect, 100) {
				fmt.Fprintf(&out, "         %s\n", line)
			}
		}
		f.raise(&out)
	}
	r.others(&out)
	r.last(&out)
	r.sum(&out)
	_, err := w.Write(out.Bytes())
	return err
}

// aligned gives the line of each finding: verdict, key, what the plan needs and
// what there is.
func aligned(all []Finding) []string {
	var out bytes.Buffer
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, f := range all {
		needs := ""
		if f.Needs.OK {
			needs = "needs " + f.spell(f.Needs)
		}
		if f.Has.OK && (f.Has.N == 0 || f.Has.N == 1) && f.Needs.N == 1 {
			needs = "needed" // yes or no
		}
		verdict := string(f.Verdict)
		if f.Verdict == Short || f.Verdict == Tight {
			verdict = strings.ToUpper(verdict)
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\thas %s\n", verdict, f.Key, needs, f.Value)
	}
	columns.Flush()
	return strings.Split(out.String(), "\n")
}

// raise writes the commands.
func (f *Finding) raise(out io.Writer) {
	width := 0
	for _, r := range f.Remedies {
		if r.Note != "" && len(r.Command) <= 64 {
			width = max(width, len(r.Command))
		}
	}
	for _, r := range f.Remedies {
		switch {
		case r.Command == "" && r.File == "":
			fmt.Fprintf(out, "         (%s)\n", r.Note)
		case r.Command == "":
			fmt.Fprintf(out, "         %-*s    # %s\n", width, r.Line, r.Note)
		case r.Note == "":
			fmt.Fprintf(out, "         $ %s\n", r.Command)
		default:
			fmt.Fprintf(out, "         $ %-*s  # %s\n", width, r.Command, r.Note)
		}
	}
}

// others writes the facts that the plan does not depend on.
func (r Report) others(out io.Writer) {
	var parts []string
	for _, f := range r.Findings {
		if !f.matters() && f.Value != unknown {
			parts = append(parts, strings.ReplaceAll(f.Key, "_", " ")+" "+f.Value)
		}
	}
	if parts == nil {
		return
	}
	fmt.Fprintln(out, "\nnot asked for by this plan")
	for _, line := range wrap(strings.Join(parts, "; "), 100) {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

// last writes the lines of files that make remedies last.
func (r Report) last(out io.Writer) {
	var files []string
	lines := map[string][]string{}
	for _, f := range r.Findings {
		for _, remedy := range f.Remedies {
			if remedy.File == "" {
				continue
			}
			if lines[remedy.File] == nil {
				files = append(files, remedy.File)
			}
			lines[remedy.File] = append(lines[remedy.File], remedy.Line)
		}
	}
	if files == nil {
		return
	}
	fmt.Fprintln(out, "\nto make it last")
	for _, file := range files {
		how := ""
		switch {
		case file == sysctlFile:
			how = ", then sudo sysctl --system"
		case strings.HasPrefix(file, "/etc/security/"):
			how = ", then log in again"
		}
		fmt.Fprintf(out, "  %s%s\n", file, how)
		for _, line := range lines[file] {
			fmt.Fprintf(out, "    %s\n", line)
		}
	}
}

// sum says whether a run takes the plan.
func (r Report) sum(out io.Writer) {
	counts := map[Verdict]int{}
	for _, f := range r.Findings {
		counts[f.Verdict]++
	}
	var parts []string
	for _, v := range []Verdict{Short, Tight, Unknown} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	switch {
	case !r.Fits:
		fmt.Fprintln(out, "\nwsload run refuses this plan here")
		for _, text := range r.Refused {
			fmt.Fprintf(out, "  %s\n", text)
		}
	case parts != nil:
		fmt.Fprintf(out, "\nwsload run takes this plan here; %s\n", strings.Join(parts, ", "))
	default:
		fmt.Fprintln(out, "\nwsload run takes this plan here, and nothing is tight")
	}
}

// plan is the plan in a line.
func (e *exam) plan() string {
	load := e.Plan.Load
	text := digits(int64(e.need.Connections)) + " connections"
	if e.Shard.Count > 1 {
		text += fmt.Sprintf(" (part %s of %s)", e.Shard, digits(int64(load.Connections)))
	}
	switch {
	case len(load.Stages) > 0:
		text += " at most, by load.stages"
	case load.Rate > 0:
		text += " at " + load.Rate.String()
	default:
		text += " at once"
	}
	if load.Duration > 0 {
		text += " for " + problem.DurationText(load.Duration)
	} else {
		text += ", each once"
	}
	switch {
	case e.Own:
		text += ", against the own server"
	case need.Local(e.Plan):
		text += ", against a server on this host"
	}
	if need.Relayed(e.Plan) {
		text += ", through a relay"
	}
	return text
}

// host is the host in a line.
func (e *exam) host() string {
	text := e.OS
	if n := e.Bounds.CPUs; n > 0 {
		text += fmt.Sprintf(", %d CPUs", n)
	}
	if m := e.Bounds.Memory; m.OK {
		text += ", " + size(m.N) + " of memory available"
	}
	return text
}

const unknown = "unknown"

// spell writes a number of the finding's unit.
func (f *Finding) spell(n proc.Fact) string {
	switch {
	case !n.OK:
		return unknown
	case f.Unit == "bytes" && n.N != proc.Unlimited:
		return size(n.N)
	case f.Key == "cpu":
		return thousandths(n.N)
	case f.Unit == "":
		return number(n)
	}
	return number(n) + " " + f.Unit
}

func number(n proc.Fact) string {
	switch {
	case !n.OK:
		return unknown
	case n.N == proc.Unlimited:
		return "no limit"
	}
	return digits(n.N)
}

// digits groups a number by thousands.
func digits(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// size writes bytes to three digits.
func size(n int64) string {
	v, unit := float64(n), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, larger
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}

// wrap breaks text at blanks.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
