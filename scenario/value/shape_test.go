package value_test

import (
	"testing"

	"github.com/wsload/wsload/scenario/value"
)

func mustShape(t testing.TB, text string) value.Shape {
	t.Helper()
	s, err := value.ParseShape(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAShapeReadsBackFromItsText(t *testing.T) {
	for _, c := range []struct {
		text, want string
		kind       value.ShapeKind
		rate       value.Rate
	}{
		{"each", "each", value.ShapeEach, 0},
		{" each ", "each", value.ShapeEach, 0},
		{"wave( 60s )", "wave(1m)", value.ShapeWave, 0},
		{"at_end", "at_end", value.ShapeAtEnd, 0},
		{"rate(500)", "rate(500/s)", value.ShapeRate, 500},
		{"rate(30/m)", "rate(0.5/s)", value.ShapeRate, 0.5},
	} {
		s := mustShape(t, c.text)
		if s.String() != c.want || s.Kind() != c.kind || s.Rate() != c.rate {
			t.Errorf("ParseShape(%q) = %q, kind %d, rate %v; want %q, %d, %v",
				c.text, s, s.Kind(), s.Rate(), c.want, c.kind, c.rate)
		}
		if mustShape(t, c.want) != s {
			t.Errorf("ParseShape(%q) is not the Shape of %q", c.want, c.text)
		}
	}
	if (value.Shape{}) != mustShape(t, "each") {
		t.Error("the zero Shape is not each")
	}
}

func TestARefusedShapeNamesTextPlaceAndRemedy(t *testing.T) {
	const forms = "use each, wave(10s), at_end or rate(500/s)"
	for text, want := range map[string]string{
		"":          `parse shape "": unknown shape "" at position 1 (` + forms + `)`,
		"atend":     `parse shape "atend": unknown shape "atend" at position 1 (did you mean at_end? ` + forms + `)`,
		"wave":      `parse shape "wave": wave: the number of values is 0 and must be 1 (` + forms + `)`,
		"each(1s)":  `parse shape "each(1s)": each: the number of values is 1 and must be 0 (` + forms + `)`,
		"wave(0s)":  `parse shape "wave(0s)": the period must be above 0s (write wave(period), as in wave(10s))`,
		"wave(10)":  `parse shape "wave(10)": a duration needs a unit: "10" at position 6 (write 10s)`,
		"wave(-1s)": `parse shape "wave(-1s)": negative duration "-1s" at position 6 (write 0s or more)`,
		"wave(10s":  `parse shape "wave(10s": no ")" for the "(" at position 5 (` + forms + `)`,
		"rate(0)":   `parse shape "rate(0)": a rate of 0 is unlimited and spreads nothing (write each, or a rate above 0)`,
		"rate(x)":   `parse shape "rate(x)": not a rate: "x" at position 6 (` + forms + `)`,
	} {
		if s, err := value.ParseShape(text); err == nil {
			t.Errorf("ParseShape(%q) = %v, want an error", text, s)
		} else if err.Error() != want {
			t.Errorf("ParseShape(%q):\n got %s\nwant %s", text, err, want)
		}
	}
}
