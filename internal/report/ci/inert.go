package ci

import "strings"

// Inert takes out of a line what GitHub's runner obeys in the log of a job
// (actions/runner, src/Runner.Common/ActionCommand.cs): "::" at its beginning,
// behind blanks too, and "##[" anywhere in it. A line may be broken at a blank
// later, so no word of it begins with "::". A backslash stands where it was
// broken up. The line must have no white space but blanks.
func Inert(line string) string {
	line = strings.ReplaceAll(line, "##[", `#\#[`)
	return strings.ReplaceAll(" "+line, " ::", ` \::`)[1:]
}
