// Package settings makes the plan of a run out of what a user says of it: the
// defaults of a command, a file, the environment and flags.
//
//	file.go     the file: YAML, JSON or TOML, and on which line each key stands
//	layer.go    single settings, those of the environment, and the layers over
//	            each other: flags over environment over file over defaults
//	resolve.go  Resolve: the plan of all of it, with the place of every value
//	check.go    what is wrong with the whole, and with this host for it
//
// Every problem of all layers and of their sum is found in one go, each with
// the place it comes from: a line of the file, a variable, a flag. Nothing
// behind this package knows where a value came from, but for telling the user.
//
// The flags themselves are the command's: it hands over which key each one set.
package settings
