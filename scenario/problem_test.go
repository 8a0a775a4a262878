package scenario_test

import (
	"strings"
	"testing"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

func TestAValueTooLongForALineIsCutBetweenCharacters(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("x", 60):          `"` + strings.Repeat("x", 60) + `"`,
		strings.Repeat("x", 61):          `"` + strings.Repeat("x", 60) + `"…`,
		"x" + strings.Repeat("ü", 40):    `"x` + strings.Repeat("ü", 29) + `"…`,
		strings.Repeat("x", 59) + "€€":   `"` + strings.Repeat("x", 59) + `"…`,
		"a\x1b[31m\u202e":                `"a\x1b[31m\u202e"`,
		strings.Repeat("x", 58) + "\n\n": `"` + strings.Repeat("x", 58) + `\n\n"`,
	} {
		_, err := scenario.Decode(tree{"load": tree{"connections": text}})
		if full := "load.connections: takes a whole number, got " + want + " (write digits only)"; err == nil || err.Error() != full {
			t.Errorf("got %v\nwant %s", err, full)
		}
	}
}

func TestAProblemIsOneLineWithWhatItHas(t *testing.T) {
	for _, c := range []struct {
		problem problem.Problem
		want    string
	}{
		{problem.Problem{Key: "a.b", Value: "5", Msg: "too low", Hint: "write 6"}, "a.b: too low, got 5 (write 6)"},
		{problem.Problem{Key: "a.b", Msg: "missing"}, "a.b: missing"},
		{problem.Problem{Msg: "all wrong"}, "all wrong"},
	} {
		if got := c.problem.Error(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// A name of a megabyte must not cost a matrix of it.
func TestAHugeKeyIsRefusedCheaply(t *testing.T) {
	name := strings.Repeat("connections", 100_000)
	_, err := scenario.Decode(tree{name: 1})
	if want := `"` + name[:60] + `"…: unknown key`; err == nil || err.Error() != want {
		t.Errorf("got an error of %d bytes: %.100s", len(err.Error()), err)
	}
}
