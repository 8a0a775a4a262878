package report

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func tick() Tick {
	return Tick{
		At: 12 * time.Second, Left: 3 * time.Second, Open: 990, Closing: 12, Ended: 4012, Premature: 1, InvalidState: 2,
		Closes: 100, CloseP50: 1_550_000, CloseP99: 4_200_000,
	}
}

func TestElsewhereThanOnATerminalEachTickIsALine(t *testing.T) {
	var out bytes.Buffer
	l := NewLive(&out, nil)
	draining, unknown := tick(), tick()
	draining.Draining, draining.Closes = true, 0
	unknown.Left = 0
	for _, tk := range []Tick{tick(), draining, unknown} {
		if err := l.Tick(tk); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	want := "12s  open 990  closing 12  ended 4012  premature 1  invalid state 2  close p50 1.55ms p99 4.20ms  3.0s left\n" +
		"12s  open 990  closing 12  ended 4012  premature 1  invalid state 2  close p50 - p99 -  draining\n" +
		"12s  open 990  closing 12  ended 4012  premature 1  invalid state 2  close p50 1.55ms p99 4.20ms\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// screen is what a terminal of one line shows after some output.
func screen(t *testing.T, out string) string {
	t.Helper()
	var line []rune
	at := 0
	for _, r := range out {
		switch {
		case r == '\r':
			at = 0
			continue
		case r < ' ':
			t.Fatalf("control character %q", r)
		case at == len(line):
			line = append(line, r)
		default:
			line[at] = r
		}
		at++
	}
	return strings.TrimRight(string(line), " ")
}

func TestOnATerminalTheLineIsRewritten(t *testing.T) {
	var out bytes.Buffer
	columns := 200
	l := NewLive(&out, func() int { return columns })
	show := func(tk Tick) string {
		t.Helper()
		if err := l.Tick(tk); err != nil {
			t.Fatal(err)
		}
		return screen(t, out.String())
	}
	if got := show(tick()); got != tick().String() {
		t.Errorf("shows %q", got)
	}
	shorter := tick()
	shorter.Open, shorter.Ended = 1, 2
	if got := show(shorter); got != shorter.String() {
		t.Errorf("a shorter line leaves a rest: %q", got)
	}
	columns = 40
	if got := show(tick()); utf8.RuneCountInString(got) != 39 || !strings.HasSuffix(got, "...") {
		t.Errorf("in 40 columns it shows %q, %d columns", got, utf8.RuneCountInString(got))
	}
	for _, columns = range []int{3, 1, 0} {
		before := out.Len()
		show(tick())
		if got := strings.TrimRight(strings.TrimPrefix(out.String()[before:], "\r"), " "); len(got) > max(columns-1, 0) {
			t.Errorf("in %d columns it writes %q", columns, got)
		}
	}
	columns = 200
	show(tick())
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	if got := screen(t, out.String()); got != "" {
		t.Errorf("after Clear it shows %q", got)
	}
	end := out.Len()
	if err := l.Clear(); err != nil || out.Len() != end {
		t.Errorf("a second Clear writes %q, error %v", out.String()[end:], err)
	}
}
