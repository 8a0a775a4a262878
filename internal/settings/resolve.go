package settings

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// Sources are all that a plan is made of.
type Sources struct {
	File    string    // name of the configuration file; "-" is YAML on Stdin, "" is none
	Stdin   io.Reader // read for File "-" alone
	Environ Environ
	Base    []Setting // what the command has in place of a plan's defaults
	Flags   []Setting // over all else; of two for one key the last counts
	Found   []Finding // what is wrong with the flags already
	Rules   []string  // added to gate.rules
	Shard   string    // part of the plan to carry out, as in "1/3"; "1/1" is all of it
	Procs   string    // how many processes carry it out, as in "3"; any is right with Gates

	Runs  bool // the plan is to be carried out, not only shown
	Asks  bool // what this host refuses of it is told and is no error
	Gates bool // two servers are loaded with it in turn, and its target is only what they are asked for

	// Unknown is told of each variable that begins with Prefix and is no
	// setting, by its name without that, beside the names there are. May be nil.
	Unknown func(name string, known []string)
}

// A Config is what file, environment and flags come to.
type Config struct {
	Plan     scenario.Plan // to store: seed and expectation settled, ${VAR} still in place
	Ready    scenario.Plan // to run: variables replaced
	Shard    scenario.Shard
	Procs    int               // processes that carry it out
	Own      bool              // against the tool's own server
	Sources  map[string]string // by key: where its value comes from
	Warnings []string          // of the preflight
	Refused  problem.List      // by the preflight, where the sources ask for it
	Secrets  []string          // values of the variables in the plan
}

// OnHost is the plan as it is for what reckons with this host: the own server has
// the same limits as this process, and is on loopback.
func (c *Config) OnHost() scenario.Plan {
	plan := c.Ready
	if c.Own {
		plan.Target.URL = "ws://127.0.0.1/"
	}
	return plan
}

// Resolve makes the config. The error names every problem of file, environment,
// flags, their sum and this host at once, each on a line with its place.
func Resolve(s Sources) (*Config, error) {
	file, err := readFile(s.File, s.Stdin)
	if err != nil {
		return nil, err
	}
	keys := scenario.Keys()
	env, badEnv := s.Environ.settings(keys, s.Unknown)
	l := layers{base: s.Base, file: file, env: env, flags: s.Flags}
	found := slices.Concat(file.problems(), badEnv, s.Found)
	for _, set := range slices.Concat(env, s.Flags) {
		_, err := scenario.Decode(set.tree())
		found = append(found, Placed(err, set.Place)...)
	}

	tree, err := l.merged()
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", file.name, err)
	}
	r := &resolving{Config: &Config{Procs: 1, Sources: l.sources(keys)}, from: &s, file: file, found: found}
	c := r.Config
	var decoding, settling, expanding error
	c.Plan, decoding = scenario.Decode(tree)
	settling = r.settle()
	c.Ready, expanding = scenario.ExpandEnv(c.Plan, func(name string) (string, bool) {
		value, ok := s.Environ.Lookup(name)
		if len(value) > 3 { // shorter ones stand in ordinary words
			c.Secrets = append(c.Secrets, value)
		}
		return value, ok
	})
	all := problem.Join(problemsOf(found), decoding, settling, expanding, c.Ready.Validate(), r.check())
	if !touches(all, "load", "target", "closes", "--shard", "--procs") { // which a preflight reckons with
		all = problem.Join(all, r.preflight())
	}
	if all != nil {
		return nil, r.refuse(all)
	}
	return c, nil
}

// resolving is a config on its way.
type resolving struct {
	*Config
	from  *Sources
	file  *file
	found []Finding // in the layers, each by itself
}

// staged is the source of what load.stages make.
const staged = "follows from load.stages"

// settle fills in what a plan leaves to the run: the seed, what is expected of
// messages, the rules beside those of the plan and the shard.
func (r *resolving) settle() error {
	_, r.Own = r.Plan.Target.Own()
	r.Own = r.Own && !r.from.Gates
	if r.Plan.Seed == 0 {
		// Below 2^53, so that readers of JSON that know only floats keep it.
		r.Plan.Seed = 1 + rand.Uint64N(1<<53-1)
		r.Sources["seed"] = "drawn"
	}
	if r.Plan.Traffic.Expect == "" {
		r.Plan.Traffic.Expect, r.Sources["traffic.expect"] = scenario.ExpectAny, "default, given target"
		if r.Own {
			r.Plan.Traffic.Expect, r.Sources["traffic.expect"] = scenario.ExpectEcho, "default, own target"
		}
	}
	if len(r.Plan.Load.Stages) > 0 {
		for _, key := range []string{"load.connections", "load.duration"} {
			if r.Sources[key] == "default" {
				r.Sources[key] = staged
			}
		}
	}
	if rules := r.from.Rules; len(rules) > 0 {
		r.Plan.Gate.Rules = append(r.Plan.Gate.Rules, rules...)
		if r.Sources["gate.rules"] += " and --rule"; len(r.Plan.Gate.Rules) == len(rules) {
			r.Sources["gate.rules"] = "--rule"
		}
	}
	var err error
	if r.Shard, err = scenario.ParseShard(r.from.Shard); err != nil {
		return problem.List{{Key: "--shard", Msg: err.Error()}}
	}
	return nil
}

// problemsOf are the problems of findings as an error.
func problemsOf(found []Finding) error {
	var problems problem.List
	for _, f := range found {
		problems = append(problems, f.Problem)
	}
	return problems.Err()
}

// refuse writes the problems with their places, one on a line.
func (r *resolving) refuse(err error) error {
	problems, _ := errors.AsType[problem.List](err)
	lines := make([]error, len(problems))
	for i, p := range problems {
		place := ""
		if at := slices.IndexFunc(r.found, func(f Finding) bool { return f.Problem == p }); at >= 0 {
			place = r.found[at].Place
			r.found = slices.Delete(r.found, at, at+1) // the same problem may stand in two places
		} else {
			place = r.placeOf(p.Key)
		}
		if place != "" {
			place += ": "
		}
		lines[i] = errors.New(place + p.Error())
	}
	return errors.Join(lines...)
}

// placeOf is the place of a problem that came up when the layers were put
// together: where the key's value comes from.
func (r *resolving) placeOf(key string) string {
	for name, from := range r.Sources {
		if rest, ok := strings.CutPrefix(key, name); ok && (rest == "" || rest[0] == '[' || rest[0] == '.') {
			switch {
			case strings.HasPrefix(from, "default") || from == "drawn":
				return ""
			case from == staged:
				return r.placeOf("load.stages")
			case len(r.Plan.Load.Stages) > 0 && (name == "load.connections" || name == "load.duration"):
				return from + ", with load.stages of " + r.Sources["load.stages"] // the two are at odds
			case r.file.has(name) && strings.HasPrefix(from, r.file.name):
				return r.file.where(key) // the entry of the list, not only the list
			}
			return from
		}
	}
	return ""
}
