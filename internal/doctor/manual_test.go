package doctor

import (
	"os"
	"strings"
	"testing"
)

func TestTheManualHasALineForEachFact(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## The lines")
	for _, f := range diagnose(t, fine(), Ask{Plan: remote()}).Findings {
		if !strings.Contains(table, "`"+f.Key+"`") {
			t.Errorf("docs/doctor.md does not explain %s", f.Key)
		}
	}
	for _, v := range []Verdict{OK, Tight, Short, Unknown} {
		if !strings.Contains(string(text), "| `"+string(v)+"` |") {
			t.Errorf("docs/doctor.md does not explain the verdict %s", v)
		}
	}
}
