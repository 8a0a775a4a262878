package proc

import (
	"fmt"
	"strings"
)

// A State is a state of a TCP socket (RFC 9293 section 3.3.2), numbered as
// Linux does.
type State int

// The states. FinWait2 covers sockets that a process still holds and orphans.
const (
	Established State = 1 + iota
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWait
	Closed
	CloseWait
	LastAck
	Listen
	Closing
	newSynReceived // how sock_diag of some kernels names SynReceived
	states
)

// String names the state as a metric does: close_wait.
func (s State) String() string {
	names := [...]string{Established: "established", SynSent: "syn_sent", SynReceived: "syn_received",
		FinWait1: "fin_wait1", FinWait2: "fin_wait2", TimeWait: "time_wait", Closed: "closed",
		CloseWait: "close_wait", LastAck: "last_ack", Listen: "listen", Closing: "closing"}
	if s < Established || s > Closing {
		return fmt.Sprintf("state_%d", int(s))
	}
	return names[s]
}

// AllStates lists the states in the order of their numbers.
func AllStates() []State {
	all := make([]State, 0, Closing)
	for s := Established; s <= Closing; s++ {
		all = append(all, s)
	}
	return all
}

// States counts sockets by state; index it with a State.
type States [Closing + 1]int64

// String lists the states that occur: "established 2, close_wait 1".
func (c States) String() string {
	var parts []string
	for _, s := range AllStates() {
		if c[s] != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, c[s]))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// Total is the number of sockets.
func (c States) Total() (n int64) {
	for _, of := range c {
		n += of
	}
	return n
}

// Sockets counts the TCP sockets on the two sides of a port, IPv4 and IPv6, in
// this process's network namespace. A table that changes while it is read may
// show a socket twice or not at all.
type Sockets struct {
	Server States // the port is the socket's own
	Client States // the port is the peer's: this host's clients of it
}

// A socket is one row of the kernel's table.
type socket struct {
	state         State
	local, remote int // ports
	inode         uint64
}

// add counts a socket on a port. One that is connected to itself is the
// server's.
func (s *Sockets) add(port int, one socket) {
	if one.state == newSynReceived {
		one.state = SynReceived
	}
	if one.state < Established || one.state > Closing {
		return
	}
	switch port {
	case one.local:
		s.Server[one.state]++
	case one.remote:
		s.Client[one.state]++
	}
}

// checkPort refuses what is no port of a socket.
func checkPort(port int) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("port %d: out of range, give one from 1 to 65535", port)
	}
	return nil
}
