// Package problem says what is wrong with a plan, and reads the small texts of
// which its values are made: durations, words of a list, calls such as
// wave(10s).
//
// A [Problem] names the key, the value as it was written, what is wrong and
// what to write instead. A [List] is all that one step found, since a user who
// mends one mistake at a time runs the command once for each. A [TextError] is
// a text that cannot be read; it becomes a Problem where its key is known.
//
// Everything shown is made harmless first: a file may come from anywhere.
package problem
