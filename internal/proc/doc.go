// Package proc reads facts about processes and their host: what limits the
// number of connections, what a run costs, and what a server holds.
//
// [ReadHost], [Self] and [Of] return plain values, of the host, of this process
// and of any other, and [ReadBounds] what else a host allows. [Holders] finds the processes that listen on a port,
// [Listener] the one to speak to, and [SocketsOn] counts the sockets on both
// sides of the port by their state of TCP. A
// [Fact] the platform does not tell is marked as unknown and never guessed: a
// preflight then says that it could not check, which is not the same as that
// all is well. Linux tells all, through /proc and sock_diag; other Unixes tell
// limits and CPU time of this process; elsewhere all facts are unknown.
package proc
