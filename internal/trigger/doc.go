// Package trigger brings a server to close by other means than its
// connections: a [Request] to it over HTTP, or a [Command] such as a SIGTERM or
// a deploy. A [Launcher] bounds how many run at once.
//
// Both have one method, Fire. It returns when the request or the command is
// over; a moment within it matters more than its end: the launch, from which on
// the server may close. Fire calls launched for it, right before the request is
// written or the process is started: a clock read in launched is never later
// than what the server does.
//
// launched is called exactly once and before Fire returns, in every case: who
// waits for the launch never waits for ever. Where there was none (nothing
// listens, the context had ended), the call comes with the failure, and Fire's
// error is [ErrNotLaunched].
//
// An error names a request by its method, host and path and a command by its
// first word. The rest may hold secrets: user and password, a query's token, a
// header for curl. What comes from outside, such as the last words of a command,
// is cut to 200 bytes of printable text on one line; whether those hold a secret
// only the command knows.
package trigger
