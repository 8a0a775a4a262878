package watch

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/proc"
)

// A holding is what a made-up target holds at one moment.
type holding struct {
	fds, rss  int64
	closeWait int64
}

// add adds n samples of a phase, one each second, from the last one on.
func (r *recording) add(n int, phase Phase, of func(i int) holding) {
	for i := range n {
		h := of(i)
		sample := Sample{At: time.Duration(r.at) * time.Second, Phase: phase, Closes: r.closes, Restarted: r.restart,
			Facts: Facts{FDs: proc.Known(h.fds), RSS: proc.Known(h.rss)}, Server: Sockets{OK: true}, Client: Sockets{OK: true}}
		sample.Server.States[proc.CloseWait] = h.closeWait
		sample.Server.States[proc.TimeWait] = 2
		r.Add(sample)
		r.at++
		r.restart = false
		if phase == Load {
			r.closes += closesPerSecond
		}
	}
}

type recording struct {
	Series
	at      int
	closes  uint64
	restart bool // before the next sample
}

func always(h holding) func(int) holding { return func(int) holding { return h } }

// back picks a quantity's return of a report.
func (r Report) back(t *testing.T, name string) Return {
	t.Helper()
	for _, back := range r.Returns {
		if back.Quantity.Name == name {
			return back
		}
	}
	t.Fatalf("no return of %s", name)
	return Return{}
}

func TestWhatDidNotComeBackIsCounted(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41, rss: 20 * mib}))
	r.add(60, Load, always(holding{fds: 1000, rss: 90 * mib}))
	r.add(10, Settle, always(holding{fds: 700, rss: 90 * mib, closeWait: 300}))
	r.add(5, After, always(holding{fds: 353, rss: 50 * mib, closeWait: 1}))
	report := r.Report()
	if back := report.back(t, "fds"); back.Verdict != Leak || back.Missing != 312 || back.Reason != "312 descriptors did not come back" {
		t.Errorf("descriptors: %+v", back)
	}
	// Of 70 MiB that the load brought, 30 stayed: less than allocators keep.
	if back := report.back(t, "rss"); back.Verdict != None || back.Missing != 30*mib || back.Floor != 35*mib {
		t.Errorf("memory: %+v", back)
	}
	// A single forgotten socket is one too many.
	if back := report.back(t, "close_wait"); back.Verdict != Leak || back.Missing != 1 {
		t.Errorf("CLOSE_WAIT: %+v", back)
	}
	if back := report.back(t, "goroutines"); back.Verdict != Unknown {
		t.Errorf("goroutines, of which nothing is known: %+v", back)
	}
	if report.Verdict() != Leak || report.TimeWait.Server != proc.Known(2) {
		t.Errorf("in all %s, TIME_WAIT %+v", report.Verdict(), report.TimeWait)
	}
}

// A runtime that rests does not collect, so that the heap of the last load stays.
func TestMemoryThatDidNotComeBackIsToldAndIsNoLeak(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41, rss: 15 * mib}))
	r.add(180, Load, always(holding{fds: 400, rss: 40 * mib}))
	r.add(5, After, always(holding{fds: 41, rss: 38 * mib}))
	report := r.Report()
	if back := report.back(t, "rss"); back.Verdict != Unknown || back.Missing != 23*mib || back.Floor != 16*mib {
		t.Errorf("memory: %+v", back)
	}
	if got := report.Verdict(); got != None {
		t.Errorf("the whole is %s", got)
	}
	const want = "ok memory: 23 MiB of memory did not come back, which a runtime may keep, 15 MiB before the load and 38 MiB after it settled"
	if lines := report.Lines(200); !slices.Contains(lines, want) {
		t.Errorf("%q is not in\n%s", want, strings.Join(lines, "\n"))
	}
}

func TestATargetThatFreesLateCameBack(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41, rss: 20 * mib}))
	r.add(60, Load, always(holding{fds: 1000, rss: 60 * mib}))
	r.add(30, Settle, func(i int) holding { return holding{fds: 1000 - 30*int64(i), rss: 60 * mib, closeWait: 30 - int64(i)} })
	r.add(5, After, always(holding{fds: 43, rss: 30 * mib}))
	report := r.Report()
	if report.Verdict() != None {
		t.Errorf("%s: %v", report.Verdict(), report.Lines(100))
	}
}

func TestNoiseBeforeTheLoadIsNotMissedAfterIt(t *testing.T) {
	var r recording
	swings := []int64{40, 52, 47, 33, 60, 45}
	r.add(6, Before, func(i int) holding { return holding{fds: swings[i]} })
	r.add(6, After, func(i int) holding { return holding{fds: swings[i] + 15} })
	back := r.Report().back(t, "fds")
	if back.Verdict != None || back.Missing != 15 || back.Noise < 15 {
		t.Errorf("%+v", back)
	}
	v := r.Report().Values()["fds.after_settle"]
	if !v.Known || v.Value != 15 || v.Low != 0 || v.High <= 30 {
		t.Errorf("%+v", v)
	}
}

