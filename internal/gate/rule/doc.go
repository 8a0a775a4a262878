// Package rule judges one run against bounds: "close_handshake.p99 < 50ms",
// "premature.rate < 0.1%", "invalid_state.unexplained == 0".
//
// [Parse] reads the text of a rule. [Rule.Judge] measures its metric on a
// [Run], puts an interval around it and compares that with the bound: the rule
// passes where the whole interval keeps it, fails where the whole interval
// breaks it, and is inconclusive in between. Either answer is wrong in at most
// one run of twenty, if the interval covers what varies.
//
// The intervals:
//
//	quantile   order statistics, by the binomial distribution: exact whatever
//	           the distribution of the durations is
//	rate       Clopper and Pearson's: exact for errors that come singly
//	rate == 0, count, min, max   none: that of this run, counted
//	mean       none by itself
//
// These hold the sampling error alone: what another run of the same server in
// the same minute would give. Where the run is known in rounds (the intervals
// of a result), the interval also holds how far the rounds differ. For
// durations it is widened to what the rounds' own values allow, as Hodges and
// Lehmann. For rates the attempts are divided by the dispersion of the errors
// over the rounds: errors that come in bursts say less than as many single
// ones.
//
// An attempt that a reset ended before it could be measured is in none of these.
// How many there were is told, and where they are more than the share that the
// quantile leaves beyond itself (1 % for p99) they may have been the longest: the
// rule does not pass then.
//
// point(…) around a metric leaves the interval away: the rule is then judged by
// the measured value alone, as in k6, and of the attempts that succeeded. It is
// never inconclusive and as reliable as one number can be.
//
// A rule on what did not happen has no data. That is not a pass: a run in which
// no connection opened has no premature ends.
package rule
