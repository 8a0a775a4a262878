package ci

import (
	"fmt"
	"io"
	"strings"

	"github.com/wsload/wsload/internal/gate"
)

// Annotations writes the sheet as workflow commands of GitHub's runner, one on
// a line: an error for each row that fails or was not measured, a warning for
// each that is inconclusive and for each warning of the sheet, and a notice of
// the verdict. The runner shows ten of a kind per step, so the worst come first.
// It fails where w does.
func Annotations(w io.Writer, s *Sheet) error {
	var out strings.Builder
	cases := s.cases()
	for _, kind := range []string{"error", "warning"} {
		for _, row := range cases {
			if annotated(row.Verdict) == kind {
				command(&out, kind, s.Title+" "+spoken(row.Verdict), row.Name+": "+row.Reason)
			}
		}
	}
	for _, warning := range s.Warnings {
		command(&out, "warning", s.Title, warning)
	}
	command(&out, "notice", s.Title, s.headline())
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

// annotated is the kind of annotation that a verdict deserves, "" for none.
func annotated(v gate.Verdict) string {
	switch v {
	case gate.Pass, gate.None:
		return ""
	case gate.Inconclusive:
		return "warning"
	}
	return "error"
}

// command writes one workflow command. Its texts are escaped as the runner
// undoes it (actions/toolkit, packages/core/src/command.ts): a property also
// for the signs that end it.
func command(out *strings.Builder, kind, title, message string) {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	fmt.Fprintf(out, "::%s title=%s::%s\n", kind, property.Replace(line(title)), data.Replace(line(message)))
}
