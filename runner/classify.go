package runner

import (
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// evidence is all that classification may look at: what was planned, what the
// wire saw up to the settling event, and what settled it.
type evidence struct {
	plan  *scenario.Close
	trace wire.Trace
	open  *wire.OpenError // no connection came about

	planned time.Duration // planned close
	begun   bool          // the planned close was begun
	trigger wire.Instant  // trigger handed to write, or the moment it would have been
	sent    bool          // the trigger is wholly written

	interrupted bool // the run stopped first
	timedOut    bool // limits.close ran out
	graceOver   bool // limits.fin ran out
	unsent      bool // at limits.close own bytes had not reached the peer's kernel
}

// step is when the own step was taken: the own Close of an active close, the
// trigger of a passive one, the cut of an abort. A Close that answers the
// peer's is no step.
func (e *evidence) step() wire.Instant {
	switch e.plan.Mode {
	case scenario.Active:
		if e.begun {
			return e.trace.OwnClose
		}
	case scenario.Passive:
		return e.trigger
	case scenario.Abort:
		return e.trace.Cut
	}
	return wire.Instant{}
}

// peerFirst reports whether the peer's Close came before the own step, unasked.
func (e *evidence) peerFirst() bool {
	if !e.trace.PeerClose.Set() || e.waits() {
		return false
	}
	step := e.step()
	return !step.Set() || e.trace.PeerClose.At < step.At
}

// waits reports whether the server is left to close by itself, whenever.
func (e *evidence) waits() bool {
	return e.plan.Mode == scenario.Passive && e.plan.Trigger.Wait
}

// classify gives the class of a settled connection and the detail that goes
// with it. The order is that of the classes: the first that matches wins.
func classify(e *evidence) (stats.Class, string) {
	tr := &e.trace
	switch {
	case e.open != nil:
		return openClass(e.open)
	case e.interrupted:
		return stats.Interrupted, ""
	case tr.Rule != wire.NoRule:
		return stats.Violation, "rule:" + tr.Rule.String()
	case tr.Cut.Set() && (tr.Ending == wire.None || tr.End.At > tr.Cut.At):
		return stats.Cut, ""
	case e.peerFirst():
		return stats.PeerFirst, codeDetail(tr.PeerCode) + " " + endDetail(tr)
	case tr.PeerClose.Set() && failure(tr.PeerCode) && !e.asked(tr.PeerCode):
		return stats.FailedByPeer, codeDetail(tr.PeerCode)
	case tr.PeerClose.Set() && !tr.OwnCloseDone:
		return stats.ReplyFailed, endDetail(tr)
	case tr.Both():
		return closedClass(e)
	case e.timedOut:
		return timeoutClass(e)
	}
	return brokenClass(tr)
}

func openClass(err *wire.OpenError) (stats.Class, string) {
	switch {
	case err.Reason == reasonInterrupted:
		return stats.Interrupted, ""
	case err.Tool:
		return stats.ToolError, err.Reason
	}
	return stats.OpenFailed, err.Reason
}

// closedClass tells how TCP ended after both Close frames had passed.
func closedClass(e *evidence) (stats.Class, string) {
	switch e.trace.Ending {
	case wire.RST, wire.Failed:
		return stats.CleanRST, ""
	case wire.None:
		if !e.plan.Eager {
			return stats.CleanNoFIN, ""
		}
	}
	return stats.Clean, ""
}

// timeoutClass is for connections on which nothing came by limits.close.
func timeoutClass(e *evidence) (stats.Class, string) {
	if e.plan.Mode == scenario.Passive && e.sent { // an own Close is only ever an answer here
		return stats.NoClose, ""
	}
	if e.unsent || !e.trace.OwnCloseDone {
		return stats.CloseTimeout, "unsent"
	}
	return stats.CloseTimeout, "acked"
}

// brokenClass is for connections that ended without the peer's Close.
func brokenClass(tr *wire.Trace) (stats.Class, string) {
	fin, rst, other := stats.PrematureEOF, stats.PrematureRST, stats.PrematureError
	if tr.OwnCloseDone {
		fin, rst, other = stats.UnansweredEOF, stats.UnansweredRST, stats.UnansweredError
	}
	var detail []string
	if tr.Truncated {
		detail = append(detail, "truncated")
	}
	class := other
	switch tr.Ending {
	case wire.FIN:
		class = fin
	case wire.RST:
		class = rst
	default:
		detail = append(detail, errnoName(tr.Errno))
	}
	return class, strings.Join(detail, " ")
}

// failure reports whether a status code says that the peer failed the
// connection (RFC 6455 section 7.4.1).
func failure(code int) bool {
	return code == 1002 || code == 1003 || code >= 1007 && code <= 1011
}

// asked reports whether the peer's code is what it was asked for: the echo of
// the own code, or the code in a trigger's order.
func (e *evidence) asked(code int) bool {
	switch e.plan.Mode {
	case scenario.Active:
		return code == e.plan.Code
	case scenario.Passive:
		return e.plan.Trigger.Wait || code == orderedCode(e.plan.Trigger.Send)
	}
	return false
}

// orderedCode is the status code in an order to the server such as "close 1011
// bye", 0 where there is none.
func orderedCode(send string) int {
	for word := range strings.FieldsFuncSeq(send, func(r rune) bool { return r < '0' || r > '9' }) {
		if code, err := strconv.Atoi(word); err == nil && code >= 1000 && code <= 4999 {
			return code
		}
	}
	return 0
}

func codeDetail(code int) string {
	if code == wire.CodeNoStatus {
		return "code:none"
	}
	return "code:" + strconv.Itoa(code)
}

// endDetail says how TCP ended.
func endDetail(tr *wire.Trace) string {
	switch tr.Ending {
	case wire.FIN:
		return "fin"
	case wire.RST:
		return "rst"
	case wire.Failed:
		return errnoName(tr.Errno)
	}
	return "no_fin"
}

// errnoName is the name of a socket error in results.
func errnoName(errno syscall.Errno) string {
	switch errno {
	case 0:
		return "error"
	case syscall.ECONNRESET:
		return "ECONNRESET"
	case syscall.EPIPE:
		return "EPIPE"
	case syscall.ETIMEDOUT:
		return "ETIMEDOUT"
	case syscall.EHOSTUNREACH:
		return "EHOSTUNREACH"
	case syscall.ENETUNREACH:
		return "ENETUNREACH"
	case syscall.ECONNABORTED:
		return "ECONNABORTED"
	}
	return "errno-" + strconv.Itoa(int(errno))
}
