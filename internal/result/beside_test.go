package result

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// arrivals are those at so many even steps from first to last.
func arrivals(n int, first, step time.Duration) Arrivals {
	h := new(stats.Histogram)
	for i := range n {
		h.Record((first + time.Duration(i)*step) / ArrivalUnit)
	}
	return NewArrivals(h, first, first+time.Duration(n-1)*step, true)
}

func after(d time.Duration) *time.Duration { return &d }

// shardDrain is the drain of a shard with n connections that closed.
func shardDrain(n int, first time.Duration) *Drain {
	return &Drain{
		Population: uint64(n), Held: uint64(n), Closed: arrivals(n, first, 10*time.Millisecond),
		Codes: map[string]uint64{"1001": uint64(n)}, Classes: map[string]uint64{"clean": uint64(n)},
		Lost: &DrainLost{Connections: 1, Messages: 2}, Took: after(time.Duration(n) * time.Second),
		Herd: &Herd{
			Attempts: uint64(n), PerSecond: []uint64{uint64(n)}, Failed: map[string]uint64{"refused": 1},
			FirstFailed: after(first), LastFailed: after(first + time.Second), Back: after(3 * first),
		},
		Hooks: []DrainHook{{What: "TERM own"}},
	}
}

func TestTheDrainsOfShardsMergeExactly(t *testing.T) {
	a, b := shardDrain(50, 3*time.Hour/2), shardDrain(100, 100*time.Millisecond)
	b.Herd.PerSecond = []uint64{0, 100}
	got, err := JoinDrains([]*Drain{a, b})
	if err != nil {
		t.Fatal(err)
	}
	want := new(stats.Histogram)
	for i := range 50 {
		want.Record((3*time.Hour/2 + time.Duration(i)*10*time.Millisecond) / ArrivalUnit)
	}
	for i := range 100 {
		want.Record((100 + time.Duration(i)*10) * time.Millisecond / ArrivalUnit)
	}
	if diff := cmp.Diff(NewArrivals(want, 100*time.Millisecond, 3*time.Hour/2+490*time.Millisecond, true), got.Closed); diff != "" {
		t.Errorf("arrivals (want -, got +):\n%s", diff)
	}
	if got.Held != 150 || got.Codes["1001"] != 150 || got.Lost.Messages != 4 || *got.Took != 100*time.Second || len(got.Hooks) != 1 {
		t.Errorf("merged to %+v", got)
	}
	b.Closed.Clock = "user"
	if mixed, err := JoinDrains([]*Drain{a, b}); err != nil || mixed.Closed.Clock != "user" {
		t.Errorf("a part by the user clock merged to %+v, %v", mixed, err)
	}
	h := got.Herd
	if h.Peak != 100 || h.PeakSecond != 1 || h.Failed["refused"] != 2 || *h.FirstFailed != 100*time.Millisecond || *h.Back != 9*time.Hour/2 {
		t.Errorf("the herds merged to %+v", h)
	}
	if a.Codes["1001"] != 50 || len(a.Herd.PerSecond) != 1 {
		t.Error("merging has changed a shard's drain")
	}
}

func TestAHerdIsBackOnlyWhereThatOfEveryShardIs(t *testing.T) {
	a, b := shardDrain(5, time.Second), shardDrain(5, time.Second)
	b.Herd.Back, b.Lost = nil, nil
	got, err := JoinDrains([]*Drain{a, b})
	if err != nil || got.Herd.Back != nil || got.Lost != nil {
		t.Errorf("merged to %+v and %+v, %v", got.Herd, got.Lost, err)
	}
}

func TestAQuantileOfArrivalsLiesBetweenTheFirstAndTheLast(t *testing.T) {
	one := arrivals(1, 12_345_678_901, 0)
	for name, got := range map[string]*time.Duration{"first": one.First, "p1": one.P1, "p50": one.P50, "p99": one.P99, "last": one.Last} {
		if *got != 12_345_678_901 {
			t.Errorf("%s is %v", name, *got)
		}
	}
	if none := NewArrivals(new(stats.Histogram), 0, 0, true); none != (Arrivals{}) {
		t.Errorf("without any: %+v", none)
	}
}

