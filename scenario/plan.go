package scenario

import "time"

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
	Hold     Dist          `key:"hold"` // lifetime, counted from the 101 response
	OnOpen   []Step        `key:"on_open"`
	Traffic  Traffic       `key:"traffic"`
	Closes   Closes        `key:"closes"`
	Limits   Limits        `key:"limits"`
	Interval time.Duration `key:"interval"` // span of one interval summary at the start of a run
	Gate     Gate          `key:"gate"`
}

// Target is the server under test and the way to reach it.
type Target struct {
	URL          string   `key:"url"`        // ws:// or wss://; "" is the tool's own server; {{n}} is the connection's index
	ConnectTo    string   `key:"connect_to"` // host:port dialled in place of the URL's; Host and TLS name stay
	Headers      []string `key:"headers"`    // "Name: value", {{n}} allowed in the value
	Subprotocols []string `key:"subprotocols"`
	TLS          TLS      `key:"tls"`
	LocalAddrs   []string `key:"local_addrs"` // source addresses, taken in turn by connection index
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
type Load struct {
	Connections int           `key:"connections"`
	Rate        Rate          `key:"rate"`
	Duration    time.Duration `key:"duration"`
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

// Closes says when and how connections end.
type Closes struct {
	Shape Shape   `key:"shape"`
	Mix   []Close `key:"mix"`
}

// Close is one entry of the mix: a way to end a connection and its weight.
type Close struct {
	Name    string  `key:"name"` // default: the mode; unique within the mix
	Mode    Mode    `key:"mode"`
	Weight  int     `key:"weight"`
	Code    int     `key:"code"`   // active: status code; 1005 sends an empty Close
	Reason  string  `key:"reason"` // active: at most 123 bytes of UTF-8
	Eager   bool    `key:"eager"`  // active: close TCP at once after the peer's Close
	Trigger Trigger `key:"trigger"`
	How     How     `key:"how"` // abort: rst or fin
}

// Trigger is how a passive close gets the server to close. Exactly one of its
// keys is set.
type Trigger struct {
	Send string `key:"send"` // text message that orders the server to close; {{n}} allowed
	Wait bool   `key:"wait"` // nothing is sent: the server closes by itself
}

// Limits bound every wait of a connection's life.
type Limits struct {
	Dial    time.Duration `key:"dial"`    // TCP connect and TLS handshake
	Upgrade time.Duration `key:"upgrade"` // request written to response read
	Close   time.Duration `key:"close"`   // T: own step to the peer's Close
	Fin     time.Duration `key:"fin"`     // G: second Close of the pair to the peer's FIN
	Drain   time.Duration `key:"drain"`   // end of the plan to the last connection settled
}

// Gate holds the rules that judge a run.
type Gate struct {
	Rules []string `key:"rules"`
}

// A Lifecycle is the script of connection N, a pure function of the plan, its
// seed and N. N = generation × connections + slot.
type Lifecycle struct {
	N          uint64
	Slot       int
	Generation uint64
	Start      time.Duration // planned start from the beginning of the run; only in generation 0, else -1
	Hold       time.Duration // from the 101 to the planned close, before the shape of the closes is applied
	Entry      int           // index into Plan.Closes.Mix
}
