package scenario_test

import (
	"reflect"
	"testing"

	"github.com/wsload/wsload/scenario"
)

func TestAMixInShortFormTakesTheDefaultsOfItsModes(t *testing.T) {
	for text, want := range map[string][]scenario.Close{
		"active=60,passive=30,abort=10": scenario.Default().Closes.Mix,
		" passive = 1 ":                 {scenario.DefaultClose(scenario.Passive)},
		"abort":                         {scenario.DefaultClose(scenario.Abort)},
	} {
		if got, err := scenario.ParseMix(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseMix(%q) = %+v, %v", text, got, err)
		}
	}
}

func TestEveryBadPartOfAMixIsNamed(t *testing.T) {
	const twice = "(add the weights, or list the entries with names in a file)"
	for text, want := range map[string]string{
		"":            `closes.mix: unknown mode, got "" (` + useMode + `)`,
		"active=60,":  `closes.mix: unknown mode, got "" (` + useMode + `)`,
		"pasive=30":   `closes.mix: unknown mode, got "pasive=30" (did you mean passive? ` + useMode + `)`,
		"kill=1":      `closes.mix: unknown mode, got "kill=1" (` + useMode + `)`,
		"abort,abort": `closes.mix: mode abort stands twice, got "abort" ` + twice,
		"active=60%":  `closes.mix: the weight is not a whole number from 0, got "active=60%" (write active=30; weights need not add up to 100)`,
		"active=-1,passive=x,active=2": `closes.mix: the weight is not a whole number from 0, got "active=-1" (write active=30; weights need not add up to 100)
closes.mix: the weight is not a whole number from 0, got "passive=x" (write passive=30; weights need not add up to 100)
closes.mix: mode active stands twice, got "active=2" ` + twice,
	} {
		if got, err := scenario.ParseMix(text); err == nil || err.Error() != want || got != nil {
			t.Errorf("ParseMix(%q) = %+v,\n got %v\nwant %s", text, got, err, want)
		}
	}
}

func TestEveryModeCanBeGivenInShortFormAndIsValidAlone(t *testing.T) {
	for _, mode := range modes() {
		want := scenario.DefaultClose(mode)
		want.Weight = 7
		mix, err := scenario.ParseMix(string(mode) + "=7")
		if err != nil || !reflect.DeepEqual(mix, []scenario.Close{want}) {
			t.Errorf("%s: %+v, %v", mode, mix, err)
		}
		plan := scenario.Default()
		plan.Closes.Mix = mix
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// modes lists all modes.
func modes() []scenario.Mode {
	return []scenario.Mode{
		scenario.Active, scenario.Output, scenario.Passive, scenario.Simultaneous, scenario.Abort,
		scenario.HalfClose, scenario.Mute, scenario.Stall, scenario.BadClose, scenario.Vanish,
	}
}

func TestATargetWithoutAHostIsTheOwnServer(t *testing.T) {
	for url, want := range map[string]string{
		"":                           "/echo",
		"ws:///":                     "/",
		"ws:///no-reply":             "/no-reply",
		"ws:///echo?fault=masked:50": "/echo?fault=masked:50",
	} {
		target := scenario.Target{URL: url}
		if path, own := target.Own(); !own || path != want {
			t.Errorf("%q: %q, %v; want %q of the own server", url, path, own, want)
		}
	}
	for _, url := range []string{"ws://host/echo", "wss:///echo", "http:///echo"} {
		target := scenario.Target{URL: url}
		if _, own := target.Own(); own {
			t.Errorf("%q counts as the own server", url)
		}
	}
}

func TestATargetIsDialledAtItsHostAndTheSchemesPortOrWhereItSays(t *testing.T) {
	for _, c := range []struct{ url, connect, want string }{
		{"ws://h:9000/chat", "", "h:9000"},
		{"ws://h/chat", "", "h:80"},
		{"wss://h/chat", "", "h:443"},
		{"ws://[::1]:9/", "", "[::1]:9"},
		{"ws://10.0.0.{{n}}/", "", "10.0.0.0:80"},
		{"wss://h/", "10.0.0.1:8443", "10.0.0.1:8443"},
	} {
		got, err := (&scenario.Target{URL: c.url, ConnectTo: c.connect}).Address()
		if err != nil || got != c.want {
			t.Errorf("%s is dialled at %s, %v; want %s", c.url, got, err, c.want)
		}
	}
	if got, err := (&scenario.Target{URL: "ws://h:nine/"}).Address(); err == nil {
		t.Errorf("a port that is none is dialled at %s", got)
	}
}
