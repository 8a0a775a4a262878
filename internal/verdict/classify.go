package verdict

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// classify gives the class of a settled connection and the detail that goes
// with it. The order is that of the classes: the first that matches wins.
func classify(e *Evidence) (stats.Class, string) {
	tr := &e.Trace
	switch {
	case e.Open != nil:
		return openClass(e.Open)
	case e.Interrupted:
		return stats.Interrupted, ""
	case tr.Rule != wire.NoRule:
		return stats.Violation, "rule:" + tr.Rule.String()
	case e.cut():
		return stats.Cut, ""
	case e.asksForCut():
		return stats.Cut, EndDetail(tr)
	case e.peerFirst():
		return stats.PeerFirst, codeDetail(tr.PeerCode) + " " + EndDetail(tr)
	case e.failedByPeer():
		return stats.FailedByPeer, codeDetail(tr.PeerCode)
	case tr.PeerClose.Set() && !tr.OwnCloseDone && e.Plan.Mode.Answers():
		return stats.ReplyFailed, EndDetail(tr)
	case tr.Both():
		return closedClass(e)
	case e.TimedOut:
		return timeoutClass(e)
	}
	return brokenClass(tr)
}

// ReasonInterrupted is the reason of an opening that the run's end cut short.
const ReasonInterrupted = "interrupted"

func openClass(err *wire.OpenError) (stats.Class, string) {
	switch {
	case err.Reason == ReasonInterrupted:
		return stats.Interrupted, ""
	case err.Tool:
		return stats.ToolError, err.Reason
	}
	return stats.OpenFailed, err.Reason
}

// closedClass tells how TCP ended after both Close frames had passed.
func closedClass(e *Evidence) (stats.Class, string) {
	switch e.Trace.Ending {
	case wire.RST, wire.Failed:
		return stats.CleanRST, ""
	case wire.None:
		if !e.Plan.Eager {
			return stats.CleanNoFIN, ""
		}
	}
	return stats.Clean, ""
}

// timeoutClass is for connections on which nothing came by limits.close.
func timeoutClass(e *Evidence) (stats.Class, string) {
	tr := &e.Trace
	switch mode := e.Plan.Mode; {
	case mode.Act() == scenario.ActTrigger && !mode.Closes() && e.Sent && !tr.PeerClose.Set():
		return stats.NoClose, "" // an own Close is only ever an answer here
	case e.leftUnanswered():
		return stats.CloseTimeout, "mute"
	case e.Unsent, !tr.OwnCloseDone && !tr.HalfClose.Set():
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
		detail = append(detail, ErrnoName(tr.Errno))
	}
	return class, strings.Join(detail, " ")
}

// failure reports whether a status code says that the peer failed the
// connection (RFC 6455 section 7.4.1).
func failure(code int) bool {
	return code == 1002 || code == 1003 || code >= 1007 && code <= 1011
}

func codeDetail(code int) string {
	if code == wire.CodeNoStatus {
		return "code:none"
	}
	return "code:" + strconv.Itoa(code)
}

// EndDetail says how TCP ended.
func EndDetail(tr *wire.Trace) string {
	switch tr.Ending {
	case wire.FIN:
		return "fin"
	case wire.RST:
		return "rst"
	case wire.Failed:
		return ErrnoName(tr.Errno)
	}
	return "no_fin"
}

// ErrnoName is the name of a socket error in results.
func ErrnoName(errno syscall.Errno) string {
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
