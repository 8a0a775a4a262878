package arbiter

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/wsload/wsload/internal/contest"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// FirstLook is the number of pairs before which a gate has no verdict.
const FirstLook = 10

// mostSlices is the number of slices of a side in a pair above which a pair
// takes so long that the two sides do not share the same minutes any more.
const mostSlices = 64

// A Setup is what a gate is asked for, beside its plan. No field has a default.
type Setup struct {
	A, B                  []string // commands or URLs, as contest.ParseSide reads them
	APath, BPath          string   // in place of the plan's; "" keeps that
	Metrics               []string // none for those of the default contract
	Invariants            []string // beside those of the default contract
	Contract              string   // contest.Default or contest.Relaxed
	Tolerance, MustDetect []string // texts like close_handshake.p99=5%
	Strict                bool     // of the trial's contract
	Slices                int      // of each side in a pair; even, at most 64
	Pairs                 int      // at most, from FirstLook to trial.MaxPairs
	Budget                time.Duration
	Ready, Grace          time.Duration // for a server to listen, and to end
}

// A Plan is what each slice carries out, and who does so.
type Plan struct {
	Shown   scenario.Plan // as it was written: nothing of it is secret but its target
	Ready   scenario.Plan // with the variables of the environment in it
	Environ []string      // of the servers
	Secrets []string      // must not appear in what is reported
	Version string        // of wsload
}

// Match makes a gate of it. The error is a mistake in the setup; it names the
// flag and the remedy.
func (s *Setup) Match(p *Plan) (*Match, error) {
	switch {
	case s.Slices < 2 || s.Slices > mostSlices || s.Slices%2 != 0:
		return nil, fmt.Errorf("--slices must be even and from 2 to %d, got %d: an order is ABBA or BAAB, two slices of each side, and a pair should be over in seconds", mostSlices, s.Slices)
	case s.Pairs < FirstLook || s.Pairs > trial.MaxPairs:
		return nil, fmt.Errorf("--pairs must be from %d to %d, got %d: with fewer there is no verdict, and with more no other", FirstLook, trial.MaxPairs, s.Pairs)
	case s.Budget <= 0 || s.Ready <= 0 || s.Grace <= 0:
		return nil, errors.New("--budget, --ready and --grace must be above 0s")
	}
	m := &Match{
		Contest: contest.Options{Plan: p.Ready, Blocks: s.Slices / 2, Pairs: s.Pairs, Secrets: p.Secrets},
		File:    trial.File{Schema: trial.Schema, Wsload: p.Version, Seed: p.Ready.Seed},
		Budget:  s.Budget,
	}
	for _, side := range []struct {
		flag, path string
		given      []string
		side       *contest.Side
		label      *string
	}{
		{"--a", s.APath, s.A, &m.Contest.A, &m.File.A.Label},
		{"--b", s.BPath, s.B, &m.Contest.B, &m.File.B.Label},
	} {
		var err error
		if *side.side, err = contest.ParseSide(side.given, side.path, &p.Ready); err != nil {
			return nil, fmt.Errorf("%s: %w", side.flag, err)
		}
		command := &side.side.Command
		command.Env, command.Ready, command.Grace = p.Environ, s.Ready, s.Grace
		*side.label = side.side.Label(&p.Ready)
	}
	if m.Contest.A.Restarts() != m.Contest.B.Restarts() {
		return nil, errors.New("--a and --b must both be commands or both be URLs: a server that is started anew differs from one that has run for long")
	}
	if err := s.terms(p, m); err != nil {
		return nil, err
	}
	hold, stampErr := wire.HoldStamps() // the record says whether there are any
	if hold != nil {
		hold.Close()
	}
	m.Contest.Env = result.NewEnv(p.Version, uint64(proc.Self().SoftLimit.N), stampErr == nil)
	return m, nil
}

// terms fills in what the trial is about.
func (s *Setup) terms(p *Plan, m *Match) error {
	var names []string
	for _, c := range p.Shown.Closes.Mix {
		m.File.Mix = append(m.File.Mix, stats.Entry{Name: c.Name, Mode: string(c.Mode)})
		names = append(names, c.Name)
	}
	load := p.Shown.Redacted()
	load.Target = scenario.Target{}
	text, err := load.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	m.File.A.Load = fmt.Sprintf("%x/%d", sha256.Sum256(text), s.Slices)
	m.File.B.Load = m.File.A.Load
	m.File.Contract = trial.Contract{
		Strict: s.Strict, Close: p.Shown.Limits.Close, FIN: p.Shown.Limits.Fin,
	}
	echo := p.Shown.Traffic.Expect == scenario.ExpectEcho
	m.File.Contract.Invariants, err = contest.Invariants(names, s.Invariants, echo)
	if err != nil {
		return err
	}
	m.File.Contract.Terms, err = contest.Terms(names, contest.Wanted{
		Preset: s.Contract, Metrics: s.Metrics, Tolerances: s.Tolerance, MustDetect: s.MustDetect, Restarts: m.Restarts(), Echo: echo,
	})
	if err != nil {
		return err
	}
	_, err = m.File.Judge() // without pairs it only reads the contract
	return err
}
