package parts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// A voice carries the lines of a process of a run, each whole. It may be used
// from many goroutines.
type voice struct {
	mu sync.Mutex
	w  io.Writer
}

// Write takes whole lines.
func (v *voice) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.w.Write(p)
}

func (v *voice) say(h heard) error {
	line, err := json.Marshal(h)
	if err == nil {
		_, err = v.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("tell of the run: %w", err)
	}
	return nil
}

// A traceVoice makes whole, marked lines of what a trace writes in pieces. It is
// used by one goroutine.
type traceVoice struct {
	to   io.Writer
	part []byte // a line that has begun
	out  []byte
}

func (t *traceVoice) Write(p []byte) (int, error) {
	t.out = t.out[:0]
	for line := range bytes.Lines(p) {
		if line[len(line)-1] != '\n' {
			t.part = append(t.part, line...)
			break
		}
		t.out = append(append(append(t.out, traceMark), t.part...), line...)
		t.part = t.part[:0]
	}
	if len(t.out) > 0 {
		if _, err := t.to.Write(t.out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
