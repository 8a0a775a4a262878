package trial

import (
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/gate"
)

func TestAStoredVerdictIsHeldAgainstTheOneThatThePairsGive(t *testing.T) {
	f := file(10, alike(usual()))
	v := judge(t, f)
	if err := f.Check(v); err != nil {
		t.Error("without a stored verdict:", err)
	}
	for _, c := range []struct {
		name   string
		change func(*Verdict)
		want   string
	}{
		{"the same", func(*Verdict) {}, ""},
		{"another word", func(v *Verdict) { v.Verdict = gate.Fail }, "the stored verdict is fail and the pairs give pass"},
		{"another figure", func(v *Verdict) { x := *v.Findings[0].A + 1; v.Findings[0].A = &x }, "but its reason or figures differ"},
	} {
		text, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		c.change(stored.Verdict)
		err = stored.Check(judge(t, stored))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
