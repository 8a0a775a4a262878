package trial

import "testing"

// BenchmarkCompute is a verdict on a whole trial: 50 pairs of 1,000 closes on
// each side.
func BenchmarkCompute(b *testing.B) {
	few := usual()
	few.fin, few.openLag = ms, ms
	text, err := file(MaxPairs, func(i int) (arm, arm) {
		other := few
		if i%2 == 0 {
			other.handshake *= 2 // too noisy for a verdict before the last look
		}
		if i%4 < 2 {
			return few, other
		}
		return other, few
	}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := compute(text); err != nil {
			b.Fatal(err)
		}
	}
}

func edit(f *File, change func(*File)) *File {
	change(f)
	return f
}
