package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

// numbered is the k-th second of a run, in which connection k starts and ends.
func numbered(mix []stats.Entry, k int) Interval {
	s := stats.NewSummary(mix)
	s.From, s.To = time.Duration(k)*time.Second, time.Duration(k+1)*time.Second
	s.Connections.Started++
	s.Connections.Opened++
	o := stats.Outcome{N: uint64(k), Class: stats.Clean, Opened: true}
	o.Phases[stats.FIN] = stats.Sample{D: time.Duration(k), OK: true}
	s.Add(&o, nil)
	return Interval{Summary: s}
}

// A disk is what a killed run leaves.
type disk struct{ stream, tail string }

// wantSeconds reads a disk and holds its total against the intervals that had
// been handed over, or one more.
func (d disk) wantSeconds(t *testing.T, mix []stats.Entry, first, done int) {
	t.Helper()
	doc, err := readAll(d.stream, d.tail)
	if err != nil {
		t.Fatal(err)
	}
	got := int(doc.Total.Connections.Started)
	if got != done && got != done+1 {
		t.Fatalf("%d intervals are read after %d were written", got, done)
	}
	want := stats.NewSummary(mix)
	for k := first; k < first+got; k++ {
		want.Merge(numbered(mix, k).Summary)
	}
	if d := diff(want, summary(t, doc)); d != "" {
		t.Fatalf("after %d intervals the total is another one (-want +read):\n%s", done, d)
	}
}

