package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/wsload/wsload/internal/result"
)

// JSON writes the document with indentation and one newline at its end.
func JSON(w io.Writer, doc *result.Document) error {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write JSON report: %w", err)
	}
	return nil
}
