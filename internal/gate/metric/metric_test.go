package metric

import (
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

func mix() []stats.Entry {
	return []stats.Entry{{Name: "active", Mode: "active"}, {Name: "slow", Mode: "passive"}, {Name: "abort", Mode: "abort"}}
}

func entries() []string { return []string{"active", "slow", "abort"} }

// summary counts connections of each class and entry, with a close_handshake
// of 1 ms, 2 ms, … on the clean ones of active.
func summary(counts map[string]map[stats.Class]int) *stats.Summary {
	s := stats.NewSummary(mix())
	for e, entry := range s.Entries {
		for c, n := range counts[entry.Name] {
			for i := range n {
				o := stats.Outcome{Entry: e, Class: c, Opened: c != stats.OpenFailed && c != stats.ToolError}
				if c == stats.Clean && entry.Name == "active" {
					o.Phases[stats.CloseHandshake] = stats.Sample{D: time.Duration(i+1) * time.Millisecond, OK: true, Kernel: true}
					o.Phases[stats.FIN] = stats.Sample{D: time.Microsecond, OK: true}
				}
				s.Connections.Started++
				if o.Opened {
					s.Connections.Opened++
				}
				s.Add(&o, nil)
			}
		}
	}
	return s
}

func parse(t *testing.T, text string) Metric {
	t.Helper()
	m, err := Parse(text, entries())
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	if m.String() != text {
		t.Errorf("%q is kept as %q", text, m)
	}
	return m
}

func TestAMetricCountsWhatItsNameSays(t *testing.T) {
	s := summary(map[string]map[stats.Class]int{
		"active": {stats.Clean: 90, stats.CleanRST: 4, stats.CloseTimeout: 3, stats.OpenFailed: 5, stats.Interrupted: 2},
		"slow":   {stats.Clean: 50, stats.PrematureRST: 7, stats.ToolError: 1, stats.Violation: 1},
		"abort":  {stats.Cut: 30, stats.UnansweredEOF: 2},
	})
	s.Outcomes[0][stats.CleanRST].Flags[stats.FINThenRST] = 3
	s.InvalidState = [stats.NumCauses]uint64{stats.Probe: 20, stats.Unexplained: 6}
	s.ProbeAccepted = 1
	s.Messages = stats.Messages{Sent: 100, Received: 95, Skipped: 11, Lost: 5, AfterClose: 2}
	s.Peak["1/1"] = 77
	const started, opened = 195, 189
	for text, want := range map[string]Tally{
		"violation.count":                 {1, opened},
		"violation":                       {1, opened},
		"class.violation.rate":            {1, opened},
		"class.clean_rst.rate":            {4, opened},
		"active.clean_rst.rate":           {4, 99},
		"slow.class.clean_rst":            {0, 58},
		"open_failed.rate":                {5, started},
		"slow.tool_error.rate":            {1, 59},
		"interrupted.count":               {2, started},
		"premature.rate":                  {9, opened},
		"abort.premature.rate":            {2, 32},
		"unexpected.rate":                 {4 + 3 + 5 + 7 + 1 + 1 + 2, started},
		"slow.unexpected.count":           {9, 59},
		"flag.fin_then_rst.rate":          {3, opened},
		"active.flag.fin_then_rst.rate":   {3, 99},
		"invalid_state.unexplained":       {6, opened},
		"invalid_state.unexplained.count": {6, opened},
		"probe_accepted":                  {1, 21},
		"messages.lost":                   {5, 100},
		"messages.lost.rate":              {5, 100},
		"messages.skipped.rate":           {11, 111},
		"messages.received":               {95, opened},
		"messages.sent.count":             {100, opened},
		"messages.after_close":            {2, opened},
		"connections.started":             {started, started},
		"connections.opened":              {opened, started},
		"connections.ended":               {started, started},
		"connections.peak":                {77, started},
		"close_handshake.count":           {90, started},
	} {
		if got := parse(t, text).Tally(s); got != want {
			t.Errorf("%s = %d of %d, want %d of %d", text, got.N, got.Of, want.N, want.Of)
		}
	}
}

func TestAnAttemptThatRanOutOfTimeIsLongerThanAllOthers(t *testing.T) {
	s := summary(map[string]map[stats.Class]int{"active": {stats.Clean: 98, stats.CloseTimeout: 2}})
	sample := parse(t, "close_handshake.p99").Sample(s)
	if sample.N() != 100 || sample.Late != 2 {
		t.Fatalf("%d attempts of which %d are late, want 100 and 2", sample.N(), sample.Late)
	}
	if d, ok := sample.At(98); !ok || d != 98*time.Millisecond {
		t.Errorf("the last that answered took %s, %v", d, ok)
	}
	if d, ok := sample.At(99); ok {
		t.Errorf("the 99th of 100 ran out of time and has a duration of %s", d)
	}
	if d, ok := sample.At(1); !ok || d.Round(10*time.Microsecond) != time.Millisecond {
		t.Errorf("the first took %s, %v", d, ok)
	}
	s.Outcomes[0][stats.CloseTimeout].Forward = 1
	if sample := parse(t, "close_handshake.p99").Sample(s); sample.Late != 1 {
		t.Errorf("a connection closed forward is no attempt: %d are late", sample.Late)
	}
	if sample := parse(t, "slow.close_handshake.p99").Sample(s); sample.N() != 0 {
		t.Errorf("another entry has %d attempts", sample.N())
	}
}

func TestAnAttemptThatRanOutOfTimeLastedAtLeastTheLimitOfItsPhase(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"close_handshake.p99": 5 * time.Second, "give_up.p50": 5 * time.Second, "fin.p99": time.Second, "teardown.max": time.Second,
	} {
		if got := parse(t, text).Limit(5*time.Second, time.Second); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestARateIsOfTheConnectionsThatOpened(t *testing.T) {
	s := summary(map[string]map[stats.Class]int{"active": {stats.Clean: 3}})
	s.Connections.Started++
	s.Add(&stats.Outcome{Class: stats.Interrupted}, nil) // while it was opening
	if got := parse(t, "premature.rate").Tally(s); got.Of != 3 {
		t.Errorf("of %d connections, want the 3 that opened", got.Of)
	}
}

func TestATimeoutBelongsToThePhaseThatDidNotEnd(t *testing.T) {
	all := []stats.Phase{stats.CloseHandshake, stats.CloseScheduled, stats.Notice, stats.FIN, stats.Teardown, stats.GiveUp}
	for _, c := range []struct {
		mode  string
		class stats.Class
		want  []stats.Phase
	}{
		{"active", stats.CloseTimeout, []stats.Phase{stats.CloseHandshake, stats.CloseScheduled, stats.Teardown}},
		{"simultaneous", stats.CloseTimeout, []stats.Phase{stats.CloseHandshake, stats.CloseScheduled, stats.Notice, stats.Teardown}},
		{"mute", stats.CloseTimeout, []stats.Phase{stats.Teardown, stats.GiveUp}},
		{"half_close", stats.CloseTimeout, []stats.Phase{stats.Teardown}},
		{"passive", stats.NoClose, []stats.Phase{stats.CloseScheduled, stats.Notice, stats.Teardown}},
		{"active", stats.CleanNoFIN, []stats.Phase{stats.FIN, stats.Teardown}},
		{"active", stats.Clean, nil},
	} {
		var classes [stats.NumClasses]stats.Count
		classes[c.class].N = 1
		for _, p := range all {
			want := uint64(0)
			for _, q := range c.want {
				if p == q {
					want = 1
				}
			}
			if got := timedOut(p, c.mode, &classes); got != want {
				t.Errorf("%s ending as %s counts %d times as late in %s, want %d", c.mode, c.class, got, p, want)
			}
		}
	}
}

func TestTheRankOfAQuantileIsRoundedAsInTheReport(t *testing.T) {
	for _, c := range []struct {
		text string
		n    uint64
		want uint64
	}{
		{"p50", 1, 1}, {"p50", 2, 1}, {"p50", 3, 2}, {"p99", 100, 99}, {"p99", 50, 50}, {"p99", 149, 148},
		{"p99.9", 1000, 999}, {"p99.99", 20000, 19998}, {"p0.01", 3, 1}, {"p99.9", 1 << 62, 4607074332408960516},
	} {
		if got := parse(t, "close_handshake."+c.text).Quant().Rank(c.n); got != c.want {
			t.Errorf("%s of %d attempts is the %d-th, want the %d-th", c.text, c.n, got, c.want)
		}
	}
	s := summary(map[string]map[stats.Class]int{"active": {stats.Clean: 1234}})
	for text, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999} {
		m := parse(t, "close_handshake."+text)
		sample := m.Sample(s)
		if d, _ := sample.At(m.Quant().Rank(sample.N())); d != sample.Hist.Quantile(q) {
			t.Errorf("%s is %s, and %s in the report", text, d, sample.Hist.Quantile(q))
		}
	}
}

func TestAMistakeIsShownWithItsPlaceAndWhatWasMeant(t *testing.T) {
	for text, want := range map[string]string{
		"close_handshak.p99":       `unknown metric "close_handshak" at position 1 (did you mean close_handshake?)`,
		"actve.fin.p99":            `unknown metric "actve" at position 1 (did you mean active?)`,
		"active.fn.p99":            `unknown metric "fn" at position 8 (did you mean fin?)`,
		"active.close_timeout.rte": `unknown statistic of close_timeout "rte" at position 22 (did you mean rate?)`,
		"class.clean_rts.rate":     `unknown class "clean_rts" at position 7 (did you mean clean_rst?)`,
		"class":                    `no class after class at position 6 (write class.open_failed, as one of open_failed, `,
		"fin":                      `no statistic after fin at position 4 (write fin.p99, as one of p50, p90, p99, p99.9, p99.99, min, max, mean, count)`,
		"fin.p100":                 `unknown statistic of fin "p100" at position 5 (`,
		"fin.p0":                   `unknown statistic of fin "p0" at position 5 (`,
		"fin.p99.9.9":              `text after the statistic "p99.9" at position 10 (`,
		"fin.p99.99999":            `unknown statistic of fin "p99.99999" at position 5 (did you mean p99.99?)`,
		"fin.p":                    `unknown statistic of fin "p" at position 5 (`,
		"fin.rate":                 `unknown statistic of fin "rate" at position 5 (`,
		"fin.p99.max":              `text after the statistic "p99" at position 8 (end the metric there)`,
		"invalid_state.rate":       `unknown cause "rate" at position 15 (did you mean race?)`,
		"invalid_state.race.rate":  `unknown statistic of invalid_state.race "rate" at position 20 (use one of count)`,
		"active.messages.lost":     `messages.lost is counted over all entries at position 1 (write it without active.)`,
		"premature.":               `no statistic of premature at position 11 (use one of count, rate)`,
		"":                         `no metric at position 1 (`,
		"zzzzzzzz":                 `unknown metric "zzzzzzzz" at position 1 (use one of open_lag, `,
		"\x1b[31m.p99":             `unknown metric "\x1b[31m" at position 1 (`,
		strings.Repeat("x", 1e5):   `unknown metric "` + strings.Repeat("x", 60) + `"… at position 1 (`,
	} {
		_, err := Parse(text, entries())
		if err == nil {
			t.Errorf("Parse(%.40q) accepts it", text)
		} else if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Parse(%.40q):\n got %.300s\nwant %s", text, err, want)
		}
	}
}

