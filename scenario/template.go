package scenario

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/wsload/wsload/scenario/problem"
)

// Expand gives s with every {{n}} replaced by n in decimal. Spaces inside the
// braces are allowed. Everything else stays as it is. A text without {{n}} is
// returned without a copy.
//
// It serves the texts of a valid plan in which {{n}} has a meaning: the URL,
// headers, what on_open sends and expects, and a trigger's message, request
// or command.
func Expand(s string, n uint64) string {
	if !strings.Contains(s, "{{") {
		return s
	}
	out := make([]byte, 0, len(s)+20)
	done := 0
	for r := range references(s) {
		if r.name == "n" && !r.variable && r.closed {
			out = append(out, s[done:r.from]...)
			out = strconv.AppendUint(out, n, 10)
			done = r.to
		}
	}
	return string(append(out, s[done:]...))
}

// ExpandEnv gives p with every ${VAR} replaced by what lookup says, as
// os.LookupEnv does. It replaces in target.url, connect_to, headers and the
// paths of target.tls, in on_open, in triggers, in hooks, in faults.toxiproxy
// and in watch.sources. A value is taken literally: a ${VAR} inside it is not
// replaced.
//
// The error is problem.List, one for each variable that is not set; its text then
// stays as it is. p does not change. Store p, not the result: where only
// variables hold secrets, p holds none.
func ExpandEnv(p Plan, lookup func(string) (string, bool)) (Plan, error) {
	var problems problem.List
	p = p.clone()
	for _, t := range p.templates() {
		var missing []string
		expanded := expandVariables(*t.text, func(name string) (string, bool) {
			value, set := lookup(name)
			if !set && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
			return value, set
		})
		for _, name := range missing {
			problems = append(problems, problem.Problem{
				Key:  t.key,
				Msg:  fmt.Sprintf("the environment variable %s is not set", name),
				Hint: "set it, or write the value in its place",
			})
		}
		if len(missing) == 0 {
			*t.text = expanded
		}
	}
	return p, problems.Err()
}

func expandVariables(s string, lookup func(string) (string, bool)) string {
	var out strings.Builder
	done := 0
	for r := range references(s) {
		if !r.variable || r.fault() != "" {
			continue // left for Validate to refuse
		}
		value, _ := lookup(r.name)
		out.WriteString(s[done:r.from])
		out.WriteString(value)
		done = r.to
	}
	out.WriteString(s[done:])
	return out.String()
}

// A templated text of a plan may have ${VAR} in it.
type templated struct {
	key  string
	text *string
	perN bool // and {{n}} too
}

// templates gives every templated text of p in the order of the keys.
func (p *Plan) templates() []templated {
	list := []templated{
		{key: "target.url", text: &p.Target.URL, perN: true},
		{key: "target.connect_to", text: &p.Target.ConnectTo},
	}
	for i := range p.Target.Headers {
		list = append(list, templated{
			key: fmt.Sprintf("target.headers[%d]", i), text: &p.Target.Headers[i], perN: true,
		})
	}
	list = append(list,
		templated{key: "target.tls.ca", text: &p.Target.TLS.CA},
		templated{key: "target.tls.cert", text: &p.Target.TLS.Cert},
		templated{key: "target.tls.key", text: &p.Target.TLS.Key})
	for i := range p.OnOpen {
		key := fmt.Sprintf("on_open[%d].", i)
		list = append(list,
			templated{key: key + "send", text: &p.OnOpen[i].Send, perN: true},
			templated{key: key + "expect", text: &p.OnOpen[i].Expect, perN: true})
	}
	for i := range p.Closes.Mix {
		key, trigger := fmt.Sprintf("closes.mix[%d].trigger.", i), &p.Closes.Mix[i].Trigger
		list = append(list,
			templated{key: key + "send", text: &trigger.Send, perN: true},
			templated{key: key + "http", text: &trigger.HTTP, perN: true},
			templated{key: key + "exec", text: &trigger.Exec, perN: true})
	}
	list = append(list, templated{key: "faults.toxiproxy", text: &p.Faults.Toxiproxy})
	for i := range p.Drain.Hooks {
		key, hook := fmt.Sprintf("drain.hooks[%d].", i), &p.Drain.Hooks[i]
		list = append(list,
			templated{key: key + "to", text: &hook.To},
			templated{key: key + "http", text: &hook.HTTP},
			templated{key: key + "exec", text: &hook.Exec})
	}
	for i := range p.Watch.Sources {
		list = append(list, templated{key: fmt.Sprintf("watch.sources[%d]", i), text: &p.Watch.Sources[i]})
	}
	return list
}

// A reference is a {{name}} or a ${name} in a text.
type reference struct {
	from, to int // s[from:to] is all of it
	name     string
	variable bool // ${name}
	closed   bool
}

// references gives the references of s from left to right. One that is not
// closed reaches to the end.
func references(s string) iter.Seq[reference] {
	return func(yield func(reference) bool) {
		for at := 0; ; {
			r, ok := nextReference(s, at)
			if !ok || !yield(r) || !r.closed {
				return
			}
			at = r.to
		}
	}
}

func nextReference(s string, at int) (r reference, ok bool) {
	n, env := strings.Index(s[at:], "{{"), strings.Index(s[at:], "${")
	if n < 0 && env < 0 {
		return r, false
	}
	r.variable = n < 0 || env >= 0 && env < n
	end := "}}"
	r.from = at + n
	if r.variable {
		end = "}"
		r.from = at + env
	}
	inside, _, closed := strings.Cut(s[r.from+2:], end)
	r.closed = closed
	r.name = inside
	if !r.variable {
		r.name = strings.TrimSpace(inside)
	}
	r.to = r.from + 2 + len(inside)
	if closed {
		r.to += len(end)
	}
	return r, true
}

// fault says why the reference has no meaning, "" for a good one.
func (r reference) fault() string {
	switch {
	case !r.closed && r.variable:
		return `a "${" is not closed`
	case !r.closed:
		return `a "{{" is not closed`
	case r.variable && !isVariable(r.name):
		return "unknown reference " + problem.Quote("${"+r.name+"}")
	case !r.variable && r.name != "n":
		return "unknown reference " + problem.Quote("{{"+r.name+"}}")
	}
	return ""
}

// isVariable says whether name is a portable name of an environment variable.
func isVariable(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return name != "" && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"0123456789") == ""
}

// hasVariable says whether s waits for ExpandEnv.
func hasVariable(s string) bool {
	return strings.Contains(s, "${")
}

// clone gives a copy that shares no memory with p.
func (p *Plan) clone() Plan {
	c := *p
	c.OnOpen = slices.Clone(p.OnOpen)
	c.Target.Headers = slices.Clone(p.Target.Headers)
	c.Target.Subprotocols = slices.Clone(p.Target.Subprotocols)
	c.Target.LocalAddrs = slices.Clone(p.Target.LocalAddrs)
	c.Closes.Mix = slices.Clone(p.Closes.Mix)
	c.Faults.Steps = slices.Clone(p.Faults.Steps)
	c.Drain.Hooks = slices.Clone(p.Drain.Hooks)
	c.Watch.Sources = slices.Clone(p.Watch.Sources)
	c.Gate.Rules = slices.Clone(p.Gate.Rules)
	return c
}
