package runner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/mark"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

func TestAnOpeningDialogueThatMissesIsOpenFailed(t *testing.T) {
	plan := once(4, active())
	plan.OnOpen = []scenario.Step{{Send: `{"login":{{n}}}`, Expect: "welcome", Within: time.Second}}
	answers := map[string]stats.Class{"welcome back": stats.Clean, "go away": stats.OpenFailed}
	for answer, want := range answers {
		res, err := play(t, plan, func(p *peer) {
			p.until(wire.OpText)
			p.send(wire.OpText, answer)
			well(0)(p)
		})
		if want == stats.Clean && err != nil {
			t.Fatal(err)
		}
		if class, details := only(t, res); class != want || want == stats.OpenFailed && details["on-open"] != 4 {
			t.Errorf("answer %q: class %v %v, want %v", answer, class, details, want)
		}
	}
}

func TestEchoedTrafficIsCountedAndNothingIsLost(t *testing.T) {
	plan := once(6, active())
	plan.Hold, _ = value.ParseDist("9990ms")
	plan.Traffic = scenario.Traffic{Every: time.Second, Size: 128, Expect: scenario.ExpectEcho, Ping: 3 * time.Second}
	res, err := play(t, plan, well(0))
	if err != nil {
		t.Fatal(err)
	}
	m := res.Total.Messages
	if m.Sent != 60 || m.Received != 60 || m.Lost != 0 || m.Skipped != 0 {
		t.Errorf("messages %+v, want 60 sent and received, none lost", m)
	}
}

func TestAMessageThatNeverComesBackIsLost(t *testing.T) {
	plan := once(1, active())
	plan.Hold, _ = value.ParseDist("10s")
	plan.Traffic = scenario.Traffic{Every: time.Second, Size: 128, Expect: scenario.ExpectEcho}
	res, err := play(t, plan, func(p *peer) {
		for i := 0; ; i++ {
			op, payload, err := p.frame()
			if err != nil || op == wire.OpClose {
				p.sendClose(1000)
				return
			}
			if i != 3 && i != 9 { // one in the middle, one at the end
				p.send(op, string(payload))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if m := res.Total.Messages; m.Lost != 2 {
		t.Errorf("messages %+v, want 2 lost", m)
	}
}

func TestAMessageOfAnotherConnectionIsAViolation(t *testing.T) {
	plan := once(2, active())
	plan.Traffic = scenario.Traffic{Every: 300 * time.Millisecond, Size: 128, Expect: scenario.ExpectEcho}
	synctest.Test(t, func(t *testing.T) {
		foreign := string(mark.Mark{Run: 42, N: 999}.Append(nil))
		res, err := playIn(t.Context(), t, plan, Options{RunID: 42}, func(p *peer) {
			p.until(wire.OpText)
			p.send(wire.OpText, foreign)
			well(0)(p)
		})
		if err != nil {
			t.Fatal(err)
		}
		if class, details := only(t, res); class != stats.Violation || details["rule:foreign-message"] != 2 {
			t.Errorf("class %v %v, want violations by a foreign message", class, details)
		}
	})
}

func TestAWriteStuckOnAFullWindowNeitherHangsTheCloseNorTheRun(t *testing.T) {
	plan := once(2, active())
	plan.Hold, _ = value.ParseDist("5s")
	plan.Traffic = scenario.Traffic{Every: 100 * time.Millisecond, Size: 1 << 20, Expect: scenario.ExpectAny}
	plan.Limits.Close = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		res, err := playIn(t.Context(), t, plan, Options{}, func(p *peer) { time.Sleep(time.Minute) })
		if err != nil {
			t.Fatal(err)
		}
		class, details := only(t, res)
		if class != stats.CloseTimeout || details["unsent"] != 2 {
			t.Errorf("class %v %v, want close_timeout, unsent", class, details)
		}
		if res.Total.Messages.Skipped == 0 {
			t.Error("no message was skipped though a write was stuck for seconds")
		}
		if took := time.Since(begun); took > 70*time.Second {
			t.Errorf("the run took %v", took)
		}
	})
}
