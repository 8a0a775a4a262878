package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	queueLines  = 4096
	bufferBytes = 64 << 10
	flushEvery  = time.Second // what a killed run may lose
)

// A Writer writes a trace. Add may be called from many goroutines.
type Writer struct {
	queue   chan *Line
	done    chan struct{}
	dropped atomic.Uint64
	err     error // the first one; read after done
}

// NewWriter returns a Writer that has begun with the header. It must be ended.
func NewWriter(w io.Writer, head Header) *Writer {
	t := &Writer{queue: make(chan *Line, queueLines), done: make(chan struct{})}
	go t.run(w, head)
	return t
}

// Add takes a line, which is the Writer's from then on. It never waits: where
// the queue is full the line is dropped and counted.
func (t *Writer) Add(l *Line) {
	select {
	case t.queue <- l:
	default:
		t.dropped.Add(1)
	}
}

// End writes what is queued and returns how many lines were dropped, and the
// error that kept lines from being written. No Add may follow.
func (t *Writer) End() (dropped uint64, err error) {
	close(t.queue)
	<-t.done
	return t.dropped.Load(), t.err
}

func (t *Writer) run(w io.Writer, head Header) {
	defer close(t.done)
	buffered := bufio.NewWriterSize(w, bufferBytes)
	encoder := json.NewEncoder(buffered)
	t.note(encoder.Encode(head))
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case l, more := <-t.queue:
			if !more {
				t.note(buffered.Flush())
				return
			}
			if t.err == nil {
				t.note(encoder.Encode(l))
			}
		case <-tick.C:
			t.note(buffered.Flush())
		}
	}
}

// note keeps the first error. A bufio.Writer repeats it from then on.
func (t *Writer) note(err error) {
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("write trace: %w", err)
	}
}
