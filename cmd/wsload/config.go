package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/wsload/wsload/internal/judge"
	"github.com/wsload/wsload/internal/rig"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/stats"
)

// A config is what file, environment and flags come to. Nothing behind it
// knows where a value came from, but for telling the user.
type config struct {
	plan     scenario.Plan // to store: seed and expectation settled, ${VAR} still in place
	ready    scenario.Plan // to run: variables replaced
	shard    scenario.Shard
	procs    int               // processes that carry it out
	own      bool              // against the tool's own server
	sources  map[string]string // by key: where its value comes from
	warnings []string          // of the preflight
	secrets  []string          // values of the variables in the plan
}

// planFlags are the flags of commands that take a plan.
type planFlags struct {
	file  string
	set   []string
	rules []string
	shard string
	procs int
	hooks []string
	runs  bool // the plan is to be carried out, not only shown
	drain bool // the plan is a drain, of a SIGTERM where it names no hook
	gates bool // two servers are loaded with it in turn, and its target is only what they are asked for
}

// keyFlags gives the flags that stand for a key, with their help. They are
// text whatever the key takes, so that a bad value is refused in one way.
func keyFlags() [][3]string {
	return [][3]string{
		{"target", "target.url", "`URL` of the server, ws:// or wss:// (default: an own server; ws:///no-reply: its path)"},
		{"connections", "load.connections", "population: `N` connections held at once"},
		{"rate", "load.rate", "pace of new connections, as in `100/s`; 0 is unlimited"},
		{"duration", "load.duration", "how long the population is held, as in `30s`; 0s opens each connection once"},
		{"hold", "hold", "lifetime of a connection: `10s`, uniform(1s,3s), exp(30s) or lognormal(20s,2m)"},
		{"mix", "closes.mix", "how connections end, by weight, as in `active=60,passive=30,abort=10` (default: that)"},
		{"seed", "seed", "`N` that decides hold and mode of each connection (default: drawn)"},
		{"abort-on-fail", "gate.abort_on_fail", "end the run as soon as a rule has failed for good"},
	}
}

// keyFlags are those that the command has.
func (f *planFlags) keyFlags() [][3]string {
	switch {
	case f.gates:
		return gateKeyFlags()
	case f.drain:
		return append(keyFlags(), drainKeyFlags()...)
	}
	return keyFlags()
}

