package report

import (
	"strings"
	"testing"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// flagged is the report of a run of one mode, in which each set of flags ended
// one connection, in colour.
func flagged(t *testing.T, mode string, c stats.Class, detail string, sets ...[]stats.Flag) string {
	t.Helper()
	s := stats.NewSummary([]stats.Entry{{Name: mode, Mode: mode}})
	for _, flags := range sets {
		o := stats.Outcome{Class: c, Detail: detail, Opened: true}
		for _, f := range flags {
			o.Flags.Set(f, true)
		}
		s.Connections.Started++
		s.Connections.Opened++
		s.Add(&o, nil)
	}
	head := header()
	head.Mix = s.Entries
	var out strings.Builder
	if err := Text(&out, document(t, head, s, result.End{Complete: true, Cause: "done"}), true); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnswersAreToldOnlyWhereTheyAreNotAllTheSameCode(t *testing.T) {
	echo, normal, none, other := []stats.Flag{stats.CodeEcho}, []stats.Flag{stats.CodeNormal}, []stats.Flag{stats.CodeNone}, []stats.Flag{stats.CodeOther}
	for _, c := range []struct {
		sets [][]stats.Flag
		want string
	}{
		{[][]stats.Flag{nil, nil}, ""},
		{[][]stats.Flag{echo, echo, nil}, ""},
		{[][]stats.Flag{echo, echo, echo, normal}, "75.0% the same code, 25.0% 1000\n"},
		{[][]stats.Flag{none, other}, "50.0% no code, 50.0% another code\n"},
		{[][]stats.Flag{normal, nil}, "100.0% 1000\n"},
	} {
		out := flagged(t, "active", stats.Clean, "", c.sets...)
		_, told, found := strings.Cut(out, "answered with")
		if found != (c.want != "") || !strings.HasPrefix(strings.TrimLeft(told, " "), c.want) {
			t.Errorf("%v: want %q in\n%s", c.sets, c.want, out)
		}
		if strings.Contains(out, "code_") {
			t.Errorf("%v: the flags of codes are named one by one:\n%s", c.sets, out)
		}
	}
}

func TestAFlagThatTellsOfAFaultIsNamedAndMarked(t *testing.T) {
	for f := range stats.Flag(stats.NumFlags) {
		if answer(f) != "" {
			continue
		}
		neutral := f == stats.Simultaneous || f == stats.DataAfterOwnClose
		out := flagged(t, "active", stats.Clean, "", []stats.Flag{f}, nil)
		if !strings.Contains(out, "100.0%   "+f.String()+" 1") {
			t.Errorf("%s is not named beside its class:\n%s", f, out)
		}
		if marked := strings.Contains(out, string(doubt)+"    clean"); marked == neutral {
			t.Errorf("%s: marked %v\n%s", f, marked, out)
		}
	}
	if out := flagged(t, "abort", stats.Cut, "", []stats.Flag{stats.UnreadAtClose}); strings.Contains(out, string(doubt)) {
		t.Errorf("bytes that an abort leaves unread are marked:\n%s", out)
	}
	if out := flagged(t, "active", stats.PrematureEOF, "truncated", []stats.Flag{stats.Truncated}); strings.Count(out, "truncated 1") != 1 {
		t.Errorf("what the detail says is said again:\n%s", out)
	}
}
