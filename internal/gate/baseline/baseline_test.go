package baseline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/gate"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

const ms = time.Millisecond

// run makes a run of some intervals of 400 closes whose handshakes last about
// as long.
func run(name string, handshake time.Duration, timeouts int) *result.Document {
	mix := []stats.Entry{{Name: "active", Mode: "active"}}
	total, enc := stats.NewSummary(mix), new(stats.Encoder)
	d := &result.Document{
		Run: name, Complete: true, Mix: mix, Env: result.Env{OS: "linux", Arch: "amd64", CPUs: 2, GOMAXPROCS: 2, Stamps: "kernel"},
		Plan: json.RawMessage(`{"name":"` + name + `","seed":1,"target":{"url":"ws://` + name + `/"},"load":{"rate":"100/s"},"limits":{"close":"5s","fin":"1s"}}`),
	}
	for range 9 {
		s := stats.NewSummary(mix)
		for i := range 400 {
			o := stats.Outcome{Class: stats.Clean, Opened: true}
			if i < timeouts {
				o.Class = stats.CloseTimeout
			} else {
				o.Phases[stats.CloseHandshake] = stats.Sample{D: handshake + time.Duration(i)*handshake/4000, OK: true, Kernel: true}
			}
			for _, to := range []*stats.Summary{s, total} {
				to.Connections.Started++
				to.Connections.Opened++
				to.Add(&o, nil)
			}
		}
		d.Intervals = append(d.Intervals, result.NewSpan(s, enc))
	}
	d.Total = result.NewSpan(total, enc)
	return d
}

// jobs are runs that differ by up to a few percent.
func jobs(n int) (all []*result.Document) {
	for i := range n {
		all = append(all, run(fmt.Sprint("job ", i), 10*ms+time.Duration(i%4)*ms/10, 0))
	}
	return all
}

// terms are the quantiles of the default contract.
func terms() []trial.Term { return trial.DefaultContract().Terms[:2] }

