// Package launch runs lines of the shell as processes that end when they
// should.
//
// A [Command] is a server: a line with {port} in it. Start gives it a free port
// of the loopback interface and returns when a TCP connection to that succeeds.
// The [Server] tells at once when it has ended by itself, and Stop ends it.
//
// The flow of one server:
//
//	shell    runs the line in a process group of its own, so that a signal
//	         reaches all of it, and a terminal's Ctrl-C none
//	guard    a second shell that waits for the end of this process: nothing
//	         stays behind where that comes before Stop, even by SIGKILL
//	server   awaits the first connection, and the end
//	tail     the last words, for the error of an end nobody asked for; all of
//	         the output goes to the caller's log
//
// A server must stay in the foreground: with the end of the shell it counts as
// ended, and what it left in its group is killed. A process that leaves the
// group on purpose (setsid) is out of reach.
//
// [Shell], [AskToEnd] and [AwaitGroup] are the parts of it for commands that
// are no servers. On Windows there is no signal for a group: the shell alone is
// killed, and a server is not started at all, since it could not be ended.
package launch
