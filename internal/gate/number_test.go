package gate

import "testing"

func TestANounHasItsPluralForAllNumbersButOne(t *testing.T) {
	for n, want := range map[int]string{0: "0 pairs", 1: "1 pair", 2: "2 pairs", 21: "21 pairs"} {
		if got := Number(n, "pair"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
