// Package ci writes a verdict in the forms that the systems of continuous
// integration read: [Markdown] for a comment or a job's summary, [JUnit] for
// lists of tests, [Annotations] for GitHub's runner, and [Bench] for benchstat.
//
// The first three begin with a [Sheet], which is a verdict as a table of texts:
// what was judged, and one row for each rule or metric. Bench begins with the
// measurements.
//
// Nothing a sheet says is trusted. Its reasons may hold what a server wrote, and
// who reads the output acts on it: a runner obeys commands in a log, a
// comment mentions people. So each form makes every text harmless in its own
// way, whatever was done to it before.
//
// What was not measured is never shown as a success: it is an error in JUnit
// and for the runner.
package ci