func TestAnEntryIsReadByItsNameAlsoWhereTheNameIsAWordOfTheMetrics(t *testing.T) {
	s := summary(map[string]map[stats.Class]int{"active": {stats.Clean: 3}})
	m, err := Parse("class.clean.rate", []string{"class"})
	if err != nil || m.Tally(s).N != 3 {
		t.Errorf("an entry named class hides the classes: %v, %v", m, err)
	}
	for text, needs := range map[string]bool{"messages.lost": true, "flag.lost_messages.rate": true, "messages.sent": false, "violation": false, "connect.p99": false} {
		if got := parse(t, text).NeedsEcho(); got != needs {
			t.Errorf("NeedsEcho of %s is %v", text, got)
		}
	}
}

func FuzzParseNeverPanicsAndPlacesItsErrorsInTheText(f *testing.F) {
	for _, seed := range []string{"active.close_handshake.p99.9", "class.clean.rate", "..", "p99.9", "fin.p99.99.count"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text, entries())
		if err == nil {
			if m.String() != text {
				t.Errorf("%q is kept as %q", text, m)
			}
			return
		}
		if fault := err.(*Error); fault.At < 1 || fault.At > len(text)+1 || fault.Hint == "" {
			t.Errorf("%q: %+v", text, fault)
		}
	})
}

