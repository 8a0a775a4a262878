//go:build !race

package runner

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/relay"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
	"github.com/wsload/wsload/stats"
)

// races reports whether the target resets behind a Close that this end answers.
// The answer may cross the RST, and a relay's kernel acknowledges for the
// server: the RST then comes in time to count, or too late, straight as through
// a relay.
func races(b bout) bool {
	return strings.HasPrefix(b.path, "/close-before-reading-reply") || strings.HasPrefix(b.path, "/reply-rst")
}

// limits are long, since a slow machine is no finding, but for what ends by them.
func limits(b bout) scenario.Limits {
	l := scenario.Limits{Dial: 20 * time.Second, Upgrade: 20 * time.Second, Close: 20 * time.Second, Fin: 20 * time.Second, Drain: time.Minute}
	if b.class == stats.CloseTimeout || b.class == stats.NoClose || b.entry.Mode == scenario.Active && strings.HasPrefix(b.path, "/no-reply") {
		l.Close = 4 * time.Second
	}
	if strings.HasPrefix(b.path, "/reply-no-fin") {
		l.Fin = 2 * time.Second
	}
	return l
}

// TestARelayWithoutAFaultIsNotSeenInAnyClass plays each path of the target and
// each mode twice, straight and through a relay.
func TestARelayWithoutAFaultIsNotSeenInAnyClass(t *testing.T) {
	addr, _ := serveBy(t, &target.Server{Reply: 10 * time.Second})
	through, err := relay.Start(t.Context(), relay.Options{Upstream: addr})
	if err != nil {
		t.Fatal(err)
	}
	all := bouts()
	for _, path := range target.Paths() {
		for _, entry := range []scenario.Close{active(), passive()} {
			all = append(all, bout{path: path + "?after=100ms", entry: entry}) // where it does something early
		}
	}
	const each = 2
	type pair [2]*Result
	results, errs := make([]pair, len(all)), make([][2]error, len(all))
	var runs sync.WaitGroup
	for i, b := range all {
		for j, to := range []string{"", through.Addr().String()} {
			plan := once(each, b.entry)
			plan.Target.URL, plan.Target.ConnectTo = "ws://"+addr+b.path, to
			plan.Load.Rate = 4
			plan.Hold, _ = value.ParseDist("1500ms") // long after what comes early
			plan.Limits = limits(b)
			time.Sleep(10 * time.Millisecond) // not all at the same moment
			runs.Go(func() { results[i][j], errs[i][j] = Run(t.Context(), plan, Options{}) })
		}
	}
	runs.Wait()
	for i, b := range all {
		t.Run(fmt.Sprintf("%s %s%s%s%s on %s", b.entry.Mode, b.entry.How, b.entry.When, b.entry.Payload, b.entry.Trigger.Violate, b.path), func(t *testing.T) {
			if errs[i] != [2]error{} {
				t.Fatal(errs[i])
			}
			if races(b) {
				if straight, class := folded(results[i][0]), folded(results[i][1]); !maps.Equal(straight, class) {
					t.Errorf("through the relay %v, straight %v: %+v", class, straight, results[i][1].Total.Exemplars)
				}
				return
			}
			straight, details := only(t, results[i][0])
			class, other := only(t, results[i][1])
			if class != straight {
				t.Errorf("through the relay %v %v, straight %v %v: %+v", class, other, straight, details, results[i][1].Total.Exemplars)
			}
			if class == straight && !maps.Equal(details, other) {
				t.Errorf("%v has the details %v through the relay, %v straight", class, other, details)
			}
		})
	}
	s := through.Stop()
	if s.Accepted != uint64(each*len(all)) || s.Refused != 0 || s.Open != 0 {
		t.Errorf("the relay's stats are %+v, want %d connections", s, each*len(all))
	}
}

// folded counts the classes of a run, those with an RST behind both Closes as
// those without.
func folded(res *Result) map[stats.Class]uint64 {
	counts := map[stats.Class]uint64{}
	for c := range stats.Class(stats.NumClasses) {
		if n := res.Total.Ended(c); n > 0 && c == stats.CleanRST {
			counts[stats.Clean] += n
		} else if n > 0 {
			counts[c] += n
		}
	}
	return counts
}
