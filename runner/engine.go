package runner

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// An engine is one run under way.
type engine struct {
	plan   *scenario.Plan
	opt    Options
	tb     *wire.Timebase
	dialer *wire.Dialer

	base      []request // by entry of the mix
	templated bool
	sources   []netip.Addr
	echo      bool
	slots     int // of this process' shard

	shards  []*shard
	paced   *paced
	traffic *traffic
	crew    *crew // connections and their closers

	free     chan slot // slots whose connection has settled
	opened   atomic.Int64
	failed   atomic.Int64
	closing  atomic.Int64
	over     atomic.Bool // nothing new opens any more
	hopeless context.CancelCauseFunc

	mu       sync.Mutex
	tally    map[string]*Tally
	warnings []string
	failure  error // why the last opening failed
}

// A slot is a place in the population that has become free.
type slot struct {
	n    uint64 // index of the connection that follows in it
	from time.Duration
}

func newEngine(plan *scenario.Plan, opt Options) (*engine, error) {
	e := &engine{plan: plan, opt: opt, tb: wire.NewTimebase(), crew: newCrew(), tally: make(map[string]*Tally)}
	if e.opt.RunID == 0 {
		e.opt.RunID = rand.Uint32()
	}
	e.echo = plan.Traffic.Expect == scenario.ExpectEcho
	e.slots = opt.Shard.Size(plan.Load.Connections)
	e.free = make(chan slot, e.slots)
	e.dialer = &wire.Dialer{
		Timebase: e.tb, Dial: opt.Dial, ConnectTo: plan.Target.ConnectTo,
		Connect: plan.Limits.Dial, Upgrade: plan.Limits.Upgrade,
	}
	var err error
	if e.dialer.TLS, err = tlsConfig(plan.Target.TLS); err != nil {
		return nil, err
	}
	if e.sources, err = sources(plan, opt.Shard, ephemeralPorts()); err != nil {
		return nil, err
	}
	e.prepare()
	e.traffic = newTraffic(e)
	n := min(runtime.GOMAXPROCS(0), e.slots)
	for _, rec := range stats.NewRecorders(opt.Shard.String(), entries(plan), n) {
		e.shards = append(e.shards, &shard{
			e: e, rec: rec, schedule: newSchedule(e.tb, e.fine()), live: make(map[*connection]struct{}),
		})
	}
	e.paced = newPaced(e.shards[0].schedule, e.share(plan.Closes.Shape.Rate()))
	return e, nil
}

// fine reports whether waits are to be exact to the kernel's timers: on the
// real network. A network of the caller's own may have a time of its own too.
func (e *engine) fine() bool { return e.opt.Dial == nil }

// entries names the mix.
func entries(plan *scenario.Plan) []stats.Entry {
	all := make([]stats.Entry, len(plan.Closes.Mix))
	for i, c := range plan.Closes.Mix {
		all[i] = stats.Entry{Name: c.Name, Mode: string(c.Mode)}
	}
	return all
}

// share is this process' part of a rate of the whole plan.
func (e *engine) share(r scenario.Rate) scenario.Rate {
	return r * scenario.Rate(e.slots) / scenario.Rate(e.plan.Load.Connections)
}

// local is the source address of connection n.
func (e *engine) local(n uint64) netip.Addr {
	if len(e.sources) == 0 {
		return netip.Addr{}
	}
	return e.sources[n%uint64(len(e.sources))]
}

// freed gives back the slot of a settled connection.
func (e *engine) freed(lc scenario.Lifecycle) {
	e.free <- slot{n: lc.N + uint64(e.plan.Load.Connections), from: e.tb.Now()}
}

// hopelessAfter is how many openings may fail, with none that succeeded,
// before the run gives up.
const hopelessAfter = 100

// settled takes note of an outcome that has been recorded.
func (e *engine) settled(c *connection, o *stats.Outcome, ev *evidence) {
	if o.Opened {
		if ev.begun {
			e.closing.Add(-1)
		}
		e.count(string(c.plan.Mode), &ev.trace)
		return
	}
	if o.Class == stats.Interrupted {
		return
	}
	failed := e.failed.Add(1)
	e.mu.Lock()
	e.failure = ev.open
	e.mu.Unlock()
	if failed >= hopelessAfter && e.opened.Load() == 0 {
		e.hopeless(&NothingOpenedError{Tries: int(failed), Last: ev.open})
	}
}

// count adds an opened connection to its mode's tally.
func (e *engine) count(mode string, tr *wire.Trace) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tally[mode]
	if t == nil {
		t = &Tally{Ended: make(map[string]uint64)}
		e.tally[mode] = t
	}
	t.Opened++
	if tr.OwnCloseDone {
		t.CloseSent++
	}
	if tr.PeerClose.Set() {
		t.CloseReceived++
	}
	t.Ended[firstEnd(tr)]++
}

// firstEnd says who ended TCP first, and how.
func firstEnd(tr *wire.Trace) string {
	switch {
	case tr.Cut.Set() && (tr.Ending == wire.None || tr.End.At > tr.Cut.At):
		if tr.Reset {
			return "client_rst"
		}
		return "client_fin"
	case tr.Ending == wire.FIN:
		return "server_fin"
	case tr.Ending == wire.RST:
		return "server_rst"
	case tr.Ending == wire.Failed:
		return "error"
	}
	return "client_fin"
}

func (e *engine) warn(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warnings = append(e.warnings, text)
}
