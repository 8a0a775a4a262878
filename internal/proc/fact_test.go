package proc

import (
	"encoding/json"
	"testing"
)

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

func TestAFactIsWrittenAsItsNumberOrNull(t *testing.T) {
	for text, fact := range map[string]Fact{"null": {}, "0": Known(0), "-3": Known(-3), "9223372036854775807": Known(Unlimited)} {
		got, err := json.Marshal(fact)
		if err != nil || string(got) != text {
			t.Errorf("%+v is written %s, %v, want %s", fact, got, err, text)
		}
		back := Known(7) // what was there before does not matter
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != fact {
			t.Errorf("%s is read as %+v, %v, want %+v", text, back, err, fact)
		}
	}
	var f Fact
	if err := json.Unmarshal([]byte(`"many"`), &f); err == nil {
		t.Error("a text was read as a fact")
	}
}
