package watch

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestMemoryThatGrowsInAShortLoadIsNoLeakYet(t *testing.T) {
	for warm, want := range map[time.Duration]Verdict{0: Leak, time.Minute: Leak, time.Hour: Unknown} {
		r := recording{}
		r.Warm = warm
		r.add(180, Load, func(i int) holding { return holding{rss: 50*mib + int64(i)*100_000, fds: 40 + int64(i)} })
		if got := r.Report().trend(t, "rss"); got.Verdict != want {
			t.Errorf("a load of 3 minutes, with %v to warm up: %s, %s", warm, got.Verdict, got.Reason)
		}
		if got := r.Report().trend(t, "fds"); got.Verdict != Leak {
			t.Errorf("descriptors with %v to warm up: %s, %s", warm, got.Verdict, got.Reason)
		}
	}
}

func TestMemoryThatDidNotComeBackIsNoLeakYet(t *testing.T) {
	var r recording
	r.add(5, Before, always(holding{fds: 41, rss: 15 * mib}))
	r.add(180, Load, always(holding{fds: 900, rss: 90 * mib}))
	r.add(5, After, always(holding{fds: 41, rss: 86 * mib}))
	report := r.Report()
	if back := report.back(t, "rss"); back.Verdict != Unknown || !strings.HasPrefix(back.Reason, "71 MiB of memory did not come back, which a runtime may keep") {
		t.Errorf("%s, %s", back.Verdict, back.Reason)
	}
	if report.Verdict() != None {
		t.Errorf("the whole is %s", report.Verdict())
	}
	if v := report.Values()["rss.after_settle"]; !v.Known || v.Value != 71*mib {
		t.Errorf("a rule sees %+v", v)
	}
}

func TestARuleSeesOfAGrowthWhatIsKnownOfIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r recording
	r.Warm = time.Hour
	r.add(180, Load, func(i int) holding {
		return holding{fds: 100 + rng.Int64N(9), rss: 50*mib + int64(i)*100_000}
	})
	values := r.Report().Values()
	if v := values["leak.fds.per_1000"]; !v.Known || v.Low > 0 || v.High < 0 {
		t.Errorf("noise is %+v", v)
	}
	if v := values["leak.rss.per_hour"]; !math.IsInf(v.Low, -1) || !math.IsInf(v.High, 1) || v.Value < 100*mib || !strings.Contains(v.Reason, "load for longer") {
		t.Errorf("a growth that may be a warm-up is %+v", v)
	}
}

func TestASourceThatDoesNotAnswerIsToldWithItsReasonAndNothingIsJudgedWithoutIt(t *testing.T) {
	var s Series
	for i := range 60 {
		sample := Sample{At: time.Duration(i) * time.Second, Phase: Load, Failed: 1, Err: "http://h/metrics: 503"}
		sample.Server.OK = true // only the sockets were seen
		s.Add(sample)
	}
	r := s.Report()
	if lines := strings.Join(r.Lines(1000), "\n"); !strings.Contains(lines, "60 samples in which a source did not answer; the first time: http://h/metrics: 503") || r.Verdict() != Unknown {
		t.Errorf("%s:\n%s", r.Verdict(), lines)
	}
}