func TestAKilledRunLosesTheIntervalInProgressAndCountsNothingTwice(t *testing.T) {
	mix := mix(t)
	for _, first := range []int{590, 3590} { // lines of 10 s, and of 60
		var now disk
		var moments []disk // what a kill leaves behind each step, oldest first
		var done []int     // intervals that had been handed over by then
		written := 0
		out := lines(func(line string) {
			// A kill in the middle of a write leaves a part of the line.
			for _, part := range []int{1, len(line) - 1} {
				moments, done = append(moments, disk{now.stream + line[:part], now.tail}), append(done, written)
			}
			now.stream += line
			moments, done = append(moments, now), append(done, written)
		})
		w, err := NewWriter(out, header(t, "1/1", time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		moments, done = nil, nil // before there is a header there is nothing to read
		thin := NewThinner(w, time.Second, func(line []byte) {
			now.tail = string(line)
			moments, done = append(moments, now), append(done, written)
		})
		for k := first; k < first+75; k++ {
			if err := thin.Interval(numbered(mix, k)); err != nil {
				t.Fatal(err)
			}
			written++
			moments, done = append(moments, now), append(done, written)
		}
		if err := thin.End(*finished()); err != nil {
			t.Fatal(err)
		}
		if len(moments) < 100 || now.tail == "" {
			t.Fatalf("%d moments, tail %q: nothing was held back", len(moments), now.tail)
		}
		for i, m := range moments {
			m.wantSeconds(t, mix, first, done[i])
		}
	}
}

// lines is a writer of whole lines.
type lines func(line string)

func (f lines) Write(p []byte) (int, error) { f(string(p)); return len(p), nil }

func TestTheTailOfAnotherRunIsRefusedAndASecondOneToo(t *testing.T) {
	w := &Writer{run: "run-7", shard: header(t, "1/1", 0).Shard}
	tail, err := w.tail(numbered(mix(t), 0))
	if err != nil {
		t.Fatal(err)
	}
	stream := strings.Join(written(t, header(t, "1/1", 0), nil), "")
	if _, err := readAll(stream, string(tail), string(tail)); err == nil || !strings.Contains(err.Error(), "appears twice") {
		t.Errorf("two tails: %v", err)
	}
	other := strings.Replace(string(tail), "run-7", "run-8", 1)
	if _, err := readAll(stream, other); err == nil || !strings.Contains(err.Error(), `run "run-8"`) {
		t.Errorf("the tail of another run: %v", err)
	}
}

func TestTheStreamOfTwoDaysOfEveryModeStaysBelow50MB(t *testing.T) {
	var all []stats.Entry
	for i := range 20 {
		all = append(all, stats.Entry{Name: fmt.Sprint("entry ", i), Mode: "active"})
	}
	s := stats.NewSummary(all)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range uint64(1000) {
		o := stats.Outcome{N: n, Entry: int(n) % len(all), Class: stats.Class(int(n) / 20 % stats.NumClasses), Opened: true}
		for p := range stats.NumPhases {
			o.Phases[p] = stats.Sample{D: time.Duration(rng.ExpFloat64() * 2e6), OK: p%2 == 0}
		}
		s.Add(&o, func() []stats.Moment {
			return make([]stats.Moment, 10)
		})
	}
	head := header(t, "1/1", time.Hour)
	head.Mix = all
	var size lineSizes
	w, err := NewWriter(&size, head)
	if err != nil {
		t.Fatal(err)
	}
	thin := NewThinner(w, time.Second, nil)
	const end = 48 * time.Hour
	tick := time.Second
	for at := time.Duration(0); at < end; at += tick {
		switch at { // as if merged before: lines are not shorter any more
		case 3 * time.Minute:
			tick = 10 * time.Second
		case 30 * time.Minute:
			tick = time.Minute
		case 150 * time.Minute:
			tick = 10 * time.Minute
		}
		s.From, s.To = at, at+tick
		if err := thin.Interval(Interval{Summary: s}); err != nil {
			t.Fatal(err)
		}
	}
	if err := thin.End(*finished()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lines, %d MB, the longest %d kB", size.lines, size.all/1e6, size.longest/1e3)
	if size.longest < 80e3 {
		t.Errorf("the longest line has %d bytes: that is no line of every mode", size.longest)
	}
	if size.all > 50e6 {
		t.Errorf("the stream has %d MB", size.all/1e6)
	}
}

// lineSizes counts what is written.
type lineSizes struct{ all, longest, lines int }

func (s *lineSizes) Write(p []byte) (int, error) {
	s.all, s.longest, s.lines = s.all+len(p), max(s.longest, len(p)), s.lines+1
	return len(p), nil
}

func TestShardsWhoseLinesCoverDifferentTimesBecomeTheLongerOnes(t *testing.T) {
	mix := mix(t)
	streamOf := func(shard string, size int64) string {
		var out bytes.Buffer
		w, err := NewWriter(&out, header(t, shard, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		w.size = size
		thin := NewThinner(w, time.Second, nil)
		for k := range 25 {
			if err := thin.Interval(numbered(mix, k)); err != nil {
				t.Fatal(err)
			}
		}
		if err := thin.End(*finished()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	doc := read(t, streamOf("1/2", 0), streamOf("2/2", 10<<20))
	var ends []time.Duration
	for _, span := range doc.Intervals {
		ends = append(ends, span.To)
		if got, want := span.Connections.Started, uint64(2*(span.To-span.From)/time.Second); got != want {
			t.Errorf("%d connections from %v to %v, want %d", got, span.From, span.To, want)
		}
	}
	if d := diff([]time.Duration{10e9, 20e9, 25e9}, ends); d != "" {
		t.Errorf("intervals end at (-want +got):\n%s", d)
	}
}

// aFile is a File on a disk and what it tells.
func aFile(t *testing.T) (f *File, name string, told *[]string) {
	t.Helper()
	name, told = filepath.Join(t.TempDir(), "run.jsonl"), new([]string)
	to, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return NewFile(name, to, func(text string) { *told = append(*told, text) }), name, told
}

func TestATailIsReplacedAndGoneWithTheEnd(t *testing.T) {
	f, name, told := aFile(t)
	for _, line := range []string{"a longer line\n", "line\n"} {
		f.Keep([]byte(line))
		if got, err := os.ReadFile(TailName(name)); err != nil || string(got) != line {
			t.Errorf("the tail holds %q, %v", got, err)
		}
	}
	if err := f.End(); err != nil || len(*told) != 0 {
		t.Errorf("%v, told %q", err, *told)
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// full is a disk that becomes full.
type full struct{ io.WriteCloser }

func (full) Write([]byte) (int, error) { return 3, errFull }

func TestAFullDiskIsToldOnceAndKeepsTheTail(t *testing.T) {
	f, name, told := aFile(t)
	f.Keep([]byte("the tail\n"))
	f.to = full{f.to}
	for range 3 {
		if n, err := f.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatalf("the run is stopped: %d, %v", n, err)
		}
		f.Keep([]byte("a later one\n"))
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "goes on without its result file: no space left") {
		t.Errorf("told %q", *told)
	}
	if err := f.End(); !errors.Is(err, errFull) {
		t.Errorf("the end: %v", err)
	}
	if got, err := os.ReadFile(TailName(name)); err != nil || string(got) != "the tail\n" {
		t.Errorf("the tail holds %q, %v; what the stream lacks is in it", got, err)
	}
}

func TestAFileThatIsTakenAwayIsToldOnce(t *testing.T) {
	f, name, told := aFile(t)
	if _, err := f.Write([]byte("line\n")); err != nil || len(*told) != 0 {
		t.Fatalf("%v, told %q", err, *told)
	}
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Write([]byte("line\n"))
		f.Keep([]byte("line\n"))
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "was removed or moved") {
		t.Errorf("told %q", *told)
	}
	if err := f.End(); err == nil || !strings.Contains(err.Error(), "was removed or moved") {
		t.Errorf("the end: %v", err)
	}
}

func TestATailThatCannotBeWrittenIsToldOnceAndTheRestGoesOn(t *testing.T) {
	f, name, told := aFile(t)
	if err := os.MkdirAll(filepath.Join(TailName(name), "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Keep([]byte("line\n"))
	}
	f.Write([]byte("line\n"))
	if len(*told) != 1 || !strings.Contains((*told)[0], "a run that is killed now loses") {
		t.Errorf("told %q", *told)
	}
	if err := f.End(); err != nil {
		t.Errorf("the stream is whole, and the end says %v", err)
	}
	if _, err := os.Stat(f.fresh()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a tail is left behind: %v", err)
	}
}
