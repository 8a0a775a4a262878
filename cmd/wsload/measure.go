package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// measure makes a server that is about to serve at url judge its connections,
// and writes what it finds to out, interval by interval. The function it
// returns ends that: call it when the server has ended, with the error of its
// Serve. Its error is why the stream is not whole.
func measure(s *target.Server, out *output, url string) (end func(cause error) error, err error) {
	hold, stampErr := wire.HoldStamps()
	noFile := proc.Self().SoftLimit
	env := result.NewEnv(readBuild().Version, uint64(noFile.N), stampErr == nil)
	entries := target.Entries()
	head, err := result.NewServerHeader(fmt.Sprintf("%016x", rand.Uint64()), time.Now(), url, entries, env)
	if err != nil {
		return nil, err
	}
	s.Record = stats.NewRecorder(head.Shard.String(), entries)
	out.begin(head)
	out.kept = true
	m := &meter{rec: s.Record, out: out, begun: time.Now()}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		m.run(head.Interval, stop)
	}()
	return func(cause error) error {
		close(stop)
		<-stopped
		if hold != nil {
			hold.Close()
		}
		last := result.End{Complete: m.started == m.ended, Cause: "done"}
		if cause != nil {
			last.Cause, last.Exit = cause.Error(), exitFailed
		}
		return out.end(last)
	}, nil
}

// A meter takes what a server has recorded to its stream.
type meter struct {
	rec            *stats.Recorder
	out            *output
	begun          time.Time
	from           time.Duration // end of the last interval
	spare          *stats.Summary
	started, ended uint64
}

// run closes an interval at each tick, and the last one at the end.
func (m *meter) run(interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.tick()
		case <-stop:
			m.tick()
			return
		}
	}
}

func (m *meter) tick() {
	sum := m.rec.Flip(m.spare)
	sum.From, sum.To = m.from, time.Since(m.begun)
	m.from = sum.To
	m.started += sum.Connections.Started
	m.ended += sum.Connections.Ended
	m.out.interval(result.Interval{Summary: sum, Open: m.rec.Open()})
	sum.Reset()
	m.spare = sum
}
