package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Tick is the state of a run at one moment.
type Tick struct {
	At                 time.Duration // since the beginning of the run
	Left               time.Duration // of the plan; 0 where it is not known
	Draining           bool          // nothing new opens: only waiting for connections to settle
	Open               uint64
	Closing            uint64 // of the open ones, with a close begun
	Ended              uint64 // since the beginning, as are the next two
	Premature          uint64
	InvalidState       uint64        // refused operations but for those asked for on purpose
	Closes             uint64        // samples behind the next two; 0 shows them as "-"
	CloseP50, CloseP99 time.Duration // close_handshake, of the last interval
}

// Live shows a run while it goes on: one line that is rewritten on a terminal,
// one line per tick anywhere else. Nothing else may write to the terminal
// between a Tick and the next Clear.
type Live struct {
	w     io.Writer
	width func() int
	shown int // columns of the line on the terminal
}

// NewLive returns a Live that writes to w. The width tells the columns of the
// terminal, asked at each tick; nil says that w is no terminal.
func NewLive(w io.Writer, width func() int) *Live {
	return &Live{w: w, width: width}
}

// Tick shows the state.
func (l *Live) Tick(t Tick) error {
	return l.Line(t.String(), t.short())
}

// Line shows a text of one line: short where the terminal is too narrow for the
// whole.
func (l *Live) Line(line, short string) error {
	if l.width == nil {
		_, err := io.WriteString(l.w, line+"\n")
		return liveError(err)
	}
	if utf8.RuneCountInString(line) >= l.width() {
		line = short
	}
	// A line that fills the last column makes some terminals begin a new one.
	line = cut(line, l.width()-1)
	now := utf8.RuneCountInString(line)
	blanks := strings.Repeat(" ", max(l.shown-now, 0))
	l.shown = now
	_, err := io.WriteString(l.w, "\r"+line+blanks)
	return liveError(err)
}

// Clear takes the line off the terminal, so that something else can be
// written there. It does nothing where there is none.
func (l *Live) Clear() error {
	if l.shown == 0 {
		return nil
	}
	blanks := strings.Repeat(" ", l.shown)
	l.shown = 0
	_, err := io.WriteString(l.w, "\r"+blanks+"\r")
	return liveError(err)
}

func liveError(err error) error {
	if err != nil {
		return fmt.Errorf("write progress: %w", err)
	}
	return nil
}

// String returns the state as one line.
func (t Tick) String() string {
	p50, p99 := "-", "-"
	if t.Closes > 0 {
		p50, p99 = human(t.CloseP50), human(t.CloseP99)
	}
	left := ""
	switch {
	case t.Draining:
		left = "  draining"
	case t.Left > 0:
		left = "  " + span(t.Left) + " left"
	}
	return fmt.Sprintf("%s  open %d  closing %d  ended %d  premature %d  invalid state %d  close p50 %s p99 %s%s",
		span(t.At), t.Open, t.Closing, t.Ended, t.Premature, t.InvalidState, p50, p99, left)
}

// short is the line for a narrow terminal: the same numbers, shorter words.
func (t Tick) short() string {
	return strings.NewReplacer("premature", "prem", "invalid state", "inv", "closing", "clos", "close p50 ", "", " p99 ", "/", "  ", " ").Replace(t.String())
}

// cut shortens a line to a number of columns.
func cut(line string, columns int) string {
	runes := []rune(line)
	if len(runes) <= columns {
		return line
	}
	const dots = 3
	if columns <= dots {
		return string(runes[:max(columns, 0)])
	}
	return string(runes[:columns-dots]) + "..."
}
