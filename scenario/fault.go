package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
)

// Faults are those of the path between this tool and its target. Without Steps
// there is nothing on the path.
type Faults struct {
	Toxiproxy string  `key:"toxiproxy"` // API address of a Toxiproxy that takes the place of the own relay
	Steps     []Fault `key:"steps"`
}

// Fault is one step: what happens to the path, when, and to how many of the
// connections. It is of exactly one [FaultKind]. Steps may overlap: latencies
// add up, the least bandwidth counts, and a stall beats both.
type Fault struct {
	At        time.Duration `key:"at"`        // from the begin of the run
	For       time.Duration `key:"for"`       // 0 is to the end of the run; a cut has none
	Latency   time.Duration `key:"latency"`   // from a byte's arrival to its departure; order is kept
	Jitter    time.Duration `key:"jitter"`    // the latency is evenly spread by so much to either side
	Bandwidth Bandwidth     `key:"bandwidth"` // of each connection and direction
	Stall     bool          `key:"stall"`     // no bytes are taken, so that the sender's window fills
	Cut       Cut           `key:"cut"`       // ends connections that exist
	Leg       Leg           `key:"leg"`       // up, down or both; of a cut client, server or both
	Share     Share         `key:"share"`     // of the connections
}

// FaultKind is what a Fault does. It is the key that says so.
type FaultKind string

const (
	FaultLatency   FaultKind = "latency"
	FaultBandwidth FaultKind = "bandwidth"
	FaultStall     FaultKind = "stall"
	FaultCut       FaultKind = "cut"
)

// Kind gives what the step does, "" where it says nothing. A valid step does
// one thing.
func (f *Fault) Kind() FaultKind {
	if kinds := f.kinds(); len(kinds) > 0 {
		return kinds[0]
	}
	return ""
}

// kinds lists all that the step says.
func (f *Fault) kinds() []FaultKind {
	var all []FaultKind
	for _, k := range []struct {
		kind FaultKind
		set  bool
	}{
		{FaultLatency, f.Latency != 0 || f.Jitter != 0}, {FaultBandwidth, f.Bandwidth != 0},
		{FaultStall, f.Stall}, {FaultCut, f.Cut != ""},
	} {
		if k.set {
			all = append(all, k.kind)
		}
	}
	return all
}

// String names the step in a line: "latency 100ms ± 20ms, both, at 10s for 5s,
// 50%".
func (f Fault) String() string {
	text := string(f.Kind())
	switch f.Kind() {
	case FaultLatency:
		text += " " + problem.DurationText(f.Latency)
		if f.Jitter > 0 {
			text += " ± " + problem.DurationText(f.Jitter)
		}
	case FaultBandwidth:
		text += " " + f.Bandwidth.String()
	case FaultCut:
		text += " " + string(f.Cut)
	}
	text += fmt.Sprintf(", %s, at %s", f.Leg, problem.DurationText(f.At))
	if f.For > 0 {
		text += " for " + problem.DurationText(f.For)
	}
	if f.Share != 100 {
		text += ", " + f.Share.String()
	}
	return text
}

// Hits reports whether step number step meets connection n of the path, counted
// from 0 in the order in which they arrived there. It is pure in the seed, the
// step and n.
func (f *Fault) Hits(seed uint64, step int, n uint64) bool {
	const odd = 0x9e3779b97f4a7c15 // any odd number keeps the steps apart
	var random rand.PCG
	random.Seed(seed^uint64(step+1)*odd, n)
	return 100*unit(random.Uint64()) < float64(f.Share)
}

// DefaultFault gives a step with the values that keys have where a
// configuration does not name them: both legs, all connections.
func DefaultFault() Fault { return Fault{Leg: LegBoth, Share: 100} }

// Cut is the way in which a connection is ended on its path.
type Cut string

const (
	// CutRST sends an RST to the leg.
	CutRST Cut = "rst"
	// CutFIN sends a FIN to the leg, without a Close.
	CutFIN Cut = "fin"
	// CutSilent sends nothing to the leg any more.
	CutSilent Cut = "silent"
)

// UnmarshalText reads one of the ways, or nothing.
func (c *Cut) UnmarshalText(text []byte) error {
	return setWord(c, "way to cut", text, cuts()...)
}

