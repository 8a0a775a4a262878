// Package contest loads two servers in turn and hands out what both did, pair
// by pair, for package trial to judge.
//
// The flow of one pair:
//
//	coin     trial.Order says which side comes first
//	launch   both servers are started anew, the first side's first; sides that
//	         are URLs have no process, and their addresses are taken in turn
//	warm-up  a slice on each side that is not counted, by rule and not by its
//	         figures
//	slices   in the coin's order, ABBA or BAAB, as often as Options.Blocks says
//	end      both servers are stopped; the slices of each side become one Arm
//
// A slice is a run of the plan in which each connection lives once: a fixed
// number of closes at a fixed rate, so that both sides have equal attempts and
// quantiles of equal bias. The k-th slice of one side has the same seed as the
// k-th of the other, so both have the same script.
//
// What makes a side's figures worthless is a Fault of its Arm: a server that
// died or was never ready, a host that ran out of ports. The contest ends with
// that pair. It judges nothing else.
//
// Every slice goes to a record, JSON Lines that are only appended to: a header,
// a line for each slice as it ends, with its histograms, and a last line. A
// record without its last line is one of a contest that was killed. Nothing of
// a slice stays in memory once its pair is over.
package contest
