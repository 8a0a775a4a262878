package value_test

import (
	"testing"
	"time"

	"github.com/wsload/wsload/scenario/value"
)

func mustReconnect(t testing.TB, text string) value.Reconnect {
	t.Helper()
	r, err := value.ParseReconnect(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAReconnectReadsBackFromItsText(t *testing.T) {
	for _, c := range []struct {
		text, want string
		kind       value.ReconnectKind
		most       time.Duration
	}{
		{"replace", "replace", value.ReconnectReplace, 0},
		{" none ", "none", value.ReconnectNone, 0},
		{"backoff( 1s, 60s )", "backoff(1s,1m)", value.ReconnectBackoff, time.Minute},
		{"backoff(1ms,8760h)", "backoff(1ms,8760h)", value.ReconnectBackoff, year},
	} {
		r := mustReconnect(t, c.text)
		if r.String() != c.want || r.Kind() != c.kind || r.Most() != c.most {
			t.Errorf("ParseReconnect(%q) = %q, kind %d, most %v; want %q, %d, %v", c.text, r, r.Kind(), r.Most(), c.want, c.kind, c.most)
		}
		if mustReconnect(t, c.want) != r {
			t.Errorf("ParseReconnect(%q) is not the Reconnect of %q", c.want, c.text)
		}
	}
	if (value.Reconnect{}) != mustReconnect(t, "replace") {
		t.Error("the zero Reconnect is not replace")
	}
}

func TestARefusedReconnectNamesTextPlaceAndRemedy(t *testing.T) {
	const forms = "(use replace, none or backoff(1s,30s))"
	const form = "(write backoff(first,most), as in backoff(1s,30s))"
	for text, want := range map[string]string{
		"":                `unknown reconnect "" at position 1 ` + forms,
		"bakoff(1s,2s)":   `unknown reconnect "bakoff" at position 1 (did you mean backoff? use replace, none or backoff(1s,30s))`,
		"backoff":         `backoff: the number of values is 0 and must be 2 ` + forms,
		"backoff(1s)":     `backoff: the number of values is 1 and must be 2 ` + forms,
		"none(1s)":        `none: the number of values is 1 and must be 0 ` + forms,
		"backoff(2s,1s)":  `the first wait is above the most ` + form,
		"backoff(0s,1s)":  `the first wait must be at least 1ms ` + form,
		"backoff(1s,2)":   `a duration needs a unit: "2" at position 12 (write 2s)`,
		"backoff(1s,-1s)": `negative duration "-1s" at position 12 (write 0s or more)`,
		"backoff(1s,x)":   `not a duration: "x" at position 12 ` + form,
		"backoff(1s,2s":   `no ")" for the "(" at position 8 ` + forms,
	} {
		want = `parse reconnect "` + text + `": ` + want
		if r, err := value.ParseReconnect(text); err == nil || err.Error() != want {
			t.Errorf("ParseReconnect(%q) = %v,\n got %v\nwant %s", text, r, err, want)
		}
	}
}