// register adds the flags to a command.
func (f *planFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.file, "config", "c", "", "configuration `FILE` (.yaml, .json or .toml; - is YAML on standard input)")
	keys := scenario.Keys()
	for _, kf := range f.keyFlags() {
		help := kf[2]
		k := keys[slices.IndexFunc(keys, func(k scenario.Key) bool { return k.Name == kf[1] })]
		if k.Type == "bool" {
			flags.Bool(kf[0], false, help)
			continue
		}
		if !k.List && !strings.Contains(help, "(default") {
			help += " (default " + k.Default + ")"
		}
		flags.String(kf[0], "", help)
	}
	flags.StringArrayVar(&f.set, "set", nil, "set any `key=value` of the configuration; lists are YAML; may be repeated")
	if f.drain {
		flags.StringArrayVar(&f.hooks, "hook", nil, "`HOOK` that makes the server go: 'TERM port:9000', 'exec COMMAND' or 'http URL'; may be repeated (default TERM to the target)")
	}
	f.shard = "1/1"
	if !f.gates {
		flags.StringArrayVar(&f.rules, "rule", nil, "add a `RULE` to gate.rules; may be repeated")
		flags.StringVar(&f.shard, "shard", f.shard, "carry out part `i/n` of the plan")
		flags.IntVar(&f.procs, "procs", 1, "share the connections among `N` processes of this host, each with its own descriptors")
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name+"=")
	}
	must(cmd.MarkFlagFilename("config", "yaml", "yml", "json", "toml"))
	must(cmd.RegisterFlagCompletionFunc("set", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoSpace)))
	must(cmd.RegisterFlagCompletionFunc("mix", cobra.FixedCompletions(
		[]string{"active=60,passive=30,abort=10", "active", "passive", "abort"}, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("hold", cobra.FixedCompletions(
		[]string{"uniform(", "exp(", "lognormal("}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp)))
}

// must stops at a mistake of the program: a flag that does not exist.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// resolve makes the config of a command line. The error names every problem of
// file, environment, flags, their sum and this host at once.
func (a *app) resolve(cmd *cobra.Command, f *planFlags) (*config, error) {
	file, err := a.readConfig(f.file)
	if err != nil {
		return nil, usage(cmd, err)
	}
	keys := scenario.Keys()
	env, badEnv := a.fromEnv(keys)
	flags, badFlags := f.fromFlags(cmd, keys)
	var base []setting
	switch {
	case f.gates:
		base, flags = gateBase(), append(flags, gateFixed()...)
	case f.drain:
		base = drainBase()
	}
	found := slices.Concat(file.problems(), badEnv, badFlags)
	for _, s := range slices.Concat(env, flags) {
		_, err := scenario.Decode(s.tree())
		found = append(found, placed(err, s.place)...)
	}

	c := &config{procs: max(1, f.procs), sources: sources(keys, base, file, env, flags)}
	var decoding, settling, expanding error
	c.plan, decoding = scenario.Decode(layered(base, file, env, flags))
	settling = c.settle(f)
	c.ready, expanding = scenario.ExpandEnv(c.plan, func(name string) (string, bool) {
		value, ok := a.lookupEnv(name)
		if len(value) > 3 { // shorter ones stand in ordinary words
			c.secrets = append(c.secrets, value)
		}
		return value, ok
	})
	all := problem.Join(problemsOf(found), decoding, settling, expanding, c.ready.Validate(), c.check(f), c.checkProcs(f))
	if !touches(all, "load", "target", "closes", "--shard", "--procs") { // which a preflight reckons with
		all = problem.Join(all, c.preflight())
	}
	if all != nil {
		return nil, c.refuse(cmd, file, found, all)
	}
	return c, nil
}

// problems are those of the file by itself: a file that is wrong is refused
// even where a flag would hide it.
func (c *configFile) problems() []finding {
	found := c.found
	_, err := scenario.Decode(c.tree)
	if problems, ok := errors.AsType[problem.List](err); ok {
		for _, p := range problems {
			found = append(found, finding{p, c.where(p.Key)})
		}
	}
	return found
}

// layered puts the layers over each other: flags over environment over file
// over what the command has in place of a plan's defaults.
func layered(base []setting, file *configFile, env, flags []setting) map[string]any {
	v := viper.New()
	for _, s := range base {
		v.SetDefault(s.key, s.value)
	}
	must(v.MergeConfigMap(file.tree))
	for _, s := range env {
		if text, ok := s.value.(string); ok && text != "" {
			must(v.BindEnv(s.key, s.place))
		} else {
			v.Set(s.key, s.value)
		}
	}
	for _, s := range flags {
		v.Set(s.key, s.value)
	}
	return v.AllSettings()
}

// sources says for every key where its value comes from.
func sources(keys []scenario.Key, base []setting, file *configFile, env, flags []setting) map[string]string {
	from := make(map[string]string, len(keys))
	for _, k := range keys {
		from[k.Name] = "default"
		if at := slices.IndexFunc(base, func(s setting) bool { return s.key == k.Name }); at >= 0 {
			from[k.Name] = base[at].place
		}
		if file.has(k.Name) {
			from[k.Name] = file.where(k.Name)
		}
	}
	for _, s := range slices.Concat(env, flags) {
		from[s.key] = s.place
	}
	return from
}

// staged is the source of what load.stages make.
const staged = "follows from load.stages"

// settle fills in what a plan leaves to the run: the seed, what is expected of
// messages, the rules of --rule and the shard.
func (c *config) settle(f *planFlags) error {
	_, c.own = c.plan.Target.Own()
	c.own = c.own && !f.gates
	if c.plan.Seed == 0 {
		// Below 2^53, so that readers of JSON that know only floats keep it.
		c.plan.Seed = 1 + rand.Uint64N(1<<53-1)
		c.sources["seed"] = "drawn"
	}
	if c.plan.Traffic.Expect == "" {
		c.plan.Traffic.Expect, c.sources["traffic.expect"] = scenario.ExpectAny, "default, given target"
		if c.own {
			c.plan.Traffic.Expect, c.sources["traffic.expect"] = scenario.ExpectEcho, "default, own target"
		}
	}
	if len(c.plan.Load.Stages) > 0 {
		for _, key := range []string{"load.connections", "load.duration"} {
			if c.sources[key] == "default" {
				c.sources[key] = staged
			}
		}
	}
	if len(f.rules) > 0 {
		c.plan.Gate.Rules = append(c.plan.Gate.Rules, f.rules...)
		if c.sources["gate.rules"] += " and --rule"; len(c.plan.Gate.Rules) == len(f.rules) {
			c.sources["gate.rules"] = "--rule"
		}
	}
	var err error
	if c.shard, err = scenario.ParseShard(f.shard); err != nil {
		return problem.List{{Key: "--shard", Msg: err.Error()}}
	}
	return nil
}

// check refuses what the plan alone cannot know is wrong.
func (c *config) check(f *planFlags) error {
	var problems problem.List
	if n := c.plan.Load.Connections; n > 0 && c.shard.Size(n) == 0 {
		problems = append(problems, problem.Problem{
			Key: "--shard", Value: c.shard.String(), Msg: fmt.Sprintf("holds none of %d connections", n), Hint: "use at most as many shards as connections",
		})
	}
	if f.runs && c.shard.Count > 1 && c.sources["seed"] == "drawn" {
		problems = append(problems, problem.Problem{
			Key: "seed", Msg: "the shards of a run need the same seed, and none is given", Hint: "give each of them --seed 1, or any other number",
		})
	}
	if c.ready.Target.URL == "" && !c.own && !(f.gates && c.plan.Target.URL == "") { // an own server is not what a broken setup asked for
		problems = append(problems, problem.Problem{
			Key: "target.url", Value: fmt.Sprintf("%q", c.plan.Redacted().Target.URL), Msg: "is empty once its variables are replaced", Hint: "set them, or leave the key out for an own server",
		})
	}
	if full, own := c.ready.Target.Own(); own {
		path, _, _ := strings.Cut(scenario.Expand(full, 0), "?")
		if !slices.Contains(target.Paths(), path) {
			problems = append(problems, problem.Problem{
				Key: "target.url", Value: fmt.Sprintf("%q", c.plan.Redacted().Target.URL), Msg: "the own server has no such path",
				Hint: "it has " + strings.Join(target.Paths(), " "),
			})
		}
	}
	tls := c.ready.Target.TLS
	for _, file := range [][2]string{{"target.tls.ca", tls.CA}, {"target.tls.cert", tls.Cert}, {"target.tls.key", tls.Key}} {
		if file[1] == "" || strings.Contains(file[1], "${") {
			continue
		}
		if r, err := os.Open(file[1]); err != nil {
			problems = append(problems, problem.Problem{Key: file[0], Msg: err.Error(), Hint: "name a readable file in PEM form"})
		} else {
			r.Close()
		}
	}
	if f.gates {
		problems = append(problems, c.notGated()...)
	} else {
		problems = append(append(problems, c.badRules()...), rig.Check(&c.ready)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// badRules refuses rules that cannot be read before anything is opened: what is
// not judged would look like a pass.
func (c *config) badRules() (problems problem.List) {
	var mix []stats.Entry
	for _, m := range c.plan.Closes.Mix {
		mix = append(mix, stats.Entry{Name: cmp.Or(m.Name, string(m.Mode)), Mode: string(m.Mode)})
	}
	for i, text := range c.plan.Gate.Rules {
		if strings.TrimSpace(text) == "" {
			continue // refused already
		}
		if _, err := judge.Read([]string{text}, mix); err != nil {
			problems = append(problems, problem.Problem{Key: fmt.Sprintf("gate.rules[%d]", i), Msg: err.Error()})
		}
	}
	return problems
}

// preflight asks whether this host can carry out the plan. The own server has
// the same limits as this process, and is on loopback.
func (c *config) preflight() (err error) {
	plan := c.ready
	if c.own {
		plan.Target.URL = "ws://127.0.0.1/"
	}
	c.warnings, err = runner.PreflightProcs(&plan, c.shard, c.procs)
	return err
}

// touches reports whether any problem is at one of the keys or below.
func touches(err error, keys ...string) bool {
	problems, _ := errors.AsType[problem.List](err)
	return slices.ContainsFunc(problems, func(p problem.Problem) bool {
		top, _, _ := strings.Cut(p.Key, ".")
		return slices.Contains(keys, top)
	})
}

func problemsOf(found []finding) error {
	if len(found) == 0 {
		return nil
	}
	var problems problem.List
	for _, f := range found {
		problems = append(problems, f.Problem)
	}
	return problems
}

// refuse writes the problems with their places, one on a line.
func (c *config) refuse(cmd *cobra.Command, file *configFile, found []finding, err error) error {
	problems, _ := errors.AsType[problem.List](err)
	lines := make([]error, len(problems))
	for i, p := range problems {
		place := ""
		if at := slices.IndexFunc(found, func(f finding) bool { return f.Problem == p }); at >= 0 {
			place = found[at].place
			found = slices.Delete(found, at, at+1) // the same problem may stand in two places
		} else {
			place = c.placeOf(p.Key, file)
		}
		if place != "" {
			place += ": "
		}
		lines[i] = errors.New(place + p.Error())
	}
	return usage(cmd, errors.Join(lines...))
}

// placeOf is the place of a problem that came up when the layers were put
// together: where the key's value comes from.
func (c *config) placeOf(key string, file *configFile) string {
	for name, from := range c.sources {
		if rest, ok := strings.CutPrefix(key, name); ok && (rest == "" || rest[0] == '[' || rest[0] == '.') {
			switch {
			case strings.HasPrefix(from, "default") || from == "drawn":
				return ""
			case from == staged:
				return c.placeOf("load.stages", file)
			case len(c.plan.Load.Stages) > 0 && (name == "load.connections" || name == "load.duration"):
				return from + ", with load.stages of " + c.sources["load.stages"] // the two are at odds
			case file.has(name) && strings.HasPrefix(from, file.name):
				return file.where(key) // the entry of the list, not only the list
			}
			return from
		}
	}
	return ""
}
