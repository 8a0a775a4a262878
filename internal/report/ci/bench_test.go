package ci

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

func mix() []stats.Entry {
	return []stats.Entry{{Name: "active", Mode: "active"}, {Name: "kick/ed out", Mode: "passive"}}
}

// closes is a summary of n active closes that took one to n milliseconds, and of
// some that ran out of time.
func closes(n, late int) *stats.Summary {
	s := stats.NewSummary(mix())
	for i := range n + late {
		o := stats.Outcome{N: uint64(i), Class: stats.Clean, Opened: true}
		o.Phases[stats.CloseLag] = stats.Sample{D: time.Microsecond, OK: true}
		if i < n {
			o.Phases[stats.CloseHandshake] = stats.Sample{D: time.Duration(i+1) * time.Millisecond, OK: true, Kernel: true}
		} else {
			o.Class = stats.CloseTimeout
		}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	return s
}

// A benchLine is a line of results as the format has it: a name, iterations,
// then pairs of a value and a unit (golang.org/design/14313-benchmark-format).
type benchLine struct {
	name       string
	iterations uint64
	values     map[string]float64
}

// parseBench reads such a text as strictly as its definition.
func parseBench(t *testing.T, text string) (keys map[string]string, lines []benchLine) {
	t.Helper()
	keys = make(map[string]string)
	for text := range strings.Lines(text) {
		if !strings.HasPrefix(text, "Benchmark") {
			key, value, ok := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
			if !ok || key != strings.ToLower(key) || strings.ContainsAny(key, " \t") {
				t.Fatalf("not a line of configuration: %q", text)
			}
			keys[key] = value
			continue
		}
		fields := strings.Fields(text)
		if len(fields)%2 != 0 || len(fields) < 4 {
			t.Fatalf("not a line of results: %q", text)
		}
		line := benchLine{name: strings.TrimPrefix(fields[0], "Benchmark"), values: make(map[string]float64)}
		var err error
		if line.iterations, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
			t.Fatal(err)
		}
		for i := 2; i < len(fields); i += 2 {
			if line.values[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, line)
	}
	return keys, lines
}

// run makes a document of a total.
func run(total *stats.Summary) *result.Document {
	head := result.Header{Schema: 1, Run: "r", Interval: time.Second, Mix: mix(), Env: result.Env{Version: "v1 \x1b[2J", OS: "linux", Arch: "amd64", GOMAXPROCS: 2}}
	return result.NewDocument(head, result.Interval{Summary: total}, result.End{Complete: true})
}

func benchmarksOf(t *testing.T, total *stats.Summary) (map[string]string, []benchLine) {
	t.Helper()
	var out bytes.Buffer
	if err := Bench(&out, run(total)); err != nil {
		t.Fatal(err)
	}
	return parseBench(t, out.String())
}

func TestABenchmarkHasAUnitForEachQuantileThatItsSamplesSupport(t *testing.T) {
	keys, lines := benchmarksOf(t, closes(100, 0))
	want := map[string]string{"goos": "linux", "goarch": "amd64", "wsload": "v1 \ufffd[2J"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	if len(lines) != 1 || lines[0].name != "CloseHandshake/active-2" || lines[0].iterations != 100 {
		t.Fatalf("%+v", lines)
	}
	for unit, ms := range map[string]float64{"ns/op": 50.5, "p50-ns": 50, "p90-ns": 90, "p99-ns": 99} {
		if got := lines[0].values[unit] / 1e6; got < ms*0.999 || got > ms*1.001 {
			t.Errorf("%s is %v ms, want %v", unit, got, ms)
		}
	}
	if len(lines[0].values) != 4 {
		t.Errorf("p99.9 of 100 samples: %v", lines[0].values)
	}
}

func TestABenchmarkDoesNotForgetWhatRanOutOfTime(t *testing.T) {
	_, lines := benchmarksOf(t, closes(100, 20))
	if len(lines) != 1 {
		t.Fatalf("%+v", lines)
	}
	got := lines[0].values
	if _, mean := got["ns/op"]; mean || len(got) != 1 || got["p50-ns"] < 59e6 {
		t.Errorf("of 120 attempts 20 had no end: %v", got)
	}
}

func TestTheBenchmarksOfATrialAreAPairOfLinesForEachPair(t *testing.T) {
	f := &trial.File{Mix: mix(), Wsload: "v1"}
	enc := new(stats.Encoder)
	for range 3 {
		f.Pairs = append(f.Pairs, trial.Pair{
			A: trial.Arm{Span: result.NewSpan(closes(10, 0), enc)}, B: trial.Arm{Span: result.NewSpan(closes(20, 0), enc)},
		})
	}
	var out bytes.Buffer
	if err := TrialBench(&out, f); err != nil {
		t.Fatal(err)
	}
	_, lines := parseBench(t, out.String())
	if len(lines) != 6 || lines[4].name != "CloseHandshake/active/side=a" || lines[5].name != "CloseHandshake/active/side=b" || lines[5].iterations != 20 {
		t.Errorf("%+v", lines)
	}
}

func TestANameIsOneWordAndOnePartOfABenchmark(t *testing.T) {
	if got := word("kick/ed out=\x1b\u202eµ"); got != "kick_ed_out___µ" {
		t.Errorf("%q", got)
	}
	s := stats.NewSummary(mix())
	o := stats.Outcome{Entry: 1, Class: stats.Clean, Opened: true}
	for range 4 {
		o.Phases[stats.Notice] = stats.Sample{D: time.Millisecond, OK: true}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	if _, lines := benchmarksOf(t, s); len(lines) != 1 || lines[0].name != "Notice/kick_ed_out-2" {
		t.Errorf("%+v", lines)
	}
}

func TestBenchmarksThatCannotBeReadOrWrittenAreAnError(t *testing.T) {
	doc := run(closes(4, 0))
	if err := Bench(full{}, doc); err == nil || err.Error() != "write benchmarks: full" {
		t.Error(err)
	}
	doc.Total.Latency[0].HDR = "damaged"
	if err := Bench(new(bytes.Buffer), doc); err == nil {
		t.Error("a damaged histogram was written")
	}
	f := &trial.File{Mix: mix(), Pairs: []trial.Pair{{A: trial.Arm{Span: doc.Total}}}}
	if err := TrialBench(new(bytes.Buffer), f); err == nil || !strings.HasPrefix(err.Error(), "write benchmarks: pair 1: a: ") {
		t.Error(err)
	}
}
