package rule

import (
	"strings"
	"testing"
)

func entries() []string { return []string{"active", "slow"} }

func TestARuleIsReadWithItsUnits(t *testing.T) {
	for text, want := range map[string]struct {
		op    Op
		bound float64
		point bool
	}{
		"close_handshake.p99 < 50ms":           {Less, 50e6, false},
		"  active.fin.p99.9<=1.5s ":            {LessEqual, 1.5e9, false},
		"point(close_handshake.p99) < 200us":   {Less, 200e3, true},
		"point( slow.notice.p50 ) <= 200 µs":   {LessEqual, 200e3, true},
		"teardown.max < 2m":                    {Less, 120e9, false},
		"connect.mean > 5ns":                   {Greater, 5, false},
		"fin.min > 0":                          {Greater, 0, false},
		"premature.rate < 0.1%":                {Less, 0.001, false},
		"class.clean_rst.rate<0.01":            {Less, 0.01, false},
		"premature.rate == 0":                  {Equal, 0, false},
		"premature.rate != 0%":                 {NotEqual, 0, false},
		"unexpected.rate >= 100%":              {GreaterEqual, 1, false},
		"invalid_state.unexplained == 0":       {Equal, 0, false},
		"violation.count == 0":                 {Equal, 0, false},
		"connections.opened >= 10000":          {GreaterEqual, 10000, false},
		"close_handshake.count > 100":          {Greater, 100, false},
		"point(active.premature.rate) < 0.5 %": {Less, 0.005, true},
	} {
		r, err := Parse(text, entries())
		if err != nil {
			t.Error(err)
			continue
		}
		if r.op != want.op || r.bound != want.bound || r.point != want.point || r.String() != strings.TrimSpace(text) {
			t.Errorf("Parse(%q) = %+v, want %+v", text, r, want)
		}
	}
}

func TestAMistakeInARuleIsShownWithItsPlaceAndWhatWasMeant(t *testing.T) {
	for text, want := range map[string]string{
		"close_handshak.p99 < 50ms":            `unknown metric "close_handshak" at position 1 (did you mean close_handshake?)`,
		" point(active.fn.p99) < 5ms":          `unknown metric "fn" at position 15 (did you mean fin?)`,
		"fin.p99 < 5":                          `no unit after "5" at position 12 (write 5ms, with one of ns, us, µs, ms, s, m)`,
		"fin.p99 < 5mss":                       `not a unit of time: "mss" at position 12 (write 5ms, with one of ns, us, µs, ms, s, m)`,
		"fin.p99 < 5%":                         `not a unit of time: "%" at position 12 (`,
		"fin.p99 < fast":                       `not a duration: "fast" at position 11 (write a number and a unit, as in 50ms)`,
		"fin.p99 < -5ms":                       `not a duration: "-5ms" at position 11 (`,
		"fin.p99 == 5ms":                       `a duration is hardly ever the same at position 9 (use <= or >=)`,
		"fin.p99 = 5ms":                        `unknown operator "=" at position 9 (did you mean ==?)`,
		"fin.p99 =< 5ms":                       `unknown operator "=<" at position 9 (did you mean <=?)`,
		"fin.p99 << 5ms":                       `unknown operator "<<" at position 9 (use <, <=, >, >=, == or !=)`,
		"fin.p99 5ms":                          `text after the metric at position 8 (write one of <, <=, >, >=, == or != after it)`,
		"fin.p99":                              `no bound at position 8 (write one, as in fin.p99 < 50ms)`,
		"fin.p99 <":                            `no bound after < at position 10 (write one, as in fin.p99 < 50ms)`,
		"fin.p99 < 0ms":                        `nothing is below 0 at position 11 (`,
		"fin.p99 >= 0":                         `everything is 0 or more at position 12 (write > 0)`,
		"premature.rate < 5ms":                 `not a unit of a rate: "ms" at position 19 (write a share such as 0.1% or 0.001)`,
		"premature.rate < 5":                   `more than 100% at position 18 (`,
		"premature.rate < 1.2.3":               `not a share: "1.2.3" at position 18 (`,
		"premature.rate < 0":                   `nothing is below 0 at position 18 (write a larger bound, or == 0 for a count or a rate)`,
		"premature.rate == 1%":                 `a rate is compared exactly with 0 only at position 19 (use <= or >=)`,
		"premature.count < 1%":                 `a count has no unit "%" at position 20 (write a whole number; a share is that of premature.rate, where there is one)`,
		"premature < 0.5":                      `not a count: "0.5" at position 13 (`,
		"premature < 99999999999999999999":     `more than can be counted: "99999999999999999999" at position 13 (`,
		"leak.fds.per_1000 == 3":               `a slope is hardly ever the same at position 19 (use <= or >=)`,
		"leak.fds.per_1000 < 3%":               `not a number: "3%" at position 21 (write it without a unit, as in leak.fds.per_1000 < 0.5)`,
		"leak.rss.per_hour < 3":                `not a unit of bytes: "" at position 22 (use B, kB, KiB, MB, MiB, GB or GiB)`,
		"leak.rss.per_hour < 3mb":              `not a unit of bytes: "mb" at position 22 (use B, kB, KiB, MB, MiB, GB or GiB)`,
		"leak.rss.per_hour < x":                `not a number of bytes: "x" at position 21 (write it with a unit, as in leak.rss.per_hour < 1MiB)`,
		"point(fin.p99 < 5ms":                  `no ")" for the "(" at position 6 (write point(fin.p99))`,
		"point(fin.p99) x < 5ms":               `text after the metric at position 16 (`,
		"":                                     `no metric at position 1 (`,
		"< 5ms":                                `no metric at position 1 (`,
		"fin.p99 < 5ms and fin.p50 < 1ms":      `not a unit of time: "ms and fin.p50 < 1ms" at position 12 (`,
		"fin.p99 < " + strings.Repeat("9", 99): `no unit after "` + strings.Repeat("9", 40) + `"… at position 110 (`,
	} {
		_, err := Parse(text, entries())
		if err == nil {
			t.Errorf("Parse(%q) accepts it", text)
			continue
		}
		_, got, _ := strings.Cut(err.Error(), `": `)
		if !strings.HasPrefix(err.Error(), "parse rule \"") || !strings.HasPrefix(got, want) {
			t.Errorf("Parse(%q):\n got %.300s\nwant %s", text, err, want)
		}
	}
}

func TestAnErrorIsShortWhateverTheRuleIsLong(t *testing.T) {
	long := strings.Repeat("7", 5000)
	for _, text := range []string{"point(" + long, "point(" + long + ")", "fin.p99 < " + long, "fin.p99 < " + long + "x",
		"fin.p99 " + strings.Repeat("<", 5000) + " 1ms", "premature.rate < " + long + "x", "premature < " + long, long + " < 5ms", "fin." + long + " < 5ms"} {
		if _, err := Parse(text, entries()); err == nil || len(err.Error()) > 1000 {
			t.Errorf("Parse(%.40q…) = %d bytes: %.600v", text, len(err.Error()), err)
		}
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, seed := range []string{"point(active.fin.p99.9) <= 1.5ms", "premature.rate == 0", "point()<", "fin.max>1m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text, entries())
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := Parse(r.String(), entries())
		if err != nil || again != r {
			t.Errorf("%q is read as %+v, and then as %+v, %v", text, r, again, err)
		}
	})
}
