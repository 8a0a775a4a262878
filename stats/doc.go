// Package stats says what happened to the connections of a run.
//
// One connection ends as one [Outcome]: exactly one [Class], the Close codes
// both ways, and the duration of each [Phase] that was measured. Outcomes flow
// as follows.
//
//  1. Each shard of the runner adds its outcomes to its own [Recorder].
//  2. On every tick the recorders are flipped: the full [Summary] is taken out,
//     an empty one put in, and no lock is held while summaries are merged.
//  3. [Summary.Merge] folds shards into an interval, intervals into a run, and
//     the runs of several processes and machines into one.
//
// Merge is associative and commutative, down to the bounded parts: details past
// their bound and exemplars are chosen by a fixed order of their values, never
// by the order of arrival. So it does not matter who merges what first.
//
// A Summary has a fixed size, however long the run: counts, one [Histogram] per
// entry of the mix and phase that was ever measured, and a few exemplars.
package stats
