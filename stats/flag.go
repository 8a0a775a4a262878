package stats

// Flag says something of how a connection ended that its class does not.
type Flag uint8

const (
	Simultaneous      Flag = iota // both ends sent a Close before either answered the other's (RFC 6455 section 7.1.5)
	CodeEcho                      // the peer's answer has the code of the own Close (RFC 6455 section 5.5.1)
	CodeNormal                    // the answer has 1000 where the own Close had another
	CodeNone                      // the answer has no code where the own Close had one
	CodeOther                     // the answer has another code
	DataAfterOwnClose             // messages arrived between the own Close and the peer's: legal
	ControlAfterClose             // a ping or pong arrived behind the peer's Close
	LostMessages                  // own messages that never came back (traffic.expect: echo)
	Truncated                     // TCP ended inside a frame or a message of the peer
	NoCloseNotify                 // TCP ended without the end of the TLS session (RFC 6455 section 7.1.1)
	LateFIN                       // the peer's FIN came after limits.fin, within twice that
	FINThenRST                    // the RST came behind a FIN
	UnreadAtClose                 // bytes of the peer were unread when this end closed: TCP then sends an RST, unless they are read first
	NumFlags          = int(iota)
)

// String returns the name of the flag in results.
func (f Flag) String() string {
	names := [NumFlags]string{
		Simultaneous:      "simultaneous",
		CodeEcho:          "code_echo",
		CodeNormal:        "code_1000",
		CodeNone:          "code_none",
		CodeOther:         "code_other",
		DataAfterOwnClose: "data_after_own_close",
		ControlAfterClose: "control_after_close",
		LostMessages:      "lost_messages",
		Truncated:         "truncated",
		NoCloseNotify:     "no_close_notify",
		LateFIN:           "late_fin",
		FINThenRST:        "fin_then_rst",
		UnreadAtClose:     "unread_at_close",
	}
	return nameOf("flag", names[:], uint8(f))
}

// MarshalText writes the name of the flag. It fails for a value that is not a
// flag.
func (f Flag) MarshalText() ([]byte, error) {
	return marshalName("flag", f, NumFlags)
}

// UnmarshalText reads the name of a flag.
func (f *Flag) UnmarshalText(text []byte) error {
	return unmarshalName("flag", f, NumFlags, text)
}

// Flags is a set of Flag. The zero value is empty.
type Flags uint32

// Set adds a flag where it holds.
func (s *Flags) Set(f Flag, holds bool) {
	if holds {
		*s |= 1 << f
	}
}

// Has reports whether the flag is in the set.
func (s Flags) Has(f Flag) bool { return s&(1<<f) != 0 }

// Names returns the names of the flags in the set in the order of their values,
// nil for none.
func (s Flags) Names() []string {
	var names []string
	for f := range Flag(NumFlags) {
		if s.Has(f) {
			names = append(names, f.String())
		}
	}
	return names
}
