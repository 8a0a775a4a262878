package result

import (
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/stats"
)

func readAll(streams ...string) (*Document, error) {
	var rs []io.Reader
	for _, s := range streams {
		rs = append(rs, strings.NewReader(s))
	}
	return Read(rs...)
}

func TestAStreamCutAnywhereReadsUpToItsLastWholeInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var intervals []Interval
	for second := range 3 {
		iv := interval(t, rng, "1/1", second, 0)
		o := stats.Outcome{N: uint64(second), Class: stats.Clean, Opened: true, CodeSent: 1000}
		o.Phases[stats.Teardown] = stats.Sample{D: time.Duration(second), OK: true}
		iv.Summary.Add(&o, nil)
		intervals = append(intervals, iv)
	}
	lines := written(t, header(t, "1/1", 0), finished(), intervals...)
	text := strings.Join(lines, "")
	var totals []Span
	for n := range 4 {
		total := Interval{Summary: merged(t, intervals[:n]...)}
		totals = append(totals, newSpan(total, new(stats.Encoder)))
		planned := uint64(1000)
		totals[n].Connections.Planned = &planned
	}
	for cut := range len(text) {
		whole := strings.Count(text[:cut], "\n")
		if strings.HasPrefix(text[cut:], "\n") {
			whole++ // only the newline is missing
		}
		doc, err := readAll(text[:cut])
		if whole == 0 {
			if err == nil || !strings.Contains(err.Error(), "no header line") {
				t.Fatalf("cut at %d, in the header: error %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want := min(whole-1, 3)
		if len(doc.Intervals) != want || doc.Complete != (whole == 5) {
			t.Fatalf("cut at %d: %d intervals, complete %v; want %d", cut, len(doc.Intervals), doc.Complete, want)
		}
		if !reflect.DeepEqual(doc.Total, totals[want]) {
			t.Fatalf("cut at %d: the total is not that of %d intervals:\n%s", cut, want, diff(totals[want], doc.Total))
		}
		torn := slices.ContainsFunc(doc.Warnings, func(w string) bool { return strings.Contains(w, "cut off") })
		if wantTorn := text[cut-1] != '\n' && text[cut] != '\n'; torn != wantTorn {
			t.Fatalf("cut at %d: warnings %q", cut, doc.Warnings)
		}
	}
}

func TestShardsMergeHoweverTheirLinesAreInterleaved(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var lines []string
	var all []Interval
	bySecond := make(map[int][]Interval)
	for _, shard := range []string{"1/3", "2/3", "3/3"} {
		var own []Interval
		for second := range 4 {
			iv := interval(t, rng, shard, second, 20)
			own, bySecond[second] = append(own, iv), append(bySecond[second], iv)
		}
		all = append(all, own...)
		lines = append(lines, written(t, header(t, shard, 0), finished(), own...)...)
	}
	inOrder := read(t, strings.Join(lines, ""))
	if d := diff(merged(t, all...), summary(t, inOrder)); d != "" {
		t.Errorf("total (-merged +read):\n%s", d)
	}
	if len(inOrder.Intervals) != 4 {
		t.Fatalf("%d intervals, want 4", len(inOrder.Intervals))
	}
	for second, span := range inOrder.Intervals {
		got := stats.NewSummary(inOrder.Mix)
		if err := span.AddTo(got); err != nil {
			t.Fatal(err)
		}
		if d := diff(merged(t, bySecond[second]...), got); d != "" {
			t.Errorf("interval %d (-merged +read):\n%s", second, d)
		}
		if span.Connections.Open != 60 || span.Connections.Closing != 30 {
			t.Errorf("interval %d: open %d, closing %d", second, span.Connections.Open, span.Connections.Closing)
		}
	}
	if n := inOrder.Total.Connections; n.Planned == nil || *n.Planned != 1000 || n.Peak != 60 || n.Open != 60 || n.Closing != 30 {
		t.Errorf("total connections %+v, want 1000 planned, peak 60, 60 open, 30 closing", n)
	}
	if !inOrder.Complete || len(inOrder.Warnings) != 0 || len(inOrder.Shards) != 3 {
		t.Errorf("complete %v, warnings %q, %d shards", inOrder.Complete, inOrder.Warnings, len(inOrder.Shards))
	}
	for range 4 {
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		at := rng.IntN(len(lines))
		if d := diff(inOrder, read(t, strings.Join(lines[:at], ""), strings.Join(lines[at:], ""))); d != "" {
			t.Fatalf("another order of lines makes another document:\n%s", d)
		}
	}
}

func TestAMissingOrUnfinishedShardIsSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	a := written(t, header(t, "1/3", 0), nil, interval(t, rng, "1/3", 0, 5))
	c := written(t, header(t, "3/3", 0), &End{Cause: "signal interrupt", Exit: 130, Warnings: []string{"the loop was late"}},
		interval(t, rng, "3/3", 0, 5))
	doc := read(t, strings.Join(a, ""), strings.Join(c, ""))
	want := []string{
		"shard 1/3: the stream has no end line: it holds the run up to " + doc.Intervals[0].To.String(),
		"shard 3/3: the run ended before every connection had settled",
		"shard 3/3: the loop was late",
		"this is a part of the run: shards missing: 2/3",
	}
	if a := doc.Intervals[0]; a.To < time.Second {
		t.Errorf("the interval ends at %s", a.To)
	}
	got := slices.Clone(doc.Warnings)
	got[0] = want[0] // the first names its own shard's end, checked in the next line
	if !strings.HasPrefix(doc.Warnings[0], "shard 1/3: the stream has no end line: it holds the run up to 1.0") || diff(want, got) != "" {
		t.Errorf("warnings %q", doc.Warnings)
	}
	wantShards := []Shard{
		{Shard: "1/3", Started: doc.Started},
		{Shard: "3/3", Started: doc.Started, Cause: "signal interrupt", Exit: 130},
	}
	if doc.Complete || doc.Cause != "" || diff(wantShards, doc.Shards) != "" {
		t.Errorf("complete %v, cause %q, shards %+v", doc.Complete, doc.Cause, doc.Shards)
	}
}

func TestAConnectionLostFromTheCountsIsSaid(t *testing.T) {
	iv := interval(t, rand.New(rand.NewPCG(10, 10)), "1/1", 0, 5)
	iv.Summary.Connections.Ended++
	doc := read(t, strings.Join(written(t, header(t, "1/1", 0), finished(), iv), ""))
	if len(doc.Warnings) != 1 || !strings.HasPrefix(doc.Warnings[0], "the counts do not add up: 6 connections ended and 5 have a class") {
		t.Errorf("warnings %q", doc.Warnings)
	}
}

func TestALineLongerThanAnyBufferIsRead(t *testing.T) {
	iv := interval(t, rand.New(rand.NewPCG(11, 11)), "1/1", 0, 5)
	iv.Summary.Exemplars[0].Timeline = slices.Repeat([]stats.Moment{{Event: strings.Repeat("x", 1000)}}, 300)
	lines := written(t, header(t, "1/1", 0), finished(), iv)
	if len(lines[1]) < 300_000 {
		t.Fatalf("the line has %d bytes", len(lines[1]))
	}
	if d := diff(iv.Summary, summary(t, read(t, strings.Join(lines, "")))); d != "" {
		t.Error(d)
	}
}

func TestAStreamThatIsNoneOrAnothersIsRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	stream := func(head Header) []string {
		return written(t, head, finished(), interval(t, rng, head.Shard.String(), 0, 3))
	}
	good := stream(header(t, "1/2", 0))
	edited := func(change func(*Header)) []string {
		head := header(t, "2/2", 0)
		change(&head)
		return stream(head)
	}
	join := func(parts ...[]string) string { return strings.Join(slices.Concat(parts...), "") }
	for _, c := range []struct {
		name, stream, want string
	}{
		{"nothing", "", "there is no header line"},
		{"empty lines", "\n\n", "there is no header line"},
		{"no stream", "hello\nworld\n", "read result line 1: not a line of a result stream"},
		{"the JSON document of a report", "{\n  \"schema\": \"wsload.result/1\"\n}\n", "pass the files that run --out wrote"},
		{"another kind of JSON", `{"a":1}` + "\n", "neither header nor interval nor tail nor drain nor end"},
		{"damage in the middle", join(good[:1], []string{good[1][:50] + "\n"}, good[2:]), "read result line 2: not a line of a result stream"},
		{"a torn stream with another behind it", join(good[:1], []string{good[1][:50]}, stream(header(t, "2/2", 0))), "where files were joined, pass them one by one"},
		{"a newer schema", strings.Replace(join(good), `{"wsload":1,`, `{"wsload":2,`, 1), "the stream has schema 2, this wsload reads schema 1"},
		{"a class of the future", strings.Replace(join(good), `"class":"`, `"class":"new_`, 1), `unknown name "new_`},
		{"a flag of the future", strings.Replace(join(good), `"flags":{"`, `"flags":{"new_`, 1), `read result line 2: not a line of a result stream: read flag: unknown name "new_`},
		{"two runs", join(good, edited(func(h *Header) { h.Run = "run-8" })), `it is of run "run-8" and the lines before are of run "run-7"`},
		{"a shard twice", join(good, good), "shard 1/2 appears twice (pass each stream once)"},
		{"an end twice", join(good, good[2:]), "shard 1/2 appears twice"},
		{"no beginning", join(good[1:]), "shard 1/2 of run run-7 has no header line"},
		{"another seed", join(good, edited(func(h *Header) { h.Seed++ })), "differ in their number of shards, seed, interval or mix"},
		{"another number of shards", join(good, stream(header(t, "2/3", 0))), "differ in their number of shards"},
		{"no interval", join(edited(func(h *Header) { h.Interval = 0 })), "the header has no interval or no mix"},
		{"no run", join(edited(func(h *Header) { h.Run = "" })), "the line names no run"},
		{"a contradiction in a line", strings.Replace(join(good), `"client":`, `"client":9`, 1), "read result line 2: tcp_closed_first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readAll(c.stream); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %q in it", err, c.want)
			}
		})
	}
}