func TestARunIsHeldAgainstWhatOtherJobsWere(t *testing.T) {
	edited := func(d *result.Document, edit func(*result.Document)) *result.Document {
		edit(d)
		return d
	}
	elsewhere := jobs(8)
	for _, d := range elsewhere[:3] {
		d.Env.CPUs = 64
	}
	models := jobs(8) // of which three are of before the model was kept
	for _, d := range models[3:] {
		d.Env.CPU = "Xeon"
	}
	on := func(model string) func(*result.Document) {
		return func(d *result.Document) { d.Env.CPU = model }
	}
	var noisy []*result.Document
	for i := range 8 {
		noisy = append(noisy, run(fmt.Sprint(i), 10*ms+time.Duration(i%4)*ms, 0))
	}
	for _, c := range []struct {
		name   string
		stored []*result.Document
		run    *result.Document
		want   gate.Verdict
		jobs   int
		reason string
	}{
		{"alike", jobs(8), run("new", 10*ms, 0), gate.Pass, 8, "every metric"},
		{"slower", jobs(8), run("new", 15*ms, 0), gate.Fail, 8, "close_handshake.p50: shown to be more than 3% worse"},
		{"noisy jobs", noisy, run("new", 12*ms, 0), gate.Inconclusive, 8, "neither more than 3% nor less than 10% worse is shown: jobs differ by 11%"},
		{"too few jobs to fail", jobs(7), run("new", 100*ms, 0), gate.Inconclusive, 7, "but of 7 jobs, and fewer than 8 fail nothing"},
		{"two jobs to pass", jobs(2), run("new", 1*ms, 0), gate.Pass, 2, ""},
		{"one job", jobs(1), run("new", 10*ms, 0), gate.Inconclusive, 1, "one stored job does not tell"},
		{"no job", nil, run("new", 10*ms, 0), gate.NotComparable, 0, "no stored job"},
		{"three jobs on other hosts", elsewhere, run("new", 100*ms, 0), gate.Inconclusive, 5, "but of 5 jobs"},
		{"three jobs on unknown processors", models, edited(run("new", 100*ms, 0), on("Xeon")), gate.Inconclusive, 5, "but of 5 jobs"},
		{"on an unknown processor", models, run("new", 100*ms, 0), gate.Inconclusive, 3, "but of 3 jobs"},
		{"on another processor", models, edited(run("new", 100*ms, 0), on("EPYC")), gate.NotComparable, 0, "no stored job"},
		{"itself among them", jobs(8), run("job 3", 100*ms, 0), gate.Inconclusive, 7, "but of 7 jobs"},
		{"another load", jobs(8), edited(run("new", 100*ms, 0), func(d *result.Document) {
			d.Plan = json.RawMessage(strings.Replace(string(d.Plan), "100/s", "200/s", 1))
		}), gate.NotComparable, 0, "no stored job"},
		{"cut off", jobs(8), edited(run("new", 10*ms, 0), func(d *result.Document) { d.Complete = false }), gate.NotComparable, 8, "the run is not complete"},
		{"nothing measured", jobs(8), run("new", 0, 0), gate.NotComparable, 8, "no round of the run has enough attempts"},
		{"timeouts in the tail", jobs(8), run("new", 10*ms, 20), gate.Fail, 8, "close_handshake.p99: shown"},
		{"timeouts in the tail of the jobs", []*result.Document{run("1", 10*ms, 20), run("2", 10*ms, 20)}, run("new", 10*ms, 0), gate.NotComparable, 2, "close_handshake.p99: no stored job"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "nothing measured" {
				c.run.Intervals = nil
			}
			v, err := Judge(c.stored, c.run, terms())
			if err != nil || v.Verdict != c.want || v.Jobs != c.jobs || len(v.LeftOut) != len(c.stored)-c.jobs || !strings.Contains(v.Reason, c.reason) {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// A run of the same server must rarely fail: with ten jobs the bound is that of
// a prediction, wider than that of a mean.
func TestOfEqualJobsFewFail(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	failed, passed := 0, 0
	const trials = 2000
	noTolerance := trial.Term{Metric: "x", Tolerance: 0, MustDetect: 1_000_000}
	for range trials {
		var logs []float64
		for range 10 {
			logs = append(logs, 0.2*rng.NormFloat64())
		}
		v := verdictOf(logs, math.Exp(0.2*rng.NormFloat64()), false, noTolerance, level)
		switch v.Verdict {
		case gate.Fail:
			failed++
		case gate.Pass:
			passed++
		}
	}
	// The level is 5 %: 100 of 2,000, with a standard deviation of 10.
	if failed < 60 || failed > 140 {
		t.Errorf("%d of %d equal jobs fail without a tolerance, want about %d", failed, trials, trials/20)
	}
	if passed < trials*85/100 {
		t.Errorf("%d of %d equal jobs are shown to be less than twice as slow", passed, trials)
	}
}

// By hand: of -0.1 and 0.1 the deviation is 0.1414, that of a third value from
// their mean √1.5 times as much, and Student's t with one degree of freedom has
// its 95 % point at 6.3138.
func TestTheIntervalIsThatOfAnotherJob(t *testing.T) {
	v := verdictOf([]float64{-0.1, 0.1}, 1, false, terms()[0], level)
	want := math.Exp(6.3138 * 0.1414214 * math.Sqrt(1.5))
	if math.Abs(*v.High-want) > 1e-3 || math.Abs(*v.Low-1/want) > 1e-3 || *v.Change != 1 {
		t.Errorf("%v from %v to %v, want 1 from %v to %v", *v.Change, *v.Low, *v.High, 1/want, want)
	}
}

func TestOnlyQuantilesAreHeldAgainstJobs(t *testing.T) {
	for metric, want := range map[string]string{
		"unexpected.rate":     "only quantiles are",
		"close_handshake.max": "only quantiles are",
		"close_handshak.p50":  "did you mean",
		"close_handshake.p50": "leave room between them",
	} {
		_, err := Judge(jobs(2), run("new", ms, 0), []trial.Term{{Metric: metric, Tolerance: 20, MustDetect: 10}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", metric, err, want)
		}
	}
	if _, err := Judge(jobs(2), run("new", ms, 0), nil); err == nil {
		t.Error("a verdict on nothing")
	}
}

func TestTheTextOfAVerdictNamesWhatWasLeftOut(t *testing.T) {
	stored := jobs(9)
	stored[8].Run, stored[8].Complete = "\x1b[2J", false
	v, err := Judge(stored, run("new", 15*ms, 0), terms())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := v.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FAIL against 8 jobs: close_handshake.p50: shown to be more than 3% worse than other jobs\n",
		"close_handshake.p50  10.66ms  15.75ms   +47.8%  ",
		`left out: run "\x1b[2J": it is not complete` + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
