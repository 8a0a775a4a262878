package runner

import (
	"crypto/tls"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/badframe"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/stats"
)

// ruleHistories break each rule in the answer to a Close.
func ruleHistories() []history {
	thousand := wire.AppendClosePayload(nil, 1000, "")
	said := func(frames []byte) func(*peer) { return after(func(p *peer) { p.Write(frames) }) }
	var all []history
	for rule, frames := range map[wire.Rule][]byte{
		wire.RuleBadCode:           badframe.Code(1015, nil, false),
		wire.RuleShortPayload:      badframe.Short(thousand, false),
		wire.RuleBadUTF8:           badframe.BadUTF8(thousand, false),
		wire.RuleOversizeControl:   badframe.Oversize(thousand, false),
		wire.RuleFragmentedControl: badframe.Fragment(wire.OpClose, thousand, false),
		wire.RuleMasked:            badframe.WrongMask(wire.OpClose, thousand, false),
		wire.RuleRSV:               badframe.ReservedBit(wire.OpClose, thousand, false),
		wire.RuleOpcode:            badframe.ReservedOpcode(thousand, false),
		wire.RuleBadLength:         {0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0},
		wire.RuleDataAfterClose:    badframe.DataAfter(thousand, false),
		wire.RuleSecondClose:       badframe.Twice(thousand, false),
	} {
		all = append(all, history{"a broken rule is a violation, " + rule.String(), active(), said(frames), stats.Violation, "rule:" + rule.String()})
	}
	return all
}

func TestEachBrokenRuleIsNamed(t *testing.T) {
	for _, h := range ruleHistories() {
		t.Run(h.name, h.check)
	}
}

// A rare history needs more than a server that plays its part.
type rare struct {
	history
	plan func(*scenario.Plan)
	over link
	flag stats.Flag // NumFlags for none
}

// breaking is a connection whose reads fail from a moment on, as where the
// network has gone.
type breaking struct {
	net.Conn
	at time.Time
}

func (b *breaking) Read(p []byte) (int, error) {
	if !time.Now().Before(b.at) {
		return 0, syscall.ETIMEDOUT
	}
	b.Conn.SetReadDeadline(b.at)
	n, err := b.Conn.Read(p)
	if n == 0 && !time.Now().Before(b.at) {
		return 0, syscall.ETIMEDOUT
	}
	return n, err
}

// SetReadDeadline is for the reader; the moment stands above it.
func (b *breaking) SetReadDeadline(d time.Time) error {
	if d.IsZero() || d.After(b.at) {
		d = b.at
	}
	return b.Conn.SetReadDeadline(d)
}

func breaksAfter(d time.Duration) link {
	return link{dialled: func(c net.Conn) (net.Conn, error) { return &breaking{Conn: c, at: time.Now().Add(d)}, nil }}
}

func undialled(errno syscall.Errno) link {
	return link{dialled: func(c net.Conn) (net.Conn, error) {
		c.Close()
		return nil, errno
	}}
}

func rareHistories(t *testing.T) []rare {
	const none = stats.Flag(stats.NumFlags)
	cert, _, err := target.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	secure := link{accepted: func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}) }}
	wss := func(p *scenario.Plan) { p.Target.URL, p.Target.TLS.Insecure = "wss://127.0.0.1:1/", true }
	echo := func(p *scenario.Plan) {
		p.Traffic = scenario.Traffic{Every: 300 * time.Millisecond, Size: 64, Expect: scenario.ExpectEcho}
	}
	return []rare{
		{history{"a server that refuses is open_failed", active(), nil, stats.OpenFailed, "refused"}, nil, undialled(syscall.ECONNREFUSED), none},
		{history{"descriptors that run out are tool_error", active(), nil, stats.ToolError, "emfile"}, nil, undialled(syscall.EMFILE), none},
		{history{"a run that ends first leaves interrupted", active(), after((*peer).rest), stats.Interrupted, ""},
			func(p *scenario.Plan) { p.Load.Duration, p.Limits.Drain = 3*time.Second, time.Second }, link{}, none},
		{history{"a network that is gone in the hold is premature_error", active(), (*peer).rest, stats.PrematureError, "ETIMEDOUT"},
			nil, breaksAfter(500 * time.Millisecond), none},
		{history{"a network that is gone behind the own Close is unanswered_error", active(), (*peer).rest, stats.UnansweredError, "ETIMEDOUT"},
			nil, breaksAfter(3 * time.Second), none},
		{history{"a message that never comes back is lost", active(), func(p *peer) {
			p.until(wire.OpText)
			well(0)(p)
		}, stats.Clean, ""}, echo, link{}, stats.LostMessages},
		{history{"a message of another connection is a violation", active(), func(p *peer) {
			mark := strings.Replace(string(p.until(wire.OpText)), "/0/", "/9/", 1)
			p.send(wire.OpText, strings.Replace(strings.Replace(mark, "/1/", "/9/", 1), "/2/", "/9/", 1))
			p.until(wire.OpClose)
		}, stats.Violation, "rule:foreign-message"}, echo, link{}, none},
		{history{"TLS that ends without close_notify", active(), after(func(p *peer) {
			p.sendClose(1000)
			p.Conn.(*tls.Conn).NetConn().Close()
		}), stats.Clean, ""}, wss, secure, stats.NoCloseNotify},
		{history{"TLS that ends with close_notify", active(), well(0), stats.Clean, ""}, wss, secure, none},
	}
}

