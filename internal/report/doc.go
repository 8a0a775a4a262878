// Package report says what a result holds, to people and to programs.
//
// A renderer is a function from a [result.Document] to a writer: [Text] for a
// terminal, [JSON] for programs, [DotNet] for those who think in the exceptions
// of .NET. [Live] is different: it shows a run while it goes on, from a few
// numbers per tick.
//
// Doubt travels with the number. A percentile that too few samples support is
// not shown. A duration that the tool's own lateness may explain is marked, and
// a warning says so. What a server sent is written so that it cannot steer a
// terminal.
package report
