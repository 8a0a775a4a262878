package target

import (
	"crypto/sha256"
	"testing"
)

func TestABusyReplyHashesAsOftenAsItIsTold(t *testing.T) {
	var zeros [sha256.Size]byte
	once := sha256.Sum256(zeros[:])
	for rounds, want := range map[int][sha256.Size]byte{0: zeros, 1: once, 2: sha256.Sum256(once[:])} {
		if compute(rounds) != want {
			t.Errorf("%d rounds do not give the hash of that many", rounds)
		}
	}
}

// What the work takes is the measure of the gate's power.
func BenchmarkTheWorkOfABusyReply(b *testing.B) {
	for b.Loop() {
		compute(2000)
	}
}
