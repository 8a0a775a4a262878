package wire

import (
	"syscall"
	"time"

	"github.com/wsload/wsload/internal/mark"
)

// State is the state of a connection, with the names of .NET's WebSocketState.
// A Teardown begins at Open; what comes before is the Handshake's.
type State uint8

const (
	// Open: no Close frame either way.
	Open State = iota
	// CloseSent: the own Close is wholly written, the peer's has not arrived.
	CloseSent
	// CloseReceived: the peer's Close has arrived, the own is not written.
	CloseReceived
	// Closed: both Close frames passed. Whatever TCP does then, it stays.
	Closed
	// Aborted: the connection ended, or was cut, before both had passed.
	Aborted
)

// String returns the .NET name.
func (s State) String() string {
	return [...]string{"Open", "CloseSent", "CloseReceived", "Closed", "Aborted"}[s]
}

// A Trace is what is known of one connection's teardown: the first time of
// each event of interest and the facts that classification needs.
//
// Unread says that this end took no notice of all that the peer had sent:
// closing then sends an RST in place of the FIN (RFC 2525 section 2.17). The
// Tap takes the bytes out of the socket before, so only the flag tells.
type Trace struct {
	State State

	OwnClose     Instant // own Close handed to write
	OwnCloseDone bool    // wholly written
	OwnCloseLost bool    // could not be wholly written
	OwnCode      int     // CodeNoStatus for an empty one; meaningless before OwnClose

	PeerClose     Instant       // peer's Close complete
	PeerCloseSeen time.Duration // when this process read it
	PeerCode      int
	PeerReason    string // at most 123 bytes, as received: hostile text

	Notify    Instant // peer's TLS close_notify
	End       Instant // peer's FIN or RST, or the connection's failure
	Ending    Kind    // None, FIN, RST or Failed
	Errno     syscall.Errno
	AfterFIN  bool    // the RST is known to have come behind a FIN
	HalfClose Instant // own FIN without a close of the socket
	Cut       Instant // own planned cut
	Reset     bool    // the cut was made by RST, or became one
	Silent    bool    // the cut sent nothing at all
	Shut      Instant // own close of the socket
	Unread    bool    // bytes of the peer were unread in the socket at the own cut or close

	Silenced  bool // the owner took the outgoing stream: the library's writes were refused from then on
	Rule      Rule // first rule broken by the peer
	Truncated bool // the end came inside a frame or message of the peer

	Sent        uint64 // data messages written
	Received    uint64 // data messages that arrived
	AfterClose  uint64 // of these, after the own Close and before the peer's
	LateControl uint64 // pings and pongs behind the peer's Close
	Lost        uint64 // gaps in the sequence of own messages that came back
	NextSeq     uint64 // sequence number expected back next
	SentSeq     uint64 // sequence number that the next own message will have
}

// Both reports whether both Close frames have passed.
func (t *Trace) Both() bool { return t.OwnCloseDone && t.PeerClose.Set() }

// SecondClose is when the later of the two Close frames passed. It is Set only
// when both have.
func (t *Trace) SecondClose() Instant {
	if !t.Both() {
		return Instant{}
	}
	if t.OwnClose.At > t.PeerClose.At {
		return t.OwnClose
	}
	return t.PeerClose
}

// Teardown is the state machine of a connection's end. Step moves it on; it
// never reads a clock.
type Teardown struct {
	Trace Trace

	echo bool      // judge the marks of messages that arrive
	mark mark.Mark // run and connection of this end's marks
	log  *Log      // nil: no events are kept
}

// ExpectEcho makes the machine judge the marks of arriving messages: those of
// this run must be this connection's own, in sequence.
func (t *Teardown) ExpectEcho(run uint32, n uint64) {
	t.echo, t.mark = true, mark.Mark{Run: run, N: n}
}

