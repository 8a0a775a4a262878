package target_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// A trial is one closing handshake on the path of a fault.
type trial struct {
	query string
	order string        // the server's own Close is asked for so; "" if the client closes, with 1000
	said  string        // what the server then sends, byte by byte as it is on the wire
	hasty bool          // the client does not answer the server's own Close
	end   func(*client) // how TCP then ends
	took  time.Duration // from the client's last word to the end of TCP
	sent  uint64        // Close frames that the server counts as sent and received
	recv  uint64
	ended target.Endings
}

// Bytes that come often: a Close 1000 and a Close 1001 as they should be.
const (
	good1000 = "\x88\x02\x03\xe8"
	good1001 = "\x88\x02\x03\xe9"
)

// stays wants TCP to stay open, and ends it.
func stays(c *client) {
	c.t.Helper()
	c.wantSilence(time.Hour)
	c.fin()
	c.wantEOF()
}

// inEvery is a fault of the frame: in the answer and in the server's own Close.
func inEvery(query, at1000, at1001 string, counted uint64) []trial {
	serverFIN := target.Endings{ServerFIN: 1}
	return []trial{
		{query: query, said: at1000, end: (*client).wantEOF, sent: counted, recv: 1, ended: serverFIN},
		{query: query, order: "close 1001", said: at1001, end: (*client).wantEOF, sent: counted, recv: 1, ended: serverFIN},
	}
}

// trials has the trials of every fault of the table.
func trials() map[string][]trial {
	eof, rst := (*client).wantEOF, (*client).wantReset
	serverFIN, serverRST, clientFIN := target.Endings{ServerFIN: 1}, target.Endings{ServerRST: 1}, target.Endings{ClientFIN: 1}
	well := inEvery("", good1000, good1001, 1)
	text := func(s string) string { return "\x81" + string(rune(len(s))) + s }
	return map[string][]trial{
		"echo": well,
		"slow-reply": {
			{said: good1000, end: eof, took: 2 * time.Second, sent: 1, recv: 1, ended: serverFIN},
			{query: "?delay=7s", said: good1000, end: eof, took: 7 * time.Second, sent: 1, recv: 1, ended: serverFIN},
		},
		"busy-reply":   append(well, inEvery("?rounds=0", good1000, good1001, 1)...),
		"no-reply":     {{end: stays, took: time.Hour, recv: 1, ended: clientFIN}, well[1]},
		"fin-no-reply": {{end: eof, recv: 1, ended: serverFIN}, well[1]},
		"rst-no-reply": {{end: rst, recv: 1, ended: serverRST}, well[1]},
		"reply-no-fin": {
			{said: good1000, end: stays, took: time.Hour, sent: 1, recv: 1, ended: clientFIN},
			{order: "close 1001", said: good1001, end: stays, took: time.Hour, sent: 1, recv: 1, ended: clientFIN},
		},
		"reply-rst": {
			{said: good1000, end: rst, sent: 1, recv: 1, ended: serverRST},
			{order: "close 1001", said: good1001, end: rst, sent: 1, recv: 1, ended: serverRST},
		},
		"close-before-reading-reply": {
			well[0],
			{order: "close 1001", said: good1001, hasty: true, end: eof, sent: 1, ended: serverFIN},
		},
		"half-frame": {
			{said: good1000[:2], end: eof, recv: 1, ended: serverFIN},
			{order: "close 1001 bye", said: "\x88\x05\x03\xe9", hasty: true, end: eof, ended: serverFIN},
		},
		"byte-by-byte": {
			{said: good1000, end: eof, took: 30 * time.Millisecond, sent: 1, recv: 1, ended: serverFIN},
			{query: "?every=1s", said: good1000, end: eof, took: 3 * time.Second, sent: 1, recv: 1, ended: serverFIN},
			well[1],
		},
		"data-before-close": slices.Concat(
			inEvery("?n=2", text("1 of 2 before the Close")+text("2 of 2 before the Close")+good1000,
				text("1 of 2 before the Close")+text("2 of 2 before the Close")+good1001, 1),
			inEvery("?n=0", good1000, good1001, 1),
		),
		"data-after-close": inEvery("", good1000+text("behind the Close"), good1001+text("behind the Close"), 1),
		"second-close":     inEvery("", good1000+good1000, good1001+good1001, 1),
		"bad-code": slices.Concat(
			inEvery("", "\x88\x02\x03\xee", "\x88\x02\x03\xee", 1),
			inEvery("?code=0", "\x88\x02\x00\x00", "\x88\x02\x00\x00", 1),
			inEvery("?code=999", "\x88\x02\x03\xe7", "\x88\x02\x03\xe7", 1),
			inEvery("?code=1005", "\x88\x02\x03\xed", "\x88\x02\x03\xed", 1),
			inEvery("?code=1015", "\x88\x02\x03\xf7", "\x88\x02\x03\xf7", 1),
			inEvery("?code=5000", "\x88\x02\x13\x88", "\x88\x02\x13\x88", 1),
			inEvery("?code=65535", "\x88\x02\xff\xff", "\x88\x02\xff\xff", 1),
		),
		"short-payload": inEvery("", "\x88\x01\x03", "\x88\x01\x03", 1),
		"bad-utf8":      inEvery("", "\x88\x03\x03\xe8\xff", "\x88\x03\x03\xe9\xff", 1),
		"oversize": inEvery("", "\x88\x7e\x00\x7e\x03\xe8"+strings.Repeat("x", 124),
			"\x88\x7e\x00\x7e\x03\xe9"+strings.Repeat("x", 124), 0),
		"fragmented":        inEvery("", "\x08\x02\x03\xe8", "\x08\x02\x03\xe9", 1),
		"masked":            inEvery("", "\x88\x82\x0f\xf0\x55\xaa\x0c\x18", "\x88\x82\x0f\xf0\x55\xaa\x0c\x19", 1),
		"rsv":               inEvery("", "\xc8\x02\x03\xe8", "\xc8\x02\x03\xe9", 1),
		"opcode":            inEvery("", "\x8b\x02\x03\xe8", "\x8b\x02\x03\xe9", 0),
		"early-fin":         well,
		"early-rst":         well,
		"ignore-half-close": well,
		"leak-on-abort":     well,
		"leak-memory":       well,
		"foreign-message":   well,
	}
}

