package result

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// header is that of one shard of the default plan, in a fixed environment.
func header(t *testing.T, shard string, duration time.Duration) Header {
	t.Helper()
	plan := scenario.Default()
	plan.Name, plan.Seed, plan.Load.Duration = "mixed", 42, duration
	plan.Target.URL = "ws://user:secret@127.0.0.1:9000/echo?token=secret&n={{n}}"
	part, err := scenario.ParseShard(shard)
	if err != nil {
		t.Fatal(err)
	}
	env := Env{
		Version: "v1.2.3", Go: "go1.26", OS: "linux", Arch: "amd64", Kernel: "6.1.0",
		CPUs: 2, GOMAXPROCS: 2, NoFile: 20000, GOGC: 400, Stamps: stats.ClockKernel,
	}
	head, err := NewHeader("run-7", part, time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC), &plan, env)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func mix(t *testing.T) []stats.Entry {
	t.Helper()
	return header(t, "1/1", 0).Mix
}

// interval makes n random connections that start and end in one second, some
// of which never end. Every part of a Summary gets something.
func interval(t *testing.T, rng *rand.Rand, shard string, second, n int) Interval {
	t.Helper()
	s := stats.NewSummary(mix(t))
	for i := range n {
		o := stats.Outcome{
			N:           uint64(second*10_000 + i),
			Entry:       rng.IntN(3),
			Class:       stats.Class(rng.IntN(stats.NumClasses)),
			Forward:     rng.IntN(9) == 0,
			ClosedFirst: stats.Side(rng.IntN(stats.NumSides)),
			Messages:    stats.Messages{Sent: 3, Received: 2, Skipped: 1, Lost: rng.Uint64N(2), AfterClose: rng.Uint64N(2)},
			Flags:       stats.Flags(rng.IntN(1 << stats.NumFlags)),
		}
		s.Connections.Started++
		if o.Class != stats.OpenFailed && o.Class != stats.ToolError {
			s.Connections.Opened++
			o.Opened = true
			o.CodeSent = []int{stats.NoCode, 1000}[rng.IntN(2)]
			o.CodeReceived = []int{stats.NoCode, 1000, 1005}[rng.IntN(3)]
		}
		if rng.IntN(3) == 0 {
			o.Detail = fmt.Sprintf("code:%d", 1000+rng.IntN(4))
		}
		o.InvalidState[rng.IntN(stats.NumCauses)] = 1
		o.ProbeAccepted = rng.Uint32N(2)
		for p := range stats.NumPhases {
			d := time.Duration(rng.ExpFloat64()*float64(20*time.Millisecond)) - time.Millisecond
			if rng.IntN(50) == 0 {
				d += 150 * time.Second
			}
			o.Phases[p] = stats.Sample{D: d, OK: rng.IntN(3) > 0, Kernel: rng.IntN(5) > 0}
			o.Crossed[p] = rng.IntN(9) == 0
		}
		s.Add(&o, func() []stats.Moment {
			return []stats.Moment{{At: time.Duration(second) * time.Second, Event: fmt.Sprint("end of ", o.N), Clock: stats.ClockUser}}
		})
	}
	s.Connections.Started += 2
	s.Connections.Opened++
	s.Peak[shard] = uint64(n)
	// Ticks come late.
	s.From = time.Duration(second)*time.Second + time.Duration(rng.IntN(int(20*time.Millisecond)))
	s.To = time.Duration(second+1)*time.Second + time.Duration(rng.IntN(int(20*time.Millisecond)))
	return Interval{Summary: s, Open: uint64(n), Closing: uint64(n / 2)}
}

func merged(t *testing.T, intervals ...Interval) *stats.Summary {
	t.Helper()
	s := stats.NewSummary(mix(t))
	for _, iv := range intervals {
		s.Merge(iv.Summary)
	}
	return s
}

// written is the stream of one shard, line by line.
func written(t *testing.T, head Header, end *End, intervals ...Interval) []string {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, head)
	if err != nil {
		t.Fatal(err)
	}
	for _, iv := range intervals {
		if err := w.Interval(iv); err != nil {
			t.Fatal(err)
		}
	}
	if end != nil {
		if err := w.End(*end); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.SplitAfter(out.String(), "\n")
	return lines[:len(lines)-1]
}

func read(t *testing.T, streams ...string) *Document {
	t.Helper()
	doc, err := readAll(streams...)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func finished() *End { return &End{Complete: true, Cause: "done"} }

func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

func summary(t *testing.T, doc *Document) *stats.Summary {
	t.Helper()
	s, err := doc.Summary()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
