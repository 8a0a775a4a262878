package settings

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/judge"
	"github.com/wsload/wsload/internal/rig"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// check refuses what the plan alone cannot know is wrong.
func (r *resolving) check() error {
	var problems problem.List
	if n := r.Plan.Load.Connections; n > 0 && r.Shard.Size(n) == 0 {
		problems = append(problems, problem.Problem{
			Key: "--shard", Value: r.Shard.String(), Msg: fmt.Sprintf("holds none of %d connections", n), Hint: "use at most as many shards as connections",
		})
	}
	if r.from.Runs && r.Shard.Count > 1 && r.Sources["seed"] == "drawn" {
		problems = append(problems, problem.Problem{
			Key: "seed", Msg: "the shards of a run need the same seed, and none is given", Hint: "give each of them --seed 1, or any other number",
		})
	}
	if r.Ready.Target.URL == "" && !r.Own && !(r.from.Gates && r.Plan.Target.URL == "") { // an own server is not what a broken setup asked for
		problems = append(problems, problem.Problem{
			Key: "target.url", Value: fmt.Sprintf("%q", r.Plan.Redacted().Target.URL), Msg: "is empty once its variables are replaced", Hint: "set them, or leave the key out for an own server",
		})
	}
	if full, own := r.Ready.Target.Own(); own {
		path, _, _ := strings.Cut(scenario.Expand(full, 0), "?")
		if !slices.Contains(target.Paths(), path) {
			problems = append(problems, problem.Problem{
				Key: "target.url", Value: fmt.Sprintf("%q", r.Plan.Redacted().Target.URL), Msg: "the own server has no such path",
				Hint: "it has " + strings.Join(target.Paths(), " "),
			})
		}
	}
	tls := r.Ready.Target.TLS
	for _, file := range [][2]string{{"target.tls.ca", tls.CA}, {"target.tls.cert", tls.Cert}, {"target.tls.key", tls.Key}} {
		if file[1] == "" || strings.Contains(file[1], "${") {
			continue
		}
		if opened, err := os.Open(file[1]); err != nil {
			problems = append(problems, problem.Problem{Key: file[0], Msg: err.Error(), Hint: "name a readable file in PEM form"})
		} else {
			opened.Close()
		}
	}
	problems = append(problems, r.badNames()...)
	if r.from.Gates {
		problems = append(problems, r.notGated()...)
	} else {
		problems = slices.Concat(problems, r.badRules(), r.badProcs(), rig.Check(&r.Ready))
	}
	return problems.Err()
}

// badNames refuses names of entries that hide a figure: drain.cut.rate is of the
// deploy as a whole, and of an entry named drain it would be a class.
func (r *resolving) badNames() (problems problem.List) {
	for i, m := range r.Plan.Closes.Mix {
		if figure := metric.FigureOf(m.Name); figure != "" {
			problems = append(problems, problem.Problem{
				Key: fmt.Sprintf("closes.mix[%d].name", i), Value: problem.Quote(m.Name),
				Msg: "begins the names of what a rule may ask of the run as a whole, as " + figure, Hint: "choose another name, as " + m.Name + "-entry",
			})
		}
	}
	return problems
}

// badRules refuses rules that cannot be read before anything is opened: what is
// not judged would look like a pass.
func (r *resolving) badRules() (problems problem.List) {
	var mix []stats.Entry
	for _, m := range r.Plan.Closes.Mix {
		mix = append(mix, stats.Entry{Name: cmp.Or(m.Name, string(m.Mode)), Mode: string(m.Mode)})
	}
	for i, text := range r.Plan.Gate.Rules {
		if strings.TrimSpace(text) == "" {
			continue // refused already
		}
		if _, err := judge.Read([]string{text}, mix); err != nil {
			problems = append(problems, problem.Problem{Key: fmt.Sprintf("gate.rules[%d]", i), Msg: err.Error()})
		}
	}
	return problems
}

// notGated refuses what a gate would leave out in silence.
func (r *resolving) notGated() (problems problem.List) {
	for _, part := range []struct {
		key       string
		given     int
		msg, hint string
	}{
		{"faults.steps", len(r.Plan.Faults.Steps), "faults come at moments of one run, and a gate loads two servers in short slices", "remove the section, or use wsload run"},
		{"drain.hooks", len(r.Plan.Drain.Hooks), "a drain ends a server, and a gate compares two that stay", "remove the section, or use wsload drain"},
		{"watch.sources", len(r.Plan.Watch.Sources), "a watch looks at one server, and a gate compares two", "remove the section, or use wsload run"},
		{"gate.rules", len(r.Plan.Gate.Rules), "rules judge one run, and a gate compares two servers", "name what is compared with --metric, or give the rules to wsload run"},
	} {
		if part.given > 0 {
			problems = append(problems, problem.Problem{Key: part.key, Msg: part.msg, Hint: part.hint})
		}
	}
	return problems
}

// MostProcs bounds --procs, of a run and of a server: more is a slip of the
// keyboard.
const MostProcs = 256

// ParseProcs reads the text of --procs. Its error is a problem.List.
func ParseProcs(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	switch {
	case err != nil:
		return 1, problem.List{{Key: "--procs", Value: problem.Quote(text), Msg: "takes a whole number", Hint: "write digits only"}}
	case n < 1 || n > MostProcs:
		return 1, problem.List{{Key: "--procs", Value: strconv.Itoa(n), Msg: fmt.Sprintf("must be 1 to %d", MostProcs)}}
	}
	return n, nil
}

// badProcs takes the number of processes, and refuses what they cannot do.
func (r *resolving) badProcs() (problems problem.List) {
	if r.from.Gates {
		return nil
	}
	procs, err := ParseProcs(r.from.Procs)
	if bad, ok := errors.AsType[problem.List](err); ok {
		return bad
	}
	if r.Procs = procs; procs == 1 {
		return nil
	}
	refuse := func(key, msg, hint string) {
		problems = append(problems, problem.Problem{Key: key, Value: strconv.Itoa(procs), Msg: msg, Hint: hint})
	}
	if n := r.Plan.Load.Connections; n > 0 && r.Shard.Split(procs, procs).Size(n) == 0 {
		refuse("--procs", fmt.Sprintf("there are only %d connections", r.Shard.Size(n)), "use at most one process for each")
	}
	if r.Plan.Faults.Toxiproxy != "" {
		refuse("faults.toxiproxy", "several processes would each set up the same Toxiproxy", "use --procs 1, or leave the key out: then each process is the path itself")
	}
	if kind := r.Plan.Closes.Shape.Kind(); kind == value.ShapeWave || kind == value.ShapeAtEnd || len(r.Plan.Load.Stages) > 0 {
		for i := range r.Plan.Closes.Mix {
			entry := &r.Plan.Closes.Mix[i]
			if entry.Weight > 0 && entry.Trigger.Shared() && !entry.Trigger.Names() {
				refuse(fmt.Sprintf("closes.mix[%d].trigger", i), "a trigger of the server as a whole would be fired by each of the processes", "use --procs 1, or make it a hook of wsload drain")
			}
		}
	}
	return problems
}

// preflight asks whether this host can carry out the plan. What it refuses is
// told where that is all that is asked.
func (r *resolving) preflight() error {
	plan := r.OnHost()
	warnings, err := runner.PreflightProcs(&plan, r.Shard, r.Procs)
	r.Warnings = warnings
	if refused, ok := errors.AsType[problem.List](err); ok && r.from.Asks {
		r.Refused = refused
		return nil
	}
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
