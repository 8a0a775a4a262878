package scenario

import "github.com/wsload/wsload/scenario/problem"

// A Mode is what the client does to end a connection.
type Mode string

const (
	// Active sends a Close, keeps receiving until the peer's Close, and waits
	// for the peer's FIN (RFC 6455 section 7.1.2).
	Active Mode = "active"
	// Output sends a Close and goes on consuming messages as data until the
	// peer's Close (RFC 6455 section 5.5.1: the peer may finish what it sends).
	Output Mode = "output"
	// Passive gets the server to close, answers its Close and waits for FIN.
	Passive Mode = "passive"
	// Simultaneous gets the server to close and sends a Close at once, so that
	// the two may cross (RFC 6455 section 7.1.5).
	Simultaneous Mode = "simultaneous"
	// Abort ends the TCP connection without a Close handshake.
	Abort Mode = "abort"
	// HalfClose sends a FIN without a Close and keeps reading.
	HalfClose Mode = "half_close"
	// Mute gets the server to close and never answers its Close.
	Mute Mode = "mute"
	// Stall stops reading for a while, then closes as Active does.
	Stall Mode = "stall"
	// BadClose sends a Close that a server may refuse, or one at the edge of
	// what it must take.
	BadClose Mode = "bad_close"
	// Vanish goes silent without FIN or RST, as a pulled cable does.
	Vanish Mode = "vanish"
)

// UnmarshalText reads one of the modes that there are, and no other.
func (m *Mode) UnmarshalText(text []byte) error {
	mode, bad := problem.OneOf("mode", string(text), modes()...)
	if bad != nil {
		return bad
	}
	*m = mode
	return nil
}

// modes lists all that there are.
func modes() []Mode {
	return []Mode{Active, Output, Passive, Simultaneous, Abort, HalfClose, Mute, Stall, BadClose, Vanish}
}

// An Act is what a client does by itself to end a connection.
type Act uint8

const (
	ActClose   Act = iota // it sends a Close
	ActTrigger            // it gets the peer to close
	ActFIN                // it ends its direction of TCP
	ActCut                // it ends TCP, or leaves it
)

// traits are what the rest of the tool knows a mode by: a new one needs its
// row here, its keys in owners and what it does in the runner.
type traits struct {
	act    Act
	closes bool // it sends a Close that is no answer
	mute   bool // it leaves the peer's Close without an answer
	silent bool // the peer does not hear of its end
	clean  bool // it is to end with both Closes and the peer's FIN
	cut    bool // it is to end in a cut, its own or one that it asked for
}

func (m Mode) traits() traits {
	switch m {
	case Active, Output, Stall:
		return traits{act: ActClose, closes: true, clean: true}
	case BadClose:
		return traits{act: ActClose, closes: true, clean: true, cut: true}
	case Passive:
		return traits{act: ActTrigger, clean: true, cut: true} // a cut only where the trigger allows one
	case Simultaneous:
		return traits{act: ActTrigger, closes: true, clean: true}
	case Mute:
		return traits{act: ActTrigger, mute: true, cut: true}
	case HalfClose:
		return traits{act: ActFIN, mute: true, cut: true}
	case Abort:
		return traits{act: ActCut, closes: true, cut: true}
	case Vanish:
		return traits{act: ActCut, silent: true, cut: true}
	}
	return traits{}
}

// Act gives the kind of the mode's own step.
func (m Mode) Act() Act { return m.traits().act }

// Closes reports whether the mode may send a Close that is no answer.
func (m Mode) Closes() bool { return m.traits().closes }

// Answers reports whether the peer's Close is answered once the own step is
// taken.
func (m Mode) Answers() bool { return !m.traits().mute }

// Silent reports whether the peer does not hear of the connection's end.
func (m Mode) Silent() bool { return m.traits().silent }

// EndsClean and EndsCut report what the mode is for: the whole closing
// handshake, a cut, or either.
func (m Mode) EndsClean() bool { return m.traits().clean }

// EndsCut is explained at EndsClean.
func (m Mode) EndsCut() bool { return m.traits().cut }

// setWord reads one of the words, or nothing.
func setWord[W ~string](w *W, what string, text []byte, words ...W) error {
	if len(text) == 0 {
		*w = ""
		return nil
	}
	word, bad := problem.OneOf(what, string(text), words...)
	if bad != nil {
		return bad
	}
	*w = word
	return nil
}
