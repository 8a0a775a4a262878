package target

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/wire"
)

// ModeHeader is the request header by which a client names the mode its
// connection is counted under: 1 to 32 of a-z, 0-9, "_" and "-".
const ModeHeader = "Wsload-Mode"

// Modes that are not a client's choice.
const (
	modeNone  = "none"  // the request named no mode
	modeOther = "other" // not a valid name, or one more than the ledger holds
)

const (
	maxModes    = 32 // names beside none and other
	maxModeName = 32 // bytes
)

// A Ledger is what the server saw of its connections. It is the body of
// /statz. At every moment the Opened of all modes are the Ended of all modes
// and Open together.
type Ledger struct {
	// Open is the number of connections that have not ended, those included
	// on which a misbehaving path waits for the client.
	Open uint64 `json:"open"`
	// Modes holds the counts by the mode the request named; "none" is for
	// requests without, "other" for names that are not valid and for those
	// after the first 32.
	Modes map[string]Counts `json:"modes"`
	// Since is when the server began to serve, in UTC and whole seconds.
	Since time.Time `json:"since"`
}

// Counts are the connections of one mode. All but Opened are counted when a
// connection ends.
type Counts struct {
	Opened        uint64  `json:"opened"`         // 101 responses written
	CloseSent     uint64  `json:"close_sent"`     // own Close wholly written
	CloseReceived uint64  `json:"close_received"` // client's Close complete
	Ended         Endings `json:"ended"`
}

// Endings count connections by who ended TCP first, and how. Each connection
// that has ended is in exactly one of them.
type Endings struct {
	ClientFIN uint64 `json:"client_fin"` // end of stream read before the own close
	ClientRST uint64 `json:"client_rst"` // reset met before the own close
	ServerFIN uint64 `json:"server_fin"` // the server closed first
	ServerRST uint64 `json:"server_rst"` // the server cut first, by RST
	Error     uint64 `json:"error"`      // the socket failed in another way, such as a timeout of TCP
}

// Total is the number of connections that have ended.
func (e Endings) Total() uint64 {
	return e.ClientFIN + e.ClientRST + e.ServerFIN + e.ServerRST + e.Error
}

// add counts one more connection that ended so.
func (e *Endings) add(by ending) {
	switch by {
	case clientFIN:
		e.ClientFIN++
	case clientRST:
		e.ClientRST++
	case serverFIN:
		e.ServerFIN++
	case serverRST:
		e.ServerRST++
	default:
		e.Error++
	}
}

// book keeps the Ledger. Its zero value is ready.
type book struct {
	mu    sync.Mutex
	since time.Time
	modes map[string]*Counts
}

// begin notes when the first listener was served.
func (b *book) begin(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.since = now.UTC().Truncate(time.Second)
	}
}

// opened counts a connection and returns the counts its end belongs to.
func (b *book) opened(mode string) *Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts(mode)
	c.Opened++
	return c
}

// ended counts the end of a connection that opened returned c for.
func (b *book) ended(c *Counts, tr *wire.Trace, by ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if tr.OwnCloseDone {
		c.CloseSent++
	}
	if tr.PeerClose.Set() {
		c.CloseReceived++
	}
	c.Ended.add(by)
}

// counts finds the counts of a mode as a request named it. Names come from
// outside, so their number is bounded.
func (b *book) counts(mode string) *Counts {
	switch {
	case mode == "":
		mode = modeNone
	case !validMode(mode):
		mode = modeOther
	}
	if c := b.modes[mode]; c != nil {
		return c
	}
	if mode != modeNone && mode != modeOther && b.named() >= maxModes {
		return b.counts(modeOther)
	}
	if b.modes == nil {
		b.modes = make(map[string]*Counts)
	}
	c := new(Counts)
	b.modes[mode] = c
	return c
}

// named is the number of modes that clients chose.
func (b *book) named() int {
	n := len(b.modes)
	for _, own := range []string{modeNone, modeOther} {
		if b.modes[own] != nil {
			n--
		}
	}
	return n
}

func validMode(mode string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	return mode != "" && len(mode) <= maxModeName && !slices.ContainsFunc([]rune(mode), strange)
}

// ledger is a copy of the counts, taken at one moment.
func (b *book) ledger() Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := Ledger{Modes: make(map[string]Counts, len(b.modes)), Since: b.since}
	for mode, c := range maps.All(b.modes) {
		l.Modes[mode] = *c
		l.Open += c.Opened - c.Ended.Total()
	}
	return l
}
