package launch

import (
	"fmt"
	"io"
)

// A Log bounds what servers write in all to one place. It takes what comes
// first, then a line that says that more is missing.
type Log struct {
	w    io.Writer
	left int64
}

// NewLog returns a Log that passes at most so many bytes on to w.
func NewLog(w io.Writer, most int64) *Log { return &Log{w: w, left: most} }

// Write takes p in any case. It fails where the writer below does.
func (l *Log) Write(p []byte) (int, error) {
	if l.left < 0 {
		return len(p), nil
	}
	n := min(l.left, int64(len(p)))
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	if l.left -= n; n == int64(len(p)) {
		return len(p), nil
	}
	l.left = -1
	if _, err := fmt.Fprintln(l.w, "\n[the log is full; what comes after is left out]"); err != nil {
		return 0, err
	}
	return len(p), nil
}
