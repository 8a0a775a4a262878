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
		"":            `closes.mix: unknown mode, got "" (use active, passive or abort)`,
		"active=60,":  `closes.mix: unknown mode, got "" (use active, passive or abort)`,
		"pasive=30":   `closes.mix: unknown mode, got "pasive=30" (did you mean passive? use active, passive or abort)`,
		"mute=1":      `closes.mix: unknown mode, got "mute=1" (use active, passive or abort)`,
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

func TestEveryModesDefaultsAreValidAlone(t *testing.T) {
	for _, mode := range []scenario.Mode{scenario.Active, scenario.Passive, scenario.Abort} {
		plan := scenario.Default()
		plan.Closes.Mix = []scenario.Close{scenario.DefaultClose(mode)}
		if err := plan.Validate(); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
