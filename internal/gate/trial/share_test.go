package trial

import "testing"

func TestASharesTextIsAPercentage(t *testing.T) {
	for text, want := range map[string]Share{"5%": 50_000, " 0.01%": 100, "12.5%": 125_000, "0%": 0, "100%": whole, "0.0001%": 1, "1000%": maxShare} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is read as %d, %v; want %d", text, s, err, want)
		}
		var again Share
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s is read again as %d, %v", s, again, err)
		}
	}
	for _, text := range []string{"", "%", "5", "-5%", "5 %", "1e2%", "0.00001%", "1001%", "99999%", ".5%", "5.%%"} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %s", text, s)
		}
	}
}

func TestTheTwoPartsOfARatesBoundsAreToldTogether(t *testing.T) {
	for _, c := range []struct {
		term                Term
		tolerated, detected string
	}{
		{Term{Tolerance: 30_000, MustDetect: 100_000}, "3%", "10%"},
		{Term{Tolerance: 100_000, MustDetect: 500_000, Excess: 100, MustExcess: 500}, "10% and 1 in 10,000", "50% and 1 in 2,000"},
		{Term{MustDetect: 1, Excess: 1, MustExcess: 3}, "0% and 1 in 1,000,000", "0.0001% and 0.0003% of all"},
		{Term{Excess: 200_000, MustExcess: whole}, "0% and 1 in 5", "0% and 100% of all"},
	} {
		if tolerated, detected := c.term.Tolerated(), c.term.Detected(); tolerated != c.tolerated || detected != c.detected {
			t.Errorf("%+v: tolerated %q, must detect %q", c.term, tolerated, detected)
		}
	}
}
