package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

func mix() []stats.Entry {
	return []stats.Entry{{Name: "active", Mode: "active"}, {Name: "kicked", Mode: "passive"}, {Name: "abort", Mode: "abort"}}
}

// times gives one phase a log-normal-looking spread around a median.
func times(rng *rand.Rand, o *stats.Outcome, p stats.Phase, median time.Duration) {
	d := time.Duration(float64(median) * (0.5 + rng.ExpFloat64()*0.72))
	o.Phases[p] = stats.Sample{D: d, OK: true, Kernel: p.Clock() == stats.ClockKernel}
}

// end adds one connection that was started, and opened unless its class denies
// it. It closes as it should: 20 µs late, after 1 ms.
func end(s *stats.Summary, rng *rand.Rand, n uint64, entry int, c stats.Class, change func(*stats.Outcome)) {
	o := stats.Outcome{N: n, Entry: entry, Class: c, Opened: c != stats.OpenFailed, CodeSent: 1000, CodeReceived: 1000, ClosedFirst: stats.Server}
	times(rng, &o, stats.OpenLag, 50*time.Microsecond)
	if o.Opened {
		times(rng, &o, stats.Connect, 300*time.Microsecond)
		times(rng, &o, stats.Upgrade, 400*time.Microsecond)
		times(rng, &o, stats.CloseLag, 20*time.Microsecond)
		times(rng, &o, stats.Teardown, 2*time.Millisecond)
	}
	if o.Opened && entry < 2 {
		times(rng, &o, stats.ReadLag, 3*time.Microsecond)
		times(rng, &o, stats.FIN, 500*time.Microsecond)
	}
	if o.Opened && entry == 0 {
		times(rng, &o, stats.CloseHandshake, time.Millisecond)
		times(rng, &o, stats.CloseScheduled, time.Millisecond)
	}
	if !o.Opened {
		o.ClosedFirst = stats.Neither
	}
	o.Flags.Set(stats.CodeEcho, entry == 0 && c == stats.Clean)
	if change != nil {
		change(&o)
	}
	s.Connections.Started++
	if o.Opened {
		s.Connections.Opened++
	}
	if !o.Opened {
		s.Add(&o, nil)
		return
	}
	s.Add(&o, func() []stats.Moment {
		return []stats.Moment{
			{At: 1_234_000_000, Event: "101 received", Clock: stats.ClockKernel},
			{At: 2_234_000_000, Event: "close sent 1000"},
			{At: 2_234_000_000 + o.Phases[stats.Teardown].D, Event: "FIN received"},
		}
	})
}

func header() result.Header {
	return result.Header{
		Schema: 1, Run: "run-7", Name: "mixed", Seed: 42, Interval: time.Second, Mix: mix(),
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Plan:    json.RawMessage(`{"target":{"url":"ws://127.0.0.1:9000/echo"}}`),
		Env:     result.Env{Version: "v1.2.3", Go: "go1.26", OS: "linux", Arch: "amd64", CPUs: 2, GOMAXPROCS: 2, GOGC: 400, Stamps: stats.ClockKernel},
	}
}

func document(t *testing.T, head result.Header, s *stats.Summary, e result.End) *result.Document {
	t.Helper()
	return result.NewDocument(head, result.Interval{Summary: s, Open: s.Connections.Started - s.Connections.Ended}, e)
}

