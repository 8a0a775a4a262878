package relay

import (
	"sync"
	"time"
)

const (
	chunkSize = 4 << 10  // read at once
	queueSize = 28 << 10 // held back for later; with the chunk 32 KiB per direction
	maxMarks  = 1 << 10  // reads held back, whatever their size
)

// A mark is the part of a queue that leaves at one time: n bytes, or an ending
// behind them.
type mark struct {
	due    time.Time
	n      int
	ending ending
}

// A queue holds bytes back in their order. Its memory comes from a pool and is
// there only while it holds something. The zero queue is empty.
type queue struct {
	ring  *[queueSize]byte
	first int // the oldest byte's place
	held  int
	marks []mark
}

// room is how many bytes may be added.
func (q *queue) room() int {
	if len(q.marks) >= maxMarks {
		return 0
	}
	return queueSize - q.held
}

// empty reports whether nothing is held, neither bytes nor an ending.
func (q *queue) empty() bool { return len(q.marks) == 0 }

// due is when the oldest part leaves; the zero time where nothing is held.
func (q *queue) due() time.Time {
	if q.empty() {
		return time.Time{}
	}
	return q.marks[0].due
}

// add holds p, which must have room, until due.
func (q *queue) add(p []byte, due time.Time, pool *sync.Pool) {
	if q.ring == nil {
		q.ring = pool.Get().(*[queueSize]byte)
	}
	at := (q.first + q.held) % queueSize
	n := copy(q.ring[at:], p)
	copy(q.ring[:], p[n:])
	q.held += len(p)
	q.marks = append(q.marks, mark{due: due, n: len(p)})
}

// addEnding holds the ending of the direction until due.
func (q *queue) addEnding(e ending, due time.Time) {
	q.marks = append(q.marks, mark{due: due, ending: e})
}

// next gives the oldest part, at most as many of its bytes as lie in one piece.
// The bytes are valid until they are dropped. An ending has none.
func (q *queue) next() (p []byte, e ending) {
	m := q.marks[0]
	if m.ending != 0 {
		return nil, m.ending
	}
	return q.ring[q.first:min(q.first+m.n, queueSize)], 0
}

// drop removes what next gave, of which n bytes have left.
func (q *queue) drop(n int, pool *sync.Pool) {
	q.first, q.held = (q.first+n)%queueSize, q.held-n
	if q.marks[0].n -= n; q.marks[0].n == 0 {
		q.marks = q.marks[1:]
	}
	if q.held == 0 {
		q.free(pool)
	}
}

// free gives the memory back. The bytes are lost.
func (q *queue) free(pool *sync.Pool) {
	if q.ring != nil {
		pool.Put(q.ring)
	}
	q.ring, q.first, q.held = nil, 0, 0
	if q.empty() {
		q.marks = nil
	}
}
