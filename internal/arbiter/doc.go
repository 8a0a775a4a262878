// Package arbiter carries gates out: it joins what loads two servers in turn
// (internal/contest) with what judges them (internal/gate/trial).
//
//	Setup  what was asked for: two sides, metrics, bounds
//	  → Match  one gate; Play loads and judges pair by pair, until a verdict
//	  → Qualify  gates of a server against itself, one after the other, to a
//	     Qualification: what a verdict on this host is worth
//
// A match knows nothing of terminals and files. It reports by callbacks, and
// its trial.File is what is stored.
package arbiter
