package proc

import "testing"

func TestAnUnknownPortRangeHoldsNoConnections(t *testing.T) {
	for name, row := range map[string]struct {
		ports Ports
		want  int
	}{
		"the usual range":             {Ports{Low: 32768, High: 60999, OK: true}, 28232},
		"reserved ports do not count": {Ports{Low: 1000, High: 1009, Reserved: 3, OK: true}, 7},
		"one port":                    {Ports{Low: 5, High: 5, OK: true}, 1},
		"all reserved":                {Ports{Low: 5, High: 5, Reserved: 1, OK: true}, 0},
		"a range upside down":         {Ports{Low: 9, High: 5, OK: true}, 0},
		"unknown":                     {Ports{Low: 32768, High: 60999}, 0},
	} {
		if got := row.ports.Count(); got != row.want {
			t.Errorf("%s: %d, want %d", name, got, row.want)
		}
	}
}
