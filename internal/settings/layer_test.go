package settings

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// read reads a configuration from standard input.
func read(text string) (*file, error) {
	return readFile("-", strings.NewReader(text))
}

// merged are the layers over each other.
func merged(t *testing.T, l *layers) map[string]any {
	t.Helper()
	tree, err := l.merged()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestAKeyIsFoundAtItsLineOrThatOfTheSectionAroundIt(t *testing.T) {
	file, err := read(`# a comment
load:
  rate: 5/s
closes:
  mix:
    - mode: active
      weight: 1
    - {mode: abort}
? hold
: 10s
`)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"load":                 "stdin:2",
		"load.rate":            "stdin:3",
		"load.connections":     "stdin:2", // not in the file, its section is
		"closes.mix[0]":        "stdin:6",
		"closes.mix[0].weight": "stdin:7",
		"closes.mix[1].mode":   "stdin:8",
		"closes.mix[1].how":    "stdin:8",
		"closes.mix[7].how":    "stdin:5",
		"hold":                 "stdin:9",
		"limits.close":         "stdin",
		"":                     "stdin",
	} {
		if got := file.where(key); got != want {
			t.Errorf("%q is at %q, want %q", key, got, want)
		}
	}
}

func TestANullOrAnAbsentKeyIsNotInTheFile(t *testing.T) {
	file, err := read("load: {rate: 5/s, duration: null}\ntarget:\nhold: 1s\n")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"load.rate": true, "load": true, "hold": true,
		"load.duration": false, "target": false, "target.url": false, "hold.deeper": false, "limits.close": false,
	} {
		if got := file.has(key); got != want {
			t.Errorf("has %q: %v, want %v", key, got, want)
		}
	}
}

func TestAnAliasIsReadAndItsLineIsWhereItStands(t *testing.T) {
	file, err := read("closes:\n  mix:\n    - &one {mode: abort, weight: 2}\n    - {<<: *one, name: other}\n")
	if err != nil {
		t.Fatal(err)
	}
	if found := file.problems(); len(found) > 0 {
		t.Fatalf("problems: %v", found)
	}
	plan, err := scenario.Decode(merged(t, &layers{file: file}))
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Closes.Mix[1]; got.Name != "other" || got.Weight != 2 || got.Mode != scenario.Abort {
		t.Errorf("the entry with an alias is %+v", got)
	}
	if got := file.where("closes.mix[1].weight"); got != "stdin:4" {
		t.Errorf("the weight of the alias is at %s", got)
	}
}

func TestAFileThatCannotBeReadWholeIsNoConfiguration(t *testing.T) {
	for name, stdin := range map[string]io.Reader{
		"empty":                 strings.NewReader(""),
		"blank":                 strings.NewReader(" \n\t\n"),
		"without an end":        endless{},
		"that breaks off":       iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("hold: 1s"))),
		"that breaks off empty": iotest.ErrReader(iotest.ErrTimeout),
	} {
		if _, err := readFile("-", stdin); err == nil {
			t.Errorf("a file %s was accepted", name)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

func TestACommentIsAConfigurationWithoutKeys(t *testing.T) {
	file, err := read("# name: later\n---\n# nothing yet\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(file.found) > 0 || len(file.tree) > 0 {
		t.Errorf("findings %v, tree %v", file.found, file.tree)
	}
}

func TestTheLayersLieOverEachOther(t *testing.T) {
	file, err := read("load: {rate: 5/s, duration: 3s, connections: 9}\ntarget: {headers: [\"A: 1\"]}\n")
	if err != nil {
		t.Fatal(err)
	}
	env := []Setting{
		{"load.rate", "7/s", "WSLOAD_LOAD_RATE"},
		{"target.headers", []any{"B: 2"}, "WSLOAD_TARGET_HEADERS"},
	}
	flags := []Setting{{"load.connections", "8", "--connections"}, {"closes.mix", []scenario.Close{scenario.DefaultClose(scenario.Abort)}, "--mix"}}
	l := layers{file: file, env: env, flags: flags}
	plan, err := scenario.Decode(merged(t, &l))
	if err != nil {
		t.Fatal(err)
	}
	want := scenario.Default()
	want.Load.Rate, want.Load.Duration, want.Load.Connections = 7, 3e9, 8
	want.Target.Headers = []string{"B: 2"}
	want.Closes.Mix = []scenario.Close{scenario.DefaultClose(scenario.Abort)}
	if diff := cmp.Diff(want, plan, cmp.Comparer(func(a, b value.Dist) bool { return a == b }),
		cmp.Comparer(func(a, b value.Shape) bool { return a == b }),
		cmp.Comparer(func(a, b value.Reconnect) bool { return a == b })); diff != "" {
		t.Errorf("the plan differs (-want +got):\n%s", diff)
	}
	from := l.sources(scenario.Keys())
	for key, place := range map[string]string{
		"load.rate": "WSLOAD_LOAD_RATE", "load.duration": "stdin:1", "load.connections": "--connections", "hold": "default",
	} {
		if from[key] != place {
			t.Errorf("%s comes from %q, want %q", key, from[key], place)
		}
	}
}

func TestEveryKeyHasItsOwnVariable(t *testing.T) {
	seen := make(map[string]string)
	for _, k := range scenario.Keys() {
		name := variable(k.Name)
		if strings.ContainsAny(name, ".-") || strings.ToUpper(name) != name {
			t.Errorf("%s is no name for the variable of %s", name, k.Name)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%s stands for %s and %s", name, other, k.Name)
		}
		seen[name] = k.Name
	}
}

// FuzzConfig holds that no text makes the readers of configurations fail in an
// untold way: what is not refused with a reason is a plan that can be printed
// and read again.
func FuzzConfig(f *testing.F) {
	f.Add("x.yaml", "load: {rate: 5/s}\nhold: exp(1s)\nload: 3\n")
	f.Add("x.yaml", "a: &a [*a]\n<<: {b: 1}\n? [x]\n: y\n---\n!!binary z")
	f.Add("x.json", `{"seed": 18446744073709551615, "closes": {"mix": [{"mode": "abort"}]}, "seed": 1}`)
	f.Add("x.toml", "[load]\nrate = 5\n[[closes.mix]]\nmode = \"active\"\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		file := &file{name: name, tree: make(map[string]any), lines: make(map[string]int)}
		switch {
		case strings.HasSuffix(name, ".json"):
			file.json([]byte(text))
		case strings.HasSuffix(name, ".toml"):
			file.toml([]byte(text))
		default:
			file.yaml([]byte(text))
		}
		found := file.problems()
		for _, p := range found {
			if p.Msg == "" || !strings.HasPrefix(p.Place, name) {
				t.Fatalf("a problem without its reason or place: %+v", p)
			}
		}
		plan, err := scenario.Decode(merged(t, &layers{file: file}))
		if err != nil && len(found) == 0 {
			t.Fatalf("the file is refused after nothing was found in it: %v", err)
		}
		if len(found) > 0 || plan.Validate() != nil {
			return
		}
		again, err := scenario.Decode(scenario.Encode(plan))
		if err != nil || !slices.Equal(again.Closes.Mix, plan.Closes.Mix) {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}
