package contest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/scenario"
)

func TestTheTermsAreThoseOfTheDefaultContractUnlessTold(t *testing.T) {
	terms, err := Terms([]string{"active"}, Wanted{Preset: Default, Restarts: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trial.DefaultContract().Terms, terms); diff != "" {
		t.Error(diff)
	}
	terms, err = Terms([]string{"active"}, Wanted{
		Preset: Default, Tolerances: []string{"close_handshake.p99=7.5%"}, MustDetect: []string{"close_handshake.p50=40%", "close_handshake.p99=30%"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := trial.DefaultContract().Terms
	want[0].Tolerance, want[0].MustDetect = 100_000, 400_000
	want[1].Tolerance, want[1].MustDetect = 75_000, 300_000
	if diff := cmp.Diff(want, terms); diff != "" {
		t.Error(diff)
	}
}

func TestARelaxedContractGivesTheNoiseMoreRoomAndAnUnknownOneIsRefused(t *testing.T) {
	want := trial.DefaultContract().Terms
	want[0].Tolerance, want[0].MustDetect = 50_000, 150_000
	want[1].Tolerance, want[1].MustDetect = 100_000, 300_000
	terms, err := Terms([]string{"active"}, Wanted{Preset: Relaxed, Restarts: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, terms); diff != "" {
		t.Error(diff)
	}
	if _, err := Terms([]string{"active"}, Wanted{Preset: "loose"}); err == nil || err.Error() != `read contract "loose": it is default or relaxed` {
		t.Error(err)
	}
}

func TestAMetricIsGatedLikeTheDefaultOfItsKind(t *testing.T) {
	terms, err := Terms([]string{"active", "kick"}, Wanted{
		Preset: Default, Metrics: []string{"active.fin.p50", "kick.notice.p90", "class.clean_rst.rate"}, Restarts: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := trial.DefaultContract().Terms
	for i, name := range []string{"active.fin.p50", "kick.notice.p90", "class.clean_rst.rate"} {
		want[i].Metric = name
	}
	if diff := cmp.Diff(want, terms); diff != "" {
		t.Error(diff)
	}
}

func TestTermsThatCannotBeReadAreRefusedByTheirText(t *testing.T) {
	for _, row := range []struct {
		metrics, tolerance, mustDetect []string
		want                           string
	}{
		{[]string{"close_handshak.p50"}, nil, nil, "read metric close_handshak.p50: "},
		{nil, []string{"close_handshake.p50"}, nil, `read tolerance "close_handshake.p50": not a metric and its share (write it like close_handshake.p50=5%)`},
		{nil, []string{"close_handshake.p50=5"}, nil, `read tolerance "close_handshake.p50=5": read share "5": not a percentage`},
		{nil, nil, []string{"fin.p50=5%"}, `read must-detect "fin.p50=5%": fin.p50 is not gated (name it with --metric)`},
	} {
		w := Wanted{Preset: Default, Metrics: row.metrics, Tolerances: row.tolerance, MustDetect: row.mustDetect, Restarts: true}
		if _, err := Terms([]string{"active"}, w); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want %q", err, row.want)
		}
	}
}

func TestASideIsACommandOrAddressesAndItsNameHoldsNoSecret(t *testing.T) {
	plan := scenario.Default()
	for _, row := range []struct {
		given       []string
		path, label string
		restarts    bool
		fault       string
	}{
		{[]string{"./old --key=secret {port}"}, "", "./old …", true, ""},
		{[]string{"KEY=secret ./old {port}"}, "/chat", "…", true, ""},
		{[]string{"ws://ann:secret@h:1/x", "wss://h:2/y"}, "", "ws://***@h:1/x wss://h:2/y", false, ""},
		{nil, "", "", false, "no server is given"},
		{[]string{""}, "", "", false, "no server is given"},
		{[]string{"./old"}, "", "", false, "the command has no {port}"},
		{[]string{"./old {port}", "./older {port}"}, "", "", false, "2 servers are given"},
		{[]string{"ws://h:1/", "./old {port}"}, "", "", false, "is no address of a WebSocket server"},
		{[]string{"ws://h:1/"}, "chat", "", false, `the path "chat" does not begin with /`},
		{[]string{"https://h:1/secret"}, "", "", false, "write ws:// or wss://"},
		{[]string{"localhost:9000"}, "", "", false, "write ws:// or wss:// in front of it"},
		{[]string{"[::1]:9000/chat?key=secret"}, "", "", false, "write ws:// or wss:// in front of it"},
		{[]string{"WSS://h:1/secret"}, "", "", false, "write ws:// or wss:// in front of it"},
		{[]string{"./serve:9000"}, "", "", false, "the command has no {port}"},
		{[]string{"localhost:9000 {port}"}, "", "…", true, ""},
	} {
		s, err := ParseSide(row.given, row.path, &plan)
		if row.fault != "" {
			if err == nil || !strings.Contains(err.Error(), row.fault) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v, want %q", row.given, err, row.fault)
			}
			continue
		}
		if err != nil || s.Restarts() != row.restarts || s.Path != row.path || s.Label(&plan) != row.label {
			t.Errorf("%q: %+v, label %q, %v", row.given, s, s.Label(&plan), err)
		}
	}
}

func TestInvariantsComeBesideThatOfTheDefaultContract(t *testing.T) {
	got, err := Invariants([]string{"active"}, []string{"violation.count", "active.no_close", "invalid_state.unexplained", "violation.count"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"invalid_state.unexplained", "violation.count", "active.no_close"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = Invariants(nil, nil, false); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestARateThatIsAlwaysZeroIsNotGated(t *testing.T) {
	lost := Wanted{Preset: Default, Metrics: []string{"messages.lost.rate"}}
	if _, err := Terms(nil, lost); err == nil || !strings.Contains(err.Error(), "read metric messages.lost.rate: messages are not checked for loss") {
		t.Error(err)
	}
	lost.Echo = true
	if terms, err := Terms(nil, lost); err != nil || len(terms) != 1 {
		t.Errorf("%v, %v", terms, err)
	}
}

func TestAnInvariantThatIsAlwaysZeroIsRefused(t *testing.T) {
	if _, err := Invariants(nil, []string{"messages.lost"}, false); err == nil || !strings.Contains(err.Error(), "set traffic.expect to echo") {
		t.Error(err)
	}
	if got, err := Invariants(nil, []string{"messages.lost"}, true); err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Invariants(nil, []string{"violatoin.count"}, true); err == nil || !strings.Contains(err.Error(), "did you mean violation?") {
		t.Error(err)
	}
}
