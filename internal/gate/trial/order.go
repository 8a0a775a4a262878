package trial

import "math/rand/v2"

// The two orders of the slices of a pair. Each repeats until the pair is full.
const (
	OrderABBA = "ABBA"
	OrderBAAB = "BAAB"
)

// Order is the coin: the order of pair i, from 0, of a trial with that seed.
// The coin of one pair says nothing about another.
func Order(seed uint64, i int) string {
	if rand.NewPCG(seed, uint64(i)).Uint64()>>63 == 0 {
		return OrderABBA
	}
	return OrderBAAB
}
