package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// planFlags are the flags of commands that take a plan.
type planFlags struct {
	file  string
	set   []string
	rules []string
	shard string
	procs numeral
	hooks []string
	runs  bool // the plan is to be carried out, not only shown
	asks  bool // what this host refuses of the plan is the command's to tell
	drain bool // the plan is a drain, of a SIGTERM where it names no hook
	gates bool // two servers are loaded with it in turn, and its target is only what they are asked for
}

// A numeral is a flag that takes a number, as its text: who reads that refuses a
// bad one as it refuses those of keys.
type numeral string

func (n *numeral) String() string { return string(*n) }

func (n *numeral) Set(text string) error {
	*n = numeral(text)
	return nil
}

func (n *numeral) Type() string { return "int" }

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
		f.procs = "1"
		flags.Var(&f.procs, "procs", "share the connections among `N` processes of this host, each with its own descriptors")
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

// resolve makes the config of a command line.
func (a *app) resolve(cmd *cobra.Command, f *planFlags) (*settings.Config, error) {
	flags, found := f.fromFlags(cmd, scenario.Keys())
	s := settings.Sources{
		File: f.file, Stdin: a.stdin, Environ: a.environ, Flags: flags, Found: found,
		Rules: f.rules, Shard: f.shard, Procs: f.procs.String(), Runs: f.runs, Asks: f.asks, Gates: f.gates, Unknown: a.strange,
	}
	switch {
	case f.gates:
		s.Base, s.Flags = gateBase(), append(flags, gateFixed()...)
	case f.drain:
		s.Base = drainBase()
	}
	c, err := settings.Resolve(s)
	if err != nil {
		return nil, usage(cmd, err)
	}
	return c, nil
}

// strange warns of a variable that looks like a setting and is none.
func (a *app) strange(name string, known []string) {
	hint := meant(name, known, settings.Prefix)
	if hint == "" {
		hint = "the keys are listed by wsload plan"
	}
	a.warn("the variable %s is not a setting and is left alone (%s)", settings.Prefix+name, hint)
}

// fromFlags gives the settings of --set and of the flags that stand for keys.
func (f *planFlags) fromFlags(cmd *cobra.Command, keys []scenario.Key) (all []settings.Setting, found []settings.Finding) {
	refuse := func(place string, p problem.Problem) {
		found = append(found, settings.Finding{Problem: p, Place: place})
	}
	given := make(map[string]bool)
	for _, pair := range f.set {
		key, text, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		given[key] = true
		k := slices.IndexFunc(keys, func(k scenario.Key) bool { return k.Name == key })
		switch {
		case !ok || key == "":
			refuse("--set", problem.Problem{Key: key, Msg: fmt.Sprintf("%q is not a key and its value", pair), Hint: "write --set key=value"})
		case strings.Contains(key, "["):
			list, _, _ := strings.Cut(key, "[")
			refuse("--set", problem.Problem{Key: key, Msg: "an entry of a list cannot be set alone", Hint: fmt.Sprintf("set the whole list: --set '%s=[…]'", list)})
		case k < 0: // Decode says what may be meant
			all = append(all, settings.Setting{Key: key, Value: text, Place: "--set"})
		default:
			s, bad := settings.Read(keys[k], text, "--set")
			all, found = append(all, s...), append(found, bad...)
		}
	}
	for _, kf := range f.keyFlags() {
		flag := cmd.Flags().Lookup(kf[0])
		if !flag.Changed {
			continue
		}
		place := "--" + kf[0]
		if given[kf[1]] {
			refuse(place, problem.Problem{Key: kf[1], Msg: "is given by --set too", Hint: "keep one"})
			continue
		}
		s := settings.Setting{Key: kf[1], Value: flag.Value.String(), Place: place}
		if kf[0] == "mix" {
			mix, err := scenario.ParseMix(flag.Value.String())
			if err != nil {
				found = append(found, settings.Placed(err, place)...)
				continue
			}
			s.Value = mix
		}
		all = append(all, s)
	}
	if len(f.hooks) > 0 {
		s, bad := hookSetting(f.hooks)
		if found = append(found, bad...); given[s.Key] {
			refuse(s.Place, problem.Problem{Key: s.Key, Msg: "is given by --set too", Hint: "keep one"})
		} else if len(bad) == 0 {
			all = append(all, s)
		}
	}
	if given["gate.rules"] && len(f.rules) > 0 {
		refuse("--rule", problem.Problem{Key: "gate.rules", Msg: "is given by --set too", Hint: "keep one"})
	}
	return all, found
}

// hookSetting reads the hooks of --hook.
func hookSetting(texts []string) (s settings.Setting, found []settings.Finding) {
	s = settings.Setting{Key: "drain.hooks", Place: "--hook"}
	var hooks []scenario.Hook
	for _, text := range texts {
		h, err := scenario.ParseHook(text)
		found = append(found, settings.Placed(err, s.Place)...)
		hooks = append(hooks, h)
	}
	s.Value = hooks
	return s, found
}
