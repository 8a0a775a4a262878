package stats

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTotalsAddUpOverEntries(t *testing.T) {
	s := NewSummary(mix())
	for entry, classes := range [][]Class{
		{Clean, Clean, Cut, PrematureEOF, OpenFailed},
		{Clean, ReplyFailed, Interrupted, NoClose},
		{Cut, Clean, PrematureRST, UnansweredEOF, CloseTimeout},
	} {
		for _, c := range classes {
			s.Add(&Outcome{Entry: entry, Class: c, Opened: c != OpenFailed}, nil)
		}
	}
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"clean", s.Ended(Clean), 4},
		{"premature", s.Premature(), 4},
		{"unexpected", s.Unexpected(), 9},
		{"opened and ended", s.OpenedEnded(), 13},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestALostOrDoubledConnectionIsNoticed(t *testing.T) {
	outcomes := randomOutcomes(rand.New(rand.NewPCG(11, 11)), 200)
	for _, c := range []struct {
		name   string
		change func(*Summary)
		want   string
	}{
		{"nothing wrong", func(*Summary) {}, ""},
		{"still alive", func(s *Summary) { s.Connections.Started += 5; s.Connections.Opened += 3 }, ""},
		{"an end without a class", func(s *Summary) { s.Connections.Ended++; s.Connections.Started++ }, "have a class"},
		{"more ended than started", func(s *Summary) { s.Connections.Started -= 1 }, "ended of"},
		{"more opened than started", func(s *Summary) { s.Connections.Opened = s.Connections.Started + 1 }, "opened of"},
		{"codes of one way only", func(s *Summary) { s.CodesSent[1000]++ }, "codes received of"},
		{"codes without an open", func(s *Summary) { s.Connections.Opened = 1 }, "of 1 opened"},
		{"an unopened end too many", func(s *Summary) { s.Connections.Opened++ }, "that did not open"},
		{"forward beyond the count", func(s *Summary) { s.Outcomes[1][Clean].Forward = 999 }, "slow clean: 999 forward"},
		{"details beyond the count", func(s *Summary) { s.Outcomes[1][Clean].Detail = map[string]uint64{"x": 999} }, "999 with detail"},
		{"a flag beyond the count", func(s *Summary) { s.Outcomes[1][Clean].Flags[LateFIN] = 999 }, "slow clean: 999 with late_fin of"},
		{"an end without a side", func(s *Summary) { s.ClosedFirst[Server]-- }, "who closed first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := summaryOf(outcomes)
			c.change(s)
			err := s.Conserved()
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}
