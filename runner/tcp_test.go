package runner

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// A bout is a mode against a path of the embedded target over real TCP, and
// what must come of it.
type bout struct {
	path   string
	entry  scenario.Close
	class  stats.Class
	detail string
}

func bouts() []bout {
	o, s, h, m := of(scenario.Output, nil), of(scenario.Simultaneous, nil), of(scenario.HalfClose, nil), of(scenario.Mute, nil)
	stall := of(scenario.Stall, func(c *scenario.Close) { c.For = 500 * time.Millisecond })
	long := of(scenario.Stall, func(c *scenario.Close) { c.For = 3 * time.Second })
	late := of(scenario.Passive, func(c *scenario.Close) { c.ReplyDelay = 300 * time.Millisecond })
	all := []bout{
		{"/echo", o, stats.Clean, ""},
		{"/data-before-close?n=200", o, stats.Clean, ""},
		{"/no-reply", o, stats.CloseTimeout, "acked"},
		{"/rst-no-reply", o, stats.UnansweredRST, ""},
		{"/echo", s, stats.Clean, ""},
		{"/reply-rst", s, stats.CleanRST, ""},
		{"/echo", moment(scenario.MidMessage, scenario.RST), stats.Cut, ""},
		{"/echo", moment(scenario.MidMessage, scenario.FIN), stats.Cut, ""},
		{"/echo", moment(scenario.AfterClose, scenario.RST), stats.Cut, ""},
		{"/echo", moment(scenario.AfterClose, scenario.FIN), stats.Cut, ""},
		{"/echo", moment(scenario.Receiving, scenario.RST), stats.Cut, ""},
		{"/echo", moment(scenario.Receiving, scenario.FIN), stats.Cut, ""},
		{"/echo", h, stats.Cut, "fin"},
		{"/ignore-half-close?keep=5s", h, stats.CloseTimeout, "acked"},
		{"/echo", m, stats.Cut, "fin"},
		{"/early-rst?after=100ms", m, stats.PrematureRST, ""},
		{"/echo", stall, stats.Clean, ""},
		{"/echo?close_after=700ms&code=1012", long, stats.PeerFirst, "code:1012 fin"},
		{"/early-rst?after=700ms", long, stats.PrematureRST, ""},
		{"/echo", late, stats.Clean, ""},
		{"/echo", of(scenario.Passive, func(c *scenario.Close) { c.Trigger.Send = "abort rst" }), stats.Cut, "rst"},
		{"/echo", of(scenario.Passive, func(c *scenario.Close) { c.Trigger.Send = "abort fin" }), stats.Cut, "fin"},
		{"/no-reply", of(scenario.Passive, func(c *scenario.Close) { c.Trigger.Send = "hello" }), stats.NoClose, ""},
	}
	for _, v := range []scenario.Violate{scenario.ViolateOpcode, scenario.ViolateRSV, scenario.ViolateUnmasked, scenario.ViolateOversize} {
		all = append(all, bout{"/echo", violating(v), stats.Clean, ""})
	}
	for _, p := range []scenario.Payload{
		scenario.PayloadEmpty, scenario.PayloadCodeOnly, scenario.PayloadLongReason, scenario.PayloadInside,
		scenario.PayloadShort, scenario.PayloadOversize, scenario.PayloadBadUTF8, scenario.PayloadFragmented, scenario.PayloadUnmasked,
		"code-0", "code-999", "code-1004", "code-1005", "code-1006", "code-1015", "code-1016", "code-2999", "code-5000", "code-65535",
	} {
		all = append(all, bout{"/echo", bad(p), stats.Clean, ""})
	}
	return all
}

func TestEachModeEndsInItsClassOverTCP(t *testing.T) {
	addr, _ := serve(t)
	all := bouts()
	const each = 20
	results := make([]*Result, len(all))
	errs := make([]error, len(all))
	var runs sync.WaitGroup
	for i, b := range all {
		plan := once(each, b.entry)
		plan.Target.URL = "ws://" + addr + b.path
		plan.Load.Rate = 400
		plan.Hold, _ = value.ParseDist("500ms")
		plan.Limits.Close, plan.Limits.Fin = 3*time.Second, 5*time.Second
		if b.class == stats.Cut && b.entry.Mode == scenario.Mute {
			plan.Limits.Close = 15 * time.Second // the target waits 5 s for an answer
		}
		runs.Go(func() { results[i], errs[i] = Run(t.Context(), plan, Options{}) })
	}
	runs.Wait()
	for i, b := range all {
		t.Run(fmt.Sprintf("%s %s%s%s on %s is %s", b.entry.Mode, b.entry.When, b.entry.Payload, b.entry.Trigger.Violate, b.path, b.class), func(t *testing.T) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			class, details := only(t, results[i])
			if class != b.class {
				t.Errorf("class %v %v: %+v", class, details, results[i].Total.Exemplars[0])
			}
			if b.detail != "" && details[b.detail] != each {
				t.Errorf("details %v, want %d of %s", details, each, b.detail)
			}
			if n := results[i].Total.InvalidState[stats.Unexplained]; n != 0 {
				t.Errorf("%d unexplained refusals", n)
			}
		})
	}
}

func TestBytesBehindACloseAreMetByAFINOrAnRST(t *testing.T) {
	addr, _ := serve(t)
	for _, p := range []scenario.Payload{scenario.PayloadTwice, scenario.PayloadPingAfter, scenario.PayloadDataAfter, scenario.PayloadBehindBig} {
		plan := once(20, bad(p))
		plan.Target.URL = "ws://" + addr + "/echo"
		plan.Hold, _ = value.ParseDist("200ms")
		res, err := Run(t.Context(), plan, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Total.Unexpected(); n != 0 {
			t.Errorf("%s: %d unexpected ends: %+v", p, n, res.Total.Exemplars)
		}
	}
}

func TestAVanishedConnectionIsHeardOfNoMore(t *testing.T) {
	addr, _ := serve(t)
	plan := once(5, of(scenario.Vanish, nil))
	plan.Target.URL = "ws://" + addr + "/echo"
	plan.Hold, _ = value.ParseDist("200ms")
	_, refused := Preflight(&plan, scenario.Shard{})
	if err := wire.CanVanish(); err != nil {
		if refused == nil || !strings.Contains(refused.Error(), err.Error()) {
			t.Errorf("a process that may not vanish was told %v, want %v", refused, err)
		}
		return
	} else if refused != nil {
		t.Fatal(refused)
	}
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if class, _ := only(t, res); class != stats.Cut {
		t.Errorf("class %v", class)
	}
	if tally := res.Tally["vanish"]; tally.Ended[EndedSilently] != 5 {
		t.Errorf("tally %+v, want 5 silent", tally)
	}
}
