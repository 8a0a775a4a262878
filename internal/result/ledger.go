package result

import (
	"cmp"
	"slices"

	"github.com/wsload/wsload/stats"
)

// Ledger compares what this tool saw with what the server counted for itself.
// Any difference means that one of the two is wrong.
type Ledger struct {
	Matched bool         `json:"matched"`
	Modes   []LedgerMode `json:"modes"`
	Pairs   *LedgerPairs `json:"pairs,omitempty"` // null where single connections were not compared
}

// LedgerPairs compares single connections: this tool's verdict with the
// server's.
type LedgerPairs struct {
	Compared   uint64           `json:"compared"`   // connections of which both ends' verdicts came
	Raced      uint64           `json:"raced"`      // of these, pairs that only a race explains
	Mismatched uint64           `json:"mismatched"` // of these, pairs that cannot be
	Missing    uint64           `json:"missing"`    // verdicts of one end without the other's
	Misbehaved uint64           `json:"misbehaved"` // of those compared, on which the server misbehaved on purpose
	Kinds      []LedgerKind     `json:"kinds"`      // the most frequent first
	Mismatches []LedgerMismatch `json:"mismatches"` // the first of them
}

// LedgerKind is how often two classes met.
type LedgerKind struct {
	Mode   string      `json:"mode"`
	Client stats.Class `json:"client"`
	Server stats.Class `json:"server"`
	Fit    string      `json:"fit"` // consistent, race or mismatch
	Count  uint64      `json:"count"`
}

// LedgerMismatch is one connection on which the two ends disagree. The codes
// are those of the Close frames, 0 for none.
type LedgerMismatch struct {
	N              uint64      `json:"n"`
	Mode           string      `json:"mode"`
	Client         stats.Class `json:"client"`
	Server         stats.Class `json:"server"`
	Sent           int         `json:"sent"`
	ServerReceived int         `json:"server_received"`
	Received       int         `json:"received"`
	ServerSent     int         `json:"server_sent"`
}

// LedgerMode is one mode of closing.
type LedgerMode struct {
	Mode   string        `json:"mode"`
	Fields []LedgerField `json:"fields"`
}

// LedgerField is one count from both sides. The names are from the client's
// view: opened, close_sent, close_received, and client_fin, client_rst,
// server_fin, server_rst and error for what ended TCP first; fin in place of
// both FINs where either end may rightly call itself the first.
type LedgerField struct {
	Field  string `json:"field"`
	Client uint64 `json:"client"`
	Server uint64 `json:"server"`
}

// NewLedger compares the fields of the modes.
func NewLedger(modes []LedgerMode) *Ledger {
	l := &Ledger{Matched: true, Modes: modes}
	for _, m := range modes {
		for _, f := range m.Fields {
			l.Matched = l.Matched && f.Client == f.Server
		}
	}
	return l
}

// AddPairs adds the comparison of single connections.
func (l *Ledger) AddPairs(p *LedgerPairs) {
	l.Pairs = p
	l.Matched = l.Matched && p.Mismatched == 0
}

// Count returns the client's number of a field over all modes.
func (l *Ledger) Count(field string) uint64 {
	var n uint64
	for _, m := range l.Modes {
		for _, f := range m.Fields {
			if f.Field == field {
				n += f.Client
			}
		}
	}
	return n
}

// joinLedgers adds up the ledgers of shards that each had a server of their
// own. Opposite differences of two shards must not cancel out, so the result
// matches only when each of them did.
func joinLedgers(ledgers []*Ledger) *Ledger {
	if len(ledgers) == 0 {
		return nil
	}
	joined := &Ledger{Matched: true}
	for _, l := range ledgers {
		joined.Matched = joined.Matched && l.Matched
		for _, m := range l.Modes {
			mode := at(&joined.Modes, func(j LedgerMode) bool { return j.Mode == m.Mode }, LedgerMode{Mode: m.Mode})
			for _, f := range m.Fields {
				field := at(&mode.Fields, func(j LedgerField) bool { return j.Field == f.Field }, LedgerField{Field: f.Field})
				field.Client += f.Client
				field.Server += f.Server
			}
		}
		joined.Pairs = JoinPairs(joined.Pairs, l.Pairs)
	}
	return joined
}

// JoinPairs adds up the connections of two shards.
func JoinPairs(a, b *LedgerPairs) *LedgerPairs {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	sum := &LedgerPairs{
		Compared: a.Compared + b.Compared, Raced: a.Raced + b.Raced,
		Mismatched: a.Mismatched + b.Mismatched, Missing: a.Missing + b.Missing, Misbehaved: a.Misbehaved + b.Misbehaved,
		Kinds: slices.Clone(a.Kinds), Mismatches: slices.Concat(a.Mismatches, b.Mismatches),
	}
	for _, k := range b.Kinds {
		zero := k
		zero.Count = 0
		at(&sum.Kinds, func(o LedgerKind) bool { o.Count = 0; return o == zero }, zero).Count += k.Count
	}
	slices.SortStableFunc(sum.Kinds, func(x, y LedgerKind) int { return cmp.Compare(y.Count, x.Count) })
	return sum
}

// at returns the first element that matches, after appending fresh where there
// is none.
func at[T any](list *[]T, match func(T) bool, fresh T) *T {
	for i := range *list {
		if match((*list)[i]) {
			return &(*list)[i]
		}
	}
	*list = append(*list, fresh)
	return &(*list)[len(*list)-1]
}
