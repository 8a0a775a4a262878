package verdict

import (
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// Judge fills in all of an Outcome that follows from the evidence: class and
// detail; and of a connection that opened its flags, codes, messages and the
// phases of its end.
func Judge(o *stats.Outcome, e *Evidence) {
	o.N, o.Opened = e.N, e.Open == nil
	o.Class, o.Detail = classify(e)
	if !o.Opened {
		return
	}
	tr := &e.Trace
	if tr.OwnCloseDone {
		o.CodeSent = tr.OwnCode
	}
	if tr.PeerClose.Set() {
		o.CodeReceived = tr.PeerCode
	}
	o.ClosedFirst = closedFirst(e)
	o.Messages = stats.Messages{Sent: tr.Sent, Received: tr.Received, AfterClose: tr.AfterClose, Lost: e.lost()}
	if e.Echo && tr.SentSeq > tr.NextSeq {
		o.Unanswered = tr.SentSeq - tr.NextSeq
	}
	o.Flags = flags(o, e)
	measureClose(o, e)
}

// closedFirst says which end sent the first FIN or RST.
func closedFirst(e *Evidence) stats.Side {
	tr := &e.Trace
	own := tr.HalfClose
	if !own.Set() {
		own = tr.Cut
	}
	switch {
	case own.Set() && (tr.Ending == wire.None || own.At <= tr.End.At):
		if tr.Silent {
			return stats.Neither
		}
		return stats.Client
	case tr.Ending == wire.Failed:
		return stats.Neither
	case tr.Ending != wire.None || e.LateFIN:
		return stats.Server
	}
	return stats.Client
}

// Attribute gives operations that the client library refused (.NET:
// WebSocketError.InvalidState) their cause.
func Attribute(o *stats.Outcome, e *Evidence, refused uint32) {
	tr := &e.Trace
	switch {
	case refused == 0:
	case tr.OwnClose.Set() || tr.OwnCloseLost || tr.PeerClose.Set() || tr.HalfClose.Set() || tr.Silenced:
		o.InvalidState[stats.Race] = refused
	case tr.Ending != wire.None || tr.Cut.Set() || o.Class == stats.Interrupted || o.Class == stats.NoClose:
		o.InvalidState[stats.Echo] = refused
	default:
		o.InvalidState[stats.Unexplained] = refused
	}
}

// flags are what the class does not say.
func flags(o *stats.Outcome, e *Evidence) (all stats.Flags) {
	tr := &e.Trace
	simultaneous := e.simultaneous()
	all.Set(stats.Simultaneous, simultaneous)
	if tr.Both() && e.ownFirst() && !simultaneous {
		all.Set(echo(tr.OwnCode, tr.PeerCode), true)
	}
	all.Set(stats.DataAfterOwnClose, tr.AfterClose > 0)
	all.Set(stats.ControlAfterClose, tr.LateControl > 0)
	all.Set(stats.LostMessages, o.Messages.Lost > 0)
	all.Set(stats.Truncated, tr.Truncated)
	all.Set(stats.NoCloseNotify, e.Secure && tr.Ending == wire.FIN && !tr.Notify.Set())
	all.Set(stats.LateFIN, e.LateFIN)
	all.Set(stats.FINThenRST, tr.AfterFIN)
	all.Set(stats.UnreadAtClose, tr.Unread)
	return all
}

// echo says how the code of an answer relates to that of the own Close.
func echo(own, peer int) stats.Flag {
	switch {
	case peer == own:
		return stats.CodeEcho
	case peer == wire.CodeNormal:
		return stats.CodeNormal
	case peer == wire.CodeNoStatus:
		return stats.CodeNone
	}
	return stats.CodeOther
}

// ownFirst reports whether the mode sends a Close of its own, and that was no
// answer: it left before this process had read the peer's, if there was one.
func (e *Evidence) ownFirst() bool {
	if !e.Plan.Mode.Closes() {
		return false
	}
	tr := &e.Trace
	if e.waits() && tr.PeerClose.Set() { // the end may have been either's to begin
		return tr.OwnClose.Set() && tr.OwnClose.At < tr.PeerClose.At
	}
	return e.Begun && tr.OwnClose.Set() && (!tr.PeerClose.Set() || tr.OwnClose.At <= tr.PeerCloseSeen)
}

// simultaneous reports whether neither Close answers the other. The own is no
// answer where it left before the peer's was read. The peer's is none where it
// was here before the own one left, or where it has the code that the trigger
// asked for and not the own.
func (e *Evidence) simultaneous() bool {
	tr := &e.Trace
	if !tr.Both() || !e.ownFirst() {
		return false
	}
	asked := e.Trigger.Set() && e.Plan.Trigger.Send != "" && tr.PeerCode != tr.OwnCode && e.Plan.Trigger.Asks(tr.PeerCode)
	return asked || tr.PeerClose.At < tr.OwnClose.At
}
