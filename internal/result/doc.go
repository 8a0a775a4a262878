// Package result is the stored form of a run: a stream while it runs, and one
// document afterwards.
//
// The stream is JSON Lines and only ever grows. Its first line is the [Header],
// then comes one line per interval, a [Drain] where there was a deploy, and last
// the [End]. [Writer] writes each
// line whole with one call, so a run that is killed leaves a stream that can be
// read up to its last whole line. [Thinner] stands in front of the Writer and
// makes the lines of a long run cover longer intervals. What it holds back for
// the next line is meanwhile kept in a second small file, the tail: a [File] is
// a stream on a disk with its tail beside it.
//
// [Read] takes one or more streams, of one or more shards of one run, with
// lines interleaved in any way, and makes one [Document] of them. Every number
// of the document comes from merging what the lines say: the total of all
// intervals, and intervals of several shards that begin together. A
// [stats.Summary] becomes a [Span] and a Span becomes a Summary again without
// loss, so a document can be merged and judged later like a fresh run.
package result
