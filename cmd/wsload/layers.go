package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// A finding is a problem of the configuration and the place it comes from: a
// line of a file, a variable, a flag. The place is "" where it is a default.
type finding struct {
	problem.Problem
	place string
}

// A configFile is a configuration file as it stands: every key in it, known or
// not, and where.
type configFile struct {
	name  string
	tree  map[string]any
	lines map[string]int // by path of the key; empty for formats that do not tell
	found []finding
}

// maxConfig bounds what is read as a configuration.
const maxConfig = 4 << 20

// readConfig reads the file that -c names; "-" is YAML on standard input and
// "" is no file. What is wrong inside of the file is in its findings; the error
// is for a file that cannot be read at all.
func (a *app) readConfig(name string) (*configFile, error) {
	c := &configFile{name: name, tree: make(map[string]any), lines: make(map[string]int)}
	parse := c.yaml
	in := a.stdin
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
	case ".json":
		parse = c.json
	case ".toml":
		parse = c.toml
	default:
		if name == "" {
			return c, nil
		}
		if name != "-" {
			return nil, fmt.Errorf("read configuration %s: the name must end in .yaml, .yml, .json or .toml, or be - for YAML on standard input", name)
		}
		c.name = "stdin"
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case len(text) > maxConfig:
		return nil, fmt.Errorf("read configuration %s: it is larger than %d MiB, so it is none", c.name, maxConfig>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fmt.Errorf("read configuration %s: it is empty (write one key at least, or leave -c out for the defaults)", c.name)
	}
	parse(text)
	return c, nil
}

// refuse notes a problem at a line; 0 is a line that is not known.
func (c *configFile) refuse(line int, p problem.Problem) {
	c.found = append(c.found, finding{p, c.at(line)})
}

func (c *configFile) at(line int) string {
	if line == 0 {
		return c.name
	}
	return c.name + ":" + strconv.Itoa(line)
}

// where is the place of a key, or of the nearest section around it.
func (c *configFile) where(key string) string {
	for key != "" {
		if line, ok := c.lines[key]; ok {
			return c.at(line)
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return c.name
}

// has reports whether the file gives a value to a key.
func (c *configFile) has(key string) bool {
	var at any = c.tree
	for name := range strings.SplitSeq(key, ".") {
		section, _ := at.(map[string]any)
		if at = section[name]; at == nil {
			return false
		}
	}
	return true
}

func (c *configFile) yaml(text []byte) {
	in := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	if err := in.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) { // which is a file of comments
			c.yamlError(err)
		}
		return
	}
	switch top := root.Content[0]; {
	case top.Kind == yaml.MappingNode:
		c.walk("", top)
		if err := root.Decode(&c.tree); err != nil {
			c.yamlError(err)
		}
	case top.Tag != "!!null":
		c.refuse(top.Line, problem.Problem{Msg: "the file is not a mapping", Hint: "write key: value lines, as in load: {rate: 500/s}"})
	}
	if err := in.Decode(&second); err == nil {
		c.refuse(second.Line, problem.Problem{Msg: "a second document begins here", Hint: "one file holds one configuration"})
	} else if !errors.Is(err, io.EOF) {
		c.yamlError(err)
	}
}

// yamlError takes the lines out of the texts of a YAML reader's errors.
func (c *configFile) yamlError(err error) {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = wrong.Errors
	}
	for _, text := range texts {
		line := 0
		if rest, ok := strings.CutPrefix(text, "line "); ok {
			number, msg, _ := strings.Cut(rest, ": ")
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, msg
			}
		}
		c.refuse(line, problem.Problem{Msg: "not YAML: " + text})
	}
}

// walk notes the line of every key, and takes out keys that stand twice: the
// reader would stop at the first. What an alias stands for is noted where it
// was written.
func (c *configFile) walk(path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.SequenceNode:
		for i, child := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			c.lines[at] = child.Line
			c.walk(at, child)
		}
	case yaml.MappingNode:
		first := make(map[string]int)
		kept := n.Content[:0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := key.Value
			if path != "" {
				at = path + "." + at
			}
			if line, twice := first[key.Value]; twice {
				c.refuse(key.Line, problem.Problem{Key: at, Msg: fmt.Sprintf("stands twice, first on line %d", line), Hint: "remove one"})
				continue
			}
			first[key.Value], c.lines[at] = key.Line, key.Line
			kept = append(kept, key, value)
			c.walk(at, value)
		}
		n.Content = kept
	}
}

