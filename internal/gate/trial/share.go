package trial

import (
	"fmt"
	"strconv"
	"strings"
)

// A Share is a part of a whole in millionths. As text it is a percentage with
// up to four decimals: "5%", "0.01%".
type Share uint32

// whole is the Share of 100 %.
const whole = 1_000_000

// maxShare is the largest Share: 1000 %, a change to eleven times the value.
const maxShare = 10 * whole

// Float is the share as a number, 1 for all.
func (s Share) Float() float64 { return float64(s) / whole }

// String gives the text that UnmarshalText reads as the same Share.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)/(whole/100), 'f', -1, 64) + "%"
}

// with is the share with an excess beside it, for a person: "10% and 1 in
// 10,000". Where there is no excess it is the share alone.
func (s Share) with(excess Share) string {
	switch {
	case excess == 0:
		return s.String()
	case excess == whole || whole%excess != 0:
		return s.String() + " and " + excess.String() + " of all"
	}
	n := strconv.Itoa(int(whole / excess))
	for at := len(n) - 3; at > 0; at -= 3 {
		n = n[:at] + "," + n[at:]
	}
	return s.String() + " and 1 in " + n
}

// MarshalText is String. It never fails.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a percentage from 0 % to 1000 %.
func (s *Share) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	percent, decimals, _ := strings.Cut(number, ".")
	digits := strings.Trim(percent+decimals, "0123456789") == "" && percent != ""
	if !ok || !digits || len(decimals) > 4 || len(percent) > 4 {
		return fmt.Errorf("read share %q: not a percentage (write 5%%, with up to four decimals)", text)
	}
	n, err := strconv.ParseUint(percent+decimals+strings.Repeat("0", 4-len(decimals)), 10, 32)
	if err != nil || n > maxShare {
		return fmt.Errorf("read share %q: more than 1000%%", text)
	}
	*s = Share(n)
	return nil
}
