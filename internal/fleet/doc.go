// Package fleet runs processes of this same binary that work for this one: the
// tool's own server, and the shards of a run that one process cannot hold.
//
// A [Child] is one such process. Its standard input is the leash: the process
// ends at once when that does, so it does not outlive this one by more than a
// moment, however this one ends. Its standard output carries lines, of which the
// first says that it is ready.
package fleet
