package scenario

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// A Plan is a whole scenario as plain data: what to open, how long to hold it
// and how to end it. It needs no file: Default gives a valid Plan to change.
// Run Validate before use; Lifecycle and the other methods assume a valid Plan.
//
// The key tags are the names of the configuration, in files, environment and
// --set alike.
type Plan struct {
	Name     string        `key:"name"`
	Seed     uint64        `key:"seed"` // 0 asks the caller to draw one; a run always stores the seed it used
	Target   Target        `key:"target"`
	Load     Load          `key:"load"`
	Hold     value.Dist    `key:"hold"` // lifetime, counted from the 101 response
	OnOpen   []Step        `key:"on_open"`
	Traffic  Traffic       `key:"traffic"`
	Closes   Closes        `key:"closes"`
	Limits   Limits        `key:"limits"`
	Faults   Faults        `key:"faults"`   // of the path to the target
	Interval time.Duration `key:"interval"` // span of one interval summary at the start of a run
	Drain    Drain         `key:"drain"`
	Watch    Watch         `key:"watch"`
	Gate     Gate          `key:"gate"`
}

// Target is the server under test and the way to reach it.
type Target struct {
	URL          string   `key:"url"`        // ws:// or wss://; "" and ws:///path are the tool's own server; {{n}} is the connection's index
	ConnectTo    string   `key:"connect_to"` // host:port dialled in place of the URL's; Host and TLS name stay
	Headers      []string `key:"headers"`    // "Name: value", {{n}} allowed in the value
	Subprotocols []string `key:"subprotocols"`
	TLS          TLS      `key:"tls"`
	LocalAddrs   []string `key:"local_addrs"` // source addresses, taken in turn by connection index
}

// ownPath is the path of the tool's own server where a plan names none.
const ownPath = "/echo"

// Own reports whether the target is the tool's own server: the URL is empty or
// has no host, as in ws:///no-reply. It gives the path with its query.
func (t *Target) Own() (path string, own bool) {
	if t.URL == "" {
		return ownPath, true
	}
	path, own = strings.CutPrefix(t.URL, "ws:///")
	return "/" + path, own
}

