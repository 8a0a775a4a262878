// Package watch looks at what a target holds while it is loaded, and says
// whether it leaks.
//
// A [Source] is what the user has of the target: a pid, a pid file, a port it
// listens on, a page with metrics. A [Sampler] asks the sources each interval
// and makes a [Sample] of what they told. Samples go to the result as lines and
// into a [Series], whose [Report] judges two things. They work alike for this
// process itself ([Self]).
//
// A trend is how fast something grows under load, per hour and per 1,000
// connections that ended. It is the median of the slopes between all pairs of
// points (Theil 1950, Sen 1968), with the interval of 99 % that belongs to
// Kendall's test, made wider by how much neighbouring points resemble each
// other. The points are medians of blocks of time, 60 at most. Not analysed are the ramp
// and the first tenth of the load, in which caches fill. It is called a leak
// only where all of this holds, since much grows that does not leak:
//
//   - the interval lies above 0;
//   - what grew is more than a floor, and more than the points scatter about
//     their line;
//   - it grew in the second half too, so that it did not level off;
//   - it grew apart from its two largest jumps, so that it was not a step.
//
// A return is how much of what the load brought is still there after it, when
// the target has had time to settle: the median of the samples then less the
// median of those before, with a floor for noise and, for memory, for what
// allocators keep. Both need three samples. Memory beyond that is told, and is
// called a leak by its trend alone: a runtime that rests keeps what it had, Go's
// for two minutes until it collects again, others for good.
//
// What is unknown is never 0. A restart of the target makes its series begin
// anew: a slope across it would mean nothing.
//
// The memory of a process with a garbage collector grows by more than what it
// leaks: by up to twice as much with Go's default of GOGC=100. Where a page
// tells the heap, that is nearer.
package watch