func cuts() []Cut { return []Cut{CutRST, CutFIN, CutSilent} }

// Leg is a part of the path: a direction for what happens to bytes, a side for
// a cut.
type Leg string

const (
	LegUp     Leg = "up"     // to the server
	LegDown   Leg = "down"   // to the client
	LegClient Leg = "client" // the connection to the client, which is this tool
	LegServer Leg = "server" // the connection to the server
	LegBoth   Leg = "both"   // directions, or sides
)

// UnmarshalText reads one of the legs, or nothing.
func (l *Leg) UnmarshalText(text []byte) error {
	return setWord(l, "leg", text, LegUp, LegDown, LegClient, LegServer, LegBoth)
}

// Has reports whether part is l or a part of it.
func (l Leg) Has(part Leg) bool { return l == part || l == LegBoth }

// legs gives those that a kind of fault can have.
func (k FaultKind) legs() []Leg {
	if k == FaultCut {
		return []Leg{LegClient, LegServer, LegBoth}
	}
	return []Leg{LegUp, LegDown, LegBoth}
}

// A Bandwidth is a number of bytes per second, 0 for no limit. As text it has a
// unit, 500b/s, 64kb/s or 1.5mb/s: bytes, thousands and millions of them.
type Bandwidth int

const (
	maxBandwidth  = 1_000_000_000
	bandwidthHint = "write 500b/s, 64kb/s or 1.5mb/s, in bytes and powers of 1000"
)

// bandwidthUnits are the units of the text, the largest first.
func bandwidthUnits() []bandwidthUnit {
	return []bandwidthUnit{{"mb/s", 1_000_000}, {"kb/s", 1000}, {"b/s", 1}}
}

type bandwidthUnit struct {
	name  string
	bytes int
}

// ParseBandwidth reads the text of a Bandwidth. The error names the text and
// the forms that there are.
func ParseBandwidth(text string) (Bandwidth, error) {
	fail := func(msg string) (Bandwidth, error) {
		return 0, &problem.TextError{What: "bandwidth", Text: text, Msg: msg, Hint: bandwidthHint}
	}
	trimmed := strings.ToLower(strings.TrimSpace(text))
	if trimmed == "0" {
		return 0, nil
	}
	for _, unit := range bandwidthUnits() {
		number, ok := strings.CutSuffix(trimmed, unit.name)
		if !ok {
			continue
		}
		number = strings.TrimSpace(number)
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || strings.Trim(number, ".0123456789") != "" {
			return fail("not a bandwidth")
		}
		bytes := math.Round(n * float64(unit.bytes))
		if bytes > maxBandwidth {
			return fail("more than 1000mb/s, which is no limit here")
		}
		if bytes == 0 && n != 0 {
			return fail("less than a byte per second")
		}
		return Bandwidth(bytes), nil
	}
	return fail("a bandwidth needs a unit")
}

// String gives the text that ParseBandwidth reads as the same Bandwidth.
func (b Bandwidth) String() string {
	for _, unit := range bandwidthUnits() {
		if n := int(b); n != 0 && n%unit.bytes == 0 {
			return strconv.Itoa(n/unit.bytes) + unit.name
		}
	}
	return "0"
}

// MarshalText is String. It never fails.
func (b Bandwidth) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText is ParseBandwidth.
func (b *Bandwidth) UnmarshalText(text []byte) error {
	parsed, err := ParseBandwidth(string(text))
	if err == nil {
		*b = parsed
	}
	return err
}

// A Share is a part of the connections in percent, above 0 and at most 100. As
// text it is 50% or 0.5%.
type Share float64

const shareHint = "write 50% or 0.5%"

// ParseShare reads the text of a Share. The error names the text and the forms
// that there are.
func ParseShare(text string) (Share, error) {
	fail := func(msg string) (Share, error) {
		return 0, &problem.TextError{What: "share", Text: text, Msg: msg, Hint: shareHint}
	}
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return fail("a share is given in percent")
	}
	number = strings.TrimSpace(number)
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.Trim(number, ".0123456789eE-") != "" {
		return fail("not a share")
	}
	if msg := Share(n).fault(); msg != "" {
		return fail(msg)
	}
	return Share(n), nil
}

