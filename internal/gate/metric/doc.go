// Package metric is what a gate can judge of a run: it reads the text of a
// metric and measures it on a [stats.Summary].
//
// A metric has a subject and a statistic, and may begin with an entry of the
// mix, without which all entries count:
//
//	close_handshake.p99      a phase: p50 p90 p99 p99.9 p99.99, min, max, mean, count
//	active.fin.p99           the same of one entry
//	violation.count          a class, also as class.violation.count
//	class.clean_rst.rate     the same as a share
//	premature.rate           every class that ended too early
//	unexpected.rate          every class that the entry's mode is not for
//	flag.truncated.rate      a flag beside the class
//	invalid_state.unexplained, probe_accepted
//	messages.lost            sent, received, skipped, lost, after_close
//	connections.opened       started, opened, ended, peak
//
// A count may leave out its statistic. A rate is a share of the opened
// connections. Where a connection may be counted that never opened (open_failed,
// tool_error, unexpected) it is one of the started connections, and messages.lost
// and messages.skipped are shares of messages: a rate is never above 1.
//
// Text goes to a [Metric]; a Metric and a Summary give a [Sample], where the
// metric is a duration, or a [Tally], where it is a count or a rate.
//
// A quantile is one of all attempts, not of those that succeeded: an attempt
// that ran out of time has no duration, and counts as longer than every other.
// Else a server that hangs some closes would look faster than one that answers
// them late. An attempt that ended otherwise, by a reset say, is not known to be
// long or short: it is left out and counted beside the sample, for the judge to
// say what may be concluded without it.
package metric
