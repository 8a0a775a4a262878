package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsload/wsload/stats"
)

func TestTheManualHasEveryWordAndNumberOfTheReport(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "teardown.md"))
	if err != nil {
		t.Fatal(err)
	}
	// Lines are wrapped in it where they are not in a table.
	manual := strings.Join(strings.Fields(string(raw)), " ")
	var words []string
	for c := range stats.Class(stats.NumClasses) {
		words = append(words, "| `"+c.String()+"` |")
	}
	for ph := range stats.Phase(stats.NumPhases) {
		words = append(words, "`"+ph.String()+"`")
	}
	for cause := range stats.Cause(stats.NumCauses) {
		words = append(words, "| `"+cause.String()+"` |")
	}
	for _, row := range throwing() {
		words = append(words, row.what)
	}
	limits := "at"
	for i, tooth := range comb() {
		switch at := fmt.Sprintf("%.0f", tooth.from.Seconds()); {
		case i == 0:
			limits += " " + at
		case i == len(comb())-1:
			limits += " and " + at + " s"
		case tooth.to > tooth.from:
			limits += fmt.Sprintf(", %s to %.0f", at, tooth.to.Seconds())
		default:
			limits += ", " + at
		}
	}
	words = append(words, limits, fmt.Sprintf("at least %d samples and one in %d of the row's", peakLeast, peakShare))
	for _, word := range words {
		if !strings.Contains(manual, word) {
			t.Errorf("docs/teardown.md does not have %q", word)
		}
	}
}