func TestAFigureHasAKindAndNeitherTallyNorSample(t *testing.T) {
	for text, kind := range map[string]Kind{
		"leak.fds.per_1000": Number, "leak.rss.per_hour": Bytes, "self.leak.rss.per_1000": Bytes, "close_wait.after_settle": Number,
		"drain.last_close": Duration, "drain.cut.rate": Rate, "drain.still_open": Count,
	} {
		m, err := Parse(text, entries())
		if err != nil || !m.IsFigure() || m.Kind() != kind || m.Stat() != Sole || m.String() != text {
			t.Errorf("Parse(%q) = %+v, %v", text, m, err)
			continue
		}
		if got, ok := KindOf(text); !ok || got != kind {
			t.Errorf("KindOf(%q) = %v, %v", text, got, ok)
		}
		for name, measure := range map[string]func(){
			"Tally":  func() { m.Tally(summary(nil)) },
			"Sample": func() { m.Sample(summary(nil)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of %s says something", name, text)
					}
				}()
				measure()
			}()
		}
	}
	if _, ok := KindOf("close_handshake.p99"); ok {
		t.Error("a phase is taken for a figure")
	}
}

func TestAFigureThatIsNoneIsRefusedWithThoseThatThereAre(t *testing.T) {
	for text, want := range map[string]string{
		"leak.fds.per_100":    `unknown metric "leak.fds.per_100" at position 1 (did you mean leak.fds.per_1000?)`,
		"drain.everything.ok": `unknown metric "drain.everything.ok" at position 1 (use one of drain.closed.count, drain.closed.rate, `,
		"leak":                `unknown metric "leak" at position 1 (use one of `,
	} {
		if _, err := Parse(text, entries()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %s", text, err, want)
		}
	}
}