func TestEveryFaultOfTheTableIsTriedAndNoOther(t *testing.T) {
	var tried []string
	for name, all := range trials() {
		tried = append(tried, name)
		if len(all) == 0 {
			t.Errorf("%s has no trial", name)
		}
	}
	slices.Sort(tried)
	names := target.FaultNames()
	slices.Sort(names)
	if diff := cmp.Diff(names, tried); diff != "" {
		t.Errorf("the table and the trials differ (-table +trials):\n%s", diff)
	}
}

// A fault's bytes and its end are the same whether it has a path of its own or
// is picked on the well-behaved one.
func TestEveryFaultClosesAsItsNameSays(t *testing.T) {
	for name, all := range trials() {
		for _, tr := range all {
			t.Run(name+tr.query+" "+tr.order, func(t *testing.T) {
				serve(t, new(target.Server), func(t *testing.T, h *host) {
					picked := "/echo?fault=" + name + ":100&" + strings.TrimPrefix(tr.query, "?")
					for _, path := range []string{"/" + name + tr.query, picked} {
						if name == "early-fin" || name == "early-rst" {
							path = "/" + name + "?after=1h"
						}
						tr.run(h.open(t, path))
					}
					want := target.Counts{Opened: 2, CloseSent: 2 * tr.sent, CloseReceived: 2 * tr.recv, Ended: tr.ended}
					want.Ended.ClientFIN *= 2
					want.Ended.ServerFIN *= 2
					want.Ended.ServerRST *= 2
					h.wantCounts(t, map[string]target.Counts{"none": want})
				})
			})
		}
	}
}

// run lives one connection through the trial.
func (tr trial) run(c *client) {
	c.t.Helper()
	c.text("hello")
	c.want(wire.OpText, "hello")
	start := time.Now()
	if tr.order == "" {
		c.sendClose(1000, "")
		c.wantBytes(tr.said)
	} else {
		c.text(tr.order)
		c.wantBytes(tr.said)
		if !tr.hasty {
			c.wantSilence(time.Second)
			start = time.Now()
			c.sendClose(1001, "")
		}
	}
	tr.end(c)
	wantElapsed(c.t, start, tr.took)
}

// wantBytes wants exactly these bytes next.
func (c *client) wantBytes(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		c.t.Fatalf("got % x, %v, want % x", got[:n], err, want)
	}
}
