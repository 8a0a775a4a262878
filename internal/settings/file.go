package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// A file is the configuration file as it stands: every key in it, known or
// not, and where.
type file struct {
	name  string
	tree  map[string]any
	lines map[string]int // by path of the key; empty for formats that do not tell
	found []Finding
}

// maxConfig bounds what is read as a configuration.
const maxConfig = 4 << 20

// readFile reads the file that -c names; "-" is YAML on standard input and
// "" is no file. What is wrong inside of the file is in its findings; the error
// is for a file that cannot be read at all.
func readFile(name string, stdin io.Reader) (*file, error) {
	f := &file{name: name, tree: make(map[string]any), lines: make(map[string]int)}
	parse := f.yaml
	in := stdin
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
	case ".json":
		parse = f.json
	case ".toml":
		parse = f.toml
	default:
		if name == "" {
			return f, nil
		}
		if name != "-" {
			return nil, fmt.Errorf("read configuration %s: the name must end in .yaml, .yml, .json or .toml, or be - for YAML on standard input", name)
		}
		f.name = "stdin"
	}
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case len(text) > maxConfig:
		return nil, fmt.Errorf("read configuration %s: it is larger than %d MiB, so it is none", f.name, maxConfig>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fmt.Errorf("read configuration %s: it is empty (write one key at least, or leave -c out for the defaults)", f.name)
	}
	parse(text)
	return f, nil
}

// refuse notes a problem at a line; 0 is a line that is not known.
func (f *file) refuse(line int, p problem.Problem) {
	f.found = append(f.found, Finding{p, f.at(line)})
}

func (f *file) at(line int) string {
	if line == 0 {
		return f.name
	}
	return f.name + ":" + strconv.Itoa(line)
}

// where is the place of a key, or of the nearest section around it.
func (f *file) where(key string) string {
	for key != "" {
		if line, ok := f.lines[key]; ok {
			return f.at(line)
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return f.name
}

// has reports whether the file gives a value to a key.
func (f *file) has(key string) bool {
	var at any = f.tree
	for name := range strings.SplitSeq(key, ".") {
		section, _ := at.(map[string]any)
		if at = section[name]; at == nil {
			return false
		}
	}
	return true
}

func (f *file) yaml(text []byte) {
	in := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	if err := in.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) { // which is a file of comments
			f.yamlError(err)
		}
		return
	}
	switch top := root.Content[0]; {
	case top.Kind == yaml.MappingNode:
		f.walk("", top)
		if err := root.Decode(&f.tree); err != nil {
			f.yamlError(err)
		}
	case top.Tag != "!!null":
		f.refuse(top.Line, problem.Problem{Msg: "the file is not a mapping", Hint: "write key: value lines, as in load: {rate: 500/s}"})
	}
	if err := in.Decode(&second); err == nil {
		f.refuse(second.Line, problem.Problem{Msg: "a second document begins here", Hint: "one file holds one configuration"})
	} else if !errors.Is(err, io.EOF) {
		f.yamlError(err)
	}
}

// yamlError takes the lines out of the texts of a YAML reader's errors.
func (f *file) yamlError(err error) {
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
		f.refuse(line, problem.Problem{Msg: "not YAML: " + text})
	}
}

// walk notes the line of every key, and takes out keys that stand twice: the
// reader would stop at the first. What an alias stands for is noted where it
// was written.
func (f *file) walk(path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.SequenceNode:
		for i, child := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			f.lines[at] = child.Line
			f.walk(at, child)
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
				f.refuse(key.Line, problem.Problem{Key: at, Msg: fmt.Sprintf("stands twice, first on line %d", line), Hint: "remove one"})
				continue
			}
			first[key.Value], f.lines[at] = key.Line, key.Line
			kept = append(kept, key, value)
			f.walk(at, value)
		}
		n.Content = kept
	}
}

// json reads JSON with its numbers as they are written: a float would round a
// large seed. Lines come from reading it once more as the YAML that it is.
func (f *file) json(text []byte) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	err := in.Decode(&f.tree)
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
		f.refuse(line, problem.Problem{Msg: "not JSON: " + strings.TrimPrefix(err.Error(), "json: ")})
		return
	}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) == nil && root.Kind == yaml.DocumentNode {
		f.walk("", root.Content[0])
	}
}

func (f *file) toml(text []byte) {
	decoder, err := viper.NewCodecRegistry().Decoder("toml")
	if err == nil {
		err = decoder.Decode(text, f.tree)
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
	f.refuse(line, problem.Problem{Msg: "not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")})
}

// problems are those of the file by itself: a file that is wrong is refused
// even where a flag would hide it.
func (f *file) problems() []Finding {
	found := f.found
	_, err := scenario.Decode(f.tree)
	if problems, ok := errors.AsType[problem.List](err); ok {
		for _, p := range problems {
			found = append(found, Finding{p, f.where(p.Key)})
		}
	}
	return found
}
