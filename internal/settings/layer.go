package settings

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// A Finding is a problem of the configuration and the place it comes from: a
// line of a file, a variable, a flag. The place is "" where it is a default.
type Finding struct {
	problem.Problem
	Place string
}

// Placed gives all problems of an error the same place. It has none for nil.
func Placed(err error, place string) (found []Finding) {
	problems, ok := errors.AsType[problem.List](err)
	if err != nil && !ok {
		problems = problem.List{{Msg: err.Error()}}
	}
	for _, p := range problems {
		found = append(found, Finding{p, place})
	}
	return found
}

// A Setting gives one key a value, outside of the file.
type Setting struct {
	Key   string
	Value any // text, a list, or a part of a plan
	Place string
}

// Read reads the text of a key into one setting, or says what is wrong with it.
// A list is YAML in one line.
func Read(k scenario.Key, text, place string) ([]Setting, []Finding) {
	s := Setting{Key: k.Name, Value: text, Place: place}
	if k.List && text != "" { // empty text stays, and is refused as no list
		if err := yaml.Unmarshal([]byte(text), &s.Value); err != nil {
			msg := "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
			return nil, []Finding{{problem.Problem{Key: k.Name, Msg: msg, Hint: "a list is written [one, two]"}, place}}
		}
	}
	return []Setting{s}, nil
}

// tree is the setting as a tree of one leaf.
func (s Setting) tree() map[string]any {
	names := strings.Split(s.Key, ".")
	value := s.Value
	for _, name := range slices.Backward(names) {
		value = map[string]any{name: value}
	}
	return value.(map[string]any)
}

// Prefix is what the variables of all keys begin with.
const Prefix = "WSLOAD_"

// variable is the environment variable of a key.
func variable(key string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// An Environ is an environment as os.Environ gives it.
type Environ []string

// Lookup returns a variable. Where one stands twice the last counts, as it does
// for a child process.
func (e Environ) Lookup(name string) (value string, ok bool) {
	for _, pair := range e {
		if n, v, _ := strings.Cut(pair, "="); n == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// settings gives those of the environment. A variable that is set to nothing
// counts as not set. Platforms put variables of their own beside ours (a
// service named wsload does), so an unknown one is only told of.
func (e Environ) settings(keys []scenario.Key, unknown func(name string, known []string)) (all []Setting, found []Finding) {
	var known []string
	for _, k := range keys {
		name := variable(k.Name)
		known = append(known, strings.TrimPrefix(name, Prefix))
		if text, _ := e.Lookup(name); text != "" {
			s, bad := Read(k, text, name)
			all, found = append(all, s...), append(found, bad...)
		}
	}
	for _, pair := range e {
		name, _, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, Prefix)
		if ours && unknown != nil && !slices.Contains(known, rest) {
			unknown(rest, known)
		}
	}
	return all, found
}

// layers are what a plan is made of, from the lowest.
type layers struct {
	base  []Setting // in place of a plan's defaults
	file  *file
	env   []Setting
	flags []Setting
}

// merged puts the layers over each other.
func (l *layers) merged() (map[string]any, error) {
	v := viper.New()
	for _, s := range l.base {
		v.SetDefault(s.Key, s.Value)
	}
	if err := v.MergeConfigMap(l.file.tree); err != nil {
		return nil, err
	}
	for _, s := range slices.Concat(l.env, l.flags) {
		v.Set(s.Key, s.Value)
	}
	return v.AllSettings(), nil
}

// sources says for every key where its value comes from.
func (l *layers) sources(keys []scenario.Key) map[string]string {
	from := make(map[string]string, len(keys))
	for _, k := range keys {
		from[k.Name] = "default"
		if at := slices.IndexFunc(l.base, func(s Setting) bool { return s.Key == k.Name }); at >= 0 {
			from[k.Name] = l.base[at].Place
		}
		if l.file.has(k.Name) {
			from[k.Name] = l.file.where(k.Name)
		}
	}
	for _, s := range slices.Concat(l.env, l.flags) {
		from[s.Key] = s.Place
	}
	return from
}
