// Package store makes the files that results are written to, so that no result
// is lost for another that never comes: what was there before stays until there
// is something to put in its place.
//
// There are two kinds. A [Stream] grows under its final name, since others read
// it meanwhile; it is opened before anything is done, to find out whether it
// can be, and emptied by Begin, when all that is to be written is open. A
// [Whole] is written beside its place and put there by Close: a process that is
// killed leaves the old file, or none.
//
// Devices and pipes are written to as they are.
package store
