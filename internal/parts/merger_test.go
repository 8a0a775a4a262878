package parts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/runner"
	"github.com/wsload/wsload/stats"
)

var oneEntry = []stats.Entry{{Name: "active", Mode: "active"}}

// merging is a merger with what it makes, in words: where an interval ends, how
// many started in it, what is open then, and what the tick says.
func merging(n int) (*merger, *[]string) {
	var made []string
	m := newMerger(n, time.Second, oneEntry, func(t runner.Tick) {
		line := fmt.Sprintf("%v +%d open %d", t.Summary.To, t.Summary.Connections.Started, t.Open)
		if t.Left > 0 {
			line += fmt.Sprintf(" left %v", t.Left)
		}
		if t.Drain {
			line += " drain"
		}
		if t.Last {
			line += " last"
		}
		made = append(made, line)
	})
	return m, &made
}

// span is an interval in which so many started.
func span(from, to time.Duration, started, open uint64) *result.Span {
	s := stats.NewSummary(oneEntry)
	s.From, s.To, s.Connections.Started = from, to, started
	written := result.NewSpan(s, new(stats.Encoder))
	written.Connections.Open = open
	return &written
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func want(t *testing.T, what string, made *[]string, lines ...string) {
	t.Helper()
	if got, want := strings.Join(*made, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("%s: made\n%s\nwant\n%s", what, got, want)
	}
	*made = nil
}

func TestIntervalsOfOnePlaceBecomeOneWhenAllHaveToldThem(t *testing.T) {
	m, made := merging(2)
	add := func(i int, s *result.Span, st state) {
		if err := m.add(i, s, st); err != nil {
			t.Fatal(err)
		}
	}
	add(0, span(0, ms(1002), 5, 4), state{Left: ms(900)})
	want(t, "one of two", made)
	add(1, span(0, ms(980), 3, 3), state{Left: ms(950)})
	want(t, "both", made, "1.002s +8 open 7 left 950ms")
	add(1, span(ms(980), ms(2001), 1, 2), state{Drain: true})
	add(0, span(ms(1002), ms(1400), 1, 0), state{Drain: true, Last: true})
	want(t, "one ends on the way to the second place", made, "2.001s +2 open 2 drain")
	add(1, span(ms(2001), ms(2050), 0, 0), state{Drain: true, Last: true})
	want(t, "the end of the other", made, "2.05s +0 open 0 drain last")
	m.end(time.Hour)
	want(t, "there is one last interval", made)
	if m.total.Connections.Started != 10 {
		t.Errorf("in total %d started, want 10", m.total.Connections.Started)
	}
}

func TestTheOthersWaitThreeIntervalsForOneThatIsLate(t *testing.T) {
	m, made := merging(2)
	for k := 1; k <= 4; k++ {
		if err := m.add(0, span(ms(1000*(k-1)), ms(1000*k), 1, 1), state{}); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "the fourth of one", made, "1s +1 open 1")
	if err := m.add(1, span(0, ms(3010), 7, 5), state{}); err != nil {
		t.Fatal(err)
	}
	want(t, "what comes late", made, "2s +1 open 1", "3.01s +8 open 6")
}

func TestAPartThatLeavesIsNotWaitedForAndItsIntervalsCount(t *testing.T) {
	m, made := merging(2)
	for _, s := range []*result.Span{span(0, ms(1000), 5, 5), span(ms(1000), ms(2000), 2, 7)} {
		if err := m.add(0, s, state{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.add(1, span(0, ms(1000), 1, 1), state{}); err != nil {
		t.Fatal(err)
	}
	want(t, "both live", made, "1s +6 open 6")
	if err := m.leave(0); err != nil {
		t.Fatal(err)
	}
	want(t, "what it had told", made)
	if err := m.add(1, span(ms(1000), ms(2000), 1, 2), state{}); err != nil {
		t.Fatal(err)
	}
	want(t, "beside the other's", made, "2s +3 open 2")
	if err := m.leave(1); err != nil {
		t.Fatal(err)
	}
	m.end(ms(2300))
	want(t, "nobody told an end", made, "2.3s +0 open 0 last")
}

// TestWhateverTheOrderNothingIsLost adds the same intervals in random orders of
// the parts.
func TestWhateverTheOrderNothingIsLost(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		m, _ := merging(3)
		ends, last, added := 0, time.Duration(0), uint64(0)
		m.tick = func(tick runner.Tick) {
			s := tick.Summary
			if s.From != last || s.To < s.From || ends > 0 {
				t.Fatalf("an interval from %v to %v behind %v, %d ends", s.From, s.To, last, ends)
			}
			if last = s.To; tick.Last {
				ends++
			}
		}
		var at [3]time.Duration
		var count [3]int
		dies := random.IntN(4) // 3: none
		left := 0
		for left < 3 {
			i := random.IntN(3)
			switch {
			case count[i] > 5:
			case count[i] == 5 || i == dies && random.IntN(3) == 0:
				count[i] = 6
				left++
				if i == dies {
					if err := m.leave(i); err != nil {
						t.Fatal(err)
					}
					continue
				}
				added++
				if err := m.add(i, span(at[i], at[i]+ms(random.IntN(1000)), 1, 0), state{Last: true}); err != nil {
					t.Fatal(err)
				}
			default:
				added++
				to := at[i] + ms(900+random.IntN(1200))
				if err := m.add(i, span(at[i], to, 1, 1), state{}); err != nil {
					t.Fatal(err)
				}
				at[i] = to
				count[i]++
			}
		}
		m.end(last)
		told := uint64(0)
		for i := range at {
			told += uint64(len(m.parts[i].queue))
		}
		if ends != 1 || told != 0 || m.total.Connections.Started != added {
			t.Fatalf("%d last intervals, %d left over, %d of %d counted", ends, told, m.total.Connections.Started, added)
		}
	}
}
