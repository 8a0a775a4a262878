package report

import (
	"slices"
	"strings"

	"github.com/wsload/wsload/stats"
)

// A thrown row says what ClientWebSocket of .NET 8 and later would have made of
// connections that ended in a class: what the application catches, and the
// WebSocketState after it.
type thrown struct {
	class   stats.Class
	modes   []string // of wsload that it is for; none: all the others
	details []string // the tokens of the class' detail it is for, "status-*" for all that begin so; none: all the others
	what    string   // a WebSocketError, canceled, nothing or unknown
	state   string   // a WebSocketState, or unknown
}

// What can stand in place of a WebSocketError.
const (
	// nothing: every call returned.
	nothing = "none"
	// canceled: the call never returned, and its token ended it. Without a token
	// it waits for ever.
	canceled = "OperationCanceledException"
	// unknown: the class does not say what .NET would have met.
	unknown = "-"
)

const (
	faulted   = "Faulted"
	premature = "ConnectionClosedPrematurely"

	aborted = "Aborted"
	closed  = "Closed"
	halfway = "CloseReceived"
)

// throwing is the whole mapping: for a class the first row whose mode and
// details fit.
// Sources are methods of dotnet/runtime, System.Net.WebSockets.
func throwing() []thrown {
	return []thrown{
		// WebSocketHandle.ConnectAsync: a status other than 101.
		{stats.OpenFailed, nil, []string{"status-*"}, "NotAWebSocket", closed},
		// WebSocketHandle.ValidateHeader: a header that is there and wrong; one that is missing is Faulted.
		{stats.OpenFailed, nil, []string{"bad-accept", "bad-upgrade", "bad-connection"}, "HeaderError", closed},
		// WebSocketHandle.ConnectAsync: the answer names a subprotocol that was not offered.
		{stats.OpenFailed, nil, []string{"bad-subprotocol"}, "UnsupportedProtocol", closed},
		// WebSocketHandle.ConnectAsync: extensions are looked at only where the client offered compression.
		{stats.OpenFailed, nil, []string{"bad-extension"}, nothing, "Open"},
		// WebSocketHandle.ConnectAsync: has no limit, so its token ends it, and that exception is passed on.
		{stats.OpenFailed, nil, []string{"timeout"}, canceled, closed},
		// None: ConnectAsync had returned, the dialogue is the application's, and the class does not say what came instead.
		{stats.OpenFailed, nil, []string{"on-open", stats.DetailOther}, unknown, unknown},
		// WebSocketHandle.ConnectAsync: everything else becomes "unable to connect", refused and TLS alike.
		{stats.OpenFailed, nil, nil, faulted, closed},
		// None: a limit of this host, not of the peer.
		{stats.ToolError, nil, nil, unknown, unknown},
		// None: the run stopped first.
		{stats.Interrupted, nil, nil, unknown, unknown},
		// HandleReceivedCloseAsync: the payload is looked at once the Close counts as received; the 1002 that
		// CloseWithReceiveErrorAndThrowAsync sends is then the second Close of the pair.
		{stats.Violation, nil, []string{"rule:bad-code", "rule:short-payload", "rule:bad-utf8"}, faulted, closed},
		// WaitForServerToCloseConnectionAsync: what comes after the Close is read once and not looked at.
		{stats.Violation, nil, []string{"rule:data-after-close", "rule:second-close"}, nothing, closed},
		// None: ReceiveAsync returns a foreign message like any other.
		{stats.Violation, nil, []string{"rule:foreign-message", stats.DetailOther}, unknown, unknown},
		// TryParseMessageHeaderFromReceiveBuffer, CloseWithReceiveErrorAndThrowAsync: a bad header; sends 1002 first.
		{stats.Violation, nil, nil, faulted, aborted},
		// HandleReceivedCloseAsync: ReceiveAsync has returned the Close and no other call is made, so none meets the
		// end of TCP: the state waits for an answer.
		{stats.Cut, []string{"mute"}, []string{"fin", "rst"}, nothing, halfway},
		// ThrowEOFUnexpected, ReceiveAsyncPrivate: what was asked for is for the receive an end like any other. Where a
		// Close had come before the RST, as it may from a peer that fails the connection, WaitForServerToCloseConnectionAsync
		// would have swallowed it; the class does not say so.
		{stats.Cut, nil, []string{"fin", "rst"}, premature, aborted},
		// None: nothing of .NET leaves the connection like that.
		{stats.Cut, []string{"vanish"}, nil, unknown, unknown},
		// Abort (Dispose: Closed) never throws; a receive that was pending is canceled.
		{stats.Cut, nil, nil, nothing, aborted},
		// HandleReceivedCloseAsync: ReceiveAsync returns a Close, CloseOutputAsync answers it.
		{stats.PeerFirst, nil, nil, nothing, closed},
		// HandleReceivedCloseAsync: the code is only stored in CloseStatus.
		{stats.FailedByPeer, nil, nil, nothing, closed},
		// SendFrameFallbackAsync: a send that fails leaves the state; SendCloseFrameAsync sets it after the send.
		{stats.ReplyFailed, nil, nil, premature, halfway},
		// HandleReceivedCloseAsync, SendCloseFrameAsync: Closed with the second Close of the pair.
		{stats.Clean, nil, nil, nothing, closed},
		// WaitForServerToCloseConnectionAsync: the error of the last read is swallowed.
		{stats.CleanRST, nil, nil, nothing, closed},
		// WaitForServerToCloseConnectionAsync: after 1 s without FIN it aborts; Closed stays Closed.
		{stats.CleanNoFIN, nil, nil, nothing, closed},
		// ThrowEOFUnexpected in the receive that CloseAsync or the application does.
		{stats.UnansweredEOF, nil, nil, premature, aborted},
		// ReceiveAsyncPrivate: an error of the stream is wrapped; only the inner exception tells it from FIN.
		{stats.UnansweredRST, nil, nil, premature, aborted},
		// ReceiveAsyncPrivate: as for RST.
		{stats.UnansweredError, nil, nil, premature, aborted},
		// HandleReceivedCloseAsync: as for the mute cut; the peer has not given up, and no call waits for it.
		{stats.CloseTimeout, nil, []string{"mute"}, nothing, halfway},
		// CloseAsyncPrivate, ReceiveAsyncPrivate: what waits for the Close has no limit; its token aborts.
		{stats.CloseTimeout, nil, nil, canceled, aborted},
		// ThrowEOFUnexpected in ReceiveAsync, inside a frame or between two.
		{stats.PrematureEOF, nil, nil, premature, aborted},
		// ReceiveAsyncPrivate: an error of the stream is wrapped.
		{stats.PrematureRST, nil, nil, premature, aborted},
		// ReceiveAsyncPrivate: as for RST.
		{stats.PrematureError, nil, nil, premature, aborted},
		// ReceiveAsyncPrivate: goes on waiting; its token aborts.
		{stats.NoClose, nil, nil, canceled, aborted},
	}
}