// Step takes one event. Events after the end, and repetitions, change nothing
// but the flags that speak of them.
func (t *Teardown) Step(ev Event) {
	tr := &t.Trace
	if tr.Ending != None && ev.Dir == In {
		return
	}
	if t.log != nil {
		t.log.add(ev)
	}
	switch ev.Kind {
	case Message:
		t.message(ev)
	case Ping, Pong, CloseNotify:
		t.other(ev)
	case Broken:
		if ev.Dir == In {
			t.breach(ev.Rule)
		}
	case Close:
		t.close(ev)
	case CloseDone:
		tr.OwnCloseDone = true
		t.advance(CloseSent)
		if tr.PeerClose.Set() && !tr.Cut.Set() {
			// The write may return only after the peer's answer, and even
			// its FIN, were read. Both frames have passed all the same.
			tr.State = Closed
		}
	case CloseFailed:
		tr.OwnCloseLost = true
	case FIN, RST, Failed:
		tr.End, tr.Ending, tr.Errno = ev.At, ev.Kind, ev.Errno
		tr.AfterFIN, tr.Truncated = ev.AfterFIN, ev.Open
		t.abort()
	case HalfClosed:
		tr.HalfClose = ev.At
	case Cut:
		tr.Cut = ev.At
		t.abort()
	}
}

// departed dates the own Close anew, by the offset at which it was handed to the
// kernel; 0 changes nothing. Step was told of it before its write, since the
// peer's answer may be read before that returns. Call it before CloseDone or
// CloseFailed: a Close after the first is not dated anew.
func (t *Teardown) departed(at time.Duration) {
	tr := &t.Trace
	if at == 0 || tr.OwnCloseDone || tr.OwnCloseLost {
		return
	}
	announced := tr.OwnClose
	tr.OwnClose = UserInstant(at)
	if t.log == nil {
		return
	}
	for i := range t.log.Events {
		if ev := &t.log.Events[i]; ev.Kind == Close && ev.Dir == Out && ev.At == announced {
			ev.At, ev.Seen = tr.OwnClose, at
		}
	}
}

// advance moves towards Closed by one Close frame, own or the peer's.
func (t *Teardown) advance(one State) {
	switch t.Trace.State {
	case Open:
		t.Trace.State = one
	case CloseSent, CloseReceived:
		if t.Trace.State != one {
			t.Trace.State = Closed
		}
	}
}

// abort ends every state but Closed, which is final.
func (t *Teardown) abort() {
	if t.Trace.State != Closed {
		t.Trace.State = Aborted
	}
}

func (t *Teardown) close(ev Event) {
	tr := &t.Trace
	if ev.Dir == Out {
		if !tr.OwnClose.Set() {
			tr.OwnClose, tr.OwnCode = ev.At, ev.Code
		}
		return
	}
	if tr.PeerClose.Set() {
		t.breach(RuleSecondClose)
		return
	}
	tr.PeerClose, tr.PeerCloseSeen = ev.At, ev.Seen
	tr.PeerCode, tr.PeerReason = ev.Code, string(ev.Reason)
	t.breach(ev.Rule)
	t.advance(CloseReceived)
}

func (t *Teardown) other(ev Event) {
	tr := &t.Trace
	switch {
	case ev.Kind != CloseNotify:
		if ev.Dir == In && tr.PeerClose.Set() {
			tr.LateControl++
		}
	case !tr.Notify.Set():
		tr.Notify = ev.At
	}
}

func (t *Teardown) message(ev Event) {
	tr := &t.Trace
	if ev.Dir == Out {
		tr.Sent++
		if m, _, ok := mark.Parse(ev.Head); t.echo && ok {
			tr.SentSeq = m.Seq + 1
		}
		return
	}
	if tr.PeerClose.Set() {
		t.breach(RuleDataAfterClose)
		return
	}
	tr.Received++
	if tr.OwnClose.Set() && ev.At.At > tr.OwnClose.At {
		tr.AfterClose++
	}
	if t.echo {
		t.judge(ev.Head)
	}
}

// maxGap is more than a connection can send: a number beyond it is made up.
const maxGap = 1 << 40

// judge compares an arriving message's mark with what this connection sent.
// Messages without a mark, or of another run, are nobody's business.
func (t *Teardown) judge(head []byte) {
	m, _, ok := mark.Parse(head)
	if !ok || m.Run != t.mark.Run {
		return
	}
	if m.N != t.mark.N {
		t.breach(RuleForeignMessage)
		return
	}
	if m.Seq >= t.Trace.NextSeq && m.Seq-t.Trace.NextSeq < maxGap {
		t.Trace.Lost += m.Seq - t.Trace.NextSeq
		t.Trace.NextSeq = m.Seq + 1
	}
}

func (t *Teardown) breach(r Rule) {
	if t.Trace.Rule == NoRule {
		t.Trace.Rule = r
	}
}