func text(t *testing.T, doc *result.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := Text(&out, doc, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// good is a run in which every connection ended as its mode is for.
func good() *stats.Summary {
	rng := rand.New(rand.NewPCG(1, 1))
	s := stats.NewSummary(mix())
	s.To = 12_345 * time.Millisecond
	s.Peak["1/1"] = 480
	for n := range uint64(1200) {
		end(s, rng, n, 0, stats.Clean, func(o *stats.Outcome) { o.Forward = n%40 == 0; o.InvalidState[stats.Probe] = uint32(n % 2) })
	}
	for n := range uint64(60) {
		end(s, rng, 2000+n, 1, stats.Clean, func(o *stats.Outcome) {
			o.CodeReceived = 1001
			times(rng, o, stats.Notice, 2*time.Millisecond)
			times(rng, o, stats.Reply, 30*time.Microsecond)
			o.Messages = stats.Messages{Sent: 4, Received: 4}
		})
	}
	for n := range uint64(5) {
		end(s, rng, 3000+n, 2, stats.Cut, func(o *stats.Outcome) {
			o.CodeSent, o.CodeReceived, o.ClosedFirst = stats.NoCode, stats.NoCode, stats.Client
			o.Phases[stats.ReadLag] = stats.Sample{}
		})
	}
	return s
}

func goodEnd() result.End {
	return result.End{Complete: true, Cause: "done", Ledger: result.NewLedger([]result.LedgerMode{
		{Mode: "active", Fields: []result.LedgerField{{Field: "opened", Client: 1200, Server: 1200}, {Field: "close_sent", Client: 1200, Server: 1200}}},
		{Mode: "abort", Fields: []result.LedgerField{{Field: "opened", Client: 5, Server: 5}}},
	})}
}

// bad is a run in which most things went wrong, against a server that sends
// hostile text.
func bad() *stats.Summary {
	rng := rand.New(rand.NewPCG(2, 2))
	s := stats.NewSummary(mix())
	s.To = 95 * time.Second
	s.Peak["1/1"] = 300
	for n := range uint64(400) {
		end(s, rng, n, 0, stats.Clean, func(o *stats.Outcome) {
			times(rng, o, stats.CloseLag, 900*time.Microsecond)
			times(rng, o, stats.ReadLag, 200*time.Microsecond)
			o.Crossed[stats.Reply] = n < 7
			o.Phases[stats.CloseHandshake].Kernel = n >= 12
			if n < 9 {
				o.Flags = 0
				o.Flags.Set(stats.CodeNormal, n > 0)
				o.Flags.Set(stats.CodeNone, n == 0)
			}
			o.Flags.Set(stats.LostMessages, n < 4)
			o.Flags.Set(stats.DataAfterOwnClose, n < 30)
			if n == 5 {
				o.Phases[stats.Teardown].D = 130 * time.Second
			}
			if n == 6 {
				o.Phases[stats.ReadLag].D = -time.Millisecond
			}
			if n == 8 {
				o.Phases[stats.ReadLag].OK, o.Crossed[stats.ReadLag] = false, true
			}
		})
	}
	for n := range uint64(30) {
		end(s, rng, 1000+n, 0, stats.Violation, func(o *stats.Outcome) {
			o.Detail = "rule:\x1b]0;owned\x07\u202e"
			o.CodeReceived = 1002 + int(n)
			o.ProbeAccepted = 1
			o.InvalidState[stats.Unexplained] = 1
		})
	}
	for n := range uint64(60) {
		end(s, rng, 2000+n, 1, stats.PrematureRST, func(o *stats.Outcome) {
			o.Detail = fmt.Sprintf("errno:%d", n%12)
			o.Messages = stats.Messages{Sent: 4, Received: 3, Lost: 1}
			o.Flags.Set(stats.Truncated, n%10 == 0)
		})
	}
	end(s, rng, 2990, 1, stats.Interrupted, nil)
	for n := range uint64(3) {
		end(s, rng, 3000+n, 2, stats.OpenFailed, func(o *stats.Outcome) { o.Detail = []string{"refused", "timeout"}[n%2] })
	}
	s.Connections.Started += 4
	s.Connections.Opened += 4
	return s
}

func badDocument(t *testing.T) *result.Document {
	head := header()
	planned := uint64(500)
	head.Name, head.Planned = "evil\x1b[2J", &planned
	head.Mix[1].Name = "kicked"
	return document(t, head, bad(), result.End{
		Cause: "signal interrupt", Exit: 130,
		Warnings: []string{"the server answered \x1b[31m" + strings.Repeat("very long ", 15)},
		Ledger: result.NewLedger([]result.LedgerMode{{Mode: "active", Fields: []result.LedgerField{
			{Field: "opened", Client: 430, Server: 430}, {Field: "close_received", Client: 430, Server: 431}, {Field: "none", Client: 2, Server: 0},
		}}}),
	})
}