func TestADrainIsWrittenBeforeTheEndAndReadBack(t *testing.T) {
	var streams []*bytes.Buffer
	want := []*Drain{shardDrain(3, time.Second), shardDrain(4, 2*time.Second)}
	for i, d := range want {
		out := new(bytes.Buffer)
		head := Header{Schema: schemaNumber, Run: "r", Shard: scenario.Shard{Index: i + 1, Count: 2}, Seed: 1,
			Interval: time.Second, Mix: []stats.Entry{{Name: "passive", Mode: "passive"}}, Plan: []byte("{}")}
		w, err := NewWriter(out, head)
		if err != nil {
			t.Fatal(err)
		}
		thin := NewThinner(w, time.Second, nil)
		if err := thin.Drain(d); err != nil {
			t.Fatal(err)
		}
		if err := thin.End(End{Complete: true, Cause: "done"}); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, out)
	}
	text := streams[0].Bytes()
	doc, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0], doc.Drain); diff != "" {
		t.Errorf("read back (want -, got +):\n%s", diff)
	}
	both, err := Read(bytes.NewReader(text), streams[1])
	if err != nil || both.Drain.Held != 7 || *both.Drain.Closed.Last != 2030*time.Millisecond {
		t.Errorf("both shards read as %+v, %v", both.Drain, err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if _, err := Read(bytes.NewReader(bytes.Join([][]byte{lines[0], lines[1], lines[1]}, nil))); err == nil {
		t.Error("a second drain of the same shard was taken")
	}
	damaged := *want[0]
	damaged.Closed.Count = 9
	if _, err := JoinDrains([]*Drain{want[1], &damaged}); err == nil {
		t.Error("a count that the distribution does not have was taken")
	}
}

func TestALeakInAnyShardIsThatOfTheWhole(t *testing.T) {
	at := func(v float64) Figure { return Figure{Value: &v, Low: &v, High: &v} }
	well := &Watch{Target: json.RawMessage(`{"verdict":"none"}`), Figures: map[string]Figure{"leak.fds.per_1000": at(0), "fds.after_settle": {Basis: "not known"}}}
	ill := &Watch{Target: json.RawMessage(`{"verdict":"leak"}`), Figures: map[string]Figure{"leak.fds.per_1000": at(10), "fds.after_settle": at(3)}}
	for _, both := range [][2]*Watch{{well, ill}, {ill, well}} {
		w := joinWatches(both[0], both[1])
		if string(w.Target) != `{"verdict":"leak"}` || *w.Figures["leak.fds.per_1000"].Value != 10 || *w.Figures["fds.after_settle"].Value != 3 {
			t.Errorf("%+v", w)
		}
	}
	if joinWatches(nil, ill) != ill || joinWatches(ill, nil) != ill || joinWatches(nil, nil) != nil {
		t.Error("one watch alone is not itself")
	}
	if *well.Figures["leak.fds.per_1000"].Value != 0 {
		t.Error("joining changed a part")
	}
}

func TestThePathsOfShardsAddUp(t *testing.T) {
	n := func(n uint64) *uint64 { return &n }
	a := &Path{Accepted: n(20), Refused: n(1), Steps: []PathStep{{"cut", n(10)}, {"stall", n(2)}, {"latency", n(4)}}}
	b := &Path{Accepted: n(20), Refused: n(0), Steps: []PathStep{{"cut", n(10)}, {"another", n(7)}, {"latency", nil}}}
	want := &Path{Accepted: n(40), Refused: n(1), Steps: []PathStep{{"cut", n(20)}, {"stall", n(2)}, {"latency", nil}}}
	if diff := cmp.Diff(want, JoinPaths(a, b)); diff != "" {
		t.Error(diff)
	}
}

func TestADrainWithoutItsTimesIsDamage(t *testing.T) {
	at := time.Second
	for _, d := range []Drain{{Closed: Arrivals{Count: 1}}, {Cut: Arrivals{Count: 1, First: &at}}, {Herd: &Herd{FirstFailed: &at}}} {
		if d.whole() == nil {
			t.Errorf("%+v is taken for a drain", d)
		}
	}
	if d := (Drain{Herd: &Herd{}}); d.whole() != nil {
		t.Error(d.whole())
	}
}
