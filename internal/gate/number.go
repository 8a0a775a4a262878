package gate

import "fmt"

// Number writes how many there are of something: "1 pair", "2 pairs", "0 pairs".
// The noun is one that takes an s.
func Number[N int | uint64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
