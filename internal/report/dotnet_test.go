package report

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

func dotnet(t *testing.T, doc *result.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := DotNet(&out, doc, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// everything is a run in which each entry met each class, some of them with
// each of the details that decide what .NET throws.
func everything() *stats.Summary {
	rng := rand.New(rand.NewPCG(7, 7))
	mix := mix()
	mix[1].Name = "kick\x1b[2Jed"
	for _, mode := range []string{"output", "simultaneous", "half_close", "mute", "stall", "bad_close", "vanish"} {
		mix = append(mix, stats.Entry{Name: mode, Mode: mode})
	}
	s := stats.NewSummary(mix)
	n := uint64(0)
	add := func(entry int, c stats.Class, detail string) {
		n++
		end(s, rng, n, entry, c, func(o *stats.Outcome) {
			o.Detail = detail
			o.InvalidState = [stats.NumCauses]uint32{stats.Probe: 3, stats.Race: 2, stats.Echo: 1}
		})
	}
	for entry := range 3 {
		for c := range stats.Class(stats.NumClasses) {
			add(entry, c, "")
		}
	}
	for entry := 3; entry < len(s.Entries); entry++ {
		for _, c := range []stats.Class{stats.OpenFailed, stats.Clean, stats.CloseTimeout} {
			add(entry, c, "")
		}
		for _, detail := range []string{"", "fin", "rst"} {
			add(entry, stats.Cut, detail)
		}
	}
	add(1, stats.Cut, "fin")
	add(6, stats.CloseTimeout, "mute")
	for _, detail := range []string{
		"status-404", "status-503", "bad-accept", "bad-upgrade", "bad-connection", "bad-subprotocol", "bad-extension", "timeout",
		"on-open", "refused", "refused", "tls", "evil\x1b[2J\u202e",
	} {
		add(0, stats.OpenFailed, detail)
	}
	for _, detail := range []string{
		"rule:bad-code", "rule:short-payload", "rule:bad-utf8", "rule:oversize-control", "rule:fragmented-control", "rule:masked",
		"rule:rsv", "rule:opcode", "rule:bad-length", "rule:data-after-close", "rule:second-close", "rule:foreign-message",
	} {
		add(1, stats.Violation, detail)
	}
	add(0, stats.PeerFirst, "code:1001 fin")
	return s
}

func everyDocument(t *testing.T) *result.Document {
	s, head := everything(), header()
	s.InvalidState[stats.Unexplained], s.ProbeAccepted = 4, 5
	head.Mix = s.Entries
	return document(t, head, s, result.End{Complete: true, Cause: "done"})
}

func TestTheViewOfDotNetOnAGoodRun(t *testing.T) {
	golden(t, "dotnet_good.golden", []byte(dotnet(t, document(t, header(), good(), goodEnd()))))
}

func TestTheViewOfDotNetOnEveryClass(t *testing.T) {
	golden(t, "dotnet_every.golden", []byte(dotnet(t, everyDocument(t))))
}

// The names are .NET's: WebSocketError and WebSocketState have no others.
func TestTheMappingHasEveryClassAndOnlyNamesOfDotNet(t *testing.T) {
	errs := []string{
		"Success", "InvalidMessageType", "Faulted", "NativeError", "NotAWebSocket", "UnsupportedVersion", "UnsupportedProtocol",
		"HeaderError", "ConnectionClosedPrematurely", "InvalidState", nothing, canceled, unknown,
	}
	states := []string{"None", "Connecting", "Open", "CloseSent", "CloseReceived", "Closed", "Aborted", unknown}
	for i, row := range throwing() {
		if !slices.Contains(errs, row.what) || !slices.Contains(states, row.state) {
			t.Errorf("row %d, %s: %s and %s are not both names of .NET", i, row.class, row.what, row.state)
		}
		if (row.what == unknown) != (row.state == unknown) {
			t.Errorf("row %d, %s: half of it is unknown", i, row.class)
		}
	}
	met := make(map[string]bool)
	for _, mode := range modes() {
		for c := range stats.Class(stats.NumClasses) {
			rows := split(mode, c, &stats.Count{N: 1})
			for i, row := range rows {
				met[fmt.Sprint(row.thrown)] = true
				if last := i == len(rows)-1; last != (row.details == nil) || row.n != map[bool]uint64{true: 1}[last] {
					t.Errorf("%s of %s: row %d of %d has the details %v and %d of the connections without", c, mode, i, len(rows), row.details, row.n)
				}
			}
		}
	}
	for i, row := range throwing() {
		if !met[fmt.Sprint(row)] {
			t.Errorf("row %d, %s %v %v: no mode meets it", i, row.class, row.modes, row.details)
		}
	}
}

func modes() []string {
	return []string{"active", "output", "passive", "simultaneous", "abort", "half_close", "mute", "stall", "bad_close", "vanish"}
}

// What the wire calls premature is what .NET calls so: stats.Class.Premature
// and the mapping say it independently. Only a cut that was asked for is not
// premature for wsload, and is for .NET where the peer made it.
func TestTheMappingAndTheClassesAgreeOnWhatIsPremature(t *testing.T) {
	for _, row := range throwing() {
		cut := row.class == stats.Cut && row.details != nil
		if got := row.what == premature; got != row.class.Premature() && !cut {
			t.Errorf("%s: the mapping says %s, and the class says premature: %v", row.class, row.what, row.class.Premature())
		}
		for _, mode := range modes() {
			if expected := stats.Expected(mode, row.class); expected != nil && *expected && row.what != nothing && row.class != stats.Cut {
				t.Errorf("%s: what %s is for throws %s", row.class, mode, row.what)
			}
		}
	}
}

func TestEachModeIsOneCallOfDotNetOrNone(t *testing.T) {
	got := make(map[string]string)
	for _, c := range calls() {
		for _, mode := range c.modes {
			if got[mode] != "" {
				t.Errorf("%s is %s and %s", mode, got[mode], c.name)
			}
			got[mode] = c.name
		}
	}
	want := map[string]string{
		"active": "CloseAsync", "stall": "CloseAsync", "output": "CloseOutputAsync, then ReceiveAsync",
		"passive": "ReceiveAsync, CloseOutputAsync", "simultaneous": "CloseAsync beside the server's close", "abort": "Abort, Dispose",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestTheModeDecidesWhatACutIsInDotNet(t *testing.T) {
	for _, c := range []struct {
		mode                string
		class               stats.Class
		detail, what, state string
	}{
		{"abort", stats.Cut, "", nothing, "Aborted"},
		{"passive", stats.Cut, "fin", premature, "Aborted"},
		{"bad_close", stats.Cut, "rst", premature, "Aborted"},
		{"half_close", stats.Cut, "fin", premature, "Aborted"},
		{"mute", stats.Cut, "fin", nothing, "CloseReceived"},
		{"mute", stats.Cut, "rst", nothing, "CloseReceived"},
		{"mute", stats.CloseTimeout, "mute", nothing, "CloseReceived"},
		{"mute", stats.NoClose, "", canceled, "Aborted"},
		{"vanish", stats.Cut, "", unknown, unknown},
	} {
		count := stats.Count{N: 7, Detail: map[string]uint64{c.detail: 7}}
		if c.detail == "" {
			count.Detail = nil
		}
		for _, part := range split(c.mode, c.class, &count) {
			if hit := part.what == c.what && part.state == c.state; hit != (part.n == 7) {
				t.Errorf("%s of %s %q: %d of 7 are %s, %s; want all %s, %s", c.class, c.mode, c.detail, part.n, part.what, part.state, c.what, c.state)
			}
		}
	}
}

func TestADetailDecidesWhatDotNetThrows(t *testing.T) {
	for _, c := range []struct {
		class               stats.Class
		detail, what, state string
	}{
		{stats.OpenFailed, "", "Faulted", "Closed"},
		{stats.OpenFailed, "refused", "Faulted", "Closed"},
		{stats.OpenFailed, "tls", "Faulted", "Closed"},
		{stats.OpenFailed, "status-404", "NotAWebSocket", "Closed"},
		{stats.OpenFailed, "bad-accept", "HeaderError", "Closed"},
		{stats.OpenFailed, "bad-subprotocol", "UnsupportedProtocol", "Closed"},
		{stats.OpenFailed, "bad-extension", "none", "Open"},
		{stats.OpenFailed, "timeout", "OperationCanceledException", "Closed"},
		{stats.OpenFailed, "on-open", "-", "-"},
		{stats.OpenFailed, "other", "-", "-"},
		{stats.ToolError, "emfile", "-", "-"},
		{stats.Interrupted, "", "-", "-"},
		{stats.Violation, "rule:bad-code", "Faulted", "Closed"},
		{stats.Violation, "rule:masked", "Faulted", "Aborted"},
		{stats.Violation, "rule:second-close", "none", "Closed"},
		{stats.Violation, "rule:foreign-message", "-", "-"},
		{stats.Cut, "", "none", "Aborted"},
		{stats.PeerFirst, "code:1001 fin", "none", "Closed"},
		{stats.FailedByPeer, "code:1011", "none", "Closed"},
		{stats.ReplyFailed, "rst", "ConnectionClosedPrematurely", "CloseReceived"},
		{stats.Clean, "", "none", "Closed"},
		{stats.CleanRST, "", "none", "Closed"},
		{stats.CleanNoFIN, "", "none", "Closed"},
		{stats.UnansweredEOF, "truncated", "ConnectionClosedPrematurely", "Aborted"},
		{stats.UnansweredRST, "", "ConnectionClosedPrematurely", "Aborted"},
		{stats.UnansweredError, "ETIMEDOUT", "ConnectionClosedPrematurely", "Aborted"},
		{stats.CloseTimeout, "acked", "OperationCanceledException", "Aborted"},
		{stats.PrematureEOF, "", "ConnectionClosedPrematurely", "Aborted"},
		{stats.PrematureRST, "truncated", "ConnectionClosedPrematurely", "Aborted"},
		{stats.PrematureError, "ETIMEDOUT", "ConnectionClosedPrematurely", "Aborted"},
		{stats.NoClose, "", "OperationCanceledException", "Aborted"},
	} {
		count := stats.Count{N: 7}
		if c.detail != "" {
			count.Detail = map[string]uint64{c.detail: 7}
		}
		for _, part := range split("active", c.class, &count) {
			want := uint64(0)
			if part.what == c.what && part.state == c.state {
				want = 7
			}
			if part.n != want {
				t.Errorf("%s %q: %d of 7 are %s, %s; want all %s, %s", c.class, c.detail, part.n, part.what, part.state, c.what, c.state)
			}
		}
	}
}

func TestTheViewLosesNoConnection(t *testing.T) {
	s := everything()
	for e, entry := range s.Entries {
		for c := range stats.Class(stats.NumClasses) {
			var n uint64
			for _, part := range split(entry.Mode, c, &s.Outcomes[e][c]) {
				n += part.n
			}
			if n != s.Outcomes[e][c].N {
				t.Errorf("%s %s: %d connections in the view, %d in the summary", entry.Name, c, n, s.Outcomes[e][c].N)
			}
		}
	}
	// A stored count whose details are more than it has must not wrap.
	wrong := stats.Count{N: 1, Detail: map[string]uint64{"refused": 3}}
	for _, part := range split("active", stats.OpenFailed, &wrong) {
		if part.n > 3 {
			t.Errorf("%d connections of %s", part.n, part.what)
		}
	}
}

func TestAConnectionThatDidNotOpenMetNoCallThatCloses(t *testing.T) {
	s := everything()
	want := map[string]map[string]uint64{
		"ConnectAsync":   {"none": 18, "Faulted": 5, "HeaderError": 3, "NotAWebSocket": 2, "UnsupportedProtocol": 1, canceled: 1, unknown: 3},
		"CloseAsync":     {"none": 7, premature: 7, canceled: 2, "Faulted": 1, unknown: 1},
		"Abort, Dispose": nil,
	}
	for _, c := range calls() {
		got := c.throws(s.Entries[0], &s.Outcomes[0])
		if d := cmp.Diff(want[c.name], got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s of the active entry (-want +got):\n%s", c.name, d)
		}
	}
}

func TestTheViewKeepsToTheReportsColumnsAndAlphabet(t *testing.T) {
	doc := everyDocument(t)
	plainText := dotnet(t, doc)
	for line := range strings.Lines(plainText) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.TrimRight(line, " ") != line || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("the line %q", line)
		}
	}
	var coloured bytes.Buffer
	if err := DotNet(&coloured, doc, true); err != nil {
		t.Fatal(err)
	}
	stripped := coloured.String()
	for _, s := range []style{heading, alarm, "\x1b[0m"} {
		if !strings.Contains(stripped, string(s)) {
			t.Errorf("style %q is not used", s)
		}
		stripped = strings.ReplaceAll(stripped, string(s), "")
	}
	if d := cmp.Diff(plainText, stripped); d != "" {
		t.Errorf("without its colours the view is another (-plain +coloured):\n%s", d)
	}
}

func TestTheViewReturnsAFailedWriteAndRefusesABrokenDocument(t *testing.T) {
	doc := document(t, header(), good(), goodEnd())
	if err := DotNet(fullDisk{}, doc, false); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	doc.Total.Latency[0].HDR = "?"
	if err := DotNet(fullDisk{}, doc, false); err == nil || errors.Is(err, errFull) {
		t.Errorf("a broken histogram: error %v", err)
	}
}
