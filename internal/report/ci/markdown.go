package ci

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Markdown writes the sheet for a comment on a pull request or for the summary
// of a job, in the dialect of GitHub and GitLab: a table, below it the reasons
// as they are, and the report folded away. It fails where w does.
func Markdown(w io.Writer, s *Sheet) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### %s: %s\n", plain(s.Title), plain(spoken(s.Verdict)))
	if len(s.Rows) > 0 {
		heads := []string{""}
		for _, column := range s.Columns {
			heads = append(heads, plain(column))
		}
		heads = append(heads, "verdict")
		row := func(cells []string) { out.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
		out.WriteByte('\n')
		row(heads)
		row(append([]string{"---"}, repeated("---:", len(s.Columns)+1)...))
		for _, r := range s.Rows {
			cells := []string{"<code>" + plain(r.Name) + "</code>"}
			for _, cell := range r.Cells {
				cells = append(cells, plain(cell))
			}
			row(append(cells, plain(spoken(r.Verdict))))
		}
	}
	lines := append([]string{s.headline()}, s.Facts...)
	for _, r := range s.Rows {
		lines = append(lines, spoken(r.Verdict)+" "+r.Name+": "+r.Reason)
	}
	for _, warning := range s.Warnings {
		lines = append(lines, "WARNING: "+warning)
	}
	out.WriteString("\n" + fenced(lines))
	if len(s.Report) > 0 {
		out.WriteString("\n<details><summary>report</summary>\n\n" + fenced(s.Report) + "\n</details>\n")
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

func repeated(text string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text
	}
	return all
}

// plain writes a text so that none of it is markup: what is neither a letter nor
// a digit becomes a numeric reference, which CommonMark never takes as structure
// (section 6.2). Between digits a point stays, as it can begin no link. GitHub
// looks for people and issues in what was rendered: a space without width
// behind @ and # hides them.
func plain(text string) string {
	runes := []rune(named(text))
	var out strings.Builder
	for i, r := range runes {
		decimal := r == '.' && i > 0 && i < len(runes)-1 && isDigit(runes[i-1]) && isDigit(runes[i+1])
		if unicode.IsLetter(r) || isDigit(r) || decimal || strings.ContainsRune(" ,%…", r) {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, "&#%d;", r)
		}
		if r == '@' || r == '#' {
			out.WriteString("&#8203;")
		}
	}
	return out.String()
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// fenced is a block of lines that is shown as it is, with a fence that is
// longer than any in it. In such a block nobody is mentioned and nothing is
// linked.
func fenced(lines []string) string {
	var body strings.Builder
	for _, text := range lines {
		body.WriteString(line(text) + "\n")
	}
	fence := "```"
	for strings.Contains(body.String(), fence) {
		fence += "`"
	}
	return fence + "text\n" + body.String() + fence + "\n"
}
