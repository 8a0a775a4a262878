// Package drain measures what a deploy does to the connections that are open
// then.
//
// A drain rides on a run: the run opens and holds the population, and tells of
// each connection as it opens and as it settles. Two halves listen:
//
//	Observer    counts: what was held at the first hook, when the server's Close
//	            or the end of TCP came to each, who came back. Its memory does
//	            not grow with the run.
//	Conductor   waits until the population is full, fires the hooks in their
//	            order, and ends the run: when all that was held has ended and
//	            who comes back is back, or at drain.within
//
// All durations count from the launch of the first hook: the clock is read right
// before the signal is sent, the process started or the request written, so that
// nothing the server does is earlier. A connection belongs to those held when it
// had opened by then and had not ended. One that opens later is counted apart:
// when it ends again, a user was hit twice.
//
// In a run of several shards each counts its own connections, and the first one
// fires the hooks. The others count from the moment for which they have planned
// the first hook themselves, so their durations are as exact as the shards
// started together.
package drain
