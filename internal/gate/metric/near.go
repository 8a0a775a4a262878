package metric

import "strconv"

// longest bounds the words that are looked at and shown: no name is longer, and
// a hostile text must cost nothing.
const longest = 64

// quote shows a word of any origin, cut where it is too long for a line.
func quote(word string) string {
	if len(word) > longest {
		return strconv.Quote(word[:longest]) + "…"
	}
	return strconv.Quote(word)
}

// nearest returns the name that a word was most likely meant to be, or "" where
// none is near: one slip in three letters.
func nearest(word string, names []string) string {
	if len(word) > longest {
		return ""
	}
	best, least := "", max(1, len(word)/3)+1
	for _, name := range names {
		if d := slips(word, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// slips counts the letters to add, to drop, to change or to swap with the next
// one to make a word of another.
func slips(from, to string) int {
	// rows[i][j] is for the first i and j letters of the two.
	rows := make([][]int, len(from)+1)
	for i := range rows {
		rows[i] = make([]int, len(to)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(from); i++ {
		for j := 1; j <= len(to); j++ {
			change := rows[i-1][j-1]
			if from[i-1] != to[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(from)][len(to)]
}
