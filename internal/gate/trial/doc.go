// Package trial judges two servers against each other: b, the candidate,
// against a, the base, on a machine that is noisy and shared.
//
// The two are loaded in turn. A [Pair] is a few seconds of both, in short
// slices in the order ABBA or BAAB as a coin decided ([Order]). Its result is
// one number per gated metric: how b compares with a, with the noise that both
// had in common gone. Because a coin said which of the two came first, two
// equal servers give numbers that are as often positive as negative, whatever
// the noise is. That is all the tests of package rank assume, so the pair is
// what is counted: never a connection, which shares its fate with its
// neighbours.
//
// The data flow:
//
//	pairs of spans     what both servers did, with all histograms (File)
//	  → comparable     did both do the same, and could the tool keep up
//	  → units          the quantiles or rates of each pair; neighbouring pairs
//	                   are joined where a quantile has too few attempts beyond it
//	  → distances      of b from what the Contract tolerates, and from what must
//	                   be detected
//	  → looks          two exact tests, after 10, 14, 20, 30 and 50 pairs
//	  → Verdict
//
// A [Contract] gives two numbers per metric: a tolerance and a change that must
// be detected. Fail means that b is shown to be worse than the tolerance, Pass
// that b is shown to be better than what must be detected; between the two
// either is acceptable. Each is wrong at most once in twenty trials, over all
// looks together. What is not shown is Inconclusive. Sides that were not
// measured, or not alike, are NotComparable.
//
// # Rates
//
// Errors are compared pair by pair too: they come in bursts, and counted as if
// single they raise an alarm in a third of the comparisons of a server with
// itself. But the test by ranks asks what most pairs show, and so does not see
// a burst in one pair only. Therefore the sum over all pairs has a say: a Fail
// also needs an excess in the sum, and a Pass also needs that the sum is within
// what must be detected. A burst in b alone makes a trial inconclusive.
//
// # What ran out of time
//
// A quantile among the attempts that ran out of time is known to be at least
// the limit. In b that counts for a Fail by the limit, and against a Pass; in a
// it is the reverse.
//
// An attempt that ended before it could be measured, by a reset say, has no
// place among the others. Where b has clearly more of those than a, what is left
// cannot show that b is no worse: a quantile has no Pass then.
//
// # The same verdict everywhere
//
// A [File] holds everything a verdict rests on. [Decode] and [File.Encode] read one
// and write it again with the verdict computed anew, to the same bytes on every machine:
// all sums are of integers or of floating-point numbers in a fixed order, no
// logarithm is taken, and no compiler may fuse a product with a sum.
package trial
