package watch

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// A Sampler looks at one target. It is used by one goroutine at a time. Its
// fields are set before the first sample.
type Sampler struct {
	// Sources tell of the target. What several know is told by the first.
	Sources []Source
	// Port is the target's, whose sockets are counted on this host. 0 takes
	// that of the first source that has one; without any they are unknown.
	Port int
	// Roots are whom the pages on https are believed by; nil is the system's.
	Roots *x509.CertPool
	// Epoch is when the run began, from which At counts.
	Epoch time.Time
	// State tells the phase of the run and how many connections have ended
	// so far. It is called by the goroutine that samples.
	State func() (Phase, uint64)

	client   *http.Client
	readers  []reader
	restarts int
	server   bool // a socket of the server's side was seen
}

// A reader asks one source, and remembers who answered.
type reader struct {
	source  Source
	holder  holder
	members []string
	rising  float64
}

// Limits of the time that the sources of one sample have together.
const (
	leastLimit = 100 * time.Millisecond
	mostLimit  = 5 * time.Second
)

// Run takes a sample at once and one each interval, and passes them to emit,
// until ctx ends. Where a sample or emit takes longer than the interval, what is
// due meanwhile is left out: samples never queue. A source that does not answer
// costs half an interval at most, and is asked again the next time.
func (s *Sampler) Run(ctx context.Context, every time.Duration, emit func(Sample)) {
	defer s.Close()
	limit := min(max(every/2, leastLimit), mostLimit)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		sample := s.Sample(ctx, limit)
		if ctx.Err() != nil {
			return // what was asked last was not let finish
		}
		emit(sample)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close lets go of the connections to the sources. The Sampler can still be
// used.
func (s *Sampler) Close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}

// Sample looks at the target once. Its sources have limit together.
func (s *Sampler) Sample(ctx context.Context, limit time.Duration) Sample {
	if s.readers == nil {
		s.begin()
	}
	sample := Sample{At: time.Since(s.Epoch)}
	sample.Phase, sample.Closes = s.State()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	fail := func(source any, err error) {
		if sample.Failed == 0 {
			sample.Err = fmt.Sprintf("%v: %v", source, err)
		}
		sample.Failed++
	}
	// What costs least comes first, so that it belongs to the moment.
	if s.Port != 0 {
		if err := s.count(&sample); err != nil {
			fail("sockets", err)
		}
	}
	for i := range s.readers {
		r := &s.readers[i]
		read, err := r.read(ctx, s.client)
		if err != nil {
			fail(r.source, err)
			continue
		}
		sample.fill(read.Facts)
		if read.unread != "" && sample.Unread == "" {
			sample.Unread = fmt.Sprintf("%v: %s", r.source, read.unread)
		}
		sample.Restarted = r.anew(read) || sample.Restarted
	}
	if sample.Restarted {
		s.restarts++
	}
	sample.Restarts = s.restarts
	return sample
}

func (s *Sampler) begin() {
	s.client = newClient(s.Roots)
	for _, source := range s.Sources {
		s.readers = append(s.readers, reader{source: source, holder: holder{port: source.Port()}})
		if s.Port == 0 {
			s.Port = source.Port()
		}
	}
}

// count counts the sockets. As long as none of the server's side was seen, the
// server is not on this host, or in a namespace of its own: its sockets are
// unknown then and not none.
func (s *Sampler) count(sample *Sample) error {
	all, err := proc.SocketsOn(s.Port)
	if err != nil {
		return err
	}
	s.server = s.server || all.Server.Total() > 0
	sample.Server = Sockets{States: all.Server, OK: s.server}
	if !s.server {
		sample.Server = Sockets{}
	}
	sample.Client = Sockets{States: all.Client, OK: true}
	return nil
}

func (r *reader) read(ctx context.Context, client *http.Client) (reading, error) {
	switch r.source.kind {
	case ofSelf:
		return ofThisProcess(r.source.with), nil
	case ofPID:
		return processes([]int{r.source.number})
	case ofPIDFile:
		pid, err := pidIn(r.source.file)
		if err != nil {
			return reading{}, err
		}
		return processes([]int{pid})
	case ofPort:
		return r.holder.read()
	}
	return fetch(ctx, client, r.source.page)
}

// anew says whether a process that answered the last time is gone: it is not
// among those of now, or what only rises has fallen. One that has joined them is
// no restart, as the worker that a server adds under load.
func (r *reader) anew(now reading) bool {
	before := *r
	r.members, r.rising = now.members, now.rising
	if before.members != nil && now.members != nil {
		return slices.ContainsFunc(before.members, func(m string) bool { return !slices.Contains(now.members, m) })
	}
	return now.rising > 0 && now.rising < before.rising
}
