package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/wire"
)

// maxDuration is the longest delay a query may ask for.
const maxDuration = 24 * time.Hour

// A query is what a request asks of its path. A key given twice counts once, by
// its first value; keys a path does not know are the client's own business.
// The first value that is no good is kept as the error.
type query struct {
	values url.Values
	err    error
	chance *rand.Rand // nil until something is drawn
}

// behave gives the manners for a request to f.
func behave(f fault, values url.Values, all []fault) (manners, error) {
	q := &query{values: values}
	m := f.behaves(q)
	if f.name == wellBehaved && values.Has("fault") {
		m = q.pick(all)
	}
	if values.Has("close_after") {
		q.closeAfter(&m)
	}
	return m, q.err
}

// fail keeps the first error.
func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = fmt.Errorf("query: "+format, args...)
	}
}

// duration reads a value.
func (q *query) duration(key string, unset time.Duration) time.Duration {
	if !q.values.Has(key) {
		return unset
	}
	text := q.values.Get(key)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxDuration {
		example := unset
		if example == 0 {
			example = time.Second
		}
		q.fail("%s=%q is not a duration from 0s to 24h: write it like %s=%s", key, brief([]byte(text)), key, example)
	}
	return d
}

// number reads a value from 0 to most.
func (q *query) number(key string, unset, most int) int {
	if !q.values.Has(key) {
		return unset
	}
	text := q.values.Get(key)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		q.fail("%s=%q is not a number from 0 to %d: write it like %s=%d", key, brief([]byte(text)), most, key, unset)
	}
	return n
}

// closeAfter has the server close by itself, unless what it does by itself
// already is due before.
func (q *query) closeAfter(m *manners) {
	at := q.duration("close_after", 2*time.Second)
	code := wire.CodeNormal
	if !m.anyCode {
		code = q.number("code", wire.CodeNormal, maxCode)
		if !sendable(code) {
			q.fail("code=%d is no status code a Close may carry: give 1000 to 1003, 1007 to 1014 or 3000 to 4999, "+
				"or ask /bad-code for it", code)
		}
	}
	if m.unasked == (order{}) || at < m.after {
		m.unasked, m.after = order{code: code}, at
	}
}

// pick draws one of the faults that the query names, each with its percentage
// of the connections, or none of them.
func (q *query) pick(all []fault) (picked manners) {
	const example = "write it like fault=no-reply:5,rst-no-reply:0.5"
	at, sum := 100*q.draw(), 0.0
	for entry := range strings.SplitSeq(q.values.Get("fault"), ",") {
		name, share, _ := strings.Cut(entry, ":")
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || percent < 0 || percent > 100 || math.IsNaN(percent) {
			q.fail("fault=%q has no percentage from 0 to 100 behind the name: %s", brief([]byte(entry)), example)
			return picked
		}
		f, ok := find(all, name)
		if !ok {
			q.fail("fault=%q is no fault: %s; the names are the paths that GET / lists", brief([]byte(name)), example)
			return picked
		}
		m := f.behaves(q)
		if sum <= at && at < sum+percent {
			picked = m
		}
		sum += percent
	}
	if sum > 100 {
		q.fail("fault: the percentages add up to %g: give 100 at most", sum)
	}
	return picked
}

func find(all []fault, name string) (fault, bool) {
	for _, f := range all {
		if f.name == name {
			return f, true
		}
	}
	return fault{}, false
}

// draw gives a number from 0 up to 1. With the key seed it depends on that
// alone and on how often it was called, so that a client decides its
// connections' fates by giving each its own.
func (q *query) draw() float64 {
	if q.chance == nil {
		first, second := rand.Uint64(), rand.Uint64()
		if q.values.Has("seed") {
			text := q.values.Get("seed")
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				q.fail("seed=%q is not a whole number: write it like seed=1", brief([]byte(text)))
			}
			first, second = n, 0
		}
		q.chance = rand.New(rand.NewPCG(first, second))
	}
	return q.chance.Float64()
}

// A Cursor says how far a client has read the ends that a server told of: one
// number for each process of the server, and 0 for those it does not name. A
// client carries its text ("12", or "12,55,7") from one answer to the next
// question, and need not read it.
type Cursor []uint64

// MarshalText writes the numbers, "0" for none.
func (c Cursor) MarshalText() ([]byte, error) {
	if len(c) == 0 {
		return []byte("0"), nil
	}
	var text []byte
	for i, n := range c {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, n, 10)
	}
	return text, nil
}

// UnmarshalText reads what MarshalText writes.
func (c *Cursor) UnmarshalText(text []byte) error {
	all := Cursor{}
	for part := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return fmt.Errorf("after=%q is no place in the ends: give the next of the answer before, or 0", brief(text))
		}
		all = append(all, n)
	}
	*c = all
	return nil
}

// At is how far the client has read those of process i, from 0.
func (c Cursor) At(i int) uint64 {
	if i < len(c) {
		return c[i]
	}
	return 0
}

// An Inquiry is what a client asks of /ended.
type Inquiry struct {
	After Cursor  // what it has read
	Run   *uint32 // the one run it asks for; nil asks for all
}

// ReadInquiry reads the query of a request to a server of so many processes.
func ReadInquiry(values url.Values, procs int) (q Inquiry, err error) {
	if text := values.Get("after"); text != "" {
		if err := q.After.UnmarshalText([]byte(text)); err != nil {
			return q, fmt.Errorf("query: %w", err)
		}
		if len(q.After) > procs {
			return q, fmt.Errorf("query: after=%q is of a server with more processes than this one's %d: begin again with 0", brief([]byte(text)), procs)
		}
	}
	if text := values.Get("run"); text != "" {
		run, ok := readRun([]byte(text))
		if !ok {
			return q, fmt.Errorf("query: run=%q is not the run of an id: give its 8 hexadecimal digits, like run=0a1b2c3d", brief([]byte(text)))
		}
		q.Run = &run
	}
	return q, nil
}

// Query writes what ReadInquiry reads.
func (q Inquiry) Query() string {
	after, _ := q.After.MarshalText() // never fails
	values := url.Values{"after": {string(after)}}
	if q.Run != nil {
		values.Set("run", fmt.Sprintf("%08x", *q.Run))
	}
	return values.Encode()
}
