// Package books is double entry: it holds what this tool says of its
// connections against what the server says of the same ones. Any difference
// means that one of the two is wrong.
//
//	compare  the sums of each mode of closing, against the server's ledger
//	match    each single connection, by its own number: this end's class and
//	         the server's must be a pair that can be
//	pair     which pairs can be, and which of these only a race explains
//	follow   fetches the server's verdicts while the run goes on
//
// A server can be compared that keeps such books, as the embedded one does.
package books
