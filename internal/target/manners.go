package target

import "time"

// A parting is what the server does to TCP when it has said its last.
type parting uint8

const (
	partFIN  parting = iota // ends it
	partRST                 // cuts it
	partNone                // leaves it open until the client ends it
)

// manners say how a connection is ended. The zero value behaves well.
type manners struct {
	silent  bool          // a client's Close is not answered; the parting comes in place of the answer
	hasty   bool          // behind an own Close the parting does not wait for the client's
	deaf    bool          // nor is anything read that has come meanwhile
	parting parting       // what follows the last Close
	delay   time.Duration // from the end of the client's Close to the answer
	speech  speech        // how a Close is said, answer or own; nil says it well
	pace    time.Duration // between the bytes of a Close; 0 sends it in one piece
	anyCode bool          // the speech has a code of its own

	unasked order         // what the server does by itself; the zero order is nothing
	after   time.Duration // when it does it, from the 101

	keep    time.Duration // how long a client's end of TCP without a Close is ignored
	keepRST bool          // the same for an RST, where the connection is dead
	foreign bool          // marks in echoed messages name another connection
}

// part ends the connection behind the last Close. It reports whether TCP is to
// be ended by RST.
func (c *session) part() (reset bool) {
	if c.manners.parting == partNone {
		c.listen(0, never)
	}
	return c.manners.parting == partRST
}

// maxKept bounds the connections that a server keeps at a time although the
// client has gone: a path that leaks must not take the server's last
// descriptor.
const maxKept = 1000

// keep holds a connection that the client has ended without a Close, where the
// manners say so, there is room for one more and the service is not ending.
func (c *session) keep() {
	switch c.link.ending() {
	case clientFIN:
	case clientRST:
		if !c.manners.keepRST {
			return
		}
	default:
		return
	}
	if c.manners.keep == 0 {
		return
	}
	if c.sv.kept.Add(1) <= maxKept {
		c.sv.pause(c.manners.keep)
	}
	c.sv.kept.Add(-1)
}
