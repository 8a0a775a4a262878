// Package memnet is a TCP network in memory, for tests that must see how a
// connection ends: FIN, half close, RST, a full window, a slow path.
//
// A connection is a pair of Conns that share one lock. What an end writes
// joins its queue with an arrival time, now plus the delay of its direction;
// arrival moves it into the peer's receive buffer as far as the window allows.
// FIN travels in the same queue, RST beside it. Nothing runs in the
// background: every call first lets arrive what is due, and a timer makes the
// same call for the next arrival, so a goroutine blocked in Read or Write waits
// on a sync.Cond alone. That makes the package durable under testing/synctest,
// where delays take exactly their length and no wall time.
//
// The behaviour is Linux's, and the tests run the same scripts over loopback
// TCP to prove it:
//
//   - Close sends FIN; with unread bytes in the receive buffer, or with
//     SetLinger(0), it sends RST and what is still under way is lost.
//   - What has arrived before an RST can still be read; then Read gives
//     ECONNRESET once, then EOF.
//   - An RST behind a FIN reads as plain EOF; only the pending socket error
//     (EPIPE) and the state (closed) tell, see [Conn.KernelState].
//   - Data for an end that has fully closed is answered with RST (RFC 1122,
//     section 4.2.2.13). The write that caused it succeeds, the next one fails.
//   - A failing write takes the pending error; later ones give EPIPE.
//
// [Conn.Vanish] has no equal there: a socket that is closed in TCP_REPAIR sends
// nothing either, but its host answers what the peer sends next with an RST.
//
// Left out on purpose: loss, reordering, retransmission and TIME_WAIT. An
// acknowledgement takes no time: a byte is acknowledged when it arrives.
package memnet