// fault says why s cannot be a share, "" for a valid one.
func (s Share) fault() string {
	if s > 0 && s <= 100 {
		return ""
	}
	return "must be above 0% and at most 100%"
}

// String gives the text that ParseShare reads as the same Share.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) + "%" }

// MarshalText is String. It never fails.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseShare.
func (s *Share) UnmarshalText(text []byte) error {
	parsed, err := ParseShare(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// has says whether steps of the kind have the key.
func (k FaultKind) has(key string) bool {
	switch key {
	case "latency", "bandwidth", "stall", "cut":
		return key == string(k)
	case "jitter":
		return k == FaultLatency
	case "for":
		return k != FaultCut
	}
	return true
}

// maxFaults is the most steps of a path: which of them have met a connection is
// kept in one word for each.
const maxFaults = 64

func (c *checker) faults(p *Plan) {
	steps := p.Faults.Steps
	if raw := p.Faults.Toxiproxy; raw != "" {
		const key = "faults.toxiproxy"
		if len(steps) == 0 {
			c.refuse(key, raw, "has nothing to do", "list faults.steps, or remove it")
		}
		if !hasVariable(raw) && !c.problems.Covers(key) {
			c.url(key, raw, raw, urlKind{scheme: "http", mistaken: "ws", noFragment: "a fragment is never sent (RFC 9110 section 7.1)"})
		}
	}
	if len(steps) > maxFaults {
		c.refuse("faults.steps", len(steps), fmt.Sprintf("must have at most %d entries", maxFaults), "one step may last for long")
		return
	}
	for i := range steps {
		c.fault(fmt.Sprintf("faults.steps[%d]", i), &steps[i], p)
	}
}

// fault checks one step.
func (c *checker) fault(key string, f *Fault, p *Plan) {
	const longest = time.Minute
	kinds := f.kinds()
	if len(kinds) == 0 {
		c.lacks(key, "nothing happens", "set latency, bandwidth, stall or cut")
		return
	}
	if len(kinds) > 1 {
		c.lacks(key, fmt.Sprintf("%s and %s are two faults", kinds[0], kinds[1]), "give each its own step; steps may overlap")
		return
	}
	kind := kinds[0]
	c.span(key+".at", f.At, 0, problem.MaxSpan, "")
	if end := p.Load.Duration + p.Limits.Drain; p.Load.Duration > 0 && p.Limits.Drain > 0 && f.At > end {
		c.refuse(key+".at", f.At, fmt.Sprintf("the run is over %s after its begin at the latest", problem.DurationText(end)),
			"write less, or raise load.duration")
	}
	switch kind {
	case FaultLatency:
		c.span(key+".latency", f.Latency, 1, longest, "")
		c.span(key+".jitter", f.Jitter, 0, max(f.Latency, 0), "nothing leaves before it has come")
	case FaultBandwidth:
		c.count(key+".bandwidth", int(f.Bandwidth), 1, maxBandwidth, bandwidthHint)
	case FaultCut:
		word(c, key+".cut", "way to cut", f.Cut, cuts()...)
	}
	if kind.has("for") {
		c.span(key+".for", f.For, 0, problem.MaxSpan, "0s is to the end of the run")
	} else if f.For != 0 {
		c.refuse(key+".for", f.For, "a cut has no length", "remove it: what is cut stays cut")
	}
	c.leg(key+".leg", kind, f.Leg)
	if msg := f.Share.fault(); msg != "" {
		c.refuse(key+".share", f.Share, msg, shareHint)
	}
}

// leg wants one that the kind of fault can have.
func (c *checker) leg(key string, kind FaultKind, leg Leg) {
	legs := kind.legs()
	if slices.Contains(legs, leg) {
		return
	}
	msg := "bytes go up or down; client and server are for a cut"
	if kind == FaultCut {
		msg = "a cut ends a side; up and down are for bytes"
	}
	if _, bad := problem.OneOf("leg", string(leg), LegUp, LegDown, LegClient, LegServer, LegBoth); bad != nil {
		msg = bad.Msg
	}
	c.refuse(key, leg, msg, "use "+problem.Either(legs))
}
