package gate

import (
	"encoding/json"
	"testing"
)

func TestTheWholeIsAsBadAsItsWorstPart(t *testing.T) {
	for _, c := range []struct {
		parts []Verdict
		want  Verdict
		exit  int
	}{
		{nil, None, 0},
		{[]Verdict{None}, None, 0},
		{[]Verdict{Pass, None, Pass}, Pass, 0},
		{[]Verdict{Pass, Inconclusive, Pass}, Inconclusive, 4},
		{[]Verdict{Inconclusive, NoData, Pass}, NotComparable, 5},
		{[]Verdict{NotComparable, Pass}, NotComparable, 5},
		{[]Verdict{NoData, Fail, Inconclusive, Pass}, Fail, 3},
	} {
		got := Overall(c.parts)
		if got != c.want || got.Exit() != c.exit {
			t.Errorf("Overall(%v) = %s with exit code %d, want %s with %d", c.parts, got, got.Exit(), c.want, c.exit)
		}
	}
}

func TestWhatIsNoVerdictDoesNotPass(t *testing.T) {
	if code := Verdict("passed").Exit(); code != ExitNotComparable {
		t.Errorf("an unknown word exits with %d", code)
	}
	var v Verdict
	if err := json.Unmarshal([]byte(`"passed"`), &v); err == nil {
		t.Errorf("an unknown word was read as %q", v)
	}
	if err := json.Unmarshal([]byte(`"no_data"`), &v); err != nil || v != NoData {
		t.Errorf("no_data was read as %q, %v", v, err)
	}
}
