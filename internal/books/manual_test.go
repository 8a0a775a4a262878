package books

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wsload/wsload/stats"
)

// row is a pairing as the manual's table has it.
func (p *pairing) row() string {
	list := func(all []stats.Class) string {
		if len(all) == 0 {
			return "-"
		}
		var names []string
		for _, c := range all {
			names = append(names, "`"+c.String()+"`")
		}
		return strings.Join(names, ", ")
	}
	own := "`" + p.own.String() + "`"
	if p.modes.name != "" {
		own += ", of modes that " + p.modes.name
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", own, list(p.its), list(p.raced), list(p.fault), p.why)
}

func TestTheManualHasTheTableOfPairs(t *testing.T) {
	text, err := os.ReadFile("../../docs/double-entry.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, p := range pairings() {
		rows = append(rows, p.row())
	}
	if table := strings.Join(rows, "\n"); !strings.Contains(string(text), table) {
		t.Errorf("docs/double-entry.md does not have the table:\n%s", table)
	}
}

func TestEveryClassOfAnOpenedConnectionHasAPairing(t *testing.T) {
	for c := range stats.Class(stats.NumClasses) {
		switch c {
		case stats.OpenFailed, stats.ToolError, stats.Interrupted, stats.UnansweredError, stats.PrematureError:
			continue // never opened, says nothing, or nothing that a server of ours brings about
		}
		for _, mode := range []string{"active", "output", "passive", "simultaneous", "abort", "half_close", "mute", "stall", "bad_close", "vanish"} {
			p := pairingOf(verdict{mode: mode, class: c})
			possible := c != stats.Cut || mode != "active" && mode != "output" && mode != "simultaneous" && mode != "stall"
			if found := p.own == c && len(p.its)+len(p.raced)+len(p.fault) > 0; found != possible {
				t.Errorf("%s of %s has a pairing: %v, want %v", c, mode, found, possible)
			}
		}
	}
}
