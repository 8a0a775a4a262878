package target

import (
	"time"

	"github.com/wsload/wsload/internal/badframe"
	"github.com/wsload/wsload/internal/wire"
)

// A fault is a way to behave. Its name is a path and a name for the query
// "fault" of the well-behaved path.
type fault struct {
	name    string
	does    string // for the help page, with what a query may set
	manners func(*query) manners
}

// behaves gives the manners of the fault for a query, with its name.
func (f *fault) behaves(q *query) manners {
	m := f.manners(q)
	if f.name != wellBehaved {
		m.fault = f.name
	}
	return m
}

// Paths lists the paths of a Server on which it speaks WebSocket, the
// well-behaved one first.
func Paths() []string {
	var all []string
	for _, f := range faults() {
		all = append(all, "/"+f.name)
	}
	return all
}

// wellBehaved is the name of the path without a fault of its own.
const wellBehaved = "echo"

// faults lists all there are, the well-behaved path first. It is the one place
// that knows them: paths, help page and probabilities are made of it.
func faults() []fault {
	all := []fault{{wellBehaved, "behaves well; ?fault=NAME:PERCENT,... picks one of those below per connection", fixed(manners{})}}
	all = append(all, replyFaults()...)
	all = append(all, frameFaults()...)
	return append(all, lifeFaults()...)
}

// fixed is for what no query changes.
func fixed(m manners) func(*query) manners {
	return func(*query) manners { return m }
}

// says is for a Close that is said in one way whatever the query.
func says(s speech) func(*query) manners { return fixed(manners{speech: s}) }

// closing is the speech of a Close frame that is spoilt as a frame.
func closing(spoil func(op wire.Opcode, payload []byte, mask bool) []byte) speech {
	return func(payload []byte, mask bool) []byte { return spoil(wire.OpClose, payload, mask) }
}

// replyFaults are those in what follows a Close.
func replyFaults() []fault {
	return []fault{
		{"slow-reply", "answers a Close late: ?delay=2s, and up to ?jitter=0s more", func(q *query) manners {
			delay, jitter := q.duration("delay", 2*time.Second), q.duration("jitter", 0)
			if jitter > 0 {
				delay += time.Duration(q.draw() * float64(jitter))
			}
			return manners{delay: delay}
		}},
		{"busy-reply", "answers a Close after computing: ?rounds=2000 of SHA-256, about a fifth of a millisecond", func(q *query) manners {
			return manners{rounds: q.number("rounds", 2000, maxRounds)}
		}},
		{"no-reply", "never answers a Close and keeps TCP open", fixed(manners{silent: true, parting: partNone})},
		{"fin-no-reply", "answers a Close with a FIN alone", fixed(manners{silent: true})},
		{"rst-no-reply", "answers a Close with an RST alone", fixed(manners{silent: true, parting: partRST})},
		{"reply-no-fin", "answers a Close and keeps TCP open", fixed(manners{parting: partNone})},
		{"reply-rst", "answers a Close, then sends an RST in place of the FIN", fixed(manners{parting: partRST})},
		{"close-before-reading-reply", "ends TCP right behind its own Close, deaf to the answer", fixed(manners{hasty: true, deaf: true})},
	}
}

// frameFaults are those in the bytes of a Close, be it an answer or the
// server's own.
func frameFaults() []fault {
	return []fault{
		{"half-frame", "sends half a Close, then a FIN", fixed(manners{speech: closing(badframe.Half), hasty: true})},
		{"byte-by-byte", "sends its Close a byte at a time, which is legal: ?every=10ms", func(q *query) manners {
			return manners{pace: q.duration("every", 10*time.Millisecond)}
		}},
		{"data-before-close", "sends messages before its Close, which is legal: ?n=3", func(q *query) manners {
			n := q.number("n", 3, maxData)
			return manners{speech: func(payload []byte, mask bool) []byte { return badframe.Behind(n, payload, mask) }}
		}},
		{"data-after-close", "sends a message behind its Close", says(badframe.DataAfter)},
		{"second-close", "sends its Close twice", says(badframe.Twice)},
		{"bad-code", "sends a Close with any code, good or bad: ?code=1006", func(q *query) manners {
			code := q.number("code", 1006, maxCode)
			said := func(payload []byte, mask bool) []byte { return badframe.Code(code, payload, mask) }
			return manners{speech: said, anyCode: true}
		}},
		{"short-payload", "sends a Close with a payload of one byte", says(badframe.Short)},
		{"bad-utf8", "sends a Close with a reason that is not UTF-8", says(badframe.BadUTF8)},
		{"oversize", "sends a Close with a payload of 126 bytes", says(badframe.Oversize)},
		{"fragmented", "sends a Close without the FIN bit", says(closing(badframe.Fragment))},
		{"masked", "sends a masked Close", says(closing(badframe.WrongMask))},
		{"rsv", "sends a Close with a reserved bit", says(closing(badframe.ReservedBit))},
		{"opcode", "sends a frame of a reserved opcode in place of a Close", says(badframe.ReservedOpcode)},
	}
}

// lifeFaults are those that need no Close.
func lifeFaults() []fault {
	early := func(how cut) func(*query) manners {
		return func(q *query) manners {
			return manners{unasked: order{cut: how}, after: q.duration("after", time.Second)}
		}
	}
	return []fault{
		{"early-fin", "sends a FIN without a Close: ?after=1s from the 101", early(cutFIN)},
		{"early-rst", "sends an RST: ?after=1s from the 101", early(cutRST)},
		{"ignore-half-close", "ignores a FIN without a Close: keeps its end open for ?keep=1m", func(q *query) manners {
			return manners{keep: q.duration("keep", time.Minute)}
		}},
		{"leak-on-abort", "keeps the descriptor of a connection that the client cut, in CLOSE_WAIT behind a FIN: for ?keep=1m, at most 1000 at a time",
			func(q *query) manners {
				return manners{keep: q.duration("keep", time.Minute), keepRST: true}
			}},
		{"leak-memory", "keeps memory of each connection that has ended, for good: ?bytes=1024, at most 1 GiB in all",
			func(q *query) manners { return manners{hoard: q.number("bytes", 1024, maxPiece)} }},
		{"foreign-message", "echoes the messages of wsload with another connection's mark: send some, by traffic.every", fixed(manners{foreign: true})},
	}
}

// A parting is what the server does to TCP when it has said its last.
type parting uint8

const (
	partFIN  parting = iota // ends it
	partRST                 // cuts it
	partNone                // leaves it open until the client ends it
)

// manners say how a connection is ended. The zero value behaves well.
type manners struct {
	fault   string        // name of the fault, "" for none
	silent  bool          // a client's Close is not answered; the parting comes in place of the answer
	hasty   bool          // behind an own Close the parting does not wait for the client's
	deaf    bool          // nor is anything read that has come meanwhile
	parting parting       // what follows the last Close
	delay   time.Duration // from the end of the client's Close to the answer
	rounds  int           // of hashing before the answer, which keep a processor busy
	speech  speech        // how a Close is said, answer or own; nil says it well
	pace    time.Duration // between the bytes of a Close; 0 sends it in one piece
	anyCode bool          // the speech has a code of its own

	unasked order         // what the server does by itself; the zero order is nothing
	after   time.Duration // when it does it, from the 101

	keep    time.Duration // how long a client's end of TCP without a Close is ignored
	keepRST bool          // the same for an RST, where the connection is dead
	hoard   int           // bytes that are kept for good once the connection has ended
	foreign bool          // marks in echoed messages name another connection
}
