// Package badframe makes the bytes that a well-behaved end never sends, or hardly
// ever: frames that break a rule of RFC 6455, and legal ones that peers get wrong.
// Both ends use it, the client to see what a server makes of them, the server to
// see what a client does.
//
// There are two kinds of functions, each a few lines. Those of frame.go spoil one
// frame of any opcode. Those of close.go say a Close, with a payload that is
// whole, in a way of their own. All take mask last: whether this end must mask
// its frames, as a client does (section 5.1). A new one is a function beside its
// like, and a row in the test, which tells what the other end sees.
//
// The package knows no scenario and no path of the server: who sends what, and
// when, is theirs.
package badframe
