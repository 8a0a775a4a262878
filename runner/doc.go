// Package runner does what a scenario says: it opens the connections of a
// [scenario.Plan], keeps a receive loop on each, closes them on schedule and
// hands out what happened as [stats.Summary] values. It prints nothing.
//
// The flow of a run:
//
//	schedule    one goroutine per shard fires what is due: starts, closes,
//	            messages
//	pace        says when a start is due: the ramp and the stages by arithmetic,
//	            then each slot that has become free, as soon as the rate allows
//	            or after a wait, as load.reconnect says
//	connection  one goroutine per connection, its owner: dial, opening
//	            dialogue, receive loop; beside it a closer takes the own step
//	modes       what each mode of closing does, and how a trigger is fired
//	settle      the owner reads on until the connection has ended
//	outcome     what the verdict on one connection counts as; its line in a trace
//	shard       a Recorder for a part of the slots; the meter flips it each
//	            interval and merges it into the interval's Summary, then into
//	            the total
//
// The client library speaks the protocol where there is something to say or to
// read beside control frames: messages of the traffic or of an opening dialogue,
// messages of the server, which engage it when they come, and the probes of one
// connection in 16. There it speaks the Close of an active close, too, and the
// answer in a passive one; otherwise the owner does, by the same rules. Each
// history of the tests is played with and without it. When its part is over - it
// has seen the peer's Close, or was let go - the owner reads on through the
// wire.Tap until the connection settles:
// by its own planned cut, the peer's FIN or RST, limits.close, limits.fin, or
// the end of the run. An Outcome is computed once, from the trace up to there.
//
// A run ends in order: when the plan's duration is over, or the context is
// done, nothing new opens, what is open is closed early, and what is still
// open after limits.drain is cut. Run returns when every goroutine has ended,
// and every connection that was started is in exactly one class.
package runner