func TestTooFewSamplesBesideTheLoadTellNothing(t *testing.T) {
	var r recording
	r.add(2, Before, always(holding{fds: 4}))
	r.add(5, After, always(holding{fds: 400, closeWait: 7}))
	report := r.Report()
	if back := report.back(t, "fds"); back.Verdict != Unknown || !strings.Contains(back.Reason, "2 times before") {
		t.Errorf("%+v", back)
	}
	if v := report.Values()["fds.after_settle"]; v.Known {
		t.Errorf("the metric is known: %+v", v)
	}
	// Sockets on the port are held against none.
	if back := report.back(t, "close_wait"); back.Verdict != Leak || back.Missing != 7 {
		t.Errorf("%+v", back)
	}
}

func TestASlopeDoesNotCrossARestart(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 10}))
	r.add(60, Load, always(holding{fds: 10}))
	r.restart = true
	r.add(60, Load, always(holding{fds: 500}))
	r.add(5, After, always(holding{fds: 500}))
	report := r.Report()
	if trend := report.trend(t, "fds"); trend.Verdict != None || trend.Growth != 0 {
		t.Errorf("%+v", trend)
	}
	if back := report.back(t, "fds"); back.Verdict != Unknown {
		t.Errorf("what was before is of another process: %+v", back)
	}
	if report.Restarts != 1 || report.Samples != 130 || report.Load != 59*time.Second {
		t.Errorf("%d restarts, %d samples, %v", report.Restarts, report.Samples, report.Load)
	}
}

func TestALeakPerCloseIsFoundThoughTheRateOfClosesVaries(t *testing.T) {
	var r recording
	rng := rand.New(rand.NewPCG(5, 5))
	for range 120 {
		r.closes += uint64(rng.IntN(200))
		n := r.closes
		r.add(1, Load, always(holding{fds: 50 + int64(n/100), closeWait: int64(n / 100)}))
	}
	report := r.Report()
	for _, name := range []string{"fds", "close_wait"} {
		v := report.Values()["leak."+name+".per_1000"]
		if trend := report.trend(t, name); trend.Verdict != Leak || !v.Known || v.Value < 9.5 || v.Value > 10.5 || v.Low > 10 || v.High < 10 {
			t.Errorf("%s: %+v, %+v", name, trend, v)
		}
	}
}

func TestWhatGrowsBeforeAllCloseAtOnceIsHeldAgainstTime(t *testing.T) {
	var r recording
	for i := range 180 {
		r.add(1, Load, always(holding{fds: int64(i)}))
		r.closes = 0
		if i >= 170 {
			r.closes = 5000
		}
	}
	trend := r.Report().trend(t, "fds")
	if trend.Verdict != Leak || trend.Per1000.OK || trend.PerHour.Value != 3600 {
		t.Errorf("%+v", trend)
	}
}

func TestASeriesOfDaysStaysSmallAndKeepsItsFigures(t *testing.T) {
	var r recording
	const days = 3
	r.add(5, Before, always(holding{}))
	r.add(days*86400, Load, func(i int) holding { return holding{fds: 100 + int64(i/3600)} })
	held := len(r.load.samples)
	if held > maxLoad || held < maxLoad/2 {
		t.Errorf("%d samples are held, want %d to %d", held, maxLoad/2, maxLoad)
	}
	if size := held * int(unsafe.Sizeof(Sample{})); size > 1<<20 {
		t.Errorf("they take %d bytes", size)
	}
	gap := r.load.samples[1].At - r.load.samples[0].At
	for i, s := range r.load.samples[1:] {
		if d := s.At - r.load.samples[i].At; d != gap {
			t.Fatalf("gaps of %v and of %v", gap, d)
		}
	}
	if trend := r.Report().trend(t, "fds"); trend.Verdict != Leak || trend.PerHour.Value < 0.95 || trend.PerHour.Value > 1.05 {
		t.Errorf("a descriptor an hour: %+v", trend)
	}
}

func TestAShortLoadIsNotJudged(t *testing.T) {
	var r recording
	r.add(12, Load, func(i int) holding { return holding{fds: int64(i)} })
	trend := r.Report().trend(t, "fds")
	if trend.Verdict != Unknown || trend.PerHour.OK || !strings.Contains(trend.Reason, "load for longer") {
		t.Errorf("%+v", trend)
	}
	if lines := strings.Join(r.Report().Lines(1000), "\n"); !strings.Contains(lines, "? not judged: descriptors, memory, heap, threads, goroutines: known at ") {
		t.Errorf("%q", lines)
	}
	if empty := new(Series).Report(); empty.Verdict() != Unknown || len(empty.Lines(1000)) != 2 {
		t.Errorf("nothing at all: %s, %q", empty.Verdict(), empty.Lines(1000))
	}
}