type namedReader struct{ io.Reader }

func (namedReader) Name() string { return "run.jsonl" }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestErrorsNameTheStream(t *testing.T) {
	_, err := Read(strings.NewReader(""), strings.NewReader("x\n"))
	if err == nil || !strings.Contains(err.Error(), "read result 2 line 1") {
		t.Errorf("the second of two: error %v", err)
	}
	_, err = Read(namedReader{strings.NewReader("x\n")})
	if err == nil || !strings.Contains(err.Error(), "read run.jsonl line 1") {
		t.Errorf("a file: error %v", err)
	}
	_, err = Read(brokenReader{})
	if err == nil || !strings.Contains(err.Error(), "read result line 1: io: read/write on closed pipe") {
		t.Errorf("a broken reader: error %v", err)
	}
}

func TestShardsOfAnotherPlanOrMachineAreTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	other := header(t, "2/2", 0)
	other.Plan = []byte(`{"name":"other"}`)
	other.Env.CPUs = 64
	other.Started = other.Started.Add(-time.Second)
	doc := read(t,
		strings.Join(written(t, header(t, "1/2", 0), finished(), interval(t, rng, "1/2", 0, 3)), ""),
		strings.Join(written(t, other, finished(), interval(t, rng, "2/2", 0, 3)), ""))
	if want := []string{"shard 2/2 ran another plan than shard 1/2"}; diff(want, doc.Warnings) != "" {
		t.Errorf("warnings %q", doc.Warnings)
	}
	if doc.Shards[0].Env != nil || doc.Shards[1].Env == nil || doc.Shards[1].Env.CPUs != 64 || doc.Env.CPUs != 2 {
		t.Errorf("environments: %+v and of the shards %+v", doc.Env, doc.Shards)
	}
	if !doc.Started.Equal(other.Started) {
		t.Errorf("started %s, want the earlier %s", doc.Started, other.Started)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"wsload":1,"run":"r","shard":"1/1","interval_ns":1000000000,"mix":[{"name":"a","mode":"active"}]}` + "\n" +
		`{"interval":{"run":"r","shard":"1/1","from_ns":0,"to_ns":5,"connections":{"started":1,"ended":1},` +
		`"outcomes":[{"name":"a","mode":"active","class":"clean","count":1,"flags":{"code_echo":1}}]}}` + "\n" +
		`{"end":{"run":"r","shard":"1/1","complete":true}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := readAll(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		if _, err := doc.Summary(); err != nil {
			t.Errorf("the document of an accepted stream: %v", err)
		}
		if again, err := readAll(text); err != nil || fmt.Sprint(again.Warnings) != fmt.Sprint(doc.Warnings) {
			t.Errorf("reading twice differs: %v", err)
		}
	})
}
