package stats

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestFlippedRecordersTogetherHoldEveryOutcomeOnce(t *testing.T) {
	outcomes := randomOutcomes(rand.New(rand.NewPCG(10, 10)), 4000)
	recorders := NewRecorders("1/1", mix(), 4)
	total := NewSummary(mix())
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := w; i < len(outcomes); i += 8 {
				o, r := &outcomes[i], recorders[i%4]
				r.Started()
				if o.Opened {
					r.Opened()
				}
				r.Add(o, timelineOf(o))
			}
		})
	}
	done := make(chan struct{})
	var flipper sync.WaitGroup
	flip := func(spare *Summary, r *Recorder) *Summary {
		full := r.Flip(spare)
		total.Merge(full)
		full.Reset()
		return full
	}
	flipper.Go(func() {
		spare := NewSummary(mix())
		for {
			for _, r := range recorders {
				spare = flip(spare, r)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	workers.Wait()
	close(done)
	flipper.Wait()
	for _, r := range recorders {
		flip(nil, r)
	}
	want := summaryOf(outcomes)
	want.From, want.To, want.Peak = 0, 0, total.Peak
	if d := diff(want, total); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if err := total.Conserved(); err != nil {
		t.Error(err)
	}
	if peak := total.PeakOpen(); peak < 1 || peak > 8 {
		t.Errorf("peak %d with 8 workers that open one connection at a time", peak)
	}
	if open := recorders[0].Open(); open != 0 {
		t.Errorf("%d open after the last ended", open)
	}
}

func TestThePeakIsThatOfTheWholeProcess(t *testing.T) {
	recorders := NewRecorders("1/1", mix(), 2)
	open := func(r int) {
		recorders[r].Started()
		recorders[r].Opened()
	}
	end := func(r int) { recorders[r].Add(&Outcome{Class: Clean, Opened: true}, nil) }
	peaks := func() uint64 {
		return merged(recorders[0].Flip(nil), recorders[1].Flip(nil)).PeakOpen()
	}
	// Each recorder alone peaks at 2, at different times.
	open(0)
	open(0)
	end(0)
	open(1)
	end(0)
	open(1)
	if got := peaks(); got != 2 {
		t.Errorf("peak %d, want 2: never more than two were open at once", got)
	}
	end(1)
	if got := peaks(); got != 2 {
		t.Errorf("peak of the next span is %d, want the 2 that were open at its beginning", got)
	}
	if got := peaks(); got != 1 {
		t.Errorf("peak of the last span is %d, want 1", got)
	}
	if got := recorders[1].Open(); got != 1 {
		t.Errorf("%d open, want 1", got)
	}
}

func TestPeaksOfProcessesAddUp(t *testing.T) {
	var parts []*Summary
	for _, shard := range []string{"1/2", "2/2"} {
		r := NewRecorder(shard, mix())
		for range 3 {
			r.Started()
			r.Opened()
		}
		parts = append(parts, r.Flip(nil), r.Flip(nil))
	}
	if got := merged(parts...).PeakOpen(); got != 6 {
		t.Errorf("peak %d, want 6", got)
	}
}

func TestAnEndWithoutAnOpenDoesNotLowerTheGauge(t *testing.T) {
	r := NewRecorder("1/1", mix())
	r.Started()
	r.Add(&Outcome{Class: OpenFailed, Detail: "refused"}, nil)
	r.Started()
	r.Opened()
	if got := r.Open(); got != 1 {
		t.Errorf("%d open, want 1", got)
	}
}

func BenchmarkRecorderAdd(b *testing.B) {
	r := NewRecorder("1/1", mix())
	o := Outcome{Class: Clean, Opened: true, CodeSent: 1000, CodeReceived: 1000}
	for p := range NumPhases {
		o.Phases[p] = Sample{D: 3 * time.Millisecond, OK: p%2 == 0, Kernel: true}
	}
	for b.Loop() {
		r.Add(&o, nil)
	}
}