// Address is where the target is dialled, host:port: ConnectTo, or else the host
// of the URL with its port or that of its scheme. It is that of connection 0
// where the URL's host is a template. The error is a URL that is none.
func (t *Target) Address() (string, error) {
	if t.ConnectTo != "" {
		return t.ConnectTo, nil
	}
	u, err := url.Parse(Expand(t.URL, 0))
	if err != nil {
		return "", fmt.Errorf("read target.url: %w", err)
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "wss":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// TLS holds the client's side of a wss:// handshake. CA, Cert and Key are
// paths of PEM files.
type TLS struct {
	CA         string `key:"ca"`
	Cert       string `key:"cert"`
	Key        string `key:"key"`
	ServerName string `key:"server_name"`
	Insecure   bool   `key:"insecure"`
}

// Load is the population and its pace. Connections is the population that is
// filled at Rate and then held, by replacing what ended, until Duration. With
// Duration 0 each connection lives once and the run ends with the last.
//
// With Stages the population follows them in place of that: see SetStages,
// which makes Connections and Duration what they must be beside them.
type Load struct {
	Connections int             `key:"connections"`
	Rate        value.Rate      `key:"rate"`
	Duration    time.Duration   `key:"duration"`
	Stages      []Stage         `key:"stages"`
	Reconnect   value.Reconnect `key:"reconnect"`
}

// A Stage moves the population in a straight line from that of the stage
// before, 0 before the first, to Connections. With a For of 0 it is a step.
type Stage struct {
	For         time.Duration `key:"for"`
	Connections int           `key:"connections"`
}

// SetStages sets the stages and what follows from them: Connections is the
// number of slots, so the largest of them, and Duration is their sum.
func (l *Load) SetStages(stages ...Stage) {
	l.Stages = stages
	l.Connections, l.Duration = l.staged()
}

// staged gives the largest population of the stages and the time they take.
func (l *Load) staged() (most int, all time.Duration) {
	for _, s := range l.Stages {
		most, all = max(most, s.Connections), all+s.For
	}
	return most, all
}

// Step is one message of the opening dialogue: Send it, then wait for a
// message that contains Expect (when not empty) for at most Within. {{n}} is
// allowed in both.
type Step struct {
	Send   string        `key:"send"`
	Expect string        `key:"expect"`
	Within time.Duration `key:"within"`
}

// Traffic is what each connection sends while it is held.
type Traffic struct {
	Every  time.Duration `key:"every"`  // between two messages of one connection; 0 sends none
	Size   int           `key:"size"`   // bytes of a message's payload
	Ping   time.Duration `key:"ping"`   // between two pings; 0 sends none
	Expect Expect        `key:"expect"` // "" is resolved to echo for the own target and to any otherwise
}

// Expect is what a connection's messages are held against. "" leaves the
// choice to the run: echo for its own target, any otherwise.
type Expect string

const (
	// ExpectAny takes whatever the server sends.
	ExpectAny Expect = "any"
	// ExpectEcho wants every message back, in order.
	ExpectEcho Expect = "echo"
)

// UnmarshalText reads any, echo or nothing.
func (e *Expect) UnmarshalText(text []byte) error {
	expect, bad := expectOf(string(text))
	if bad != nil {
		return bad
	}
	*e = expect
	return nil
}

func expectOf(text string) (Expect, *problem.TextError) {
	if text == "" {
		return "", nil
	}
	return problem.OneOf("expectation", text, ExpectAny, ExpectEcho)
}

// Closes says when and how connections end.
type Closes struct {
	Shape value.Shape `key:"shape"`
	Mix   []Close     `key:"mix"`
}

// Limits bound every wait of a connection's life.
type Limits struct {
	Dial    time.Duration `key:"dial"`    // TCP connect and TLS handshake
	Upgrade time.Duration `key:"upgrade"` // request written to response read
	Close   time.Duration `key:"close"`   // T: own step to the peer's Close
	Fin     time.Duration `key:"fin"`     // G: second Close of the pair to the peer's FIN
	Drain   time.Duration `key:"drain"`   // end of the plan to the last connection settled
}

// Gate holds the rules that judge a run, and says whether one that has failed
// for good ends it.
type Gate struct {
	Rules       []string      `key:"rules"`
	AbortOnFail bool          `key:"abort_on_fail"`
	Grace       time.Duration `key:"grace"` // of the run, before AbortOnFail judges by what is no count
}

// A Lifecycle is the script of connection N, a pure function of the plan, its
// seed and N. N = generation × connections + slot.
type Lifecycle struct {
	N          uint64
	Slot       int
	Generation uint64
	Start      time.Duration // planned start from the beginning of the run; only in generation 0, else -1
	Hold       time.Duration // from the 101 to the planned close, before the shape of the closes and the stages are applied
	Entry      int           // index into Plan.Closes.Mix
}

// stepWithin is how long a step waits for its message by default.
const stepWithin = 5 * time.Second

// Default gives the plan of a run without any configuration: valid, against
// the tool's own server, with a seed still to be drawn.
func Default() Plan {
	mix := []Close{DefaultClose(Active), DefaultClose(Passive), DefaultClose(Abort)}
	for i, weight := range []int{60, 30, 10} {
		mix[i].Weight = weight
	}
	return Plan{
		Load:     Load{Connections: 1000, Rate: 500, Duration: 8 * time.Second},
		Hold:     value.Uniform(1*time.Second, 3*time.Second),
		Traffic:  Traffic{Size: 128},
		Closes:   Closes{Mix: mix},
		Interval: 1 * time.Second,
		Limits: Limits{
			Dial:    5 * time.Second,
			Upgrade: 5 * time.Second,
			Close:   35 * time.Second,
			Fin:     1 * time.Second,
			Drain:   45 * time.Second,
		},
		Drain: Drain{After: 5 * time.Second, Within: time.Minute},
		Watch: Watch{Every: time.Second, Settle: 10 * time.Second},
		Gate:  Gate{Grace: 10 * time.Second},
	}
}

// ParseMix reads a mix in short form, "active=60,passive=30,abort=10". Each
// part is a mode and its weight, 1 where none is given, and takes the mode's
// defaults. A mode may stand only once. The error is problem.List of the key
// closes.mix, with one for each bad part.
func ParseMix(text string) ([]Close, error) {
	var problems problem.List
	refuse := func(part, msg, hint string) {
		problems = append(problems, problem.Problem{Key: "closes.mix", Value: problem.Quote(part), Msg: msg, Hint: hint})
	}
	var mix []Close
	seen := make(map[Mode]bool)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		word, number, weighted := strings.Cut(part, "=")
		var mode Mode
		if err := mode.UnmarshalText([]byte(strings.TrimSpace(word))); err != nil {
			bad := err.(*problem.TextError)
			refuse(part, bad.Msg, bad.Hint)
			continue
		}
		if seen[mode] {
			refuse(part, fmt.Sprintf("mode %s stands twice", mode),
				"add the weights, or list the entries with names in a file")
			continue
		}
		seen[mode] = true
		entry := DefaultClose(mode)
		if weighted {
			weight, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil || weight < 0 {
				refuse(part, "the weight is not a whole number from 0",
					fmt.Sprintf("write %s=30; weights need not add up to 100", mode))
				continue
			}
			entry.Weight = weight
		}
		mix = append(mix, entry)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return mix, nil
}
