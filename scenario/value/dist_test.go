package value_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/scenario/value"
)

const year = 8760 * time.Hour

func mustDist(t testing.TB, text string) value.Dist {
	t.Helper()
	d, err := value.ParseDist(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADistIsWrittenInItsShortestForm(t *testing.T) {
	for text, want := range map[string]string{
		"10s":                       "10s",
		"0s":                        "0s",
		" 90s ":                     "1m30s",
		"60m":                       "1h",
		"8760h":                     "8760h",
		"uniform(1s,3s)":            "uniform(1s,3s)",
		" uniform ( 1s ,\t3000ms )": "uniform(1s,3s)",
		"uniform(2s,2s)":            "uniform(2s,2s)",
		"exp(0.5m)":                 "exp(30s)",
		"lognormal(20s,120s)":       "lognormal(20s,2m)",
		"1h0m1s":                    "1h0m1s",
		"1ns":                       "1ns",
	} {
		d := mustDist(t, text)
		if got := d.String(); got != want {
			t.Errorf("ParseDist(%q) is written %q, want %q", text, got, want)
		}
		if again := mustDist(t, want); again != d {
			t.Errorf("ParseDist(%q) is not the Dist of %q", want, text)
		}
	}
}

func TestARefusedDistNamesTextPlaceAndRemedy(t *testing.T) {
	const forms = "use 10s, uniform(1s,3s), exp(30s) or lognormal(20s,2m)"
	for text, want := range map[string]string{
		"":      `parse distribution "": not a duration: "" at position 1 (` + forms + `)`,
		"10":    `parse distribution "10": a duration needs a unit: "10" at position 1 (write 10s)`,
		"soon":  `parse distribution "soon": not a duration: "soon" at position 1 (` + forms + `)`,
		"  -1s": `parse distribution "  -1s": negative duration "-1s" at position 3 (write 0s or more)`,
		"8761h": `parse distribution "8761h": duration "8761h" at position 1 is too long (write at most 8760h)`,
		"99999999999h": `parse distribution "99999999999h": ` +
			`a duration this long cannot be held: "99999999999h" at position 1 (write at most 8760h)`,
		"NaNs": `parse distribution "NaNs": not a duration: "NaNs" at position 1 (` + forms + `)`,
		"unifrm(1s,3s)": `parse distribution "unifrm(1s,3s)": unknown form "unifrm" at position 1 ` +
			`(did you mean uniform? ` + forms + `)`,
		"pareto(1s)": `parse distribution "pareto(1s)": unknown form "pareto" at position 1 (` + forms + `)`,
		"uniform(1s, 3x)": `parse distribution "uniform(1s, 3x)": not a duration: "3x" at position 13 ` +
			`(write uniform(least,most), as in uniform(1s,3s))`,
		"uniform(1s,3)": `parse distribution "uniform(1s,3)": a duration needs a unit: "3" at position 12 (write 3s)`,
		"uniform(3s,1s)": `parse distribution "uniform(3s,1s)": the least is above the most ` +
			`(write uniform(least,most), as in uniform(1s,3s))`,
		"uniform(1s)": `parse distribution "uniform(1s)": uniform: the number of values is 1 and must be 2 ` +
			`(write uniform(least,most), as in uniform(1s,3s))`,
		"exp(1s,2s)": `parse distribution "exp(1s,2s)": exp: the number of values is 2 and must be 1 (write exp(mean), as in exp(30s))`,
		"exp(0s)":    `parse distribution "exp(0s)": the mean must be above 0s (write exp(mean), as in exp(30s))`,
		"exp()": `parse distribution "exp()": not a duration: "" at position 5 ` +
			`(write exp(mean), as in exp(30s))`,
		"exp(30s":   `parse distribution "exp(30s": no ")" for the "(" at position 4 (` + forms + `)`,
		"exp(30s)s": `parse distribution "exp(30s)s": text after the ")" at position 8 (` + forms + `)`,
		"lognormal(2m,20s)": `parse distribution "lognormal(2m,20s)": the median is above the p99 ` +
			`(write lognormal(median,p99), as in lognormal(20s,2m))`,
		"lognormal(0s,20s)": `parse distribution "lognormal(0s,20s)": the median must be above 0s ` +
			`(write lognormal(median,p99), as in lognormal(20s,2m))`,
	} {
		if d, err := value.ParseDist(text); err == nil {
			t.Errorf("ParseDist(%q) = %v, want an error", text, d)
		} else if err.Error() != want {
			t.Errorf("ParseDist(%q):\n got %s\nwant %s", text, err, want)
		}
	}
}

func TestDrawIsTheInverseOfTheCumulativeDistribution(t *testing.T) {
	for _, c := range []struct {
		dist string
		u    float64
		want time.Duration
	}{
		{"10s", 0, 10 * time.Second},
		{"10s", 0.999, 10 * time.Second},
		{"uniform(1s,3s)", 0, time.Second},
		{"uniform(1s,3s)", 0.25, 1500 * time.Millisecond},
		{"exp(30s)", 0, 0},
		{"exp(30s)", 0.5, 20794415416 * time.Nanosecond},   // 30 s × ln 2
		{"exp(30s)", 0.99, 138155105579 * time.Nanosecond}, // 30 s × ln 100
		{"lognormal(20s,2m)", 0, 0},
		{"lognormal(20s,2m)", 0.5, 20 * time.Second},
		{"lognormal(20s,2m)", 0.99, 2 * time.Minute},
		{"lognormal(20s,2m)", 0.01, 3333333333 * time.Nanosecond}, // as far below the median as the p99 is above
		{"lognormal(20s,20s)", 0, 20 * time.Second},
		{"lognormal(20s,20s)", 0.7, 20 * time.Second},
		{"exp(8760h)", 0.9, year},
		{"lognormal(1ns,8760h)", math.Nextafter(1, 0), year},
	} {
		got := mustDist(t, c.dist).Draw(c.u)
		if off := (got - c.want).Abs(); off > 2*time.Microsecond {
			t.Errorf("%s at %v: got %v, want %v", c.dist, c.u, got, c.want)
		}
	}
}

func TestDrawRisesWithItsArgument(t *testing.T) {
	for _, text := range []string{"uniform(1s,3s)", "exp(30s)", "lognormal(20s,2m)"} {
		d := mustDist(t, text)
		var draws []time.Duration
		for i := range 10_000 {
			draws = append(draws, d.Draw(float64(i)/10_000))
		}
		if !slices.IsSorted(draws) {
			t.Errorf("%s falls somewhere", text)
		}
	}
}

// FuzzDist holds every text that is accepted to the promises of the type.
func FuzzDist(f *testing.F) {
	for _, text := range []string{
		"10s", "0", "uniform(1s,3s)", "exp(30s)", "lognormal(20s,2m)", "lognormal(1ns,8760h)", "exp(1e3s)", "uniform(-1s,)",
		strings.Repeat("\x8b", 70), // no byte of it starts a character

	} {
		f.Add(text, 0.5)
	}
	f.Fuzz(func(t *testing.T, text string, u float64) {
		d, err := value.ParseDist(text)
		if err != nil {
			return
		}
		again, err := value.ParseDist(d.String())
		if err != nil || again != d {
			t.Fatalf("%q is written %q, which reads as %v, %v", text, d, again, err)
		}
		if !(u >= 0 && u < 1) {
			u = 0
		}
		if got := d.Draw(u); got < 0 || got > year || got != d.Draw(u) {
			t.Fatalf("%v draws %v at %v", d, got, u)
		}
	})
}
