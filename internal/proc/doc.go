// Package proc reads facts about this process and its host: what limits the
// number of connections, and what the run itself costs.
//
// [ReadHost] and [Self] return plain values. A [Fact] the platform does not
// tell is marked as unknown and never guessed: a preflight then says that it
// could not check, which is not the same as that all is well. Linux tells all
// through /proc; other Unixes tell limits and CPU time; elsewhere all facts are
// unknown.
package proc
