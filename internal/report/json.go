package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/wsload/wsload/internal/result"
)

// JSON writes the document with indentation and one newline at its end. Its
// warnings are those of the text report: doubt goes where the numbers go.
func JSON(w io.Writer, doc *result.Document) error {
	sum, err := doc.Summary()
	if err != nil {
		return fmt.Errorf("write JSON report: %w", err)
	}
	p := page{doc: doc, sum: sum}
	p.latency()
	doubted := *doc
	doubted.Warnings = p.allWarnings()
	text, err := json.MarshalIndent(&doubted, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write JSON report: %w", err)
	}
	return nil
}
