package target

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
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

// A Ledger is what the server saw of its connections. It is the first part of
// the body of /statz. At every moment the Opened of all modes are the Ended of all modes
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
	// Lost is how many of the server's processes died, and what they had counted
	// with them.
	Lost int `json:"lost,omitempty"`
}

// Add makes l the ledger of two processes of one server.
func (l *Ledger) Add(o Ledger) {
	l.Open += o.Open
	l.Lost += o.Lost
	if l.Since.IsZero() || !o.Since.IsZero() && o.Since.Before(l.Since) {
		l.Since = o.Since
	}
	if l.Modes == nil {
		l.Modes = make(map[string]Counts, len(o.Modes))
	}
	for mode, its := range o.Modes {
		sum := l.Modes[mode]
		sum.Opened += its.Opened
		sum.CloseSent += its.CloseSent
		sum.CloseReceived += its.CloseReceived
		sum.Ended.join(its.Ended)
		l.Modes[mode] = sum
	}
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

// join adds the counts of o.
func (e *Endings) join(o Endings) {
	e.ClientFIN += o.ClientFIN
	e.ClientRST += o.ClientRST
	e.ServerFIN += o.ServerFIN
	e.ServerRST += o.ServerRST
	e.Error += o.Error
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
	modes map[string]*account
	n     uint64 // connections so far
}

// begin notes when the first listener was served.
func (b *book) begin(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.since = now.UTC().Truncate(time.Second)
	}
}

// An account is where the connections of a mode are counted.
type account struct {
	mode string
	Counts
}

// opened counts a connection and returns the account its end belongs to, and
// how many connections came before it.
func (b *book) opened(mode string) (a *account, n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a = b.account(mode)
	a.Opened++
	n = b.n
	b.n++
	return a, n
}

// ended counts the end of a connection that opened returned a for.
func (b *book) ended(a *account, tr *wire.Trace, by ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if tr.OwnCloseDone {
		a.CloseSent++
	}
	if tr.PeerClose.Set() {
		a.CloseReceived++
	}
	a.Ended.add(by)
}

// account finds the account of a mode as a request named it. Names come from
// outside, so their number is bounded.
func (b *book) account(mode string) *account {
	switch {
	case mode == "":
		mode = modeNone
	case !validMode(mode):
		mode = modeOther
	}
	if a := b.modes[mode]; a != nil {
		return a
	}
	if mode != modeNone && mode != modeOther && b.named() >= maxModes {
		return b.account(modeOther)
	}
	if b.modes == nil {
		b.modes = make(map[string]*account)
	}
	a := &account{mode: strings.Clone(mode)} // a part of the request's header would hold all of it
	b.modes[a.mode] = a
	return a
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
	for mode, a := range b.modes {
		l.Modes[mode] = a.Counts
		l.Open += a.Opened - a.Ended.Total()
	}
	return l
}

// IDHeader is the request header by which a client gives its connection an ID.
const IDHeader = "Wsload-Id"

// An ID is a connection as its client calls it: connection N of a run. Its text
// is the run in 8 hexadecimal digits, a slash and the number: "0a1b2c3d/7".
type ID struct {
	Run uint32
	N   uint64
}

// MarshalText writes the ID.
func (id ID) MarshalText() ([]byte, error) {
	return strconv.AppendUint(fmt.Appendf(nil, "%08x/", id.Run), id.N, 10), nil
}

// UnmarshalText reads what MarshalText writes.
func (id *ID) UnmarshalText(text []byte) error {
	digits, number, _ := bytes.Cut(text, []byte("/"))
	run, ok := readRun(digits)
	if !ok {
		return fmt.Errorf("read id: %q does not begin with 8 hexadecimal digits and a slash", brief(text))
	}
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("read id %q: %w", brief(text), err)
	}
	*id = ID{Run: run, N: n}
	return nil
}

// readRun reads the 8 hexadecimal digits of a run.
func readRun(text []byte) (run uint32, ok bool) {
	var digits [4]byte
	if len(text) != 2*len(digits) {
		return 0, false
	}
	_, err := hex.Decode(digits[:], text)
	return binary.BigEndian.Uint32(digits[:]), err == nil
}

// An End is how a connection with an ID ended, seen from the server: its class
// is of one of the Entries, and "peer" in it is the client.
type End struct {
	ID       ID          `json:"id"`
	Mode     string      `json:"mode"`            // as in Ledger.Modes
	Fault    string      `json:"fault,omitempty"` // how the server misbehaved on purpose
	Class    stats.Class `json:"class"`
	Detail   string      `json:"detail,omitempty"` // of the class
	Sent     int         `json:"sent"`             // status code of the server's Close, stats.NoCode for none
	Received int         `json:"received"`         // status code of the client's Close, stats.NoCode for none
}

// Ended is a page of Ends, in the order in which the connections ended. It is
// the body of /ended. Of a server in several processes it has the pages of all,
// one behind the other.
type Ended struct {
	Next    Cursor `json:"next"`    // ask for what comes after this
	Dropped uint64 `json:"dropped"` // ends in between that the server no longer holds, of whatever run
	Ends    []End  `json:"ends"`    // none when there are no more
}

const (
	maxEnds = 1 << 16 // that a server holds
	maxPage = 1 << 12 // in one answer
)

// Ended returns the ends behind the first after of them, as many as fit a page:
// those of one run, or of all where run is nil. The server holds the last
// 65,536 of all runs.
func (s *Server) Ended(after uint64, run *uint32) Ended { return s.ends.page(after, run) }

// ends keeps the last Ends in a ring. Its zero value is ready.
type ends struct {
	mu   sync.Mutex
	ring []End
	n    uint64 // ends so far; number i is at i % maxEnds
}

func (e *ends) add(end End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring == nil {
		// All of it at once, and written to so that the kernel gives the pages: a
		// ring that filled would look like a leak to who watches this process.
		e.ring = make([]End, 0, maxEnds)
		clear(e.ring[:maxEnds])
	}
	if len(e.ring) < maxEnds {
		e.ring = append(e.ring, end)
	} else {
		e.ring[e.n%maxEnds] = end
	}
	e.n++
}

func (e *ends) page(after uint64, run *uint32) Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	after = min(after, e.n)
	from := max(after, e.n-uint64(len(e.ring)))
	p := Ended{Dropped: from - after, Ends: []End{}}
	for ; from < e.n && len(p.Ends) < maxPage; from++ {
		if end := &e.ring[from%maxEnds]; run == nil || end.ID.Run == *run {
			p.Ends = append(p.Ends, *end)
		}
	}
	p.Next = Cursor{from}
	return p
}
