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
// A [Dialer] opens connections. Its [Handshake] is an http.RoundTripper for
// exactly one upgrade: it dials, writes the request, judges the response and
// hands the Tap to the library as the body of a 101.
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
// answers it. Own frames are written at a frame boundary of what the library
// writes.
//
// Times are offsets from the beginning of the run on its monotonic clock. An
// [Instant] says which clock it comes from: the kernel's receive stamp or this
// process.
package wire
