package trace

import "time"

// Schema is the version of the form.
const Schema = 1

// A Header is the first line of a trace.
type Header struct {
	Schema int    `json:"wsload_trace"`
	Run    string `json:"run"`
	Shard  string `json:"shard"`   // "1/1" for the whole
	Wall   int64  `json:"wall_ns"` // wall clock at offset 0, in ns since the epoch
	Stamps string `json:"stamps"`  // "kernel" or "user": the best clock arrivals could have
	Only   string `json:"only"`    // which connections are in it: all, unexpected, 1/N
}

// A Line is one connection.
type Line struct {
	Run        string   `json:"run"`
	N          uint64   `json:"n"`
	Entry      string   `json:"entry"` // its name in the mix
	Mode       string   `json:"mode"`
	Payload    string   `json:"payload,omitempty"` // of a bad Close
	Generation uint64   `json:"generation"`
	Local      string   `json:"local,omitempty"`  // TCP address, once connected
	Remote     string   `json:"remote,omitempty"` // the same of the peer
	Planned    Planned  `json:"planned"`
	Class      string   `json:"class"`
	Detail     string   `json:"detail,omitempty"`
	Flags      []string `json:"flags,omitempty"`   // names of what the class does not say, as in results
	Rule       string   `json:"rule,omitempty"`    // the first rule that the peer broke
	Expected   *bool    `json:"expected"`          // null where the class says nothing: interrupted
	Forward    bool     `json:"forward"`           // closed before its plan because the run ended
	Failure    string   `json:"failure,omitempty"` // why it did not open
	Library    string   `json:"library,omitempty"` // the client library's error; the wire decides, not it
	Events     []Event  `json:"events"`
	Dropped    int      `json:"dropped,omitempty"` // events that were too many to keep
}

// Planned is when a connection was to begin and to end.
type Planned struct {
	Start time.Duration  `json:"start_ns"`
	Hold  time.Duration  `json:"hold_ns"`
	Close *time.Duration `json:"close_ns,omitempty"` // once that was begun
}

// An Event is one thing that happened, in the order in which wsload noticed.
type Event struct {
	At        time.Duration `json:"at_ns"`             // when it happened, by the clock
	Clock     string        `json:"clock"`             // kernel: receive stamp; user: this process
	Seen      time.Duration `json:"seen_ns,omitempty"` // when this process noticed; absent in the opening handshake
	Dir       string        `json:"dir,omitempty"`     // in, out
	Kind      string        `json:"kind"`
	Code      int           `json:"code,omitempty"`   // of a Close; 1005 for none in it
	Reason    string        `json:"reason,omitempty"` // of a Close: hostile text
	Rule      string        `json:"rule,omitempty"`
	Errno     string        `json:"errno,omitempty"`
	Truncated bool          `json:"truncated,omitempty"` // the end came inside a frame or message
}