func TestRareHistoriesEndInTheirClasses(t *testing.T) {
	for _, r := range rareHistories(t) {
		t.Run(r.name, func(t *testing.T) {
			plan := once(3, r.entry)
			if r.plan != nil {
				r.plan(&plan)
			}
			var res *Result
			synctest.Test(t, func(t *testing.T) {
				res, _ = playOver(t.Context(), t, plan, Options{}, r.over, r.server) // the class says it
			})
			class, details := only(t, res)
			if class != r.class || r.detail != "" && details[r.detail] != 3 {
				t.Errorf("class %v %v, want %v %s; %+v", class, details, r.class, r.detail, res.Total.Exemplars)
			}
			for f := range stats.Flag(stats.NumFlags) {
				n := res.Total.Outcomes[0][class].Flags[f]
				if special := f == stats.LostMessages || f == stats.NoCloseNotify; special && (n == 3) != (f == r.flag) {
					t.Errorf("%v on %d of 3", f, n)
				}
			}
		})
	}
}

// outcome gives the one row of a run's outcomes.
func outcome(t *testing.T, res *Result) (stats.Class, stats.Count) {
	t.Helper()
	class, _ := only(t, res)
	return class, res.Total.Outcomes[0][class]
}

// A flagged history is one that sets these flags and no others.
type flagged struct {
	name   string
	entry  scenario.Close
	server func(*peer)
	flags  []stats.Flag
}

func flaggedHistories() []flagged {
	return []flagged{
		{"an answer with the own code", active(), well(0), []stats.Flag{stats.CodeEcho}},
		{"an answer without a code", active(), after(func(p *peer) { p.sendClose(wire.CodeNoStatus) }), []stats.Flag{stats.CodeNone}},
		{"an answer with another code", active(), after(func(p *peer) { p.sendClose(4000) }), []stats.Flag{stats.CodeOther}},
		{"an answer 1000 to another code", of(scenario.Active, func(c *scenario.Close) { c.Code = 1001 }),
			after(func(p *peer) { p.sendClose(1000) }), []stats.Flag{stats.CodeNormal}},
		{"messages behind the own Close", of(scenario.Output, nil),
			after(func(p *peer) { time.Sleep(time.Millisecond); p.send(wire.OpText, "x"); p.sendClose(1000) }),
			[]stats.Flag{stats.CodeEcho, stats.DataAfterOwnClose}},
		{"a ping behind the peer's Close", active(),
			after(func(p *peer) { p.sendClose(1000); p.send(wire.OpPing, "") }), []stats.Flag{stats.CodeEcho, stats.ControlAfterClose}},
		{"an order and a Close that cross", of(scenario.Simultaneous, nil),
			ordered(func(p *peer) { p.sendClose(1001); p.until(wire.OpClose) }), []stats.Flag{stats.Simultaneous}},
		{"a FIN after limits.fin", active(), after(func(p *peer) { p.sendClose(1000); time.Sleep(1500 * time.Millisecond) }),
			[]stats.Flag{stats.CodeEcho, stats.LateFIN}},
		{"an RST behind the FIN", passive(), ordered(func(p *peer) { p.sendClose(1001); p.Close() }), []stats.Flag{stats.FINThenRST}},
		{"an end inside a message", active(), early(func(p *peer) { p.Write([]byte{0x81, 5, 'h'}) }), []stats.Flag{stats.Truncated}},
		{"an abort with bytes of the server unread", moment(scenario.Receiving, scenario.RST), well(0), []stats.Flag{stats.UnreadAtClose}},
	}
}

func TestFlagsSayWhatTheClassDoesNot(t *testing.T) {
	for _, r := range flaggedHistories() {
		t.Run(r.name, func(t *testing.T) {
			res, err := play(t, once(1, r.entry), r.server)
			if err != nil {
				t.Fatal(err)
			}
			_, count := outcome(t, res)
			want := [stats.NumFlags]uint64{}
			for _, f := range r.flags {
				want[f] = 1
			}
			if count.Flags != want {
				t.Errorf("flags %v, want %v; %+v", count.Flags, want, res.Total.Exemplars)
			}
		})
	}
}

// The histories of this package are the reading of the vocabulary: what is not
// in one of them is not shown to work.
func TestEveryClassRuleAndFlagHasItsHistory(t *testing.T) {
	classes, rules, flags := map[stats.Class]bool{}, map[string]bool{}, map[stats.Flag]bool{}
	all := append(append(append(append(activeHistories(), otherHistories()...), modeHistories()...), closeHistories()...), ruleHistories()...)
	for _, r := range rareHistories(t) {
		all, flags[r.flag] = append(all, r.history), true
	}
	for _, h := range all {
		classes[h.class] = true
		if rule, ok := strings.CutPrefix(h.detail, "rule:"); ok {
			rules[rule] = true
		}
	}
	for _, f := range flaggedHistories() {
		for _, flag := range f.flags {
			flags[flag] = true
		}
	}
	for c := range stats.Class(stats.NumClasses) {
		if !classes[c] {
			t.Errorf("no history ends in %v", c)
		}
	}
	for r := wire.NoRule + 1; r <= wire.RuleForeignMessage; r++ {
		if !rules[r.String()] {
			t.Errorf("no history breaks %v", r)
		}
	}
	for f := range stats.Flag(stats.NumFlags) {
		if !flags[f] {
			t.Errorf("no history sets %v", f)
		}
	}
}