func TestWhatRoseOtherwiseThanALeakIsToldSo(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	noisy := func(v float64) int64 { return int64(v + 3*rng.NormFloat64()) }
	noisyStep := func(i int) float64 { return float64(24*(i/118)) + 12*rng.NormFloat64() }
	for _, row := range []struct {
		what, why string
		verdict   Verdict
		of        func(i int) holding
	}{
		{"fds", "no steady growth", None, func(i int) holding { return holding{fds: int64(100 - i/10)} }},
		{"fds", "levelled off", None, func(i int) holding { return holding{fds: noisy(float64(10 * min(i, 105)))} }},
		{"fds", "in steps", None, func(i int) holding { return holding{fds: noisy(noisyStep(i))} }},
		{"fds", "less than it swings", Unknown, func(i int) holding { return holding{fds: noisy(float64(i/4 + 150*(i/3%2)))} }},
		{"rss", "less than the 4 MiB that count", None, func(i int) holding { return holding{rss: 10*mib + int64(i)*10_000} }},
		{"rss", "load for longer", Unknown, func(i int) holding {
			return holding{rss: 50*mib + int64(i)*60_000 + int64(i%60)*200_000}
		}},
	} {
		var r recording
		r.add(180, Load, row.of)
		if trend := r.Report().trend(t, row.what); trend.Verdict != row.verdict || !strings.Contains(trend.Reason, row.why) {
			t.Errorf("%s: %s, %s, %+v", row.why, trend.Verdict, trend.Reason, trend.Per1000)
		}
	}
}

func TestFindingsHaveStableKeysAndNamesForAllMetrics(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41}))
	r.add(120, Load, func(i int) holding { return holding{fds: 41 + int64(i)} })
	r.add(5, After, always(holding{fds: 161}))
	report := r.Report()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	want := []string{"closes", "error", "failed", "load_ns", "restarts", "returns", "samples", "time_wait", "trends", "verdict"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(keys))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	first := func(list string) []string {
		return slices.Sorted(maps.Keys(keys[list].([]any)[0].(map[string]any)))
	}
	if diff := cmp.Diff([]string{"from_ns", "growth", "per_1000", "per_hour", "reason", "to_ns", "verdict", "what"}, first("trends")); diff != "" {
		t.Errorf("keys of a trend (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"after", "before", "floor", "missing", "noise", "reason", "verdict", "what"}, first("returns")); diff != "" {
		t.Errorf("keys of a return (-want +got):\n%s", diff)
	}
	values := report.Values()
	for _, q := range Quantities() {
		for _, name := range []string{"leak." + q.Name + ".per_hour", "leak." + q.Name + ".per_1000", q.Name + ".after_settle"} {
			if _, ok := values[name]; !ok {
				t.Errorf("no metric %s", name)
			}
		}
	}
	if len(values) != 3*len(Quantities()) {
		t.Errorf("%d metrics: %q", len(values), slices.Sorted(maps.Keys(values)))
	}
}

func TestFindingsAreLinesThatFit(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41, rss: 20 * mib}))
	r.add(180, Load, func(i int) holding { return holding{fds: 1041 + int64(i), rss: 40*mib + int64(i%7)*100_000} })
	r.add(5, After, always(holding{fds: 221, rss: 30 * mib}))
	report := r.Report()
	want := `190 samples, 2m59s of load, 17,900 closes
LEAK descriptors: 10 (10 to 10) per 1,000 closes, 3,600 (3,600 to 3,600) per
  hour; grew by 159 descriptors, steadily; 180 descriptors did not come
  back, 41 before the load and 221 after it settled
ok memory: MEMORY
ok, steady throughout: sockets in close_wait, sockets in fin_wait1, sockets
  in fin_wait2, sockets in last_ack, sockets in established
? not judged: heap, threads, goroutines: known at 0 points of the load, 12
  are needed: load for longer or sample more often
time_wait: 2 on the server's side, 0 on the client's`
	lines := report.Lines(76)
	for _, line := range lines {
		if len(line) > 76 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	got := strings.Join(lines, "\n")
	head, memory, _ := strings.Cut(want, "MEMORY\n")
	if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, "\n"+memory) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(strings.Join(strings.Fields(got), " "), "came back within the 16 MiB that may stay, 20 MiB before the load and 30 MiB after it settled") {
		t.Errorf("got\n%s", got)
	}
}

func TestAmountsAreSpeltForPeople(t *testing.T) {
	count, memory := Quantities()[0], Quantities()[1]
	for v, want := range map[float64]string{0: "0", 3: "3", 12345: "12,345", -1234567: "-1,234,567", 0.0123: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 0.0001: "0"} {
		if got := count.spell(v); got != want {
			t.Errorf("%v is spelt %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 B", 1000: "1,000 B", 1024: "1 KiB", -1536: "-1.50 KiB", 5 * mib: "5 MiB", 3 << 40: "3,072 GiB"} {
		if got := memory.spell(v); got != want {
			t.Errorf("%v bytes are spelt %q, want %q", v, got, want)
		}
	}
}

func TestAStoredReportSaysWhatItSaid(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41}))
	r.add(120, Load, func(i int) holding { return holding{fds: 41 + int64(i)} })
	r.add(5, After, always(holding{fds: 161}))
	report := r.Report()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Lines(100), back.Lines(100)); diff != "" {
		t.Errorf("in words (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(report.Values(), back.Values()); diff != "" {
		t.Errorf("as metrics (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"trends":[{"what":"socks"}],"returns":[]}`, `{"trends":[],"returns":[{"what":"fds"}]}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is taken for a report", bad)
		}
	}
}