// covers reports whether the row is for a token of its class' detail.
func (r *thrown) covers(token string) bool {
	for _, d := range r.details {
		if begin, all := strings.CutSuffix(d, "*"); d == token || all && strings.HasPrefix(token, begin) {
			return true
		}
	}
	return len(r.details) == 0
}

// A share of a class is what one row of the mapping takes of it.
type classShare struct {
	thrown
	n      uint64
	tokens map[string]uint64 // of n, those with a detail
}

// split divides the connections of one mode that ended in a class among the
// rows of the mapping, in their order. Those without a detail belong to the row
// for all the others.
func split(mode string, c stats.Class, count *stats.Count) []classShare {
	var parts []classShare
	for _, row := range throwing() {
		if row.class != c || row.modes != nil && !slices.Contains(row.modes, mode) {
			continue
		}
		parts = append(parts, classShare{thrown: row, tokens: make(map[string]uint64)})
		if row.details == nil {
			break // the rows behind it are for other modes
		}
	}
	rest := count.N
	for token, n := range count.Detail {
		for i := range parts {
			if parts[i].covers(token) {
				parts[i].n += n
				parts[i].tokens[token] = n
				rest -= min(n, rest)
				break
			}
		}
	}
	parts[len(parts)-1].n += rest
	return parts
}
