// Package wire is the eye underneath a WebSocket connection: it owns the
// socket, lets a protocol library speak over it, and watches.
//
// The flow of one connection, from below:
//
//	socket    one TCP connection: reads with the kernel's receive stamp, and
//	          says at its end whether that was a FIN or an RST
//	tls.Conn  only for wss; the frames are read above it, the end below it
//	Tap       what the library gets in place of a net.Conn; it passes bytes
//	          through unaltered and feeds both directions to a decoder
//	decoder   bytes to frames, wherever the bytes are cut
//	Teardown  frames and ends to states (.NET WebSocketState) and a Trace
//
// A [Dialer] opens connections. A [Handshake] is one opening: it dials, writes
// the [Request] and judges the answer. To the library it is an http.RoundTripper
// that hands it the Tap as the body of a 101.
//
// The library is engaged only when it has something to do. Until then the owner
// waits by [Tap.Await], which answers pings, and speaks by TryClose and
// WriteText: an idle connection without a library needs half of the memory, and a
// lifecycle two thirds of the CPU time. Whatever is more than a lone control
// frame waits in the Tap for the library, which goes on from there.
//
// Closing is decoupled. The library's Close of its connection reaches the Tap
// while the library holds its own locks, so [Tap.Close] neither closes the
// socket nor waits: it lets the library go, by waking the library's read or
// write where one is inside the socket. From then on the owner of the
// connection reads on its own with [Tap.Next], under its own deadlines, until
// the peer's FIN, an RST or a limit, and only then calls [Tap.Shut]. That is
// how a FIN after the closing handshake is seen at all (RFC 6455 section
// 7.1.1), and how limits differ from the library's fixed ones.
//
// A Tap made with Withhold keeps the peer's Close from the library: the
// library's read ends with an error where the Close begins, and the owner
// answers it.
//
// The two directions are taken over one by one. [Tap.Next] takes the incoming
// one. [Tap.Silence] takes the outgoing one while the library may read on: it
// waits until the library has ended the frame that it stands inside, and from
// then on refuses its writes, since nothing of the library may follow an own
// Close (RFC 6455 section 5.5.1). Every own step silences the library first:
//
//	WriteClose     a Close
//	WriteBadClose  bytes that stand for the own Close
//	WriteRaw       bytes that break a rule, or a part of a frame
//	CloseWrite     this end's FIN; reading goes on
//
// Half a frame that was left behind ends all speech; then only [Tap.Cut],
// [Tap.Vanish] and [Tap.Shut] are left, which end the connection.
//
// Times are offsets from the beginning of the run on its monotonic clock. An
// [Instant] says which clock it comes from: the kernel's receive stamp or this
// process.
package wire
