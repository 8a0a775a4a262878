// Package scenario says what a run is to do. It is data and arithmetic: it
// opens nothing, reads no clock and starts no goroutine.
//
// A [Plan] is the whole scenario. It comes from Go code, by changing what
// [Default] returns, or from text:
//
//	tree of a file, the environment and flags
//	   │  Decode      every key known, every value readable
//	   ▼
//	Plan, ${VAR} still in place     what a result stores, after Redacted
//	   │  ExpandEnv   variables replaced
//	   ▼
//	Plan
//	   │  Validate    every value in range, nothing contradictory
//	   ▼
//	Plan, ready     Lifecycle(n), CloseAt, Backoff, Shard.Slots
//
// Each of the three steps reports everything it finds as [Problems], and
// [JoinProblems] makes one list of them, so that a user sees all mistakes at
// once. One mechanism, the key tags of the Plan, serves files, environment,
// flags, the printed plan and the stored one: [Keys] lists the keys, [Decode]
// reads them, [Encode] and the Plan's JSON write them, and what was written
// can be read again.
//
// # Lifecycles
//
// Connection n is described by [Plan.Lifecycle], a pure function of the plan,
// its seed and n. It does not depend on how many processes share the work, on
// the order in which connections end or on an earlier call. So n can be run
// again alone, and shards need no coordinator: each takes its [Shard] of the
// slots, and together they hold exactly what one process would.
//
// n = generation × connections + slot. Generation 0 fills the population at
// the planned rate, or as the stages say. Later generations replace what ended,
// and only the run can tell when that is. When a slot holds a connection at all
// is arithmetic too: see [Load.OnAt].
package scenario
