package relay

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestAQueueGivesTheBytesInOrderAndItsMemoryBack(t *testing.T) {
	made, filled := 0, 0
	pool := sync.Pool{New: func() any { made++; return new([queueSize]byte) }}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var q queue
		var want, got bytes.Buffer
		for range 400 {
			if p := make([]byte, 1+random.IntN(chunkSize)); random.IntN(2) == 0 && len(p) <= q.room() {
				for i := range p {
					p[i] = byte(random.Uint32())
				}
				want.Write(p)
				if q.ring == nil {
					filled++
				}
				q.add(p, time.Unix(1, 0), &pool)
			} else if !q.empty() {
				p, _ := q.next()
				n := 1 + random.IntN(len(p))
				got.Write(p[:n])
				q.drop(n, &pool)
			}
		}
		q.addEnding(fin, time.Unix(2, 0))
		for {
			p, e := q.next()
			if e == fin {
				break
			}
			got.Write(p)
			q.drop(len(p), &pool)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatal("the bytes have changed")
		}
		if q.ring != nil || q.held != 0 || q.due() != time.Unix(2, 0) {
			t.Fatalf("an empty queue holds %d bytes and memory %v", q.held, q.ring != nil)
		}
	}
	if made > filled/2 { // a pool may lose some, and does so on purpose under the race detector
		t.Errorf("%d rings were made to be filled %d times, one after the other", made, filled)
	}
}

func TestAQueueHasNoRoomBehindManySmallParts(t *testing.T) {
	pool := sync.Pool{New: func() any { return new([queueSize]byte) }}
	var q queue
	for range maxMarks {
		q.add([]byte("x"), time.Unix(1, 0), &pool)
	}
	if q.room() != 0 {
		t.Errorf("room for %d bytes behind %d parts", q.room(), maxMarks)
	}
	q.drop(1, &pool)
	if q.room() != queueSize-maxMarks+1 {
		t.Errorf("room for %d bytes once one has left", q.room())
	}
}
