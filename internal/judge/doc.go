// Package judge applies rules to a run as it is stored: those of its plan, and
// more that are asked for later.
//
// What the statistics need beside the total is taken from the document: the
// intervals of the run become rounds, and its plan says how long an attempt
// lasted at least that ran out of time. Package rule does the rest. So the same
// stream is judged alike at the end of its run and at any time later.
package judge
