// Package target is a WebSocket server to test against: well-behaved on one
// path, misbehaving in a known way on the others, and counting on all of them.
//
// The flow of one connection:
//
//	link      the TCP connection, below TLS; it remembers which end finished
//	          it first, and how
//	net/http  reads the request; its path and its query give the manners
//	upgrade   takes the socket from net/http, writes the 101 and puts a
//	          wire.Tap between the socket and the WebSocket library
//	session   first the library speaks: it echoes messages and hands over
//	          orders ("close 1001 bye", "abort rst"); then the library is let
//	          go and the session ends the connection by its manners
//	judge     the runner's verdict from this end: who began the end of the
//	          connection, how the client took part, and how long each step took
//	ledger    gets the result: Close frames each way, and who ended TCP; and
//	          of connections with an id, how each ended
//
// The misbehaviour is one table, in fault.go: its rows are the paths, the lines
// of the help page and the names for the query "fault", which picks by chance. A
// new fault is a row there; where its Close has bytes of its own, with a function
// of internal/badframe. Those bytes pass through the Tap like all others, so that the
// ledger counts as a Close what a decoder takes for one.
//
// The Tap withholds the client's Close from the library. So one piece of code
// answers it at once, late or never, and the socket is closed when the server
// means it and not when the library does. A well-behaved server closes TCP
// first, and at once, when both Close frames have passed (RFC 6455 section
// 7.1.1).
//
// The ledger is the server's own count, made without any knowledge of what the
// client counts. A client that reads [Ledger] from /statz after its run can
// compare the two, mode by mode.
//
// A server with a Recorder measures its clients: it judges every connection
// with internal/verdict, as the runner does from the other end. "Peer" is the
// client then, and the modes say what the server did ([Entries]). To see a
// client's FIN it must not close its socket at once, so it sends its own FIN
// alone and reads on for a while. A Tap on plain TCP then reads past the link,
// with the kernel's receive stamps, and tells it of the ends it meets.
//
// A client that gives its connections an [ID] can keep its own books against
// the server's, one connection at a time: [Ended], the body of /ended. The server judges
// those also where it does not measure, and then by what it knows without
// waiting for the client's FIN.
//
// An open connection costs one goroutine and a few small buffers, and no timer:
// timers exist only where a path or a closing handshake has a limit.
package target
