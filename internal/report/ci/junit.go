package ci

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/wsload/wsload/internal/gate"
)

// The elements of JUnit's XML that Jenkins, GitLab and GitHub's reporters
// understand alike.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
		Out      string      `xml:"system-out,omitempty"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Failure *junitReason `xml:"failure"`
		Error   *junitReason `xml:"error"`
		Skipped *junitReason `xml:"skipped"`
		Out     string       `xml:"system-out,omitempty"`
	}
	junitReason struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the sheet as a suite with a case for each row. A row that fails
// is a failure, an inconclusive one is skipped, and one that was not measured is
// an error. It fails where w does.
func JUnit(w io.Writer, s *Sheet) error {
	suite := junitSuite{Name: named(s.Title)}
	for _, row := range s.cases() {
		c := junitCase{Class: named(s.Title), Name: named(row.Name)}
		text := line(row.Reason)
		for i, cell := range row.Cells {
			text += "\n" + line(s.Columns[i]) + ": " + line(cell)
		}
		because := &junitReason{Message: line(row.Reason), Type: string(row.Verdict), Text: text}
		switch row.Verdict {
		case gate.Pass, gate.None:
			c.Out = text
		case gate.Fail:
			suite.Failures++
			c.Failure = because
		case gate.Inconclusive:
			suite.Skipped++
			because.Type = "" // the schema of skipped has none
			c.Skipped = because
		default:
			suite.Errors++
			c.Error = because
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	var lines []string
	for _, text := range s.lines() {
		lines = append(lines, line(text))
	}
	suite.Out = strings.Join(lines, "\n")
	text, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	}
	if err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	return nil
}