// json reads JSON with its numbers as they are written: a float would round a
// large seed. Lines come from reading it once more as the YAML that it is.
func (c *configFile) json(text []byte) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	err := in.Decode(&c.tree)
	at := in.InputOffset()
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = wrong.Offset
	}
	if err == nil {
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the end of the object")
		}
	}
	if err != nil {
		line := 1 + bytes.Count(text[:min(int(at), len(text))], []byte("\n"))
		c.refuse(line, problem.Problem{Msg: "not JSON: " + strings.TrimPrefix(err.Error(), "json: ")})
		return
	}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) == nil && root.Kind == yaml.DocumentNode {
		c.walk("", root.Content[0])
	}
}

func (c *configFile) toml(text []byte) {
	decoder, err := viper.NewCodecRegistry().Decoder("toml")
	if err == nil {
		err = decoder.Decode(text, c.tree)
	}
	if err == nil {
		return
	}
	line := 0
	if placed, ok := errors.AsType[interface {
		error
		Position() (row, column int)
	}](err); ok {
		line, _ = placed.Position()
	}
	c.refuse(line, problem.Problem{Msg: "not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")})
}

// A setting gives one key a value, outside of the file.
type setting struct {
	key   string
	value any // text, a list, or a part of a plan
	place string
}

// variable is the environment variable of a key.
func variable(key string) string {
	return "WSLOAD_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// fromEnv gives the settings of the environment. A variable that is set to
// nothing counts as not set. Platforms put variables of their own beside ours
// (a service named wsload does), so an unknown one is a warning.
func (a *app) fromEnv(keys []scenario.Key) (all []setting, found []finding) {
	const prefix = "WSLOAD_"
	var known []string
	for _, k := range keys {
		name := variable(k.Name)
		known = append(known, strings.TrimPrefix(name, prefix))
		if text := a.env(name); text != "" {
			s, bad := newSetting(k, text, name)
			all, found = append(all, s...), append(found, bad...)
		}
	}
	for _, pair := range a.environ {
		name, _, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || slices.Contains(known, rest) {
			continue
		}
		hint := meant(rest, known, prefix)
		if hint == "" {
			hint = "the keys are listed by wsload plan"
		}
		a.warn("the variable %s is not a setting and is left alone (%s)", name, hint)
	}
	return all, found
}

// newSetting reads the text of a key into one setting, or says what is wrong
// with it. A list is YAML in one line.
func newSetting(k scenario.Key, text, place string) ([]setting, []finding) {
	s := setting{key: k.Name, value: text, place: place}
	if k.List && text != "" { // empty text stays, and is refused as no list
		if err := yaml.Unmarshal([]byte(text), &s.value); err != nil {
			msg := "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
			return nil, []finding{{problem.Problem{Key: k.Name, Msg: msg, Hint: "a list is written [one, two]"}, place}}
		}
	}
	return []setting{s}, nil
}

// fromFlags gives the settings of --set and of the flags that stand for keys.
func (f *planFlags) fromFlags(cmd *cobra.Command, keys []scenario.Key) (all []setting, found []finding) {
	refuse := func(place string, p problem.Problem) { found = append(found, finding{p, place}) }
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
			all = append(all, setting{key, text, "--set"})
		default:
			s, bad := newSetting(keys[k], text, "--set")
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
		s := setting{kf[1], flag.Value.String(), place}
		if kf[0] == "mix" {
			mix, err := scenario.ParseMix(flag.Value.String())
			if err != nil {
				found = append(found, placed(err, place)...)
				continue
			}
			s.value = mix
		}
		all = append(all, s)
	}
	if len(f.hooks) > 0 {
		s, bad := hookSetting(f.hooks)
		if found = append(found, bad...); given[s.key] {
			refuse(s.place, problem.Problem{Key: s.key, Msg: "is given by --set too", Hint: "keep one"})
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
func hookSetting(texts []string) (s setting, found []finding) {
	s = setting{key: "drain.hooks", place: "--hook"}
	var hooks []scenario.Hook
	for _, text := range texts {
		h, err := scenario.ParseHook(text)
		found = append(found, placed(err, s.place)...)
		hooks = append(hooks, h)
	}
	s.value = hooks
	return s, found
}

// placed gives all problems of an error the same place.
func placed(err error, place string) (found []finding) {
	problems, ok := errors.AsType[problem.List](err)
	if err != nil && !ok {
		problems = problem.List{{Msg: err.Error()}}
	}
	for _, p := range problems {
		found = append(found, finding{p, place})
	}
	return found
}

// tree is the setting as a tree of one leaf.
func (s setting) tree() map[string]any {
	names := strings.Split(s.key, ".")
	var value any = s.value
	for _, name := range slices.Backward(names) {
		value = map[string]any{name: value}
	}
	return value.(map[string]any)
}
