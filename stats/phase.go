package stats

// Phase is a measured part of a connection's life. Each has one histogram per
// entry of the mix.
type Phase uint8

const (
	OpenLag        Phase = iota // planned start → dial begun
	CloseLag                    // planned close → own step begun
	Connect                     // dial begun → TCP connected
	TLS                         // TCP connected → TLS handshake done
	Upgrade                     // request handed to write → 101 arrived
	CloseHandshake              // own Close handed to write → peer's Close arrived
	CloseScheduled              // planned close → peer's Close arrived
	Notice                      // trigger handed to write → peer's Close arrived
	Reply                       // peer's Close arrived → own Close handed to write
	FIN                         // second Close of the pair → peer's FIN
	Teardown                    // first Close, cut or trigger → FIN, RST or own close
	GiveUp                      // mute: peer's Close arrived → peer's FIN or RST
	ReadLag                     // peer's Close: kernel stamp → read by this process
	NumPhases      = int(iota)
)

// The two clocks a duration can rest on. A kernel receive stamp is taken when
// the segment arrives; the clock of this process is read when the process gets
// to run, which on a busy machine is milliseconds later.
const (
	ClockKernel = "kernel"
	ClockUser   = "user"
)

// String returns the name of the phase in results and rules.
func (p Phase) String() string {
	names := [NumPhases]string{
		OpenLag:        "open_lag",
		CloseLag:       "close_lag",
		Connect:        "connect",
		TLS:            "tls",
		Upgrade:        "upgrade",
		CloseHandshake: "close_handshake",
		CloseScheduled: "close_scheduled",
		Notice:         "notice",
		Reply:          "reply",
		FIN:            "fin",
		Teardown:       "teardown",
		GiveUp:         "give_up",
		ReadLag:        "read_lag",
	}
	return nameOf("phase", names[:], uint8(p))
}

// MarshalText writes the name of the phase. It fails for a value that is not a
// phase.
func (p Phase) MarshalText() ([]byte, error) {
	return marshalName("phase", p, NumPhases)
}

// UnmarshalText reads the name of a phase.
func (p *Phase) UnmarshalText(text []byte) error {
	return unmarshalName("phase", p, NumPhases, text)
}

// Clock returns the better clock the phase can be measured by. It is
// ClockKernel where the arrival of data bounds the phase, since only data
// carries a receive stamp: EOF, RST and what this process does itself have
// none.
func (p Phase) Clock() string {
	switch p {
	case Upgrade, CloseHandshake, CloseScheduled, Notice, Reply, ReadLag:
		return ClockKernel
	}
	return ClockUser
}

// OwnLag reports whether the phase measures this tool and not the server.
func (p Phase) OwnLag() bool {
	return p == OpenLag || p == CloseLag || p == ReadLag
}
