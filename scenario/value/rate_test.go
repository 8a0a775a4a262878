package value_test

import (
	"math"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario/value"
)

func mustRate(t testing.TB, text string) value.Rate {
	t.Helper()
	r, err := value.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARateIsEventsPerSecondWhateverItsUnit(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  value.Rate
		again string
	}{
		{"500/s", 500, "500/s"},
		{"500", 500, "500/s"},
		{" 1e3 / s ", 1000, "1000/s"},
		{"30/m", 0.5, "0.5/s"},
		{"20/m", 20.0 / 60, "20/m"},
		{"3600/h", 1, "1/s"},
		{"1/h", 1.0 / 3600, "1/h"},
		{"7/h", 7.0 / 3600, "7/h"},
		{"0.125", 0.125, "0.125/s"},
		{"0.1234567/s", 0.1234567, "0.1234567/s"},
		{"0", 0, "0"},
		{"0/h", 0, "0"},
		{"-0", 0, "0"},
		{"1e9/s", 1e9, "1000000000/s"},
	} {
		got := mustRate(t, c.text)
		if got != c.want || got.String() != c.again {
			t.Errorf("ParseRate(%q) = %v per second, written %q; want %v, %q",
				c.text, float64(got), got, float64(c.want), c.again)
		}
		if math.Signbit(float64(got)) {
			t.Errorf("ParseRate(%q) is a negative zero", c.text)
		}
	}
}

func TestEveryRateReadsBackFromItsText(t *testing.T) {
	for i := range 2000 {
		for _, r := range []value.Rate{
			value.Rate(i), value.Rate(i) / 60, value.Rate(i) / 3600, value.Rate(math.Sqrt(float64(i))),
		} {
			if r != 0 && r < 1.0/86400 {
				continue
			}
			if again := mustRate(t, r.String()); again != r {
				t.Fatalf("%v is written %q, which reads as %v", float64(r), r, float64(again))
			}
		}
	}
}

func TestARefusedRateNamesTextAndRemedy(t *testing.T) {
	const forms = "write 500/s, 30/m, 3600/h or 0 for unlimited"
	for text, want := range map[string]string{
		"":         `parse rate "": not a rate (` + forms + `)`,
		"fast":     `parse rate "fast": not a rate (` + forms + `)`,
		"/s":       `parse rate "/s": not a rate (` + forms + `)`,
		"5/":       `parse rate "5/": unknown unit "" (` + forms + `)`,
		"5/ms":     `parse rate "5/ms": unknown unit "ms" (` + forms + `)`,
		"5/s/s":    `parse rate "5/s/s": unknown unit "s/s" (` + forms + `)`,
		"-5/s":     `parse rate "-5/s": a rate cannot be negative (` + forms + `)`,
		"NaN":      `parse rate "NaN": not a rate (` + forms + `)`,
		"Inf":      `parse rate "Inf": not a rate (` + forms + `)`,
		"0x10":     `parse rate "0x10": not a rate (` + forms + `)`,
		"1e400":    `parse rate "1e400": a rate this high cannot be paced (write at most 1e9/s, or 0 for unlimited)`,
		"2e9/s":    `parse rate "2e9/s": a rate this high cannot be paced (write at most 1e9/s, or 0 for unlimited)`,
		"1e-400":   `parse rate "1e-400": a rate this low never starts anything (write at least 1 a day, or 0 for unlimited)`,
		"0.01/h":   `parse rate "0.01/h": a rate this low never starts anything (write at least 1 a day, or 0 for unlimited)`,
		"1e-320/h": `parse rate "1e-320/h": a rate this low never starts anything (write at least 1 a day, or 0 for unlimited)`,
	} {
		if r, err := value.ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", text, r)
		} else if err.Error() != want {
			t.Errorf("ParseRate(%q):\n got %s\nwant %s", text, err, want)
		}
	}
}

func TestEventsOfARateDoNotDrift(t *testing.T) {
	for _, c := range []struct {
		rate string
		k    uint64
		want time.Duration
	}{
		{"500/s", 0, 0},
		{"500/s", 1, 2 * time.Millisecond},
		{"3/s", 1, 333333333},
		{"3/s", 3_000_000_000, 1_000_000_000 * time.Second},
		{"3/s", 3_000_000_001, 1_000_000_000*time.Second + 333333333},
		{"20/m", 1, 3 * time.Second},
		{"7/m", 7_000_000, 1_000_000 * time.Minute},
		{"7/h", 700_007, 100_001 * time.Hour},
		{"1e9/s", math.MaxInt64 / 4, math.MaxInt64 / 4},
		{"1/h", math.MaxUint64, 100 * year},
		{"0.3333/s", 3333, 10000 * time.Second},
		{"0.0001234567890123/s", math.MaxUint64, 100 * year},
		{"0", 1 << 40, 0},
	} {
		if got := mustRate(t, c.rate).At(c.k); got != c.want {
			t.Errorf("event %d at %s: got %v, want %v", c.k, c.rate, got, c.want)
		}
	}
	if got := value.Rate(math.NaN()).At(5); got != 0 {
		t.Errorf("a rate that is no number has its events at %v", got)
	}
	if got, want := mustRate(t, "3/s").Interval(), time.Duration(333333333); got != want {
		t.Errorf("interval of 3/s is %v, want %v", got, want)
	}
}
