// Package verdict turns what is known of one connection into its one
// [stats.Outcome]: the class, the detail that goes with it, the flags, and the
// phases of its life.
//
// It looks at an [Evidence] only: what was planned, the wire's trace up to the
// settling event, and what settled it. It reads no clock and has no state, so
// the same evidence gives the same verdict on either end of a connection:
// the runner judges the server by it, and a server its clients.
//
//	evidence  what was planned and seen; when the own step was taken, what was
//	          asked of the peer
//	classify  the first class that matches, from the top
//	measure   pairs of instants to phases
//	verdict   all of it put together; the flags, which say what the class does not
package verdict
