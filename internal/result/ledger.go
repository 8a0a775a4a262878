package result

// Ledger compares what this tool saw with what the server counted for itself.
// Any difference means that one of the two is wrong.
type Ledger struct {
	Matched bool         `json:"matched"`
	Modes   []LedgerMode `json:"modes"`
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
	}
	return joined
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