func TestWhatEndedBeforeItCouldBeMeasuredIsCounted(t *testing.T) {
	for _, c := range []struct {
		text    string
		mode    string
		classes map[stats.Class]uint64
		row     stats.Latency
		want    uint64
	}{
		{"close_handshake", "active", map[stats.Class]uint64{stats.Clean: 5, stats.UnansweredRST: 2, stats.PrematureEOF: 3, stats.PeerFirst: 4}, measured(5), 9},
		{"close_handshake", "active", map[stats.Class]uint64{stats.OpenFailed: 2, stats.ToolError: 3, stats.Interrupted: 4}, stats.Latency{}, 0},
		{"close_handshake", "active", map[stats.Class]uint64{stats.Clean: 5, stats.CloseTimeout: 2}, measured(5), 0},
		{"close_handshake", "simultaneous", map[stats.Class]uint64{stats.Clean: 5, stats.UnansweredEOF: 1}, stats.Latency{Crossed: 5}, 1},
		{"close_handshake", "simultaneous", map[stats.Class]uint64{stats.Clean: 5, stats.PrematureRST: 1, stats.ReplyFailed: 1}, measured(4), 1},
		{"close_handshake", "stall", map[stats.Class]uint64{stats.UnansweredEOF: 1}, stats.Latency{}, 1},
		{"close_handshake", "bad_close", map[stats.Class]uint64{stats.Clean: 5, stats.Cut: 9}, measured(5), 0}, // as it may
		{"close_handshake", "passive", map[stats.Class]uint64{stats.PrematureRST: 5}, stats.Latency{}, 0},
		{"close_handshake", "abort", map[stats.Class]uint64{stats.Cut: 5}, stats.Latency{}, 0},
		{"close_scheduled", "active", map[stats.Class]uint64{stats.PrematureEOF: 3}, stats.Latency{}, 3},
		{"close_scheduled", "passive", map[stats.Class]uint64{stats.Clean: 5, stats.PrematureEOF: 3}, measured(5), 3},
		{"notice", "passive", map[stats.Class]uint64{stats.Clean: 5, stats.PrematureEOF: 3, stats.NoClose: 1}, measured(5), 3},
		{"notice", "passive", map[stats.Class]uint64{stats.Clean: 5, stats.PrematureEOF: 3}, stats.Latency{}, 0}, // the server closes by itself
		{"notice", "active", map[stats.Class]uint64{stats.Clean: 5}, stats.Latency{}, 0},
		{"notice", "mute", map[stats.Class]uint64{stats.Cut: 5, stats.PrematureRST: 1}, measured(5), 1},
		{"fin", "active", map[stats.Class]uint64{stats.Clean: 5, stats.CleanRST: 2, stats.CleanNoFIN: 1, stats.PrematureRST: 7}, measured(5), 2},
		{"reply", "passive", map[stats.Class]uint64{stats.Clean: 5, stats.ReplyFailed: 2, stats.PrematureRST: 7}, measured(5), 2},
		{"upgrade", "abort", map[stats.Class]uint64{stats.Cut: 5, stats.OpenFailed: 2}, measured(5), 2},
		{"connect", "abort", map[stats.Class]uint64{stats.Cut: 5, stats.OpenFailed: 2}, measured(6), 1},
		{"tls", "active", map[stats.Class]uint64{stats.Clean: 5}, stats.Latency{}, 0},
		{"teardown", "active", map[stats.Class]uint64{stats.PrematureRST: 5}, stats.Latency{}, 0},
		{"open_lag", "active", map[stats.Class]uint64{stats.OpenFailed: 5}, stats.Latency{}, 0},
	} {
		s := stats.NewSummary([]stats.Entry{{Name: "other", Mode: "abort"}, {Name: "it", Mode: c.mode}})
		for class, n := range c.classes {
			s.Outcomes[1][class] = stats.Count{N: n + 3, Forward: 3}
		}
		m, err := Parse(c.text+".p99", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Latency[1][m.index] = c.row
		if got := m.Sample(s).Left; got != c.want {
			t.Errorf("%s of %s with %v: %d are left out, want %d", c.text, c.mode, c.classes, got, c.want)
		}
	}
}

// measured is a row with n samples.
func measured(n int) stats.Latency {
	row := stats.Latency{Hist: new(stats.Histogram)}
	for range n {
		row.Hist.Record(time.Millisecond)
	}
	return row
}
