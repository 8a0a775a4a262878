// Package gate holds the words of a verdict. What leads to one stands in the
// packages below it; each can be read alone.
//
//	metric  what can be judged: "close_handshake.p99", "premature.rate"
//	rank    statistics by ranks: the exact signed-rank test, and its interval
//	rule    one run against a bound: a rule's text to a verdict with its interval
//	trial   two servers against each other: pairs of measurements, looked at
//	        after a planned number of them, to a verdict that can be recomputed
//	baseline  one run against runs of other jobs that were stored
//
// The data flow: a [stats.Summary] and a metric give a measurement, which is a
// histogram or a count out of attempts. A rule turns one measurement into an
// interval and compares that with its bound. A trial turns pairs of
// measurements into one number per pair and tests those.
//
// All of it is arithmetic: no clock, no input or output, and no chance but the
// order of a trial's pairs, which comes from a stored seed. So the same data
// gives the same verdict wherever and whenever it is computed.
//
// A verdict is never a guess. Pass and Fail are both statements that the data
// bear out at a stated level of error; what lies between is Inconclusive, and
// what was not measured is NoData. Neither counts as a pass.
//
// [stats.Summary]: https://pkg.go.dev/github.com/wsload/wsload/stats#Summary
package gate
