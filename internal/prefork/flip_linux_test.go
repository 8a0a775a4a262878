package prefork

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/stats"
)

func TestWhatAllProcessesRecordIsOneSummary(t *testing.T) {
	opt := options()
	opt.Measure = true
	h := serve(t, opt)
	all := h.openAll(many)
	sum := stats.NewSummary(target.Entries())
	var open uint64
	h.until("all are open", func() bool {
		var more *stats.Summary
		more, open = h.Flip(nil)
		sum.Merge(more)
		return open == many
	})
	if sum.Connections.Started != many || sum.Connections.Ended != 0 {
		t.Errorf("of %+v %d are open", sum.Connections, open)
	}
	h.closeAllOf(all)
	h.settled()
	second, open := h.Flip(nil)
	if open != 0 {
		t.Errorf("%d are open", open)
	}
	h.open(1, many) // of which the end of the server is the end
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	last, _ := h.Flip(nil)
	sum.Merge(second)
	sum.Merge(last)
	if err := sum.Conserved(); err != nil || sum.Connections.Ended != many+1 {
		t.Errorf("%+v, %v", sum.Connections, err)
	}
	if got := sum.PeakOpen(); got < many || len(sum.Peak) != procs {
		t.Errorf("the peaks are %v", sum.Peak)
	}
}

func TestConnectionsOfDifferentProcessesHaveDifferentNumbers(t *testing.T) {
	s := &Server{opt: options(), pending: stats.NewSummary(target.Entries()), changed: make(chan struct{}, 1)}
	entry := target.Entries()[0]
	for i := range procs {
		var span result.Span
		span.Exemplars = []stats.Exemplar{{Name: entry.Name, N: 7, Class: stats.PrematureRST}}
		line, err := json.Marshal(report{Span: &span})
		if err != nil {
			t.Fatal(err)
		}
		s.take(&child{index: i}, line)
	}
	seen := map[uint64]bool{}
	for _, x := range s.pending.Exemplars {
		seen[x.N] = true
	}
	if want := map[uint64]bool{21: true, 22: true, 23: true}; !maps.Equal(seen, want) || s.errs != nil {
		t.Errorf("the numbers are %v, want %v; %v", seen, want, s.errs)
	}
}

func TestWhatAProcessSaysThatCannotBeReadIsAnError(t *testing.T) {
	s := &Server{opt: options(), pending: stats.NewSummary(target.Entries()), changed: make(chan struct{}, 1)}
	s.take(&child{name: "1/3"}, []byte("panic\n"))
	if len(s.errs) != 1 || !strings.HasPrefix(s.errs[0].Error(), "process 1/3 of the server: read what it says: ") {
		t.Errorf("the errors are %v", s.errs)
	}
}

func TestAProcessThatStandsStillIsWaitedForInFlipButNotForEver(t *testing.T) {
	opt := options()
	opt.Measure = true
	h := serve(t, opt)
	h.closeAllOf(h.openAll(many))
	h.settled()
	slow := h.workers[2].Process()
	if err := slow.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.until("it stands still", func() bool { // the signal is one thread's at first
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", slow.Pid))
		return err == nil && strings.Contains(string(text), ") T ")
	})
	first, _ := h.Flip(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := ask[target.Statz](h.Server, ctx, func(int) string { return "/statz" }); err == nil || !strings.Contains(err.Error(), "ask process 3/3: ") {
		t.Errorf("asked for a sum that would be wrong: %v", err)
	}
	if err := slow.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	late, _ := h.Flip(nil)
	if n := first.Connections.Ended; n == 0 || n == many {
		t.Errorf("%d connections were told of while one process stood still", n)
	}
	if first.Merge(late); first.Connections.Ended != many {
		t.Errorf("%d connections were told of in the end, want %d", first.Connections.Ended, many)
	}
}
