// Package parts carries one run out in several processes of this host: of this
// binary, each with its own descriptors and its own memory, so that a run passes
// what one process may hold.
//
//	Muster   starts the processes and gives each its Orders: the plan, and the
//	         shard of it that is its part
//	Work     is what such a process does: it carries its part out with a runner,
//	         double entry and the path of the faults of its own
//	Run      lets all begin at the same moment, from which they all count,
//	         merges what they tell while it comes, and adds up what they came to
//
// The language between them is lines over pipes: down go Orders, the word to
// begin, and to end; up comes the result stream of the part, with a few lines
// more for what such a stream has not. A process whose standard input ends cuts
// what it has open and ends, so none outlives the one that started it by more
// than a moment, whatever the server does.
//
// Intervals of different parts belong together by their place on the grid of
// the plan's interval. A part that is late is waited for, a little; one that
// died is not, and what it had told counts.
package parts
