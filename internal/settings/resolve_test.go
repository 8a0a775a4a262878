package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestEveryProblemIsToldAtOnceWithItsPlace(t *testing.T) {
	var strangers []string
	c, err := Resolve(Sources{Procs: "1",
		File: "-", Stdin: strings.NewReader("hold: soon\nload:\n  rate: fast\n"), Shard: "1/1",
		Environ: Environ{"WSLOAD_LIMITS_CLOSE=never", "WSLOAD_SERVICE_HOST=10.0.0.1", "HOME=/"},
		Flags:   []Setting{{"seed", "-1", "--seed"}},
		Rules:   []string{"no rule"},
		Unknown: func(name string, _ []string) { strangers = append(strangers, name) },
	})
	if err == nil {
		t.Fatalf("accepted: %+v", c)
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{"stdin:1: hold: ", "stdin:3: load.rate: ", "WSLOAD_LIMITS_CLOSE: limits.close: ", "--seed: seed: ", "--rule: gate.rules[0]: "} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no line begins with %q in:\n%v", want, err)
		}
	}
	if !slices.Equal(strangers, []string{"SERVICE_HOST"}) {
		t.Errorf("told of the variables %q", strangers)
	}
}

func TestTheNameOfAnEntryMustNotHideAFigure(t *testing.T) {
	name := func(name string) error {
		_, err := Resolve(Sources{Procs: "1", Shard: "1/1", Flags: []Setting{{"closes.mix", []any{map[string]any{"name": name, "mode": "active"}}, "--set"}}})
		return err
	}
	for _, bad := range []string{"drain", "leak", "self", "fds", "close_wait"} {
		if err := name(bad); err == nil || !strings.HasPrefix(err.Error(), "--set: closes.mix[0].name: begins the names of what a rule may ask of the run as a whole, as "+bad+".") ||
			!strings.HasSuffix(err.Error(), ", got \""+bad+"\" (choose another name, as "+bad+"-entry)") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"drained", "a", "active", "cut"} {
		if err := name(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestAVariableIsReplacedInThePlanToRunAndNotInTheOneToStore(t *testing.T) {
	c, err := Resolve(Sources{Procs: "1",
		File: "-", Stdin: strings.NewReader("target: {url: 'ws://127.0.0.1:9/', headers: ['Authorization: Bearer ${TOKEN}']}\n"), Shard: "2/3",
		Environ: Environ{"TOKEN=older", "TOKEN=hunter2"},
		Flags:   []Setting{{"load.connections", "30", "--connections"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if stored, ready := c.Plan.Target.Headers[0], c.Ready.Target.Headers[0]; stored != "Authorization: Bearer ${TOKEN}" || ready != "Authorization: Bearer hunter2" {
		t.Errorf("stored %q, to run %q", stored, ready)
	}
	if !slices.Equal(c.Secrets, []string{"hunter2"}) {
		t.Errorf("the secrets are %q", c.Secrets)
	}
	if want := (scenario.Shard{Index: 2, Count: 3}); c.Shard != want || c.Own {
		t.Errorf("shard %v, own server %v", c.Shard, c.Own)
	}
	for key, want := range map[string]string{"load.connections": "--connections", "target.url": "stdin:1", "seed": "drawn", "hold": "default"} {
		if c.Sources[key] != want {
			t.Errorf("%s comes from %q, want %q", key, c.Sources[key], want)
		}
	}
}
