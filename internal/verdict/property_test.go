package verdict

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

func one[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

// anyPlan is a close of any mode, with any of its ways.
func anyPlan(rng *rand.Rand) *scenario.Close {
	plan := scenario.DefaultClose(one(rng, scenario.Active, scenario.Output, scenario.Passive, scenario.Simultaneous, scenario.Abort,
		scenario.HalfClose, scenario.Mute, scenario.Stall, scenario.BadClose, scenario.Vanish))
	plan.Eager = plan.Mode == scenario.Active && rng.IntN(3) == 0
	if plan.Code != 0 {
		plan.Code = one(rng, 1000, 1005, 1011, 4000)
	}
	if plan.Mode == scenario.Abort {
		plan.When = one(rng, scenario.Idle, scenario.Receiving, scenario.MidMessage, scenario.AfterClose)
	}
	if plan.Trigger.Send != "" {
		plan.Trigger = one(rng,
			scenario.Trigger{Send: "close 1001 bye"}, scenario.Trigger{Send: "close 1011"}, scenario.Trigger{Send: "abort rst"},
			scenario.Trigger{Violate: scenario.ViolateRSV}, scenario.Trigger{HTTP: "http://host/"}, scenario.Trigger{Exec: "true"},
			scenario.Trigger{Wait: true})
	}
	return &plan
}

// anyEvidence is what may be known of a connection, however unlikely. Each
// event may happen at any time or never; only what settled the connection is
// one thing, and the trace holds nothing behind it.
func anyEvidence(rng *rand.Rand) *Evidence {
	e := &Evidence{N: rng.Uint64N(100), Plan: anyPlan(rng), Secure: rng.IntN(2) == 0, Echo: rng.IntN(2) == 0}
	if rng.IntN(20) == 0 {
		e.Open = &wire.OpenError{Reason: one(rng, "refused", ReasonInterrupted, "emfile"), Tool: rng.IntN(2) == 0}
		return e
	}
	tr := &e.Trace
	sometimes := func(i *wire.Instant) bool {
		if rng.IntN(2) == 0 {
			return false
		}
		*i = wire.Instant{At: time.Duration(rng.IntN(20)), Source: one(rng, wire.User, wire.Kernel)}
		return true
	}
	e.Planned = time.Duration(rng.IntN(20))
	e.Begun = sometimes(&e.Began)
	if e.Plan.Trigger != (scenario.Trigger{}) && e.Begun {
		e.Sent = sometimes(&e.Trigger) && rng.IntN(4) > 0
	}
	if mode := e.Plan.Mode; mode != scenario.Mute && mode != scenario.HalfClose && mode != scenario.Vanish && sometimes(&tr.OwnClose) {
		tr.OwnCode, tr.OwnCloseDone = one(rng, 1000, 1005, 1011, 4000), rng.IntN(4) > 0
	}
	if sometimes(&tr.PeerClose) {
		tr.PeerCode = one(rng, 1000, 1001, 1002, 1003, 1005, 1007, 1009, 1011, 1012, 4000)
		tr.PeerCloseSeen = tr.PeerClose.At + time.Duration(rng.IntN(5)-1)
	}
	if e.Plan.Mode == scenario.HalfClose && e.Begun {
		tr.HalfClose = e.Began
	}
	if rng.IntN(9) == 0 {
		tr.Rule = wire.Rule(1 + rng.IntN(int(wire.RuleForeignMessage)))
	}
	tr.Truncated, tr.AfterFIN, tr.Unread = rng.IntN(5) == 0, rng.IntN(5) == 0, rng.IntN(5) == 0
	tr.AfterClose, tr.LateControl = rng.Uint64N(2), rng.Uint64N(2)
	tr.SentSeq, tr.NextSeq, tr.Lost, e.Owed = rng.Uint64N(4), rng.Uint64N(4), rng.Uint64N(2), rng.Uint64N(4)
	settled(rng, e)
	tr.Shut = wire.UserInstant(time.Duration(15 + rng.IntN(10)))
	return e
}

// settled is what ended the wait.
func settled(rng *rand.Rand, e *Evidence) {
	tr := &e.Trace
	end := func() { tr.End = wire.UserInstant(time.Duration(rng.IntN(25))) }
	switch rng.IntN(7) {
	case 0:
		e.Interrupted = true
	case 1:
		e.TimedOut, e.Unsent = true, rng.IntN(2) == 0
	case 2:
		if tr.Both() {
			e.GraceOver, e.LateFIN = !e.Plan.Eager, rng.IntN(2) == 0
			break
		}
		fallthrough
	case 3:
		tr.Cut, tr.Silent = wire.UserInstant(time.Duration(rng.IntN(25))), rng.IntN(2) == 0
		if rng.IntN(2) == 0 {
			break
		}
		fallthrough // the peer ended too
	case 4:
		tr.Ending = wire.FIN
		end()
	case 5:
		tr.Ending, tr.Errno = wire.RST, syscall.ECONNRESET
		end()
	case 6:
		tr.Ending, tr.Errno = wire.Failed, one(rng, 0, syscall.ETIMEDOUT, syscall.Errno(4095))
		end()
	}
}

// holds says of each class, by its definition, whether it is true of the
// evidence. CS and CR are the own and the peer's Close.
func holds(e *Evidence, c stats.Class) bool {
	tr, mode := &e.Trace, e.Plan.Mode
	if e.Open != nil {
		stopped := e.Open.Reason == "interrupted"
		return c == stats.Interrupted && stopped || c == stats.ToolError && !stopped && e.Open.Tool ||
			c == stats.OpenFailed && !stopped && !e.Open.Tool
	}
	cs, cr := tr.OwnCloseDone, tr.PeerClose.Set()
	closes := cr && mode != scenario.Mute && mode != scenario.HalfClose // the others leave it unanswered
	fin, rst, failed, none := tr.Ending == wire.FIN, tr.Ending == wire.RST, tr.Ending == wire.Failed, tr.Ending == wire.None
	switch c {
	case stats.Interrupted:
		return e.Interrupted
	case stats.Violation:
		return tr.Rule != wire.NoRule
	case stats.Cut:
		// An own Close, unasked, with the cut right behind it: no answer is as fast as to prevent the cut.
		run := e.Plan.When == scenario.AfterClose && e.Begun && tr.OwnClose.Set() && (!cr || tr.OwnClose.At <= tr.PeerCloseSeen)
		return tr.Cut.Set() && (none || tr.End.At > tr.Cut.At || run) || (fin || rst) && wanted(e)
	case stats.PeerFirst:
		return cr && unasked(e)
	case stats.FailedByPeer:
		return cr && unwelcome(e)
	case stats.ReplyFailed:
		return closes && !cs
	case stats.Clean:
		return cs && cr && (fin || none && e.Plan.Eager)
	case stats.CleanRST:
		return cs && cr && (rst || failed)
	case stats.CleanNoFIN:
		return cs && cr && none && !e.Plan.Eager
	case stats.UnansweredEOF:
		return cs && !cr && fin
	case stats.UnansweredRST:
		return cs && !cr && rst
	case stats.UnansweredError:
		return cs && !cr && failed
	case stats.CloseTimeout:
		return e.TimedOut && !holds(e, stats.NoClose)
	case stats.PrematureEOF:
		return !cs && !closes && fin
	case stats.PrematureRST:
		return !cs && !closes && rst
	case stats.PrematureError:
		return !cs && !closes && failed
	case stats.NoClose:
		return e.TimedOut && !cr && e.Sent && (mode == scenario.Passive || mode == scenario.Mute)
	}
	return false
}

// step is when this end did what its mode is about.
func step(e *Evidence) wire.Instant {
	switch e.Plan.Mode {
	case scenario.Active, scenario.Output, scenario.Stall, scenario.BadClose:
		if e.Begun {
			return e.Trace.OwnClose
		}
		return wire.Instant{}
	case scenario.Abort, scenario.Vanish:
		return e.Trace.Cut
	case scenario.HalfClose:
		return e.Trace.HalfClose
	}
	return e.Trigger
}

// unasked: the peer's Close was here before the own step.
func unasked(e *Evidence) bool {
	own := step(e)
	return !e.Plan.Trigger.Wait && (!own.Set() || e.Trace.PeerClose.At < own.At)
}

// breaks says how the own step breaks a rule: so that the peer must fail the
// connection, or so that it may.
func breaks(e *Evidence) (must, may bool) {
	must = e.Plan.Trigger.Violate != ""
	if e.Plan.Mode == scenario.BadClose {
		switch p := e.Plan.Payload.Of(e.N); p {
		case "empty", "code-only", "long-reason", "inside-message":
		case "second-close", "ping-after", "data-after", "behind-large":
			may = true
		default:
			must = true
		}
	}
	return must, may
}

// unwelcome: the code is one of failure that was not asked for.
func unwelcome(e *Evidence) bool {
	code, t := e.Trace.PeerCode, e.Plan.Trigger
	if !slices.Contains([]int{1002, 1003, 1007, 1008, 1009, 1010, 1011}, code) {
		return false
	}
	if must, may := breaks(e); must || may {
		return code != 1002 && code != 1007
	}
	asked := code == e.Plan.Code || t.HTTP != "" || t.Exec != "" || t.Wait || code == 1011 && t.Send == "close 1011"
	return !asked
}

// wanted: the peer's end of TCP is what the own step was for.
func wanted(e *Evidence) bool {
	tr, own := &e.Trace, step(e)
	cr, rst := tr.PeerClose.Set(), tr.Ending == wire.RST
	if cr && unasked(e) {
		return false
	}
	if e.Plan.Mode == scenario.Mute && cr {
		return true
	}
	if !own.Set() || tr.End.At < own.At {
		return false
	}
	if e.Plan.Mode == scenario.HalfClose {
		return true
	}
	if must, may := breaks(e); must || may {
		return must && !cr || rst && cr && !unwelcome(e)
	}
	return strings.HasPrefix(e.Plan.Trigger.Send, "abort") && !cr
}

func TestTheClassIsTheFirstThatHoldsOfAnyEvidence(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var met [stats.NumClasses]int
	for range 300_000 {
		e := anyEvidence(rng)
		var first stats.Class
		for !holds(e, first) {
			if first++; int(first) == stats.NumClasses {
				t.Fatalf("no class holds of %s, %+v", e.Plan.Mode, e)
			}
		}
		got, detail := classify(e)
		if got != first {
			t.Fatalf("%s %q, and %s holds of %s %+v, %+v", got, detail, first, e.Plan.Mode, *e.Plan, e)
		}
		met[got]++
	}
	for c, n := range met {
		if n < 100 {
			t.Errorf("%s was met %d times, too seldom to say anything", stats.Class(c), n)
		}
	}
}

func TestPhasesAndFlagsOfAnyEvidenceAgreeWithEachOther(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	codes := set(stats.CodeEcho, stats.CodeNormal, stats.CodeNone, stats.CodeOther)
	for range 300_000 {
		e := anyEvidence(rng)
		var o stats.Outcome
		Judge(&o, e)
		for p := range stats.Phase(stats.NumPhases) {
			if s := o.Phases[p]; s.D < 0 || s.OK && (o.Crossed[p] || !o.Opened) {
				t.Fatalf("%s is %+v, crossed %v, of %s %+v", p, s, o.Crossed[p], e.Plan.Mode, e)
			}
		}
		if gaveUp := o.Phases[stats.GiveUp].OK || o.Crossed[stats.GiveUp]; gaveUp && (e.Plan.Mode != scenario.Mute || o.Class != stats.Cut) {
			t.Fatalf("give_up of %s %s", e.Plan.Mode, o.Class)
		}
		if o.Phases[stats.Teardown].OK && (e.TimedOut || e.GraceOver || e.Interrupted) {
			t.Fatalf("a limit is a sample: %+v", e)
		}
		if o.Phases[stats.FIN].OK && (e.Trace.Ending != wire.FIN || !e.Trace.Both()) {
			t.Fatalf("fin without a pair of Closes and a FIN: %+v", e)
		}
		related := 0
		for _, f := range append(codes, stats.Simultaneous) {
			if o.Flags.Has(f) {
				related++
			}
		}
		if related > 1 || related == 1 && !e.Trace.Both() {
			t.Fatalf("the Closes are %s, both %v", o.Flags.Names(), e.Trace.Both())
		}
	}
}
