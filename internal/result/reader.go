package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wsload/wsload/scenario"
)

// maxLine bounds the memory one line can take. The longest lines seen are some
// hundred kilobytes.
const maxLine = 64 << 20

// Read reads the streams of one run into a Document. The lines of several
// shards may be interleaved in one stream, in any order, and a shard's lines
// may be spread over several. A last line that was cut off is left out with a
// warning, and a stream without an end line makes the document incomplete. The
// tail of a run that was killed is one more stream: it counts as far as the
// others do not have its time.
//
// It is an error when a line in the middle is damaged, when the streams are of
// different runs, when a shard appears twice, or when there is no header. An
// error names the stream, by its Name method where it has one, and the line.
func Read(rs ...io.Reader) (*Document, error) {
	c := collector{shards: make(map[string]*stream)}
	for i, r := range rs {
		if err := c.read(r, streamName(r, i, len(rs))); err != nil {
			return nil, err
		}
	}
	return c.document()
}

// stream is what was read of one shard.
type stream struct {
	head  *Header
	spans []placedSpan
	tail  *placedSpan // what was held back when the run ended
	drain *Drain
	end   *End
}

// placedSpan remembers where it was read, for errors found later.
type placedSpan struct {
	Span
	where string
}

// to returns the end of the last interval.
func (s *stream) to() time.Duration {
	var to time.Duration
	for i := range s.spans {
		to = max(to, s.spans[i].To)
	}
	return to
}

// addTail adds what the tail holds beyond the stream. The tail is as old as the
// stream is behind: where a line of the stream was written since, and the run
// was killed before the tail was replaced, it has the tail's time.
func (s *stream) addTail() {
	if s.tail != nil && s.tail.From >= s.to() {
		s.spans = append(s.spans, *s.tail)
	}
	s.tail = nil
}

// collector sorts lines by shard, in whatever order they come.
type collector struct {
	run    string
	shards map[string]*stream
	torn   []string // names of streams whose last line was cut off
}

func streamName(r io.Reader, i, n int) string {
	if named, ok := r.(interface{ Name() string }); ok {
		return named.Name()
	}
	if n == 1 {
		return "result"
	}
	return fmt.Sprintf("result %d", i+1)
}

func (c *collector) read(r io.Reader, name string) error {
	in := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := readLine(in)
		where := fmt.Sprintf("%s line %d", name, number)
		whole := err == nil
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read %s: %w", where, err)
		case len(bytes.TrimSpace(line)) > 0:
			err = c.line(line, where)
		case whole:
			continue // an empty line
		default:
			return nil
		}
		if _, damaged := errors.AsType[*damage](err); damaged && !whole {
			// The writer was stopped in the middle of a line.
			c.torn = append(c.torn, name)
			return nil
		}
		if err != nil || !whole {
			return err
		}
	}
}

// readLine returns the next line and, when no newline ends it, io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("the line is longer than %d MiB: this is not a stream of results", maxLine>>20)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// damage is a line that is no line of a stream, in contrast to one that is and
// does not belong here.
type damage struct {
	where string
	cause error
}

func (d *damage) Error() string {
	return fmt.Sprintf("read %s: not a line of a result stream: %v "+
		"(pass the files that run --out wrote; where files were joined, pass them one by one)", d.where, d.cause)
}

func (d *damage) Unwrap() error { return d.cause }

func (c *collector) line(text []byte, where string) error {
	var line struct {
		Schema   json.RawMessage `json:"wsload"`
		Interval *intervalLine   `json:"interval"`
		Tail     *intervalLine   `json:"tail"`
		Drain    *drainLine      `json:"drain"`
		End      *endLine        `json:"end"`
	}
	if err := json.Unmarshal(text, &line); err != nil {
		return &damage{where, err}
	}
	switch {
	case line.Schema != nil:
		return c.header(text, line.Schema, where)
	case line.Interval != nil:
		s, err := c.shard(line.Interval.Run, line.Interval.Shard, where)
		if err != nil {
			return err
		}
		s.spans = append(s.spans, placedSpan{line.Interval.Span, where})
		return nil
	case line.Tail != nil:
		s, err := c.shard(line.Tail.Run, line.Tail.Shard, where)
		if err != nil {
			return err
		}
		if s.tail != nil {
			return twice(line.Tail.Shard, where)
		}
		s.tail = &placedSpan{line.Tail.Span, where}
		return nil
	case line.Drain != nil:
		s, err := c.shard(line.Drain.Run, line.Drain.Shard, where)
		if err != nil {
			return err
		}
		if s.drain != nil {
			return twice(line.Drain.Shard, where)
		}
		s.drain = &line.Drain.Drain
		if err := s.drain.whole(); err != nil {
			return &damage{where, fmt.Errorf("the drain has %w", err)}
		}
		return nil
	case line.End != nil:
		s, err := c.shard(line.End.Run, line.End.Shard, where)
		if err != nil {
			return err
		}
		if s.end != nil {
			return twice(line.End.Shard, where)
		}
		s.end = &line.End.End
		return nil
	}
	return &damage{where, errors.New("neither header nor interval nor tail nor drain nor end")}
}

func (c *collector) header(text, schema []byte, where string) error {
	if number := string(schema); number != fmt.Sprint(schemaNumber) {
		return fmt.Errorf("read %s: the stream has schema %s, this wsload reads schema %d "+
			"(use the version of wsload that wrote it, or a newer one)", where, number, schemaNumber)
	}
	head := new(Header)
	if err := json.Unmarshal(text, head); err != nil {
		return &damage{where, err}
	}
	if head.Interval <= 0 || len(head.Mix) == 0 {
		return &damage{where, errors.New("the header has no interval or no mix")}
	}
	s, err := c.shard(head.Run, head.Shard, where)
	if err != nil {
		return err
	}
	if s.head != nil {
		return twice(head.Shard, where)
	}
	s.head = head
	return nil
}

// shard returns the stream of a shard, and refuses a line of another run.
func (c *collector) shard(run string, shard scenario.Shard, where string) (*stream, error) {
	if run == "" {
		return nil, &damage{where, errors.New("the line names no run")}
	}
	if c.run == "" {
		c.run = run
	}
	if run != c.run {
		return nil, fmt.Errorf("read %s: it is of run %q and the lines before are of run %q "+
			"(only shards of one run can be read together)", where, run, c.run)
	}
	s := c.shards[shard.String()]
	if s == nil {
		s = new(stream)
		c.shards[shard.String()] = s
	}
	return s, nil
}

func twice(shard scenario.Shard, where string) error {
	return fmt.Errorf("read %s: shard %s appears twice (pass each stream once)", where, shard)
}
